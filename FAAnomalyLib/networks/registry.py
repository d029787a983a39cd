"""The kinds of networks by the names that manifests use, with what each can do.

A new kind is one new file in :mod:`FAAnomalyLib.networks` that ends in ``register(NetworkKind(...))``: how it is
built, what it is told of a volume with a hole, and how it is evaluated. Everything else (samplers, windows, number
formats, passes) follows from what it says it can do. This file needs no PyTorch until a network is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .._discovery import import_all
from ..errors import FAError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class MaskedVolume:
    """A volume with a hole and its template, on the whole model grid: tensors (1, 1, X, Y, Z) on one device.

    Attributes
    ----------
    x
        FA scaled to [-1, 1]; 0 inside the hole.
    hole
        bool, true where hidden.
    prior_fa
        Template FA scaled to [-1, 1], registered to this brain.
    white_matter
        White-matter probability of the template, 0 to 1.
    """

    x: Tensor
    hole: Tensor
    prior_fa: Tensor
    white_matter: Tensor


@dataclass(frozen=True)
class NoiseLevel:
    """How noisy x_t is: the timestep *t* from 0, and *signal* = sqrt(alpha bar of t), 0 (pure noise) to 1."""

    t: int
    signal: float


@dataclass(frozen=True)
class NetworkKind:
    """A kind of network and what it can do.

    Attributes
    ----------
    name
        ``kind`` in the ``network`` of a manifest.
    build
        Network from the ``network`` of a manifest; ``KeyError``, ``TypeError`` or ``ValueError`` when that does not
        describe one.
    condition
        ``condition(network, volume)``: what the network is told beside x_t, (1, C, X, Y, Z) on the whole grid, or
        None. Nothing of it may come from the hidden voxels.
    evaluate
        ``evaluate(network, x_t, level, condition)``: *prediction* and, where *predicts_variance*, its log-variance,
        each of x_t's shape.
    prediction
        ``v``, ``eps`` or ``x0`` (Salimans & Ho 2022).
    objective
        Which objective of :mod:`FAAnomalyLib.training.objective` trains it.
    told_hole
        Whether it is told the hole and fills it from the context; else what is known is pasted while sampling.
    predicts_variance
        Whether the log-variance of the error of x0 (FA on [-1, 1]) comes with every prediction.
    windowed
        Whether it may be run on a part of the grid.
    estimate
        ``estimate(network, condition)``: the estimate of x0 that the network corrects, FA on [-1, 1], of x_t's shape,
        without running the network; None where there is none.
    """

    name: str
    build: Callable[[dict[str, Any]], nn.Module]
    condition: Callable[[Any, MaskedVolume], Tensor | None]
    evaluate: Callable[[Any, Tensor, NoiseLevel, Tensor | None], tuple[Tensor, Tensor | None]]
    prediction: Literal["v", "eps", "x0"]
    objective: str
    told_hole: bool = False
    predicts_variance: bool = False
    windowed: bool = False
    estimate: Callable[[Any, Any], Tensor] | None = None


_registered: dict[str, NetworkKind] = {}


def register(kind: NetworkKind) -> None:
    """Make *kind* known by its name; ``ValueError`` when another one has the name."""
    if kind.name in _registered:
        raise ValueError(f"there is already a network kind {kind.name!r}")
    _registered[kind.name] = kind


def network_kind(name: str | None) -> NetworkKind:
    """The kind of that name; raises ``FAError('missing')`` when there is none."""
    import_all(__package__)
    if name not in _registered:
        raise FAError("missing", f"Unknown network kind {name!r}", "", "Install a newer FAAnomaly")
    return _registered[name]


def build_network(config: dict[str, Any]) -> nn.Module:
    """A freshly initialised network from the ``network`` of a manifest.

    Raises ``FAError('missing')`` when that describes no network.
    """
    kind = network_kind(config.get("kind"))
    try:
        return kind.build(config)
    except (KeyError, TypeError, ValueError) as error:
        raise FAError(
            "missing",
            f"The manifest does not describe a network of kind {kind.name}",
            f"{type(error).__name__} {str(error).splitlines()[0]}",
            "Install the model again",
        ) from error
