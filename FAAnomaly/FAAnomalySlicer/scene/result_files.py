"""The engine's result files as arrays: plain Python, safe in a thread, no scene and no library but numpy.

Decompressing is the slow part, and zlib lets the rest of Slicer run meanwhile.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.result import Region

VOLUMES = {"pseudo_healthy": np.float32, "difference": np.float32, "z_map": np.float32, "segmentation": np.uint8}
"""File stem -> type of its voxels, as the engine writes them."""
NIFTI_TYPES = {2: np.dtype("u1"), 16: np.dtype("<f4")}
TOLERANCE_MM = 1e-2
"""How far a corner may lie from the input's; NIfTI holds its matrix in single precision."""


@dataclass(frozen=True, eq=False)
class ResultArrays:
    """What the engine wrote.

    Attributes
    ----------
    pseudo_healthy, difference, z_map
        float32 (k, j, i), contiguous.
    segmentation
        uint8 (k, j, i): 1 increased, 2 decreased.
    ijk_to_ras
        float64 (4, 4) to RAS mm in the input's local frame.
    regions
        Strongest first, positions in that frame.
    provenance
        The content of ``result.json`` without the regions.
    """

    pseudo_healthy: np.ndarray
    difference: np.ndarray
    z_map: np.ndarray
    segmentation: np.ndarray
    ijk_to_ras: np.ndarray
    regions: list[Region]
    provenance: dict


def read_result(files: dict[str, str], record=None) -> ResultArrays:
    """Read the files that an answer of the worker names.

    Parameters
    ----------
    files
        File stem -> path; ``result.json`` lies in the same folder.
    record
        :class:`~FAAnomalySlicer.scene.geometry.InputRecord` of the input. Shape and place of every volume must
        be its, and its matrix is the one returned.

    Raises ``FAError('bad-input')`` when a file is absent, damaged, or lies elsewhere than the input.
    """
    arrays, affine = {}, None if record is None else record.ijk_to_ras
    shape = None if record is None else tuple(record.shape[::-1])
    for name, kind in VOLUMES.items():
        if name not in files:
            raise _unusable(f"{name}.nii.gz", _("the engine did not name it"))
        array, place = read_nifti(files[name])
        if array.dtype != kind:
            raise _unusable(files[name], _("its numbers are of another type than expected"))
        affine, shape = place if affine is None else affine, array.shape if shape is None else shape
        if array.shape != shape or not _same_place(place, affine, shape):
            raise _unusable(files[name], _("it does not lie on the input's grid"))
        arrays[name] = array
    provenance, regions = _read_json(Path(files["z_map"]).with_name("result.json"))
    return ResultArrays(**arrays, ijk_to_ras=affine, regions=regions, provenance=provenance)


def read_volume(path: str | os.PathLike, record=None) -> np.ndarray:
    """The voxels (k, j, i) of one result file; with *record*, checked as in :func:`read_result`."""
    array, place = read_nifti(path)
    if record is not None and (
        array.shape != tuple(record.shape[::-1]) or not _same_place(place, record.ijk_to_ras, array.shape)
    ):
        raise _unusable(path, _("it does not lie on the input's grid"))
    return array


def read_nifti(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read a single-file NIfTI-1 (``.nii`` or ``.nii.gz``) as the engine writes it: float32 or uint8, sform set.

    Returns the voxels (k, j, i), in memory of their own, and the float64 (4, 4) voxel-to-RAS matrix. Raises
    ``FAError('bad-input')`` for anything else.
    """
    try:
        raw = Path(path).read_bytes()
        if raw[:2] == b"\x1f\x8b":
            stream = zlib.decompressobj(wbits=31)
            raw = stream.decompress(raw)
            if not stream.eof:
                raise _unusable(path, _("it ends too early"))
    except (OSError, zlib.error) as error:
        raise _unusable(path, getattr(error, "strerror", None) or str(error)) from None
    if len(raw) < 352 or raw[:4] != struct.pack("<i", 348) or raw[344:348] != b"n+1\0":
        raise _unusable(path, _("it is no NIfTI file"))
    dimensions = struct.unpack_from("<8h", raw, 40)
    kind = NIFTI_TYPES.get(struct.unpack_from("<h", raw, 70)[0])
    offset, slope, intercept = struct.unpack_from("<3f", raw, 108)
    # NaN and 0 mean that the numbers are stored as they are.
    scaled = np.isfinite(slope) and slope != 0 and (slope, intercept) != (1, 0)
    sform_code = struct.unpack_from("<h", raw, 254)[0]
    if kind is None or scaled or sform_code < 1 or dimensions[0] != 3 or min(dimensions[1:4]) < 1:
        raise _unusable(path, _("it is stored in another way than the engine's files"))
    shape = dimensions[3:0:-1]
    count = int(np.prod(shape, dtype=np.int64))
    if len(raw) < int(offset) + count * kind.itemsize:
        raise _unusable(path, _("it ends before its last voxel"))
    affine = np.eye(4)
    affine[:3] = np.array(struct.unpack_from("<12f", raw, 280)).reshape(3, 4)
    # Copied, so that the scene can have this memory: what a file was read into is read-only.
    return np.frombuffer(raw, kind, count, int(offset)).reshape(shape).copy(), affine


def _read_json(path: Path) -> tuple[dict, list[Region]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        regions = [
            Region(**{**one, "centroid_ras": tuple(one["centroid_ras"]), "peak_ras": tuple(one["peak_ras"])})
            for one in content.pop("regions")
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(path, getattr(error, "strerror", None) or f"{type(error).__name__}: {error}") from None
    return content, regions


def _same_place(one: np.ndarray, other: np.ndarray, shape_kji: tuple[int, ...]) -> bool:
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape_kji[::-1]])).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    return bool(np.abs((one - other) @ corners).max() <= TOLERANCE_MM)


def _unusable(path: str | os.PathLike, why: str) -> FAError:
    return FAError(
        "bad-input", _("The result file {name} cannot be used").format(name=Path(path).name), why, _("Run again")
    )
