"""When is a volume an FA map of a brain? Limits and predicates for the engine and for 3D Slicer's panel.

:mod:`FAAnomalyLib.preprocessing.fa_validation` applies them to every voxel when a run begins, the panel to a sample
when a volume is chosen. Needs NumPy alone, because it is imported in Slicer's own process. What is said to the
user, and in which language, is left to the two.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

MIN_VOXELS = 8
"""Fewest voxels along an axis."""
MIN_EXTENT_MM = 48.0
"""Shortest edge of the box that holds the data; a newborn's brain is over 80 mm, slabs of 50 mm can be aligned."""
MAX_SPACING_MM = 7.0
"""Longest edge of a voxel."""
THICK_SLICE_MM = 5.0
"""Longest edge of a voxel that goes without a remark."""
MAX_FA = 1.8
"""A fitted tensor with negative eigenvalues reaches sqrt(3) and a little rounding."""
MIN_FA = -0.5
"""Below it a value is out of range, as above :data:`MAX_FA`."""
MAX_SHARE_OUT_OF_RANGE = 0.001
"""Share of the non-zero voxels that may be out of range (single failed fits)."""
MAX_SHARE_ABOVE_ONE = 0.02
"""Share of the non-zero voxels that may exceed 1 (noise at the rim of the brain)."""
MAX_SHARE_NEGATIVE = 0.01
"""Share of the non-zero voxels that may lie below -0.05 (interpolation overshoots a little)."""
MAX_SHARE_BROKEN = 0.05
"""Share of the brain that may be NaN, infinite or out of range."""
LEAST_TOP = 0.25
"""Least 99th percentile of FA in a brain: 0.65 to 1.0 in grown people, over 0.3 even before birth."""
ROUND_SCALES = (
    0.001, 0.01, 0.1, 3**0.5, 10.0, 50.0, 100.0, 200.0, 225.0, 250.0, 255.0, 256.0, 500.0, 512.0, 1000.0, 1024.0,
    2000.0, 2048.0, 4000.0, 4095.0, 4096.0, 5000.0, 8192.0, 10000.0, 16384.0, 20000.0, 32767.0, 32768.0, 65535.0,
    65536.0,
)  # fmt: skip
"""What programs multiply FA by. Maps are often cut off at FA 1, and then the largest value is the scale itself."""
SCALES = (100.0, 255.0, 1000.0, 4095.0, 10000.0, 32767.0, 65535.0)
"""Values that mean FA 1 in files of other programs, far enough apart for a guess from the bulk of the values."""
MAX_LABELS = 8
"""A volume with so few distinct values is a mask or a segmentation."""
MAX_SHARE_FLAT = 0.6
"""Share of the pairs of neighbours that may be equal in a volume of whole numbers; more is an atlas."""
USUAL_MEDIAN, USUAL_TOP = (0.1, 0.4), (0.5, 1.0)
"""Median and 99th percentile of FA in the brains of real maps."""
MIN_TOP_TO_MEDIAN = 2.2
"""The 99th percentile of FA is 3 to 5.4 times its median; that of T1-weighted images less than 2 times."""
CUT_FACE = 0.25
"""A brain tapers off; where its last slice has this share of the largest one's area, the field of view cuts it."""

# Headers and matrices lose digits: a spacing of exactly 7 mm may be stored as 7.0000001.
ROUNDING = 0.001


def has_too_few_voxels(shape: Sequence[int]) -> bool:
    """Whether an array of *shape* is shorter than :data:`MIN_VOXELS` along an axis.

    >>> has_too_few_voxels((96, 96, 7)), has_too_few_voxels((96, 96, 8))
    (True, False)
    """
    return min(shape) < MIN_VOXELS


def has_too_large_voxels(spacing_mm: np.ndarray) -> bool:
    """Whether a voxel with edges of *spacing_mm*, (3,), is longer than :data:`MAX_SPACING_MM`.

    >>> has_too_large_voxels(np.array([2.0, 2.0, 8.0])), has_too_large_voxels(np.array([5.0, 5.0, 7.000001]))
    (True, False)
    """
    return bool(spacing_mm.max() > MAX_SPACING_MM * (1 + ROUNDING))


