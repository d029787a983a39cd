"""Affine registration by the inside of the brain alone, for maps whose rim, skull or air is bright or noisy.

Outside the brain FA is noise: high in the rim that a generous mask leaves, and high in the air of a map without a
mask. There the outline and the centre of mass tell nothing. Here no voxel outside the core of the template's brain
enters the metric. The start comes from an exhaustive search over all translations (normalised cross-correlation by
fast Fourier transforms, on a coarse grid) for a few head poses and sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from ..geometry.bounding_box import bounding_box
from ..geometry.orientation import LPS_TO_RAS
from ..io.volumes import to_itk
from ..volume import Volume
from .interruptible_itk import Check
from .itk_optimisation import ImagePair, ras_matrix, rigid_then_affine

if TYPE_CHECKING:
    import SimpleITK

CORE_MM = 6.0
"""The core of the template's brain is what lies farther than this from its edge; a noisy rim is 2 to 5 mm wide."""
POSES = ((0, 0, 0), (25, 0, 0), (-25, 0, 0), (0, 0, 25), (0, 0, -25), (0, 25, 0), (0, -25, 0))
"""Head poses of the search, degrees about x, y, z. The refinement reaches 25 degrees beyond each."""
SIZES = (0.9, 1.05)
"""Sizes of the head in the search, relative to the template."""
SEARCH_MM = 6.0
"""Edge of the search grid's voxels."""
SEARCH_SIGMA_MM = 4.0
"""Sigma of the Gaussian over both images in the search."""
MIN_OVERLAP = 0.3
"""Share of the core that must lie in the subject's data at a place of the search."""


@dataclass(frozen=True)
class _Sampled:
    """An image on the search grid, axes along the world's: values, where they are known (bool), first centre in mm."""

    values: np.ndarray
    known: np.ndarray
    first: np.ndarray


