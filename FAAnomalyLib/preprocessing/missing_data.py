"""Voxels inside the brain that hold no measurement: single ones are mended, clumps are left out.

A tensor fit that failed leaves NaN or 0. What is filled in must not be judged as if it had been measured, so only gaps
are filled that are too small for a region of their own.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import bounding_box
from ..result import place
from ..volume import Volume

CLUMP_RADIUS_MM = 2.9
"""Radius of a ball of 0.1 ml, the smallest region that is reported: a gap that holds such a ball is a clump, for what
would be filled into it could make a region of its own. It also is wider than the 4.5 mm to which every map is
smoothed, so that a smaller gap has measured tissue within its own resolution."""
MOST_NAMED = 4
"""Clumps that a remark names one by one."""


def enclosed(measured: np.ndarray) -> np.ndarray:
    """Gaps, bool, from which no way across faces leads out of *measured* (bool, X, Y, Z)."""
    return ndimage.binary_fill_holes(measured) & ~measured


def clumps(gaps: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """The gaps that are too large to be mended.

    Parameters
    ----------
    gaps
        bool (X, Y, Z), voxels without a measurement.
    spacing_mm
        Edges of a voxel, (3,).

    Returns
    -------
    numpy.ndarray
        bool (X, Y, Z): every connected gap that holds a ball of :data:`CLUMP_RADIUS_MM` about the centre of a voxel.

    Examples
    --------
    >>> gaps = np.zeros((12, 12, 12), bool)
    >>> gaps[1, 1, 1] = gaps[4:9, 4:9, 4:9] = True
    >>> int(clumps(gaps, np.full(3, 2.0)).sum())
    125
    """
    found = np.zeros_like(gaps)
    if not gaps.any():
        return found
    box = bounding_box(gaps, 1)
    # Half an edge lies within the measured neighbour; the longest edge, so that one missing thick slice is no clump.
    depth = ndimage.distance_transform_edt(gaps[box], sampling=spacing_mm) - spacing_mm.max() / 2
    labels, _ = ndimage.label(gaps[box])
    deep = np.unique(labels[depth >= CLUMP_RADIUS_MM])
    found[box] = np.isin(labels, deep[deep > 0])
    return found


def fill_small_gaps(brain: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """A brain mask (bool, X, Y, Z) with its enclosed gaps, except for clumps."""
    gaps = enclosed(brain)
    return brain | (gaps & ~clumps(gaps, spacing_mm))


def fill_from_neighbours(data: np.ndarray, where: np.ndarray) -> None:
    """Replace voxels of *data* (float32, X, Y, Z) by the mean of their known neighbours, in place, layer by layer."""
    known = ~where
    while not known.all():
        weight = ndimage.uniform_filter(known.astype(np.float32), 3)
        mean = ndimage.uniform_filter(np.where(known, data, 0.0), 3) / np.maximum(weight, 1e-6)
        reach = ~known & (weight > 1e-3)
        data[reach] = mean[reach]
        known |= reach


def clump_remarks(volume: Volume, brain: np.ndarray) -> list[str]:
    """A sentence on the clumps inside a brain, with place and volume; no sentence where there is none.

    Parameters
    ----------
    volume
        The FA map, 0 where nothing was measured.
    brain
        Its brain mask without clumps, bool on the same grid.
    """
    left_out = clumps(enclosed(brain) & (volume.data == 0), volume.spacing)
    if not left_out.any():
        return []
    labels, count = ndimage.label(left_out)
    sizes = ndimage.sum_labels(left_out, labels, np.arange(1, count + 1)) * volume.voxel_ml
    named = []
    for number in np.argsort(-sizes)[:MOST_NAMED] + 1:
        middle = volume.affine @ [*np.argwhere(labels == number).mean(0), 1.0]
        x, y, z = (float(c) for c in middle[:3])
        named.append(f"{sizes[number - 1]:.1f} ml at {place((x, y, z), volume.sides_known)} mm")
    more = f" and {count - len(named)} more" if count > len(named) else ""
    return [f"inside the brain nothing was measured in {', '.join(named)}{more}; left out, neither filled nor judged"]
