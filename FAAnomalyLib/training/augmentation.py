"""Random relatives of an FA map: healthy variation of shape, side, gain and noise that a few people cannot show.

Shape varies in two steps. A large left-right symmetric deformation moves the subject *and* its priors: another head,
registered as well as the first, whose hemispheres still mirror each other. A small one moves the subject alone, by as
much as registration misses. (Deforming the subject alone by the large amount was tried first. It hides from the network
that the mirrored hemisphere and the priors are informative, and the network learned no more than the template tells.)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

SYMMETRIC_AFFINE = 0.04
"""Standard deviation of the entries of the shared linear map."""
SYMMETRIC_ELASTIC = ((16, 1.6), (8, 0.8))
"""Distance of the control points and largest standard deviation, in voxels, of the shared deformation."""
MISREGISTRATION_AFFINE = 0.004
MISREGISTRATION_SHIFT_VOXELS = 0.2
MISREGISTRATION_ELASTIC = ((12, 0.4),)
"""Distance of the control points and largest standard deviation, in voxels, of the subject's own deformation."""
GAIN = ((14, 0.12), (6, 0.06))
"""Distance of the control points in voxels, and largest standard deviation of the logarithm of a smooth gain."""
GLOBAL_GAIN = 0.06
"""Standard deviation of the logarithm of the gain that all voxels share."""
RICIAN = 0.04
"""Largest standard deviation of added Rician noise, FA."""
SHARPEN = 1.2
"""Largest share of its own high-pass that is added to a population average."""


@dataclass(frozen=True)
class Augmented:
    """A random relative of an FA map; all tensors are float32 (X, Y, Z).

    Attributes
    ----------
    fa, weight
        The subject: FA in [0, 1], and what an error costs.
    prior_fa, white_matter
        The priors that moved with it, in [0, 1].
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
    population_average: bool = False,
    deformation_scale: float = 1.0,
) -> Augmented:
    """Draw a random relative of an FA map.

    Parameters
    ----------
    fa, weight, prior_fa, white_matter
        Float32 (X, Y, Z), values in [0, 1]; X is left-right symmetric about the array centre.
    generator
        The only source of randomness.
    population_average
        Whether the map is an average of people, which is sharpened at random.
    deformation_scale
        Factor on the shared deformation. Training uses 1, which is more than people differ by.

    Examples
    --------
    >>> fa = torch.full((8, 10, 8), 0.4)
    >>> relative = augment(fa, torch.ones(8, 10, 8), fa, torch.ones(8, 10, 8), Generator().manual_seed(0))
    >>> relative.fa.shape, bool(relative.fa.max() <= 1.0)
    (torch.Size([8, 10, 8]), True)
    """
    if population_average:
        blurred = F.avg_pool3d(fa[None, None], 5, 1, 2, count_include_pad=False)[0, 0]
        fa = fa + SHARPEN * _uniform(generator) * (fa - blurred) * (fa > 0)
    if _uniform(generator) < 0.5:
        fa, weight, prior_fa, white_matter = (a.flip(0) for a in (fa, weight, prior_fa, white_matter))
    shape = tuple(fa.shape)
    shared = deformation_scale * _symmetric_displacement(shape, generator)
    own = shared + _misregistration(shape, generator)
    fa, weight = _warp(torch.stack([fa, weight]), own)
    prior_fa, white_matter = _warp(torch.stack([prior_fa, white_matter]), shared)
    return Augmented(_vary_intensity(fa, generator), weight, prior_fa, white_matter)


def _vary_intensity(fa: Tensor, generator: Generator) -> Tensor:
    """FA as another scanner might measure it: a smooth gain, and Rician noise."""
    shape, inside = tuple(fa.shape), fa > 0
    gain = GLOBAL_GAIN * torch.randn((), generator=generator)
    for distance, spread in GAIN:
        gain = gain + _smooth_field(shape, distance, 1, generator)[0] * (spread * _uniform(generator))
    fa = fa * torch.exp(gain)
    noise = torch.randn((2, *shape), generator=generator) * (RICIAN * _uniform(generator) ** 2)
    fa = torch.sqrt((fa + noise[0]) ** 2 + noise[1] ** 2)
    return torch.where(inside, fa, 0.0).clamp(0.0, 1.0)


def _uniform(generator: Generator) -> float:
    return float(torch.rand((), generator=generator))


def _positions(shape: tuple[int, ...]) -> Tensor:
    """Voxel positions relative to the array centre, (3, X, Y, Z)."""
    axes = [torch.linspace(-(n - 1) / 2, (n - 1) / 2, n) for n in shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def _symmetric_displacement(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """A displacement D with D(mirror v) = mirror D(v), in voxels, (3, X, Y, Z)."""
    linear = SYMMETRIC_AFFINE * torch.randn((3, 3), generator=generator)
    # Mixing x with y or z would rotate or shear the mid-sagittal plane.
    linear[0, 1:] = 0.0
    linear[1:, 0] = 0.0
    field = torch.einsum("ij,jxyz->ixyz", linear, _positions(shape))
    sign = torch.tensor([-1.0, 1.0, 1.0])[:, None, None, None]
    for distance, largest in SYMMETRIC_ELASTIC:
        smooth = _smooth_field(shape, distance, 3, generator) * (largest * _uniform(generator))
        # The mean of two independent halves would have a smaller spread; division by sqrt(2) keeps it.
        field = field + (smooth + sign * smooth.flip(1)) / 2**0.5
    return field


def _misregistration(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """The displacement that registration leaves, in voxels, (3, X, Y, Z)."""
    linear = MISREGISTRATION_AFFINE * torch.randn((3, 3), generator=generator)
    shift = MISREGISTRATION_SHIFT_VOXELS * torch.randn((3, 1, 1, 1), generator=generator)
    field = torch.einsum("ij,jxyz->ixyz", linear, _positions(shape)) + shift
    for distance, largest in MISREGISTRATION_ELASTIC:
        field = field + _smooth_field(shape, distance, 3, generator) * (largest * _uniform(generator))
    return field


def _warp(channels: Tensor, displacement: Tensor) -> Tensor:
    """Sample (C, X, Y, Z) at every voxel's position plus its displacement; zeros outside."""
    shape = tuple(channels.shape[1:])
    half = (torch.tensor(shape, dtype=torch.float32) - 1) / 2
    # grid_sample orders coordinates from the last axis to the first, and scales them to [-1, 1].
    grid = ((_positions(shape) + displacement).permute(1, 2, 3, 0) / half).flip(-1)
    return F.grid_sample(channels[None], grid[None], mode="bilinear", padding_mode="zeros", align_corners=True)[0]


def _smooth_field(shape: tuple[int, ...], distance: int, channels: int, generator: Generator) -> Tensor:
    """Standard normal values at control points *distance* voxels apart, interpolated; (channels, X, Y, Z)."""
    coarse = [n // distance + 2 for n in shape]
    values = torch.randn((1, channels, *coarse), generator=generator)
    return F.interpolate(values, size=shape, mode="trilinear", align_corners=True)[0]