def core_of(brain: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The core of a brain, bool (X, Y, Z); see :data:`CORE_MM`."""
    # Beyond the grid lies no brain.
    depth = ndimage.distance_transform_edt(np.pad(brain, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    return depth > CORE_MM


def register_by_the_inside(
    fixed: Volume, moving: Volume, core: np.ndarray, check: Check | None = None
) -> np.ndarray | None:
    """Register an FA map to the template by the core of the template's brain.

    Parameters
    ----------
    fixed
        The template: FA in [0, 1], (X, Y, Z).
    moving
        The subject: FA in [0, 1], in RAS order, 0 where nothing was measured.
    core
        bool (X, Y, Z), of :func:`core_of`.
    check
        Called for every pose of the search and before every iteration; may raise to cancel.

    Returns
    -------
    numpy.ndarray
        4x4, template RAS mm -> subject RAS mm, whose quality is for the caller to judge; None where no place of the
        subject's data resembles the core.
    """
    measured = moving.data > 0
    # The outermost voxel is the least reliable of all.
    solid = ndimage.binary_erosion(measured)
    start = _start(fixed, moving, core, solid, check)
    if start is None:
        return None
    pair = ImagePair(
        to_itk(fixed.with_data(fixed.data.astype(np.float32))),
        to_itk(moving.with_data(moving.data.astype(np.float32))),
        to_itk(fixed.with_data(core.astype(np.uint8))),
        to_itk(moving.with_data(solid.astype(np.uint8))),
        check,
    )
    return rigid_then_affine(pair, start)[1]


def _start(
    fixed: Volume, moving: Volume, core: np.ndarray, solid: np.ndarray, check: Check | None
) -> SimpleITK.Euler3DTransform | None:
    """The pose and place of the search at which the core correlates best."""
    centre = _world(fixed.affine, np.argwhere(core).mean(axis=0))
    subject = _sampled_in_world(moving, solid)
    template = fixed.with_data(ndimage.gaussian_filter(fixed.data.astype(np.float32), SEARCH_SIGMA_MM / fixed.spacing))
    best, start = 0.0, None
    for pose in POSES:
        if check is not None:
            check()
        rigid = _turned(centre, pose)
        for size in SIZES:
            turned = _template_turned(template, core, ras_matrix(rigid)[:3, :3] * size, centre)
            height, place = _best_place(subject, turned)
            if height > best:
                rigid.SetTranslation((LPS_TO_RAS[:3, :3] @ (place - centre)).tolist())
                best, start = height, rigid
    return start


def _turned(centre: np.ndarray, pose: tuple[int, int, int]) -> SimpleITK.Euler3DTransform:
    import SimpleITK as sitk

    rigid = sitk.Euler3DTransform()
    rigid.SetCenter((LPS_TO_RAS[:3, :3] @ centre).tolist())
    rigid.SetRotation(*[float(np.radians(angle)) for angle in pose])
    return rigid


def _sampled_in_world(volume: Volume, known: np.ndarray) -> _Sampled:
    """The smoothed volume on the search grid over its whole field of view."""
    sigma = SEARCH_SIGMA_MM / volume.spacing
    weight = ndimage.gaussian_filter(known.astype(np.float32), sigma)
    mean = ndimage.gaussian_filter(np.where(known, volume.data, 0.0).astype(np.float32), sigma) / np.maximum(
        weight, 0.05
    )
    corners = np.array(np.meshgrid(*[(0.0, n - 1.0) for n in volume.shape])).reshape(3, -1).T
    corners = _world(volume.affine, corners)
    first, last = corners.min(axis=0), corners.max(axis=0)
    shape = tuple(int(n) for n in np.ceil((last - first) / SEARCH_MM) + 1)
    step = np.linalg.inv(volume.affine[:3, :3]) * SEARCH_MM
    offset = np.linalg.solve(volume.affine[:3, :3], first - volume.affine[:3, 3])
    values, share = (
        ndimage.affine_transform(array, step, offset, output_shape=shape, order=1)
        for array in (mean, known.astype(np.float32))
    )
    return _Sampled(values, share > 0.5, first)


def _template_turned(template: Volume, core: np.ndarray, linear: np.ndarray, centre: np.ndarray) -> _Sampled:
    """The template's core under *linear* about *centre*, which becomes the origin of the millimetres."""
    inside = _world(template.affine, np.argwhere(core)) - centre
    reach = int(np.ceil(np.linalg.norm(inside, axis=1).max() * 1.1 / SEARCH_MM))
    step = np.linalg.inv(template.affine[:3, :3]) @ np.linalg.inv(linear) * SEARCH_MM
    offset = np.linalg.solve(template.affine[:3, :3], centre - template.affine[:3, 3]) - step @ np.full(3, reach)
    values, share = (
        ndimage.affine_transform(array, step, offset, output_shape=(2 * reach + 1,) * 3, order=1)
        for array in (template.data, core.astype(np.float32))
    )
    box = bounding_box(share > 0.5)
    first = SEARCH_MM * (np.array([s.start for s in box]) - reach)
    return _Sampled(values[box], share[box] > 0.5, first)


def _best_place(subject: _Sampled, template: _Sampled) -> tuple[float, np.ndarray]:
    """Largest correlation over all translations, -1..1, and where it carries the template's origin, RAS mm.

    Every translation has sums of its own over the voxels that both know, each one a cross-correlation.

    References
    ----------
    Padfield, D. (2012). Masked object registration in the Fourier domain. IEEE Transactions on Image Processing 21(5),
    2706-2718.
    """
    shape = [fft.next_fast_len(a + b, True) for a, b in zip(subject.values.shape, template.values.shape, strict=True)]

    def transformed(image: _Sampled) -> list[np.ndarray]:
        known, values = image.known.astype(np.float64), np.where(image.known, image.values, 0.0).astype(np.float64)
        return [fft.rfftn(array, shape) for array in (known, values, values**2)]

    def summed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return fft.irfftn(a * np.conj(b), shape)

    (known_s, values_s, squares_s), (known_t, values_t, squares_t) = transformed(subject), transformed(template)
    count = np.maximum(summed(known_s, known_t), 1.0)
    sum_s, sum_t = summed(values_s, known_t), summed(known_s, values_t)
    covariance = summed(values_s, values_t) - sum_s * sum_t / count
    spread_s = summed(squares_s, known_t) - sum_s**2 / count
    spread_t = summed(known_s, squares_t) - sum_t**2 / count
    correlation = covariance / np.sqrt(np.maximum(spread_s, 1e-6) * np.maximum(spread_t, 1e-6))
    correlation[count < MIN_OVERLAP * template.known.sum()] = -1.0
    best = np.array(np.unravel_index(np.argmax(correlation), correlation.shape))
    shift = np.where(best < subject.values.shape, best, best - shape)
    return float(correlation.max()), subject.first + SEARCH_MM * shift - template.first


def _world(affine: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return indices @ affine[:3, :3].T + affine[:3, 3]
