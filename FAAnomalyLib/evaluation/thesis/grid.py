"""The thesis' grid: 128 cubed at 1.25 mm, along the map's own axes, without registration or smoothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ...geometry.bounding_box import bounding_box
from ...geometry.orientation import nearest_canonical
from ...request import MASK_VOXEL_MM
from ...volume import Volume

EDGE = 128
SAME_SPACING = 1e-3
"""A map of this much more or less than 1.25 mm is copied voxel by voxel."""


@dataclass(frozen=True, eq=False)
class ThesisCrop:
    """A map on the thesis' grid.

    Attributes
    ----------
    volume
        FA in [0, 1], float32 (128, 128, 128), axes to the right, anterior and superior; 0 outside the brain.
    lost
        Share of the brain's voxels that lie outside the grid, 0 to 1.
    """

    volume: Volume
    lost: float


def thesis_crop(volume: Volume, brain: np.ndarray | None = None) -> ThesisCrop:
    """Crop a map to the thesis' grid, centred on the brain's box.

    A map of 1.25 mm is copied, any other resampled linearly to 1.25 mm (the thesis has no other maps).

    Parameters
    ----------
    volume
        FA in [0, 1], any orientation.
    brain
        Brain mask, bool (X, Y, Z); None for all voxels above 0.
    """
    inside = volume.data > 0 if brain is None else brain & (volume.data > 0)
    fa = nearest_canonical(volume.with_data(np.where(inside, volume.data, 0.0).astype(np.float32)))
    step = MASK_VOXEL_MM / fa.spacing
    centre = np.array([(s.start + s.stop - 1) / 2 for s in bounding_box(fa.data)])
    start = centre - (EDGE - 1) / 2 * step
    if np.allclose(fa.spacing, MASK_VOXEL_MM, atol=SAME_SPACING):
        step, start = np.ones(3), np.rint(start)
    data = ndimage.affine_transform(fa.data, step, start, output_shape=(EDGE,) * 3, order=1, mode="constant")
    to_grid = np.diag([*step, 1.0])
    to_grid[:3, 3] = start
    cropped = Volume(np.clip(data, 0.0, 1.0).astype(np.float32), fa.affine @ to_grid)
    voxels = np.argwhere(fa.data > 0)
    low, high = start - 0.5 * step, start + (EDGE - 0.5) * step
    seen = ((voxels >= low) & (voxels <= high)).all(axis=1)
    return ThesisCrop(cropped, float(1.0 - seen.mean()) if len(voxels) else 0.0)


def back_to_native(data: np.ndarray, crop: Volume, native: Volume, order: int = 1) -> np.ndarray:
    """Sample an array of the thesis' grid at the voxels of *native*, float32; 0 outside the grid.

    *order* is that of the spline: 1 (linear) or 0 (nearest voxel).
    """
    step = np.linalg.inv(crop.affine) @ native.affine
    return ndimage.affine_transform(
        data.astype(np.float32), step[:3, :3], step[:3, 3], output_shape=native.shape, order=order, mode="constant"
    )
