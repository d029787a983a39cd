"""What the conditional network is told: the context of the hole, the mirrored brain, the template priors."""

from __future__ import annotations

import torch
from torch import Tensor

from .push_pull_fill import smooth_fill

CONDITION_CHANNELS = 11
"""Of :func:`condition`."""

FILLED, MIRROR_DETAIL, TEMPLATE_DETAIL = 1, 5, 6
"""Channels of :func:`condition` that the linear estimate is made of."""

LINEAR_ESTIMATE = (0.02, 1.1, 0.25, 0.88)
"""Initial coefficients of the learned linear estimate: constant, fill, mirror detail, template detail. Least squares on
registered brains gave nearly the same numbers for every person."""


def condition(x: Tensor, hole: Tensor, prior_fa: Tensor, white_matter: Tensor) -> Tensor:
    """Everything that the network may know, computed on the whole model grid.

    The hidden voxels enter nowhere: the hole is filled smoothly from its context *before* the volume is mirrored, so
    that the mirror image cannot show a hole that crosses the midline. The *detail* of the template, and of the
    mirrored brain, is what the same smooth fill of the same hole misses in them; it is likely what the fill misses
    in the brain itself.

    Parameters
    ----------
    x
        FA scaled to [-1, 1], (B, 1, X, Y, Z), the brain left-right symmetric about the centre of X; never read
        inside the hole.
    hole
        1 where hidden, else 0, of x's shape and dtype.
    prior_fa
        Template FA scaled to [-1, 1]; broadcasts to (B, 1, X, Y, Z).
    white_matter
        White-matter probability of the template, 0 to 1; broadcasts to x's shape.

    Returns
    -------
    Tensor
        (B, 11, X, Y, Z): hole, filled volume, mirror image of what is known (1 or 0), mirror image of the filled
        volume, template FA, mirror detail, template detail, white matter scaled to [-1, 1], and x, y, z from -1 to 1.
    """
    known, prior_fa = 1.0 - hole, prior_fa.expand_as(x)
    filled, template_filled = smooth_fill(torch.cat([x, prior_fa], dim=1), known).chunk(2, dim=1)
    mirror = filled.flip(2)
    mirror_filled = smooth_fill(mirror, known)
    batch = x.shape[0]
    axes = [torch.linspace(-1.0, 1.0, n, dtype=x.dtype, device=x.device) for n in x.shape[2:]]
    coordinates = torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
    return torch.cat(
        [
            hole,
            filled,
            known.flip(2),
            mirror,
            prior_fa,
            mirror - mirror_filled,
            prior_fa - template_filled,
            (2.0 * white_matter - 1.0).expand_as(x),
            coordinates.expand(batch, -1, -1, -1, -1),
        ],
        dim=1,
    )


def linear_estimate(condition: Tensor, coefficients: Tensor | tuple[float, ...] = LINEAR_ESTIMATE) -> Tensor:
    """What a hole holds, from its smooth fill and the two details.

    ``constant + a fill + b mirror detail + c template detail``

    Parameters
    ----------
    condition
        From :func:`condition`, (B, 11, X, Y, Z).
    coefficients
        Four numbers in the order of :data:`LINEAR_ESTIMATE`.

    Returns
    -------
    Tensor
        FA on the [-1, 1] scale, (B, 1, X, Y, Z).
    """
    constant, fill, mirror, template = coefficients
    return (
        constant
        + fill * condition[:, FILLED : FILLED + 1]
        + mirror * condition[:, MIRROR_DETAIL : MIRROR_DETAIL + 1]
        + template * condition[:, TEMPLATE_DETAIL : TEMPLATE_DETAIL + 1]
    )
