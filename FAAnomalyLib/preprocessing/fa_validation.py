"""From whatever a file held to a clean FA map, or one clear reason why it is none.

Values that every FA fit produces now and then (NaN, slightly below 0, above 1 at the rim) are
repaired and said; what cannot be FA is refused with the likely cause.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..errors import FAError
from ..geometry.bounding_box import bounding_box
from ..volume import Volume

MIN_VOXELS = 16
"""Fewest voxels along an axis."""
MIN_EXTENT_MM = 60.0
"""Shortest edge of the box that holds the data; a newborn's brain is over 80 mm."""
MAX_SPACING_MM = 5.0
MAX_FA = 1.8
"""A fitted tensor with negative eigenvalues reaches sqrt(3) and a little rounding."""
MAX_ABOVE_ONE = 0.02
"""Share of the non-zero voxels that may exceed 1 (noise at the rim of the brain)."""
MAX_WILD = 0.001
"""Share of the non-zero voxels that may be far out of range (single failed fits)."""
MAX_BROKEN = 0.05
"""Share of the brain that may be NaN or infinite."""
SCALES = (100.0, 255.0, 1000.0, 4095.0, 10000.0, 32767.0, 65535.0)
"""Values that mean FA 1 in files of other programs."""

OTHER_FILE = "Choose the fractional anisotropy map"


def validate_fa(volume: Volume, scale: None | str | float = None) -> tuple[Volume, list[str]]:
    """Turn *volume* into a clean FA map in the same place.

    Parameters
    ----------
    volume
        Any 3D volume, indexed (x, y, z), with its affine to RAS mm. It is not changed.
    scale
        The value that means FA 1: a positive number, ``'auto'`` to find it, ``None`` for 1.

    Returns
    -------
    tuple
        The map (float32, finite, in [0, 1]) and remarks for the user, one sentence each.

    Raises ``FAError('bad-input')`` when it cannot be an FA map of a brain.
    """
    _check_grid(volume)
    data = volume.data.astype(np.float32)
    finite = np.isfinite(data)
    if not finite.any():
        raise FAError("bad-input", "The volume holds no numbers", "every voxel is NaN or infinite", OTHER_FILE)
    data[~finite] = 0.0
    _check_content(data, finite, volume)
    remarks: list[str] = []
    data /= np.float32(_scale(data, scale, remarks))
    wild = _check_range(data)
    data[wild] = 0.0
    _mend(data, finite, wild, remarks)
    _clip(data, remarks)
    remarks += _doubts(data)
    return volume.with_data(data), remarks


def validate_brain_mask(mask: Volume, volume: Volume) -> np.ndarray:
    """*mask* as a bool array (X, Y, Z) in the grid of *volume*; a voxel counts when it is above 0.5.

    Raises ``FAError('bad-input')`` when the mask has another shape or place, or leaves nothing to judge.
    """
    fix = "Give a mask in the FA map's own grid"
    if mask.shape != volume.shape:
        raise FAError(
            "bad-input",
            "The brain mask does not fit the FA map",
            f"it has {_by(mask.shape)} voxels, the map {_by(volume.shape)}",
            fix,
        )
    if not mask.same_geometry(volume, tolerance_mm=0.1 * float(volume.spacing.min())):
        raise FAError(
            "bad-input",
            "The brain mask does not fit the FA map",
            "it lies in another place or is turned or mirrored",
            fix,
        )
    brain = np.nan_to_num(mask.data.astype(np.float32), nan=0.0) > 0.5
    if not brain.any():
        raise FAError("bad-input", "The brain mask is empty", "no voxel is above 0.5", "Give another mask")
    if not np.any(volume.data[brain]):
        raise FAError(
            "bad-input",
            "The brain mask misses the brain",
            "the FA map is zero in all of it",
            "Give the mask of this FA map",
        )
    return brain


def _check_grid(volume: Volume) -> None:
    if volume.data.dtype.kind not in "biuf":
        raise FAError(
            "bad-input",
            "The volume does not hold one plain number per voxel",
            f"its type is {volume.data.dtype}",
            OTHER_FILE,
        )
    if min(volume.shape) < MIN_VOXELS:
        raise FAError(
            "bad-input",
            "The volume is too small to hold a brain",
            f"it has {_by(volume.shape)} voxels, at least {MIN_VOXELS} along each axis are needed",
            "Choose a whole-brain FA map",
        )
    if volume.spacing.max() > MAX_SPACING_MM * 1.001:
        raise FAError(
            "bad-input",
            "The voxels are too large",
            f"they measure {_by(volume.spacing.round(2))} mm, at most {MAX_SPACING_MM:g} mm can be judged",
            "Choose an FA map of higher resolution",
        )


def _check_content(data: np.ndarray, finite: np.ndarray, volume: Volume) -> None:
    low, high = float(data[finite].min()), float(data[finite].max())
    if low == high:
        raise FAError(
            "bad-input",
            "The volume is empty" if high == 0 else "The volume is constant",
            f"every number in it is {high:g}",
            OTHER_FILE,
        )
    if _is_labels(data):
        raise FAError(
            "bad-input", "This is not an FA map", "it looks like a mask or labels, with few distinct values", OTHER_FILE
        )
    extent = np.array([s.stop - s.start for s in bounding_box(data != 0)]) * volume.spacing
    if extent.min() < MIN_EXTENT_MM * 0.999:
        raise FAError(
            "bad-input",
            "The volume is too small to hold a brain",
            f"its data span {_by(extent.round())} mm, at least {MIN_EXTENT_MM:g} mm are needed",
            "Choose a whole-brain FA map",
        )


