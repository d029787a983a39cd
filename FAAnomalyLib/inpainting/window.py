"""The part of the model grid on which a network is run."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..runtime.arrays import as_array

Window = tuple[slice, slice, slice]
"""Slices along x, y and z."""
WHOLE_GRID: Window = (slice(None), slice(None), slice(None))

MARGIN = 20
"""Voxels of context about a hole."""
RIM = 2
"""Voxels of background about a brain."""
WINDOW_STEP = 8
"""Edges of a window are multiples of this, as the network's divisor asks."""
MIN_WINDOW = (56, 64, 56)
"""Voxels along x, y and z: the crop that networks are trained on."""
BACKGROUND_VARIANCE = 0.01
"""Of a voxel outside the brain, FA squared."""


def network_window(brain: np.ndarray, hole: np.ndarray) -> Window:
    """The part of the grid that a network is run on: the holes with a margin, no more than the brain with its rim.

    Parameters
    ----------
    brain
        bool (X, Y, Z). It must not come from the hidden voxels, or the window would tell what they are.
    hole
        bool (X, Y, Z), true somewhere.

    Returns
    -------
    tuple of three slices
        At least :data:`MIN_WINDOW`, in multiples of :data:`WINDOW_STEP`, as far as the grid goes.

    Examples
    --------
    >>> brain, hole = np.ones((80, 96, 80), bool), np.zeros((80, 96, 80), bool)
    >>> hole[10:20, 40:50, 60:70] = True
    >>> network_window(brain, hole)
    (slice(0, 56, None), slice(13, 77, None), slice(24, 80, None))
    """
    x, y, z = (_along(axis, brain, hole) for axis in range(3))
    return x, y, z


def _along(axis: int, brain: np.ndarray, hole: np.ndarray) -> slice:
    others = tuple(a for a in range(3) if a != axis)
    inside = hole & brain
    brain_at, hole_at = (np.flatnonzero(mask.any(axis=others)) for mask in (brain, inside if inside.any() else hole))
    if not len(brain_at):
        brain_at = hole_at
    size = hole.shape[axis]
    low = max(hole_at[0] - MARGIN, brain_at[0] - RIM)
    high = min(hole_at[-1] + 1 + MARGIN, brain_at[-1] + 1 + RIM)
    width = int(min(max(-(-(high - low) // WINDOW_STEP) * WINDOW_STEP, MIN_WINDOW[axis]), size))
    start = int(np.clip((low + high - width) // 2, 0, size - width))
    return slice(start, start + width)


def with_background(hole: np.ndarray, window: Window, mean: Tensor, variance: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of every hole voxel, float32 (V,) in C order of the hole.

    *mean* and *variance* are those of the hole's voxels within the window. Beyond it there is no brain: FA is 0, with
    :data:`BACKGROUND_VARIANCE`.
    """
    near = np.zeros(hole.shape, bool)
    near[window] = True
    near = near[hole]
    whole_mean = np.zeros(near.shape, np.float32)
    whole_variance = np.full(near.shape, BACKGROUND_VARIANCE, np.float32)
    whole_mean[near] = as_array(mean.float())
    whole_variance[near] = as_array(variance.float())
    return whole_mean, whole_variance
