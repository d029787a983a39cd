"""Validation and repair of FA maps: a clean map, or one clear reason why the volume is none.

Values that tensor fits produce now and then (NaN, slightly below 0, above 1 at the rim of the brain) are repaired
and reported; a volume that cannot be FA is refused with the likely cause. The rules are those of
:mod:`FAAnomalyLib.preprocessing.fa_limits`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy import ndimage

from ..errors import FAError
from ..geometry.bounding_box import bounding_box
from ..geometry.same_voxels import onto_grid
from ..volume import Volume
from .background import clear_negative_background, measured_voxels
from .fa_limits import (
    MAX_SPACING_MM,
    MIN_EXTENT_MM,
    MIN_VOXELS,
    fa_scale,
    has_too_few_voxels,
    has_too_large_voxels,
    has_too_many_high_values,
    has_too_many_negative_values,
    is_too_broken,
    is_too_low,
    is_too_small,
    is_usual,
    looks_like_labels,
    median_and_top,
    out_of_range,
)
from .missing_data import clumps, enclosed, fill_from_neighbours

OTHER_FILE = "Choose the fractional anisotropy map"
AFTER_SCALING = "where nothing is replaced, results repeat the quotient, not the number in the file"
"""What holds with a scale instead of "identical bit by bit"."""


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
    clean : Volume
        float32, finite, in [0, 1], in the same place.
    remarks : list of str
        What was repaired and what is doubtful, for the user, one sentence each.

    Raises
    ------
    FAError
        ``bad-input`` when it cannot be an FA map of a brain, ``bad-request`` for a *scale* that is none.

    Examples
    --------
    >>> x, y, z = np.ogrid[-1:1:40j, -1:1:40j, -1:1:40j]
    >>> fa = np.clip(0.8 * (1 - np.sqrt(x**2 + y**2 + z**2)), 0, 1)
    >>> fa[20, 20, 20] = np.nan
    >>> clean, remarks = validate_fa(Volume(1000 * fa, np.diag([4.0, 4.0, 4.0, 1.0])), "auto")
    >>> bool(clean.data.max() < 0.8)
    True
    >>> print(remarks[1])
    1 voxels inside the brain held no usable number and were filled from their neighbours
    """
    _check_grid(volume)
    data = volume.data.astype(np.float32)
    finite = np.isfinite(data)
    if not finite.any():
        raise FAError("bad-input", "The volume holds no numbers", "every voxel is NaN or infinite", OTHER_FILE)
    data[~finite] = 0.0
    clear_negative_background(data)
    _check_content(data, finite, volume)
    remarks: list[str] = []
    data /= np.float32(_scale(data, scale, remarks))
    _check_units(data, scale)
    broken = ~finite | _check_range(data)
    data[broken] = 0.0
    _mend(data, broken, volume.spacing, remarks)
    _clip(data, remarks)
    remarks += _doubts(data[measured_voxels(data)])
    return volume.with_data(data), remarks