def _is_labels(data: np.ndarray) -> bool:
    values = np.unique(data[data != 0])
    if values.size <= 8:
        return True
    if (values != np.round(values)).any():
        return False
    # An atlas is whole-numbered as FA times 100 is, but flat inside each label.
    flat = pairs = 0
    for axis in range(3):
        a, b = np.moveaxis(data, axis, 0)[:-1], np.moveaxis(data, axis, 0)[1:]
        both = (a != 0) & (b != 0)
        pairs += int(both.sum())
        flat += int((both & (a == b)).sum())
    return flat > 0.6 * pairs


def _scale(data: np.ndarray, scale: None | str | float, remarks: list[str]) -> float:
    if scale not in (None, "auto"):
        if isinstance(scale, (str, bool)) or not 0 < scale < np.inf:
            raise FAError(
                "bad-request",
                f"Scale {scale!r} is neither 'auto' nor a positive number",
                "",
                "Give the value that means FA 1, for instance 1000",
            )
        remarks.append(f"values were divided by {scale:g}")
        return float(scale)
    positive = data[data > 0]
    high = float(np.percentile(positive, 99)) if positive.size else 0.0
    if high <= MAX_FA:
        return 1.0
    # 99 % of a brain's voxels lie below FA 0.65 to 1.0, so neighbouring scales cannot be confused.
    found = next((s for s in SCALES if 0.35 * s <= high <= 1.02 * s), None)
    if found is None or (data < 0).mean() > 0.01:
        raise _not_fa(data, "If it is FA in other units, say with --scale which value means 1")
    if scale is None:
        raise FAError(
            "bad-input",
            "The values are not FA from 0 to 1",
            f"it looks like FA times {found:g}",
            f"Run again with --scale {found:g}",
        )
    remarks.append(f"values look like FA times {found:g} and were divided by it")
    return found


def _check_range(data: np.ndarray) -> np.ndarray:
    wild = (data > MAX_FA) | (data < -0.5)
    count = np.count_nonzero(data)
    if wild.sum() > MAX_WILD * count or (data > 1.0).sum() > MAX_ABOVE_ONE * count:
        raise _not_fa(data, f"{OTHER_FILE}, or say with --scale which value means FA 1")
    if (data < -0.05).sum() > 0.01 * count:
        raise _not_fa(data, OTHER_FILE)
    return wild


def _mend(data: np.ndarray, finite: np.ndarray, wild: np.ndarray, remarks: list[str]) -> None:
    """Fill broken voxels of the brain from their neighbours, in place; outside they stay 0."""
    broken = ~finite | wild
    if not broken.any():
        return
    solid = np.pad((data != 0) & ~broken, 2)
    solid = ndimage.binary_fill_holes(ndimage.binary_closing(solid, iterations=2) | solid)[2:-2, 2:-2, 2:-2]
    inside, outside = broken & solid, int((broken & ~solid).sum())
    count = int(inside.sum())
    if count > MAX_BROKEN * solid.sum():
        raise FAError(
            "bad-input",
            "Too much of the brain is missing",
            f"{count} voxels ({count / solid.sum():.0%} of it) are NaN or infinite",
            "Fit the tensors again, or choose another FA map",
        )
    if outside:
        remarks.append(f"{outside} voxels outside the brain held no usable number and were set to 0")
    if count:
        remarks.append(f"{count} voxels inside the brain held no usable number and were filled from their neighbours")
    known = ~inside
    while not known.all():
        weight = ndimage.uniform_filter(known.astype(np.float32), 3)
        mean = ndimage.uniform_filter(np.where(known, data, 0.0), 3) / np.maximum(weight, 1e-6)
        reach = ~known & (weight > 1e-3)
        data[reach] = mean[reach]
        known |= reach


def _clip(data: np.ndarray, remarks: list[str]) -> None:
    low, high = float(data.min()), float(data.max())
    if high > 1.0:
        remarks.append(f"{int((data > 1).sum())} voxels above 1 (up to {high:.2f}) were clipped to 1")
    if low < 0.0:
        remarks.append(f"{int((data < 0).sum())} voxels below 0 (down to {low:.2g}) were clipped to 0")
    np.clip(data, 0.0, 1.0, out=data)


def _doubts(data: np.ndarray) -> list[str]:
    values = data[data > 0]
    if values.size:
        middle, high = np.percentile(values, [50, 99])
        if 0.1 <= middle <= 0.4 and 0.5 <= high <= 1.0:
            return []
        seen = f"median {middle:.2g}, 99th percentile {high:.2g}"
    else:
        seen = "no voxel above 0"
    return [f"this may not be an FA map of a brain ({seen}; usual are 0.1 to 0.4 and 0.5 to 1)"]


def _not_fa(data: np.ndarray, fix: str) -> FAError:
    return FAError(
        "bad-input",
        "This does not look like an FA map",
        f"its values run from {data.min():.4g} to {data.max():.4g}, FA lies between 0 and 1",
        fix,
    )


def _by(numbers) -> str:
    return " x ".join(f"{n:g}" for n in numbers)
