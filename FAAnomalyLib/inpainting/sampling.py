"""How holes are filled, as a value, and which samplers a kind of network can be sampled with."""

from __future__ import annotations

from dataclasses import dataclass

from ..diffusion.registry import Sampler, samplers
from ..networks.registry import NetworkKind
from ..request import DetectRequest


@dataclass(frozen=True)
class Sampling:
    """How a hole is filled: the request's ``sampler``, ``steps``, ``samples``, ``seed`` and ``noise``.

    Attributes
    ----------
    sampler
        Name of a registered sampler.
    steps
        Steps of the sampler, at least 1.
    samples
        Draws that are averaged, at least 1.
    seed
        Seed of every random draw, from 0.
    noise
        One of :data:`FAAnomalyLib.diffusion.noise.NOISES`: what the sampler starts from and adds.
    """

    sampler: str = "mean"
    steps: int = 1
    samples: int = 1
    seed: int = 0
    noise: str = "gaussian"

    @classmethod
    def of_request(cls, request: DetectRequest) -> Sampling:
        """What a request asks for."""
        return cls(request.sampler, request.steps_used, request.samples, request.seed, request.noise)


def fits(sampler: Sampler, kind: NetworkKind) -> bool:
    """Whether networks of *kind* can be sampled with *sampler*.

    One that is not told of holes needs a sampler that pastes the known voxels. Some samplers need eps, which only a
    network that predicts it has at every noise level.
    """
    pastes = sampler.needs_known or sampler.pasting is not None
    return (kind.told_hole or pastes) and (kind.prediction == "eps" or not sampler.needs_eps)


def fitting_samplers(kind: NetworkKind) -> dict[str, Sampler]:
    """The samplers by name that networks of *kind* can be sampled with.

    Examples
    --------
    >>> from FAAnomalyLib.networks.registry import network_kind
    >>> list(fitting_samplers(network_kind("inpainter")))
    ['mean', 'dpm++', 'ddim', 'ddpm', 'repaint']
    >>> list(fitting_samplers(network_kind("thesis")))
    ['dpm++', 'ddim', 'ddpm', 'repaint', 'thesis']
    """
    return {name: sampler for name, sampler in samplers().items() if fits(sampler, kind)}
