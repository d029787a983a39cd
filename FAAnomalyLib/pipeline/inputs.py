"""What a request names, read and checked: the FA map, its brain mask, the drawn region."""

from __future__ import annotations

import os

import numpy as np

from ..errors import FAError
from ..geometry.same_voxels import onto_grid
from ..io.markups_roi import box_mask, read_markups_roi
from ..io.masks import read_mask_file
from ..io.volumes import load_volume
from ..preprocessing.fa_validation import validate_brain_mask, validate_fa
from ..preprocessing.missing_data import clumps
from ..request import DetectRequest
from ..volume import Volume


def source_key(request: DetectRequest) -> tuple:
    """What decides how a file lies on the model grid: while it is the same, registration need not be repeated."""
    files = []
    for name in (request.input, request.brain_mask):
        state = os.stat(name) if name and os.path.isfile(name) else None
        files.append((name, state and (state.st_mtime_ns, state.st_size, state.st_ino)))
    return (*files, request.scale, request.model)


def read_fa(request: DetectRequest, volume: Volume | None) -> tuple[Volume, list[str]]:
    """The repaired FA map and remarks about it; the request's input is read unless *volume* is given."""
    remarks: list[str] = []
    if volume is None:
        volume, remarks = load_volume(request.input)
    volume, more = validate_fa(volume, request.scale)
    return volume, remarks + more


def read_brain_mask(request: DetectRequest, volume: Volume) -> tuple[np.ndarray | None, list[str]]:
    """The request's brain mask, bool on the grid of *volume*, and remarks; None where it names none."""
    if not request.brain_mask:
        return None, []
    file = read_mask_file(request.brain_mask)
    mask = np.any([file.mask(segment).data for segment in file.segments], axis=0)
    remarks = []
    if len(file.segments) > 1:
        remarks.append(f"all {len(file.segments)} segments of {file.name} count as brain")
    brain = validate_brain_mask(file.volume.with_data(mask), volume)
    unmeasured = clumps(brain & (volume.data == 0), volume.spacing)
    if unmeasured.any():
        share = unmeasured.sum() * volume.voxel_ml
        remarks.append(f"{share:.1f} ml of the brain mask hold no data in the FA map and do not count as brain")
    return brain & ~unmeasured, remarks


def read_region(request: DetectRequest, volume: Volume) -> tuple[np.ndarray | None, list[str]]:
    """The request's region or ROI, bool on the grid of *volume*, and remarks; None where it names none."""
    if request.region:
        return _drawn_mask(request.region, request.segment, volume)
    if request.roi:
        return box_mask(read_markups_roi(request.roi), volume.shape, volume.itk_affine), []
    return None, []


def _drawn_mask(path: str, wanted: str | None, volume: Volume) -> tuple[np.ndarray, list[str]]:
    file = read_mask_file(path)
    segment = file.choose(wanted)
    mask = file.mask(segment)
    if not mask.data.any():
        raise FAError(
            "bad-input",
            f"The region {file.name} is empty"
            if len(file.segments) == 1
            else f"Segment {segment} of {file.name} is empty",
            "it has no voxel",
            "Draw it again, or choose another",
        )
    region, lost = onto_grid(mask, volume, f"The region {file.name}")
    return region, [f"{lost} voxels of {file.name} lie beside the FA map and were left out"] if lost else []