def is_too_small(extent_mm: np.ndarray) -> bool:
    """Whether the box that holds the data, with edges of *extent_mm*, (3,), is too small for a brain.

    >>> is_too_small(np.array([140.0, 170.0, 40.0])), is_too_small(np.array([60.0, 60.0, 47.99999]))
    (True, False)
    """
    return bool(extent_mm.min() < MIN_EXTENT_MM * (1 - ROUNDING))


def looks_like_labels(data: np.ndarray, block: np.ndarray) -> bool:
    """Whether the values are those of a mask, a segmentation or an atlas.

    Parameters
    ----------
    data
        Finite values, any shape: the volume or a sample of it.
    block
        (X, Y, Z), neighbouring voxels of the same volume: the volume or a solid part of it. An atlas is
        whole-numbered as FA times 100 is, but flat inside each label, which shows only between neighbours.

    Examples
    --------
    >>> ramp = np.arange(1000.0).reshape(10, 10, 10)
    >>> looks_like_labels(ramp, ramp), looks_like_labels(ramp > 500, ramp > 500)
    (False, True)
    """
    values = data[data != 0]
    # The first values decide nearly always, and sorting few is quick.
    if np.unique(values[:20000]).size <= MAX_LABELS and np.unique(values).size <= MAX_LABELS:
        return True
    if (values != np.round(values)).any():
        return False
    flat = pairs = 0
    for axis in range(3):
        a, b = np.moveaxis(block, axis, 0)[:-1], np.moveaxis(block, axis, 0)[1:]
        both = (a != 0) & (b != 0)
        pairs += int(both.sum())
        flat += int((both & (a == b)).sum())
    return flat > MAX_SHARE_FLAT * pairs


def fa_scale(data: np.ndarray, largest: float | None = None) -> float | None:
    """The value that probably means FA 1. It is a guess: FA of a brain has no sharp upper end.

    Where the largest value is one of :data:`ROUND_SCALES`, it is that. Otherwise the 99th percentile of the positive
    values tells: 99 % of a brain's voxels lie below FA 0.65 to 1.0, so neighbouring :data:`SCALES` are not confused.

    Parameters
    ----------
    data
        Finite values, any shape.
    largest
        Of the whole volume where *data* are a sample.

    Returns
    -------
    float or None
        1 or one of :data:`ROUND_SCALES` or :data:`SCALES`; None when the values are FA at no scale.

    Examples
    --------
    >>> fa = np.linspace(0.0, 0.8, 100)
    >>> fa_scale(fa), fa_scale(1000 * fa), fa_scale(5 * fa), fa_scale(200 * np.sqrt(fa / 0.8))
    (1.0, 1000.0, None, 200.0)
    """
    positive = data[data > 0]
    top = float(np.percentile(positive, 99)) if positive.size else 0.0
    if largest is None:
        largest = float(positive.max()) if positive.size else 0.0
    exact = min(ROUND_SCALES, key=lambda scale: abs(np.log(max(largest, 1e-12) / scale)))
    is_exact = abs(exact - largest) <= 0.002 * exact and not LEAST_TOP <= top <= 1.02
    if top <= MAX_FA and not is_exact:
        return 1.0
    if (data < 0).mean() > 0.01:
        return None if top > MAX_FA else 1.0
    if is_exact and top >= 0.35 * exact:
        return exact
    return next((scale for scale in SCALES if 0.35 * scale <= top <= 1.02 * scale), None)


def is_too_low(data: np.ndarray) -> bool:
    """Whether the values are too small for FA in a brain: another unit, a diffusivity, or a scale given by mistake.

    >>> fa = np.linspace(0.0, 0.8, 100)
    >>> is_too_low(0.1 * fa), is_too_low(fa), is_too_low(np.zeros(3))
    (True, False, False)
    """
    percentiles = median_and_top(data)
    return percentiles is not None and bool(percentiles[1] < LEAST_TOP)


