"""Healthy variation that seven people cannot show: shape, side, gain, noise.

The subject is deformed, the priors are not: the network learns that they lie only roughly right.
The settings are those of a trial whose held-out error is in the model card.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

AFFINE_SPREAD = 0.04
"""Standard deviation of the entries of the linear map."""
SHIFT_VOXELS = 1.5
ELASTIC = ((16, 1.6), (7, 0.8))
"""Distance of the knots and largest displacement, in voxels."""
GAIN = ((14, 0.12), (6, 0.06))
"""Distance of the knots in voxels and spread of the logarithm of a smooth gain."""
GLOBAL_GAIN = 0.06
RICIAN = 0.05
"""Largest standard deviation of added Rician noise, FA."""
SHARPEN = 1.2
"""Largest share of its own high-pass added to a smooth (population) template."""


def augment(fa: Tensor, weight: Tensor, generator: Generator, smooth: bool = False) -> tuple[Tensor, Tensor]:
    """A random relative of a volume.

    Parameters
    ----------
    fa, weight
        (X, Y, Z); FA in [0, 1].
    generator
        The only source of randomness.
    smooth
        Whether the volume is a population average, which is sharpened at random.

    Returns
    -------
    (Tensor, Tensor)
        New FA in [0, 1] and the weight that moved with it.
    """
    if smooth:
        blurred = F.avg_pool3d(fa[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
        fa = fa + SHARPEN * _uniform(generator) * (fa - blurred) * (fa > 0)
    if _uniform(generator) < 0.5:
        fa, weight = fa.flip(0), weight.flip(0)
    grid = _deformation(tuple(fa.shape), generator)
    both = torch.stack([fa, weight])[None]
    moved = F.grid_sample(both, grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0]
    fa, weight = moved[0], moved[1]
    inside = fa > 0
    gain = GLOBAL_GAIN * torch.randn((), generator=generator)
    for knots, spread in GAIN:
        gain = gain + _smooth_field(tuple(fa.shape), knots, 1, generator)[0] * (spread * _uniform(generator))
    fa = fa * torch.exp(gain)
    sigma = RICIAN * _uniform(generator) ** 2
    noise = torch.randn((2, *fa.shape), generator=generator) * sigma
    fa = torch.sqrt((fa + noise[0]) ** 2 + noise[1] ** 2)
    return torch.where(inside, fa, 0.0).clamp(0.0, 1.0), weight


def _uniform(generator: Generator) -> float:
    return float(torch.rand((), generator=generator))


def _deformation(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """A sampling grid for ``grid_sample``: affine and smooth displacement, (1, X, Y, Z, 3)."""
    half = (torch.tensor(shape, dtype=torch.float32) - 1) / 2
    axes = [torch.linspace(-float(h), float(h), n) for h, n in zip(half, shape, strict=True)]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
    linear = torch.eye(3) + AFFINE_SPREAD * torch.randn((3, 3), generator=generator)
    shift = SHIFT_VOXELS * torch.randn(3, generator=generator)
    moved = points @ linear.T + shift
    for knots, largest in ELASTIC:
        field = _smooth_field(shape, knots, 3, generator) * (largest * _uniform(generator))
        moved = moved + field.permute(1, 2, 3, 0)
    # grid_sample counts axes from the last one, and from -1 to 1.
    return (moved / half).flip(-1)[None]


def _smooth_field(shape: tuple[int, ...], knots: int, channels: int, generator: Generator) -> Tensor:
    """Normal values at knots *knots* voxels apart, interpolated; (channels, X, Y, Z)."""
    coarse = [n // knots + 2 for n in shape]
    values = torch.randn((1, channels, *coarse), generator=generator)
    return F.interpolate(values, size=shape, mode="trilinear", align_corners=True)[0]
