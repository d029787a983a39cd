"""Deformable registration by local correlation: where in one image each voxel of another lies.

Greedy diffeomorphic registration: the displacement grows by small smooth steps along the gradient of the local
normalised cross-correlation, each composed with what there is (Avants et al. 2008, of which this is the one-sided
form). The correlation of a few voxels about each place asks for the same pattern and not for the same FA, so that
scanners with another FA of white matter, and smooth gains, change little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from ..runtime.arrays import as_array, as_tensor
from .interruptible_itk import Check

MIN_VARIANCE = 1e-4
"""FA squared: a neighbourhood with less shows no pattern and pulls nowhere."""
MIN_SEEN = 1e-3
"""Share of a neighbourhood that must count for its mean to be formed."""
TRUNCATE = 3.0
"""Standard deviations at which a Gaussian ends."""
MIN_FORCE = 0.02
"""Per voxel: weaker forces make steps in proportion, so that images that lie on each other stay there."""
MIN_EDGE = 8
"""Least number of voxels along an axis of a coarse level."""


@dataclass(frozen=True)
class Smoothness:
    """How a registration goes about it.

    Attributes
    ----------
    levels
        For each level the factor of its voxels over those of the images, and the number of steps.
    radius
        Of the neighbourhood, a cube of ``2 radius + 1`` voxels of the level.
    step
        Largest displacement of one step, in voxels of the level.
    step_sigma, total_sigma
        Standard deviations in voxels of the level of the Gaussians over each step and over the whole displacement
        after it: the larger, the less follows a lesion, and the more tracts are missed.
    """

    levels: tuple[tuple[int, int], ...] = ((4, 60), (2, 40), (1, 15))
    radius: int = 2
    step: float = 0.25
    step_sigma: float = 1.5
    total_sigma: float = 1.0


def register_deformable(
    fixed: np.ndarray,
    moving: np.ndarray,
    counted: np.ndarray | None = None,
    smoothness: Smoothness | None = None,
    device: torch.device | str = "cpu",
    check: Check | None = None,
) -> np.ndarray:
    """Displacement that leads from each voxel of *fixed* to its place in *moving*.

    With f the fixed and m the moved image, both less their mean over the neighbourhood N, and A = sum f m, B = sum f^2,
    C = sum m^2 over N, a step goes along ``A / (B C) (f - A / C m) grad m``, the gradient of ``A^2 / (B C)`` at the
    voxel but for a factor (equation 8 of Avants et al.).

    Parameters
    ----------
    fixed, moving
        (X, Y, Z), or (N, X, Y, Z) for N pairs at once; finite, on one isotropic grid.
    counted
        Weights in [0, 1] of the shape of *fixed*; 0 where the fixed image is not to be followed, as in lesions and
        outside the field of view. None for 1 everywhere.
    smoothness
        None for the defaults.
    device
        That of torch.
    check
        Called before every step; may raise to cancel.

    Returns
    -------
    numpy.ndarray
        (3, X, Y, Z) or (N, 3, X, Y, Z), float32, voxels: ``moving(x + u(x))`` is like ``fixed(x)``.

    Raises
    ------
    ValueError
        For shapes that do not fit each other.

    References
    ----------
    Avants, B. B., Epstein, C. L., Grossman, M., Gee, J. C. (2008). Symmetric diffeomorphic image registration with
    cross-correlation: evaluating automated labeling of elderly and neurodegenerative brain. Medical Image Analysis
    12(1), 26-41.
    """
    shapes = {np.shape(one) for one in (fixed, moving, fixed if counted is None else counted)}
    if len(shapes) != 1 or fixed.ndim not in (3, 4):
        raise ValueError(f"images of one shape with three or four axes are needed, not {sorted(shapes)}")
    settings = smoothness or Smoothness()
    pair = (_images(fixed, device), _images(moving, device))
    weight = torch.ones_like(pair[0]) if counted is None else _images(counted, device)
    total: torch.Tensor | None = None
    for factor, steps in settings.levels:
        share = _coarser(weight, factor)
        # What does not count must not be seen through the blur of its surroundings either.
        target = _coarser(pair[0] * weight, factor) / share.clamp(min=MIN_SEEN)
        total = _carried_over(total, target)
        total = _climb(target, _coarser(pair[1], factor), share, total, steps, settings, check)
    assert total is not None, "there are no levels"
    whole = as_array(_carried_over(total, pair[0]))
    return whole if fixed.ndim == 4 else whole[0]


def warped(images: np.ndarray, displacement: np.ndarray, device: torch.device | str = "cpu") -> np.ndarray:
    """Each of the images at ``x + u(x)``, by linear interpolation; beyond the edge the outermost voxel counts.

    Parameters
    ----------
    images
        (C, X, Y, Z), float32.
    displacement
        (3, X, Y, Z), voxels.

    Returns
    -------
    numpy.ndarray
        float32, (C, X, Y, Z).
    """
    source = as_tensor(np.ascontiguousarray(images, np.float32)).to(device)[None]
    step = as_tensor(np.ascontiguousarray(displacement, np.float32)).to(device)[None]
    return as_array(_sampled(source, _places(step) + step)[0])


def inverse(displacement: np.ndarray, iterations: int = 8) -> np.ndarray:
    """The displacement that leads back: ``v(y) = -u(y + v(y))`` by fixed-point iteration.

    Parameters
    ----------
    displacement
        (3, X, Y, Z), voxels: smooth, and without folds.
    iterations
        Each takes away most of the error that is left.

    Returns
    -------
    numpy.ndarray
        (3, X, Y, Z), float32, voxels.

    References
    ----------
    Chen et al., A simple fixed-point approach to invert a deformation field, Medical Physics 35:81, 2008.
    """
    back = -displacement
    for _ in range(iterations):
        back = -warped(displacement, back)
    return back


def _images(array: np.ndarray, device: torch.device | str) -> torch.Tensor:
    """(N, 1, X, Y, Z)."""
    tensor = as_tensor(np.ascontiguousarray(array, np.float32)).to(device)
    return tensor.reshape(-1, 1, *tensor.shape[-3:])


def _coarser(image: torch.Tensor, factor: int) -> torch.Tensor:
    if factor == 1:
        return image
    shape = [max(MIN_EDGE, round(n / factor)) for n in image.shape[2:]]
    return _resized(_gaussian(image, 0.5 * factor), shape)


def _resized(image: torch.Tensor, shape: list[int]) -> torch.Tensor:
    return functional.interpolate(image, size=shape, mode="trilinear", align_corners=True)


def _carried_over(displacement: torch.Tensor | None, image: torch.Tensor) -> torch.Tensor:
    """The displacement on the grid of *image*, in its voxels; 0 where there is none yet."""
    shape = list(image.shape[2:])
    if displacement is None:
        return image.new_zeros((image.shape[0], 3, *shape))
    old = list(displacement.shape[2:])
    if old == shape:
        return displacement
    finer = image.new_tensor([(new - 1) / (before - 1) for new, before in zip(shape, old, strict=True)])
    return _resized(displacement, shape) * finer.view(1, 3, 1, 1, 1)


def _climb(
    fixed: torch.Tensor,
    moving: torch.Tensor,
    weight: torch.Tensor,
    total: torch.Tensor,
    steps: int,
    settings: Smoothness,
    check: Check | None,
) -> torch.Tensor:
    """The displacement after *steps* steps on one level; all tensors (N, C, X, Y, Z)."""
    places, neighbourhood = _places(total), _Neighbourhood(weight, settings.radius)
    mean, power = neighbourhood.means(fixed, fixed * fixed)
    fixed_power = power - mean * mean
    for _ in range(steps):
        if check is not None:
            check()
        moved = _sampled(moving, places + total)
        moved_mean, moved_square, product = neighbourhood.means(moved, moved * moved, moved * fixed)
        moved_power, common = moved_square - moved_mean * moved_mean, product - moved_mean * mean
        pattern = (fixed_power > MIN_VARIANCE) & (moved_power > MIN_VARIANCE)
        slope = common / moved_power.clamp(min=MIN_VARIANCE)
        pull = slope / fixed_power.clamp(min=MIN_VARIANCE) * (fixed - mean - slope * (moved - moved_mean))
        force = _gaussian(torch.where(pattern, pull, 0.0) * weight * _gradient(moved), settings.step_sigma)
        largest = force.square().sum(1).flatten(1).amax(1).sqrt().clamp(min=MIN_FORCE)
        step = force * (settings.step / largest).view(-1, 1, 1, 1, 1)
        total = _gaussian(_sampled(total, places + step) + step, settings.total_sigma)
    return total


class _Neighbourhood:
    """Weighted means over the cube about each voxel; *weight* is (N, 1, X, Y, Z)."""

    def __init__(self, weight: torch.Tensor, radius: int) -> None:
        self._weight = weight
        self._kernel = np.full(2 * radius + 1, 1.0 / (2 * radius + 1))
        self._share = _convolved(weight, self._kernel).clamp(min=MIN_SEEN)

    def means(self, *images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The mean of each image, (N, 1, X, Y, Z)."""
        together = torch.cat([image * self._weight for image in images], 1)
        return (_convolved(together, self._kernel) / self._share).split(1, 1)


