"""A smooth estimate of a hole's content from its rim: the linear part of inpainting, for which no network is needed.

Nearly the harmonic (Laplace) fill, by one descent and ascent of a pyramid (push-pull, Gortler et al. 1996, "The
lumigraph") with a few Jacobi sweeps on each level: 15 ms instead of a linear solve.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SWEEPS = 8
"""Jacobi sweeps per level; 8 come within 2 % of the exact harmonic fill's error on FA, 2 within 8 %."""


def smooth_fill(x: Tensor, known: Tensor) -> Tensor:
    """Complete *x* where it is not known.

    Parameters
    ----------
    x
        (B, C, X, Y, Z), of any range; never read where *known* is 0.
    known
        1 or 0, (B, 1, X, Y, Z) or of x's shape, of x's dtype.

    Returns
    -------
    Tensor
        x where known, a smooth continuation elsewhere; of x's shape, and linear in x.

    Examples
    --------
    >>> x, known = torch.zeros(1, 1, 2, 2, 4), torch.ones(1, 1, 2, 2, 4)
    >>> x[..., 3], known[..., 1:3] = 1.0, 0.0
    >>> [round(v, 1) for v in smooth_fill(x, known)[0, 0, 0, 0].tolist()]
    [0.0, 0.3, 0.7, 1.0]
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
    """Estimate of the coarsest level; cells without any known voxel take the mean of the known ones."""
    mean = total.sum((2, 3, 4), keepdim=True) / share.sum((2, 3, 4), keepdim=True).clamp_min(1e-6)
    return torch.where(share > 1e-3, total / share.clamp_min(1e-3), mean)


def _neighbours(x: Tensor) -> Tensor:
    """Mean of the six neighbours of every voxel, the border repeated."""
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
