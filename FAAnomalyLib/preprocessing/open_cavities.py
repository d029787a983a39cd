"""Places where a brain should be and the map shows nothing, open to the outside: resections, gaps of the mask.

A hole inside the brain is seen in the map itself (:mod:`FAAnomalyLib.preprocessing.missing_data`). One that opens to
the background is seen only by what the template, warped to the brain, expects there.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..result import place
from ..volume import Volume
from .fa_limits import cut_faces
from .missing_data import MOST_NAMED, enclosed

EXPECTED_PROBABILITY = 0.8
"""Of brain, above which it is expected: below lie folds and the brain's edge, which differ from person to person."""
DEPTH_MM = 9.0
"""How deep below the edge of the expected brain a gap must reach. Maps of healthy people hold gaps of 5 to 50 ml by the
template as it is registered, none or one by the warped one at this depth: where the signal drops out at the base."""
MIN_CAVITY_ML = 4.0
"""Smallest gap that is named."""


def cavity_remarks(
    measured: Volume, expected: np.ndarray, to_scan: np.ndarray, brain: np.ndarray, seen: np.ndarray
) -> list[str]:
    """A sentence on the gaps that open to the outside, with place and volume; no sentence where there is none.

    Parameters
    ----------
    measured
        The input, for what it says of left and right.
    expected
        Where brain is expected, bool (X, Y, Z).
    to_scan
        4x4, from voxels of that grid to the input's RAS mm. Turned and scaled in three directions it may be sheared.
    brain
        Where the input has brain, bool on that grid.
    seen
        The input's field of view, bool on that grid.
    """
    gaps = open_cavities(expected, brain, seen, np.linalg.norm(to_scan[:3, :3], axis=0))
    labels, count = ndimage.label(gaps)
    sizes = ndimage.sum_labels(gaps, labels, np.arange(1, count + 1)) * abs(np.linalg.det(to_scan[:3, :3])) / 1000
    found = [number for number in np.argsort(-sizes) + 1 if sizes[number - 1] >= MIN_CAVITY_ML]
    if not found:
        return []
    named = []
    for number in found[:MOST_NAMED]:
        x, y, z = (float(c) for c in (to_scan @ [*np.argwhere(labels == number).mean(0), 1.0])[:3])
        named.append(f"{sizes[number - 1]:.0f} ml at {place((x, y, z), measured.sides_known)} mm")
    more = f" and {len(found) - len(named)} more" if len(found) > len(named) else ""
    return [f"the map shows nothing where brain is expected in {', '.join(named)}{more}; not judged there"]


def open_cavities(expected: np.ndarray, brain: np.ndarray, seen: np.ndarray, spacing_mm: np.ndarray) -> np.ndarray:
    """Gaps in a brain that open to the outside and reach its core, bool (X, Y, Z).

    No two brains have one outline, so a gap counts only where it reaches :data:`DEPTH_MM` below the edge of the
    expected brain; then all of it within one and a half times that distance counts.

    Parameters
    ----------
    expected, brain, seen
        bool (X, Y, Z): where brain should be, where it is, what was in the field of view.
    spacing_mm
        Edges of a voxel, (3,).

    Examples
    --------
    >>> expected = np.zeros((40, 40, 40), bool)
    >>> expected[5:35, 5:35, 5:35] = True
    >>> brain = expected.copy()
    >>> brain[5:20, 10:25, 10:25] = brain[31:, 31:, 31:] = False
    >>> cavity = open_cavities(expected, brain, np.ones_like(brain), np.full(3, 2.0))
    >>> bool(cavity[7, 17, 17]), bool(cavity[33, 33, 33]), bool((cavity & brain).any())
    (True, False, False)
    """
    gaps = expected & seen & ~brain & ~enclosed(brain)
    depth = ndimage.distance_transform_edt(np.pad(expected, 1), sampling=spacing_mm)[1:-1, 1:-1, 1:-1]
    deep = gaps & (depth > DEPTH_MM)
    if not deep.any():
        return deep
    near = ndimage.distance_transform_edt(~deep, sampling=spacing_mm) <= DEPTH_MM * 1.5
    return gaps & near


def field_of_view(data: np.ndarray) -> np.ndarray:
    """What was scanned of a map (X, Y, Z): the grid without the empty slices beyond a cut through the brain."""
    box = tuple(
        slice(first or 0, n if last is None else last + 1)
        for (first, last), n in zip(cut_faces(data), data.shape, strict=True)
    )
    seen = np.zeros(data.shape, bool)
    seen[box] = True
    return seen
