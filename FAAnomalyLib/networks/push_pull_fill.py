"""A smooth guess at a hole's content from its rim: the linear part of inpainting, left to no network.

Nearly the harmonic (Laplace) fill, by one descent and ascent of a pyramid (push-pull, Gortler 1996)
with a few Jacobi sweeps on each level: 15 ms instead of a linear solve.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SWEEPS = 8
"""Per level; 8 come within 2 % of the exact harmonic fill's error on FA, 2 within 8 %."""


def smooth_fill(x: Tensor, known: Tensor) -> Tensor:
    """Complete *x* where it is not known.

    Parameters
    ----------
    x
        (B, C, X, Y, Z); never read where *known* is 0.
    known
        1 or 0, (B, 1, X, Y, Z) or of x's shape.

    Returns
    -------
    Tensor
        x where known, a smooth continuation elsewhere.  Linear in x.
    """
    known = known.expand_as(x)
    # where, not a product: 0 * NaN would carry a hidden value out.
    share, total = known, torch.where(known > 0, x, 0.0)
    levels = [(total, share)]
    while all(n % 2 == 0 for n in total.shape[2:]):
        total, share = F.avg_pool3d(total, 2), F.avg_pool3d(share, 2)
        levels.append((total, share))
    guess = _average(total, share)
    for total, share in reversed(levels[:-1]):
        guess = F.interpolate(guess, scale_factor=2, mode="trilinear", align_corners=False)
        guess = torch.addcmul(total, 1.0 - share, guess)
        for _ in range(SWEEPS):
            guess = torch.addcmul(total, 1.0 - share, _neighbours(guess))
    return guess


def _average(total: Tensor, share: Tensor) -> Tensor:
    """The coarsest level; cells without any known voxel take the mean of the known ones."""
    mean = total.sum((2, 3, 4), keepdim=True) / share.sum((2, 3, 4), keepdim=True).clamp_min(1e-6)
    return torch.where(share > 1e-3, total / share.clamp_min(1e-3), mean)


def _neighbours(x: Tensor) -> Tensor:
    """Mean of the six neighbours, the border repeated."""
    p = F.pad(x, (1,) * 6, mode="replicate")
    inner = slice(1, -1)
    return (
        p[:, :, 2:, inner, inner]
        + p[:, :, :-2, inner, inner]
        + p[:, :, inner, 2:, inner]
        + p[:, :, inner, :-2, inner]
        + p[:, :, inner, inner, 2:]
        + p[:, :, inner, inner, :-2]
    ) / 6.0
