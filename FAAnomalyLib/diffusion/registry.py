"""The samplers by the names that a request uses.

All are called as ``sampler(denoise, schedule, noise, generator, steps=..., on_step=...)``; those in
:data:`NEEDS_KNOWN` also take ``known=`` and ``hole=``, and ``thesis`` takes a network that predicts eps.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from .repaint import repaint, replace, thesis
from .samplers import ddim, ddpm, dpmpp_2m, mean, snr_timesteps, spaced_timesteps

__all__ = [
    "NEEDS_KNOWN",
    "SAMPLERS",
    "ddim",
    "ddpm",
    "dpmpp_2m",
    "mean",
    "repaint",
    "replace",
    "snr_timesteps",
    "spaced_timesteps",
    "thesis",
]

SAMPLERS: dict[str, Callable[..., Tensor]] = {
    "mean": mean,
    "ddpm": ddpm,
    "ddim": ddim,
    "dpm++": dpmpp_2m,
    "repaint": repaint,
    "thesis": thesis,
}

NEEDS_KNOWN = frozenset({"repaint", "thesis"})
"""Samplers for an unconditional network, which paste the known part themselves."""