def _places(like: torch.Tensor) -> torch.Tensor:
    """Voxel coordinates, (1, 3, X, Y, Z)."""
    axes = [torch.arange(n, dtype=like.dtype, device=like.device) for n in like.shape[2:]]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]


def _sampled(images: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Images (N, C, X, Y, Z) at voxel coordinates (N, 3, X, Y, Z)."""
    last = places.new_tensor(images.shape[2:]).view(1, 3, 1, 1, 1) - 1
    # torch counts the last axis first, from -1 to 1.
    relative = (places * (2.0 / last) - 1.0).flip(1).permute(0, 2, 3, 4, 1)
    return functional.grid_sample(images, relative, mode="bilinear", padding_mode="border", align_corners=True)


def _gradient(image: torch.Tensor) -> torch.Tensor:
    """Central differences of (N, 1, X, Y, Z), (N, 3, X, Y, Z)."""
    return torch.stack(torch.gradient(image[:, 0], dim=(1, 2, 3)), 1)


def _gaussian(image: torch.Tensor, sigma: float) -> torch.Tensor:
    if sigma <= 0:
        return image
    reach = int(np.ceil(TRUNCATE * sigma))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    return _convolved(image, kernel / kernel.sum())


def _convolved(image: torch.Tensor, kernel: np.ndarray) -> torch.Tensor:
    """(N, C, X, Y, Z) under a symmetric kernel along each axis; beyond the edge the outermost voxel counts.

    Sums of shifted images: torch's convolution of one channel takes fifteen times as long on a processor.
    """
    reach = len(kernel) // 2
    for axis in (2, 3, 4):
        n, pad = image.shape[axis], [0] * 6
        pad[2 * (4 - axis)] = pad[2 * (4 - axis) + 1] = reach
        wide = functional.pad(image, pad, mode="replicate")
        image = wide.narrow(axis, reach, n) * float(kernel[reach])
        for j in range(1, reach + 1):
            for start in (reach - j, reach + j):
                image.add_(wide.narrow(axis, start, n), alpha=float(kernel[reach + j]))
    return image
