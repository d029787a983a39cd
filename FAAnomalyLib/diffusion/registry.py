"""The samplers by the names that a request uses, with what each can do.

A new sampler is one new file in :mod:`FAAnomalyLib.diffusion.samplers` that ends in ``register(Sampler(...))``. The
command line and 3D Slicer list the samplers in processes without PyTorch, so that neither this file nor a sampler's
may import it when it is imported; :mod:`.stepping` has what a sampler needs of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._discovery import import_all

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Sampler:
    """A sampler and what it can do.

    Attributes
    ----------
    name
        What ``--sampler`` calls it.
    function
        Called as ``function(denoise, schedule, noise, generator, steps=..., on_step=...)``, with ``known=`` and
        ``hole=`` where *needs_known*; returns the picture, of noise's shape.
    default_steps
        Steps of a request that names none.
    max_steps
        Most steps that it takes; more are an error of the request.
    stochastic
        Whether the result is a random draw from the posterior, which another seed changes. False for one that
        returns the posterior mean.
    needs_known
        Whether it pastes the known voxels into the sample itself, so that it serves a network that is not told of
        holes.
    needs_eps
        Whether *denoise* must predict the noise eps, not the clean picture x0.
    pasting
        The form that takes ``known=`` and ``hole=``, for networks that are not told of holes; ``None`` where there
        is none, or where *function* is it already.
    """

    name: str
    function: Callable[..., Tensor]
    default_steps: int
    max_steps: int = 1000
    stochastic: bool = True
    needs_known: bool = False
    needs_eps: bool = False
    pasting: Callable[..., Tensor] | None = None


_registered: dict[str, Sampler] = {}


def register(sampler: Sampler) -> None:
    """Make *sampler* known by its name; ``ValueError`` when another one has the name."""
    if sampler.name in _registered:
        raise ValueError(f"there is already a sampler {sampler.name!r}")
    _registered[sampler.name] = sampler


def samplers() -> dict[str, Sampler]:
    """All samplers by name: those for networks that are told of holes first, each group by its default steps.

    Examples
    --------
    >>> list(samplers())
    ['mean', 'dpm++', 'ddim', 'ddpm', 'repaint', 'thesis']
    >>> samplers()["ddim"].default_steps
    25
    """
    import_all(f"{__package__}.samplers")
    ordered = sorted(_registered.values(), key=lambda one: (one.needs_known, one.default_steps, one.name))
    return {sampler.name: sampler for sampler in ordered}
