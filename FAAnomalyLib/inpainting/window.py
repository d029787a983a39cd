"""The part of the model grid on which a network is run."""

from __future__ import annotations

import numpy as np
from torch import Tensor

MARGIN, RIM = 20, 2
"""Voxels of context about a hole, and of background about a brain."""


WINDOW_STEP = 8


MIN_WINDOW = (56, 64, 56)


BACKGROUND_VARIANCE = 0.01
"""Of a voxel outside the brain, FA squared."""


def network_window(brain: np.ndarray, hole: np.ndarray) -> tuple[slice, slice, slice]:
    """The part of the grid that a network is run on: the holes with a margin, no more than the brain with its rim.

    *brain* must not come from the hidden voxels.

    At least the crop that networks are trained on; multiples of :data:`WINDOW_STEP` along each axis.
    """
    window = []
    for axis, size in enumerate(hole.shape):
        others = tuple(a for a in range(3) if a != axis)
        inside = hole & brain
        holes = inside if inside.any() else hole
        brain_at, hole_at = (np.flatnonzero(mask.any(axis=others)) for mask in (brain, holes))
        if not len(brain_at):
            brain_at = hole_at
        low = max(hole_at[0] - MARGIN, brain_at[0] - RIM)
        high = min(hole_at[-1] + 1 + MARGIN, brain_at[-1] + 1 + RIM)
        width = int(min(max(-(-(high - low) // WINDOW_STEP) * WINDOW_STEP, MIN_WINDOW[axis]), size))
        start = int(np.clip((low + high - width) // 2, 0, size - width))
        window.append(slice(start, start + width))
    return tuple(window)


def _with_background(
    hole: np.ndarray, window: tuple[slice, ...], mean: Tensor, variance: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of every hole voxel; beyond the window there is no brain and FA is 0."""
    near = np.zeros(hole.shape, bool)
    near[window] = True
    near = near[hole]
    found = []
    for values, elsewhere in ((mean, 0.0), (variance, BACKGROUND_VARIANCE)):
        whole = np.full(near.shape, elsewhere, np.float32)
        whole[near] = values.float().cpu().numpy()
        found.append(whole)
    return found[0], found[1]
