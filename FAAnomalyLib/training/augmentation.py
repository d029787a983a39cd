"""Healthy variation that seven people cannot show: shape, side, gain, noise.

Shape varies in two steps.  A large left-right symmetric deformation moves the subject *and* its
priors: another head, registered as well as before, whose hemispheres still mirror each other.  A
small one moves the subject alone, by as much as registration misses.  (Deforming the subject
alone by the large amount was tried first: it hides from the network that the mirrored hemisphere
and the priors are worth looking at, and it learned no more than the template knows.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

SYMMETRIC_AFFINE = 0.04
"""Standard deviation of the entries of the shared linear map."""
SYMMETRIC_ELASTIC = ((16, 1.6), (8, 0.8))
"""Distance of the knots and largest standard deviation, in voxels, of the shared deformation."""
OWN_AFFINE = 0.004
OWN_SHIFT_VOXELS = 0.2
OWN_ELASTIC = ((12, 0.4),)
"""The subject's own misregistration."""
GAIN = ((14, 0.12), (6, 0.06))
"""Distance of the knots in voxels and largest spread of the logarithm of a smooth gain."""
GLOBAL_GAIN = 0.06
RICIAN = 0.04
"""Largest standard deviation of added Rician noise, FA."""
SHARPEN = 1.2
"""Largest share of its own high-pass added to a smooth (population) template."""


@dataclass(frozen=True)
class Augmented:
    """A random relative of a volume; all (X, Y, Z).

    Attributes
    ----------
    fa, weight
        The subject: FA in [0, 1] and what an error costs.
    prior_fa, white_matter
        The priors that moved with it.
    """

    fa: Tensor
    weight: Tensor
    prior_fa: Tensor
    white_matter: Tensor


def augment(
    fa: Tensor,
    weight: Tensor,
    prior_fa: Tensor,
    white_matter: Tensor,
    generator: Generator,
    smooth: bool = False,
    unlike: float = 1.0,
) -> Augmented:
    """Draw a random relative of a volume.

    Parameters
    ----------
    fa, weight, prior_fa, white_matter
        (X, Y, Z); FA in [0, 1], X left-right symmetric about the array centre.
    generator
        The only source of randomness.
    smooth
        Whether the volume is a population average, which is sharpened at random.
    unlike
        How far the shape departs from the volume's: a factor on the shared deformation. Training makes it larger than
        people differ.
    """
    if smooth:
        blurred = F.avg_pool3d(fa[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
        fa = fa + SHARPEN * _uniform(generator) * (fa - blurred) * (fa > 0)
    if _uniform(generator) < 0.5:
        fa, weight, prior_fa, white_matter = (a.flip(0) for a in (fa, weight, prior_fa, white_matter))
    shape = tuple(fa.shape)
    shared = unlike * _symmetric_displacement(shape, generator)
    own = shared + _own_displacement(shape, generator)
    fa, weight = _warp(torch.stack([fa, weight]), own)
    prior_fa, white_matter = _warp(torch.stack([prior_fa, white_matter]), shared)
    return Augmented(_other_scanner(fa, generator), weight, prior_fa, white_matter)


def _other_scanner(fa: Tensor, generator: Generator) -> Tensor:
    """Smooth gain and Rician noise."""
    shape, inside = tuple(fa.shape), fa > 0
    gain = GLOBAL_GAIN * torch.randn((), generator=generator)
    for knots, spread in GAIN:
        gain = gain + _smooth_field(shape, knots, 1, generator)[0] * (spread * _uniform(generator))
    fa = fa * torch.exp(gain)
    noise = torch.randn((2, *shape), generator=generator) * (RICIAN * _uniform(generator) ** 2)
    fa = torch.sqrt((fa + noise[0]) ** 2 + noise[1] ** 2)
    return torch.where(inside, fa, 0.0).clamp(0.0, 1.0)


def _uniform(generator: Generator) -> float:
    return float(torch.rand((), generator=generator))


def _positions(shape: tuple[int, ...]) -> Tensor:
    """Voxel positions from the array centre, (3, X, Y, Z)."""
    axes = [torch.linspace(-(n - 1) / 2, (n - 1) / 2, n) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def _symmetric_displacement(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """A displacement D with D(mirror v) = mirror D(v), (3, X, Y, Z) in voxels."""
    linear = SYMMETRIC_AFFINE * torch.randn((3, 3), generator=generator)
    # x must not mix with y and z: that would rotate or shear the mid-plane.
    linear[0, 1:] = 0.0
    linear[1:, 0] = 0.0
    field = torch.einsum("ij,jxyz->ixyz", linear, _positions(shape))
    sign = torch.tensor([-1.0, 1.0, 1.0])[:, None, None, None]
    for knots, largest in SYMMETRIC_ELASTIC:
        smooth = _smooth_field(shape, knots, 3, generator) * (largest * _uniform(generator))
        # The mean of two independent halves would shrink; sqrt(2) keeps the spread.
        field = field + (smooth + sign * smooth.flip(1)) / 2**0.5
    return field


def _own_displacement(shape: tuple[int, ...], generator: Generator) -> Tensor:
    linear = OWN_AFFINE * torch.randn((3, 3), generator=generator)
    shift = OWN_SHIFT_VOXELS * torch.randn((3, 1, 1, 1), generator=generator)
    field = torch.einsum("ij,jxyz->ixyz", linear, _positions(shape)) + shift
    for knots, largest in OWN_ELASTIC:
        field = field + _smooth_field(shape, knots, 3, generator) * (largest * _uniform(generator))
    return field


def _warp(channels: Tensor, displacement: Tensor) -> Tensor:
    """Sample (C, X, Y, Z) at every voxel's position plus its displacement; zeros outside."""
    shape = tuple(channels.shape[1:])
    half = (torch.tensor(shape, dtype=torch.float32) - 1) / 2
    # grid_sample counts axes from the last one, and from -1 to 1.
    grid = ((_positions(shape) + displacement).permute(1, 2, 3, 0) / half).flip(-1)
    return F.grid_sample(channels[None], grid[None], mode="bilinear", padding_mode="zeros", align_corners=True)[0]


def _smooth_field(shape: tuple[int, ...], knots: int, channels: int, generator: Generator) -> Tensor:
    """Normal values at knots *knots* voxels apart, interpolated; (channels, X, Y, Z)."""
    coarse = [n // knots + 2 for n in shape]
    values = torch.randn((1, channels, *coarse), generator=generator)
    return F.interpolate(values, size=shape, mode="trilinear", align_corners=True)[0]
