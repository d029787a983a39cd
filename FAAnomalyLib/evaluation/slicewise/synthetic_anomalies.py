"""Synthetic anomalies for methods that need a second class: irregular patches of changed FA in healthy slices.

No spheres: planted spheres are what evaluations test with.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

COARSE = 8
"""Pixels of a slice to one of the random field that the patches are cut from."""
SHARE = (0.01, 0.15)
"""Part of the slice's brain that the patches cover."""
CHANGE = (0.1, 0.4)
"""Change of FA, of either sign."""


def with_anomaly(pictures: Tensor, brain: Tensor, generator: torch.Generator) -> Tensor:
    """Slices with patches of changed FA, soft at their edge.

    Parameters
    ----------
    pictures
        2 FA - 1, (B, 1, X, Y).
    brain
        bool, same shape; nothing changes outside it.
    generator
        On the CPU.

    Returns
    -------
    Tensor
        (B, 1, X, Y), in [-1, 1].
    """
    coarse = [max(size // COARSE, 2) for size in pictures.shape[2:]]
    field = torch.randn((len(pictures), 1, *coarse), generator=generator)
    field = functional.interpolate(field, pictures.shape[2:], mode="bicubic", align_corners=False).to(pictures.device)
    draws = torch.rand((3, len(pictures)), generator=generator)
    shares = SHARE[0] + (SHARE[1] - SHARE[0]) * draws[0]
    changes = (CHANGE[0] + (CHANGE[1] - CHANGE[0]) * draws[1]) * torch.where(draws[2] < 0.5, -1.0, 1.0)
    patches = torch.zeros_like(pictures)
    for patch, values, inside, share in zip(patches, field, brain, shares.tolist(), strict=True):
        if inside.any():
            patch[inside & (values > torch.quantile(values[inside], 1.0 - share))] = 1.0
    patches = functional.avg_pool2d(patches, 3, stride=1, padding=1) * brain
    return (pictures + 2.0 * changes.to(pictures.device)[:, None, None, None] * patches).clamp(-1.0, 1.0)