def out_of_range(data: np.ndarray) -> np.ndarray:
    """Where *data* cannot be FA even with noise, bool of the same shape.

    >>> out_of_range(np.array([-0.6, -0.1, 0.4, 1.3, 1.9])).tolist()
    [True, False, False, False, True]
    """
    return (data > MAX_FA) | (data < MIN_FA)


def has_too_many_high_values(data: np.ndarray) -> bool:
    """Whether more voxels are out of range or above 1 than noise and single failed fits explain.

    >>> fa = np.full(1000, 0.4)
    >>> fa[:21] = 1.1
    >>> has_too_many_high_values(fa), has_too_many_high_values(fa[10:])
    (True, False)
    """
    count = np.count_nonzero(data)
    return bool(
        out_of_range(data).sum() > MAX_SHARE_OUT_OF_RANGE * count or (data > 1.0).sum() > MAX_SHARE_ABOVE_ONE * count
    )


def has_too_many_negative_values(data: np.ndarray) -> bool:
    """Whether more voxels lie below -0.05 than interpolation explains.

    >>> fa = np.full(1000, 0.4)
    >>> fa[:11] = -0.1
    >>> has_too_many_negative_values(fa), has_too_many_negative_values(fa[5:])
    (True, False)
    """
    return bool((data < -0.05).sum() > MAX_SHARE_NEGATIVE * np.count_nonzero(data))


def is_too_broken(broken_voxels: int, brain_voxels: int) -> bool:
    """Whether more than :data:`MAX_SHARE_BROKEN` of the brain's voxels hold no usable number.

    >>> is_too_broken(51, 1000), is_too_broken(50, 1000)
    (True, False)
    """
    return broken_voxels > MAX_SHARE_BROKEN * brain_voxels


def median_and_top(data: np.ndarray) -> tuple[np.floating, np.floating] | None:
    """Median and 99th percentile of the positive values of *data*; None where there is none.

    >>> [round(float(value), 3) for value in median_and_top(np.linspace(0.0, 1.0, 101))]
    [0.505, 0.99]
    """
    values = data[data > 0]
    if not values.size:
        return None
    median, top = np.percentile(values, [50, 99])
    return median, top


def is_usual(median: float | np.floating, top: float | np.floating) -> bool:
    """Whether median and 99th percentile are those of FA in a brain (see :data:`USUAL_MEDIAN`).

    >>> is_usual(0.22, 0.71), is_usual(0.5, 0.9)
    (True, False)
    """
    return bool(USUAL_MEDIAN[0] <= median <= USUAL_MEDIAN[1] and USUAL_TOP[0] <= top <= USUAL_TOP[1])


def is_spread_like_t1(median: float | np.floating, top: float | np.floating) -> bool:
    """Whether the values are spread as in T1-weighted images, of which some pass for scaled FA.

    >>> is_spread_like_t1(550.0, 830.0), is_spread_like_t1(220.0, 710.0)
    (True, False)
    """
    return bool(top < MIN_TOP_TO_MEDIAN * median)


def cut_faces(data: np.ndarray) -> list[tuple[int | None, int | None]]:
    """Where the field of view cuts through the brain.

    Parameters
    ----------
    data
        (X, Y, Z), 0 outside the brain.

    Returns
    -------
    list of tuple
        For each axis the index of the first and of the last slice with data where it is a cut (at least
        :data:`CUT_FACE` of the largest slice's area), and None where the brain tapers off.

    Examples
    --------
    >>> x, y, z = np.ogrid[-9:10, -9:10, -9:10]
    >>> ball = x**2 + y**2 + z**2 <= 64
    >>> cut_faces(ball), cut_faces(ball[:12])
    ([(None, None), (None, None), (None, None)], [(None, 11), (None, None), (None, None)])
    """
    faces: list[tuple[int | None, int | None]] = []
    for axis in range(3):
        area = np.count_nonzero(data, axis=tuple(a for a in range(3) if a != axis))
        shown = np.flatnonzero(area)
        first, last = (
            int(shown[end]) if shown.size and area[shown[end]] > CUT_FACE * area.max() else None for end in (0, -1)
        )
        faces.append((first, last))
    return faces
