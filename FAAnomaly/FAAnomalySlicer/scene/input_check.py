"""Is this an FA map? Answered as soon as a volume is chosen, before anything runs.

The engine checks every voxel when a run begins (``FAAnomalyLib.preprocessing.fa_validation``). This check applies the
same rules (``FAAnomalyLib.preprocessing.fa_limits``) to a sample, so that it takes well under 50 ms even at 256 voxels
cubed, and comes to the same verdict.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.preprocessing.fa_limits import (
    MAX_SPACING_MM,
    MIN_EXTENT_MM,
    MIN_VOXELS,
    cut_faces,
    fa_scale,
    has_too_few_voxels,
    has_too_large_voxels,
    has_too_many_high_values,
    has_too_many_negative_values,
    is_spread_like_t1,
    is_too_broken,
    is_too_low,
    is_too_small,
    is_usual,
    looks_like_labels,
    median_and_top,
    out_of_range,
)
from FAAnomalyLib.volume import check_affine

from . import geometry
from .node_attributes import result_problem

SAMPLE = 64**3
"""Number of voxels that are checked."""
EXTREMES_BYTES = 2**26
"""The lowest and highest value of a larger array are taken from every second or third slice."""


@dataclass(frozen=True)
class FACheck:
    """A verdict on a volume.

    Attributes
    ----------
    ok
        Whether the engine will take it.
    kind
        ``fa``; ``remark`` when it is taken with a remark; ``refused``.
    sentence
        For the user.
    """

    ok: bool
    kind: str
    sentence: str


def check_fa(volumeNode: Any) -> FACheck:
    """Check a volume node (``vtkMRMLVolumeNode`` or None); never raises and never changes it."""
    problem = result_problem(volumeNode)
    if problem:
        return FACheck(False, "refused", f"{problem}.")
    try:
        array = geometry.voxels(volumeNode)
        affine = geometry.ijk_to_ras(volumeNode)
        check_affine(affine)
        geometry.check_transforms(volumeNode)
        return FACheck(True, *_verdict(array, np.linalg.norm(affine[:3, 2::-1], axis=0)))
    except FAError as error:
        return FACheck(False, "refused", str(error))


def check_values(array_kji: np.ndarray, spacing_kji: np.ndarray) -> FACheck:
    """Check an array (k, j, i) with voxels of *spacing_kji* mm."""
    try:
        return FACheck(True, *_verdict(array_kji, np.asarray(spacing_kji, dtype=float)))
    except FAError as error:
        return FACheck(False, "refused", str(error))


def _verdict(array: np.ndarray, spacing: np.ndarray) -> tuple[str, str]:
    _check_grid(array.shape, spacing)
    low, high = _extremes(array)
    step = int(np.ceil((array.size / SAMPLE) ** (1 / 3)))
    sample = np.ascontiguousarray(array[::step, ::step, ::step], dtype=np.float32)
    finite = np.isfinite(sample)
    if not finite.any():
        raise _refusal(_("The volume holds no numbers"), _("every voxel is NaN or infinite"))
    if not (np.isfinite(low) and np.isfinite(high)):
        low, high = float(sample[finite].min()), float(sample[finite].max())
    else:
        finite[...] = True
    sample[~finite] = 0.0
    if low == high:
        raise _refusal(
            _("The volume is empty") if high == 0 else _("The volume is constant"),
            _("every number in it is {value:g}").format(value=high),
        )
    if looks_like_labels(sample, _middle(array)):
        raise _refusal(_("This is not an FA map"), _("it looks like a mask or labels"))
    _check_extent(sample, spacing * step)
    scale = _scale(sample, low, high)
    sample /= np.float32(scale)
    broken = ~finite | _check_range(sample, low / scale, high / scale)
    remarks = _broken(sample, broken) + _clipped(low / scale, high / scale) + _doubts(sample) + _cut(sample)
    if scale != 1:
        remarks[:0] = _scaled(sample, scale)
    if remarks:
        return "remark", " ".join(remarks)
    return "fa", _("This looks like an FA map.")


def _refusal(what: str, why: str) -> FAError:
    return FAError("bad-input", what, why, _("Choose the fractional anisotropy map"))


def _check_grid(shape: tuple[int, ...], spacing: np.ndarray) -> None:
    if has_too_few_voxels(shape):
        raise _refusal(
            _("The volume is too small to hold a brain"),
            _("it has {size} voxels, at least {least} along each axis are needed").format(
                size=_by(shape[::-1]), least=MIN_VOXELS
            ),
        )
    if has_too_large_voxels(spacing):
        raise _refusal(
            _("The voxels are too large"),
            _("they measure {size} mm, at most {most:g} mm can be analysed").format(
                size=_by(spacing[::-1].round(2)), most=MAX_SPACING_MM
            ),
        )


def _extremes(array: np.ndarray) -> tuple[float, float]:
    part = array[:: 1 + array.nbytes // EXTREMES_BYTES]
    return float(part.min()), float(part.max())


def _middle(array: np.ndarray) -> np.ndarray:
    """A solid block: neighbours, which the sample has none of."""
    return array[tuple(slice(max(n // 2 - 24, 0), n // 2 + 24) for n in array.shape)].astype(np.float32)


def _check_extent(sample: np.ndarray, spacing: np.ndarray) -> None:
    boxes = ndimage.find_objects((sample != 0).astype(np.uint8))
    extent = np.array([s.stop - s.start for s in boxes[0]]) * spacing if boxes else np.zeros(3)
    if is_too_small(extent):
        raise _refusal(
            _("The volume is too small to hold a brain"),
            _("its data span {size} mm, at least {least:g} mm are needed").format(
                size=_by(extent[::-1].round()), least=MIN_EXTENT_MM
            ),
        )


def _scale(sample: np.ndarray, low: float, high: float) -> float:
    scale = fa_scale(sample, high)
    if scale is None or is_too_low(sample / np.float32(scale)):
        raise _not_fa(low, high)
    return scale


def _scaled(sample: np.ndarray, scale: float) -> list[str]:
    said = [_("Values look like FA times {scale:g} and will be divided by it.").format(scale=scale)]
    percentiles = median_and_top(sample)
    if percentiles is not None and is_spread_like_t1(*percentiles):
        said.append(_("They are spread more like those of a T1-weighted image than of an FA map."))
    return said


def _check_range(sample: np.ndarray, low: float, high: float) -> np.ndarray:
    if has_too_many_high_values(sample) or has_too_many_negative_values(sample):
        raise _not_fa(low, high)
    return out_of_range(sample)


def _not_fa(low: float, high: float) -> FAError:
    return _refusal(
        _("This does not look like an FA map"),
        _("its values run from {low:.4g} to {high:.4g}, FA lies between 0 and 1").format(low=low, high=high),
    )


def _broken(sample: np.ndarray, broken: np.ndarray) -> list[str]:
    sample[broken] = 0.0
    if not broken.any():
        return []
    solid = _without_holes((sample != 0) & ~broken)
    inside = int((broken & solid).sum())
    if is_too_broken(inside, solid.sum()):
        raise FAError(
            "bad-input",
            _("Too much of the brain is missing"),
            _("{share:.0%} of it is NaN or infinite").format(share=inside / solid.sum()),
            _("Fit the tensors again, or choose another FA map"),
        )
    if inside:
        return [_("Some voxels of the brain hold no usable number and will be filled from their neighbours.")]
    return [_("Voxels outside the brain hold no usable number and will be taken as 0.")]


def _without_holes(mask: np.ndarray) -> np.ndarray:
    """Close gaps of up to four voxels, then fill what is enclosed; whole planes at a time, as it must be quick."""
    near = _grown(_grown(np.pad(mask, 2)))
    closed = ~_grown(_grown(~near))[2:-2, 2:-2, 2:-2] | mask
    gaps, count = ndimage.label(~closed)
    enclosed = np.ones(count + 1, dtype=bool)
    for axis in range(3):
        for face in (0, -1):
            enclosed[gaps.take(face, axis)] = False
    enclosed[0] = True
    return enclosed[gaps]


def _grown(mask: np.ndarray) -> np.ndarray:
    """*mask* and its neighbours across faces."""
    grown = mask.copy()
    for axis in range(3):
        here, to = np.moveaxis(mask, axis, 0), np.moveaxis(grown, axis, 0)
        to[1:] |= here[:-1]
        to[:-1] |= here[1:]
    return grown


def _clipped(low: float, high: float) -> list[str]:
    if high > 1.0 and low < 0.0:
        return [
            _("Values below 0 and above 1 (from {low:.2g} to {high:.2f}) will be clipped.").format(low=low, high=high)
        ]
    if high > 1.0:
        return [_("Values above 1 (up to {high:.2f}) will be clipped.").format(high=high)]
    return [_("Values below 0 (down to {low:.2g}) will be clipped.").format(low=low)] if low < 0.0 else []


def _doubts(sample: np.ndarray) -> list[str]:
    percentiles = median_and_top(np.minimum(sample, 1.0))
    if percentiles is None:
        seen = _("no voxel above 0")
    elif is_usual(*percentiles):
        return []
    else:
        seen = _("median {middle:.2g}, 99th percentile {top:.2g}").format(middle=percentiles[0], top=percentiles[1])
    return [_("This may not be an FA map of a brain ({seen}; usual are 0.1 to 0.4 and 0.5 to 1).").format(seen=seen)]


def _cut(sample: np.ndarray) -> list[str]:
    cut = sum(face is not None for faces in cut_faces(sample) for face in faces)
    # Noise that fills the whole field of view is no brain that was cut.
    if not 0 < cut < 6:
        return []
    return [_("The field of view seems to cut the brain; look at the cut with care.")]


def _by(numbers: Iterable[float]) -> str:
    return " x ".join(f"{n:g}" for n in numbers)