def validate_brain_mask(mask: Volume, volume: Volume) -> np.ndarray:
    """Check a brain mask against the FA map that it belongs to.

    Parameters
    ----------
    mask
        (X, Y, Z); a voxel belongs to the brain when it is above 0.5. It may hold the map's voxels in another order,
        cropped or padded (:func:`~FAAnomalyLib.geometry.same_voxels.onto_grid`).
    volume
        The FA map.

    Returns
    -------
    numpy.ndarray
        bool, (X, Y, Z), in the grid of *volume*.

    Raises
    ------
    FAError
        ``bad-input`` when the mask has other voxels or another place, is empty or misses the data.

    Examples
    --------
    >>> fa = Volume(np.full((16, 16, 16), 0.3), np.eye(4))
    >>> int(validate_brain_mask(fa.with_data(np.ones((16, 16, 16))), fa).sum())
    4096
    """
    inside = mask.with_data(np.nan_to_num(mask.data.astype(np.float32), nan=0.0) > 0.5)
    if not inside.data.any():
        raise FAError("bad-input", "The brain mask is empty", "no voxel is above 0.5", "Give another mask")
    brain, _ = onto_grid(inside, volume, "The brain mask")
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
    if has_too_few_voxels(volume.shape):
        raise FAError(
            "bad-input",
            "The volume is too small to hold a brain",
            f"it has {_by(volume.shape)} voxels, at least {MIN_VOXELS} along each axis are needed",
            "Choose a whole-brain FA map",
        )
    if has_too_large_voxels(volume.spacing):
        raise FAError(
            "bad-input",
            "The voxels are too large",
            f"they measure {_by(volume.spacing.round(2))} mm, at most {MAX_SPACING_MM:g} mm can be analysed",
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
    if looks_like_labels(data, data):
        raise FAError(
            "bad-input", "This is not an FA map", "it looks like a mask or labels, with few distinct values", OTHER_FILE
        )
    extent = np.array([s.stop - s.start for s in bounding_box(data != 0)]) * volume.spacing
    if is_too_small(extent):
        raise FAError(
            "bad-input",
            "The volume is too small to hold a brain",
            f"its data span {_by(extent.round())} mm, at least {MIN_EXTENT_MM:g} mm are needed",
            "Choose a whole-brain FA map",
        )


def _scale(data: np.ndarray, scale: None | str | float, remarks: list[str]) -> float:
    if scale not in (None, "auto"):
        if isinstance(scale, (str, bool)) or not 0 < scale < np.inf:
            raise FAError(
                "bad-request",
                f"Scale {scale!r} is neither 'auto' nor a positive number",
                "",
                "Give the value that means FA 1, for instance 1000",
            )
        remarks.append(f"values were divided by {scale:g}; {AFTER_SCALING}")
        return float(scale)
    likely = fa_scale(data)
    if likely is None:
        raise _not_fa(data, "If it is FA in other units, say with --scale which value means 1")
    if likely == 1.0:
        return likely
    if scale is None:
        raise FAError(
            "bad-input",
            "The values are not FA from 0 to 1",
            f"{_range(data)}; this may be FA times {likely:.6g}, which is a guess",
            f"If it is, run again with --scale {likely:.6g}, else with the value that means FA 1",
        )
    remarks.append(f"values were taken for FA times {likely:.6g} and divided by it, which is a guess; {AFTER_SCALING}")
    return likely


def _check_units(data: np.ndarray, scale: None | str | float) -> None:
    """Raise when the values are too small for FA in a brain, however they came to be so."""
    if not is_too_low(data):
        return
    if scale in (None, "auto"):
        raise _not_fa(data, "If it is FA in other units, say with --scale which value means 1")
    raise FAError(
        "bad-input",
        f"Scale {scale:g} does not fit the values",
        f"divided by it, {_range(data)}; FA reaches 0.5 to 1",
        "Leave --scale out for FA from 0 to 1, or give the value that means FA 1",
    )


def _range(data: np.ndarray) -> str:
    percentiles = median_and_top(data)
    most = "" if percentiles is None else f", 99 % of those above 0 lie below {percentiles[1]:.4g}"
    return f"the values run from {data.min():.5g} to {data.max():.5g}{most}"


def _check_range(data: np.ndarray) -> np.ndarray:
    """Where single values are out of range; raises when these are too many."""
    if has_too_many_high_values(data):
        raise _not_fa(data, f"{OTHER_FILE}, or say with --scale which value means FA 1")
    if has_too_many_negative_values(data):
        raise _not_fa(data, OTHER_FILE)
    return out_of_range(data)


def _mend(data: np.ndarray, broken: np.ndarray, spacing: np.ndarray, remarks: list[str]) -> None:
    """Fill single voxels of the brain without a measurement, in place; clumps and what lies outside stay 0."""
    zeros = enclosed((data != 0) | broken)
    inside, outside = zeros, 0
    if broken.any():
        solid = np.pad((data != 0) & ~broken, 2)
        solid = ndimage.binary_fill_holes(ndimage.binary_closing(solid, iterations=2) | solid)[2:-2, 2:-2, 2:-2]
        inside, outside = zeros | (broken & solid), int((broken & ~solid).sum())
    inside = inside & ~clumps(inside, spacing)
    count, brain = int((inside & broken).sum()), int(np.count_nonzero(data))
    if is_too_broken(count, brain):
        raise FAError(
            "bad-input",
            "Too much of the brain is missing",
            f"{count} voxels ({count / brain:.0%} of it) are NaN or infinite",
            "Fit the tensors again, or choose another FA map",
        )
    if outside:
        remarks.append(f"{outside} voxels outside the brain held no usable number and were set to 0")
    if count:
        remarks.append(f"{count} voxels inside the brain held no usable number and were filled from their neighbours")
    if zero := int(inside.sum()) - count:
        remarks.append(f"{zero} single voxels inside the brain held 0 and were filled from their neighbours")
    fill_from_neighbours(data, inside)


def _clip(data: np.ndarray, remarks: list[str]) -> None:
    low, high = float(data.min()), float(data.max())
    if high > 1.0:
        remarks.append(f"{int((data > 1).sum())} voxels above 1 (up to {high:.2f}) were clipped to 1")
    if low < 0.0:
        remarks.append(f"{int((data < 0).sum())} voxels below 0 (down to {low:.2g}) were clipped to 0")
    np.clip(data, 0.0, 1.0, out=data)


def _doubts(data: np.ndarray) -> list[str]:
    """A remark when the voxels that show anything, (N,), are not spread as FA is."""
    percentiles = median_and_top(data)
    if percentiles is not None and is_usual(*percentiles):
        return []
    seen = "no voxel above 0" if percentiles is None else "median {:.2g}, 99th percentile {:.2g}".format(*percentiles)
    return [f"this may not be an FA map of a brain ({seen}; usual are 0.1 to 0.4 and 0.5 to 1)"]


def _not_fa(data: np.ndarray, fix: str) -> FAError:
    return FAError("bad-input", "This does not look like an FA map", f"{_range(data)}; FA lies between 0 and 1", fix)


def _by(numbers: Iterable[float]) -> str:
    return " x ".join(f"{n:g}" for n in numbers)
