"""What a request names, read and checked: the FA map, its brain mask, the drawn region."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..errors import FAError
from ..io.markups_roi import box_mask, read_markups_roi
from ..io.volumes import load_volume
from ..preprocessing.fa_validation import validate_brain_mask, validate_fa
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


def read_brain_mask(request: DetectRequest, volume: Volume) -> np.ndarray | None:
    """The request's brain mask, bool on the grid of *volume*; None where it names none."""
    if not request.brain_mask:
        return None
    return validate_brain_mask(load_volume(request.brain_mask)[0], volume)


def read_region(request: DetectRequest, volume: Volume) -> np.ndarray | None:
    """The request's region or ROI, bool on the grid of *volume*; None where it names none."""
    if request.region:
        mask = load_volume(request.region)[0]
        if not mask.same_geometry(volume):
            raise FAError(
                "bad-input",
                f"The region {Path(request.region).name} does not lie on the volume's grid",
                f"its shape is {mask.shape}, the volume's {volume.shape}",
                "Resample the mask to the volume first",
            )
        return mask.data > 0.5
    if request.roi:
        return box_mask(read_markups_roi(request.roi), volume.shape, volume.affine)
    return None
