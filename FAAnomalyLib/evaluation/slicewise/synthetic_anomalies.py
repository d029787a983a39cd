"""Synthetic anomalies for methods that need a second class: irregular patches of changed FA in healthy slices.

No spheres: planted spheres are what evaluations test with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

COARSE = 8
"""Pixels of a slice to one of the random field that the patches are cut from."""


@dataclass(frozen=True)
class AnomalyRange:
    """What synthetic anomalies are drawn from.

    Attributes
    ----------
    share
        Smallest and largest part of the slice's brain that the patches cover.
    change
        Smallest and largest change of FA, of either sign.
    """

    share: tuple[float, float] = (0.01, 0.15)
    change: tuple[float, float] = (0.1, 0.4)


def with_anomaly(pictures: Tensor, brain: Tensor, drawn: AnomalyRange, generator: torch.Generator) -> Tensor:
    """Slices with patches of changed FA, soft at their edge.

    Parameters
    ----------
    pictures
        2 FA - 1, (B, 1, X, Y).
    brain
        bool, same shape; nothing changes outside it.
    drawn
        Sizes and changes, uniform.
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
    shares = drawn.share[0] + (drawn.share[1] - drawn.share[0]) * draws[0]
    sizes = drawn.change[0] + (drawn.change[1] - drawn.change[0]) * draws[1]
    changes = torch.where(draws[2] < 0.5, -sizes, sizes)
    patches = torch.zeros_like(pictures)
    for patch, values, inside, share in zip(patches, field, brain, shares.tolist(), strict=True):
        if inside.any():
            patch[inside & (values > torch.quantile(values[inside], 1.0 - share))] = 1.0
    patches = functional.avg_pool2d(patches, 3, stride=1, padding=1) * brain
    return (pictures + 2.0 * changes.to(pictures.device)[:, None, None, None] * patches).clamp(-1.0, 1.0)
