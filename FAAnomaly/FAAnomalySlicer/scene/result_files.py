"""The engine's result files as arrays, read with numpy alone and without a scene: safe in a thread.

Decompression takes the most time, and zlib releases the interpreter meanwhile.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.result import Region
from FAAnomalyLib.tracts import TractScore

from .atlas_place import AtlasPlace, read_place
from .stored_anatomy import anatomy_of
from .tract_scores import read_tracts

if TYPE_CHECKING:
    from .geometry import InputRecord

VOLUMES: dict[str, type[np.generic]] = {
    "pseudo_healthy": np.float32,
    "expected": np.float32,
    "difference": np.float32,
    "z_map": np.float32,
    "segmentation": np.uint8,
}
"""File stem -> type of its voxels, as the engine writes them."""
NIFTI_TYPES: dict[int, np.dtype] = {2: np.dtype("u1"), 16: np.dtype("<f4")}
TOLERANCE_MM = 1e-2
"""Largest distance of a corner from the input's; NIfTI stores its matrix in single precision."""


@dataclass(frozen=True, eq=False)
class ResultArrays:
    """The result files of a run.

    Attributes
    ----------
    pseudo_healthy, expected, difference, z_map
        float32 (k, j, i), contiguous.
    segmentation
        uint8 (k, j, i): 1 increased, 2 decreased.
    ijk_to_ras
        float64 (4, 4) to RAS mm in the input's local frame.
    regions
        Strongest first, positions in that frame.
    provenance
        The content of ``result.json`` without the regions.
    tracts
        Every tract of the brain; empty for a box or a segment, and where no atlas was used.
    place
        Where the brain lies in the atlas; None where no atlas was used.
    """

    pseudo_healthy: np.ndarray
    expected: np.ndarray
    difference: np.ndarray
    z_map: np.ndarray
    segmentation: np.ndarray
    ijk_to_ras: np.ndarray
    regions: list[Region]
    provenance: dict
    tracts: list[TractScore] = field(default_factory=list)
    place: AtlasPlace | None = None


@dataclass(frozen=True, eq=False)
class Grid:
    """Shape (k, j, i) and float64 (4, 4) matrix from (i, j, k) to RAS mm."""

    shape: tuple[int, ...]
    ijk_to_ras: np.ndarray

    def check(self, array: np.ndarray, affine: np.ndarray, path: str | os.PathLike) -> None:
        """Raise ``FAError('bad-input')`` unless *array* has this shape and *affine* puts its corners here."""
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape[::-1]])).reshape(3, -1)
        corners = np.vstack([corners, np.ones(corners.shape[1])])
        if array.shape != self.shape or np.abs((affine - self.ijk_to_ras) @ corners).max() > TOLERANCE_MM:
            raise _unusable(path, _("it does not lie on the input's grid"))


def read_result(files: dict[str, str], record: InputRecord | None = None) -> ResultArrays:
    """Read the files that an answer of the worker names.

    Parameters
    ----------
    files
        File stem -> path; ``result.json`` lies in the same folder.
    record
        :class:`~.geometry.InputRecord` of the input. Every volume must lie on its grid, and its matrix is returned.
        Without a record, all volumes must lie on the grid of the first.

    Raises
    ------
    FAError
        ``bad-input`` when a file is absent or damaged, or lies elsewhere than the input.
    """
    volumes = {name: _read_typed(files, name, dtype) for name, dtype in VOLUMES.items()}
    first, affine = volumes["pseudo_healthy"]
    grid = Grid(first.shape, affine) if record is None else Grid(record.shape[::-1], record.ijk_to_ras)
    for name, (array, affine) in volumes.items():
        grid.check(array, affine, files[name])
    arrays = {name: array for name, (array, _affine) in volumes.items()}
    provenance, regions = _read_json(Path(files["z_map"]).with_name("result.json"))
    return ResultArrays(
        **arrays,
        ijk_to_ras=grid.ijk_to_ras,
        regions=regions,
        provenance=provenance,
        tracts=read_tracts(files["tracts"]) if "tracts" in files else [],
        place=read_place(files, provenance),
    )


def read_volume(path: str | os.PathLike, record: InputRecord | None = None) -> np.ndarray:
    """The voxels (k, j, i) of one result file; with *record*, checked as in :func:`read_result`."""
    array, affine = read_nifti(path)
    if record is not None:
        Grid(record.shape[::-1], record.ijk_to_ras).check(array, affine, path)
    return array


def read_nifti(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Read a single-file NIfTI-1 (``.nii`` or ``.nii.gz``) as the engine writes it: float32 or uint8, sform set.

    Returns the voxels (k, j, i), in their own memory, and the float64 (4, 4) voxel-to-RAS matrix. Raises
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
    dtype = NIFTI_TYPES.get(struct.unpack_from("<h", raw, 70)[0])
    offset, slope, intercept = struct.unpack_from("<3f", raw, 108)
    # NaN and 0 mean that the numbers are stored as they are.
    scaled = np.isfinite(slope) and slope != 0 and (slope, intercept) != (1, 0)
    sform_code = struct.unpack_from("<h", raw, 254)[0]
    if dtype is None or scaled or sform_code < 1 or dimensions[0] != 3 or min(dimensions[1:4]) < 1:
        raise _unusable(path, _("it is stored in another way than the engine's files"))
    shape = dimensions[3:0:-1]
    count = int(np.prod(shape, dtype=np.int64))
    if len(raw) < int(offset) + count * dtype.itemsize:
        raise _unusable(path, _("it ends before its last voxel"))
    affine = np.eye(4)
    affine[:3] = np.array(struct.unpack_from("<12f", raw, 280)).reshape(3, 4)
    # Copied, so that the scene can own this memory: the buffer of the file is read-only.
    return np.frombuffer(raw, dtype, count, int(offset)).reshape(shape).copy(), affine


def _read_typed(files: dict[str, str], name: str, dtype: type[np.generic]) -> tuple[np.ndarray, np.ndarray]:
    if name not in files:
        raise _unusable(f"{name}.nii.gz", _("the engine did not name it"))
    array, affine = read_nifti(files[name])
    if array.dtype != dtype:
        raise _unusable(files[name], _("its numbers are of another type than expected"))
    return array, affine


def _read_json(path: Path) -> tuple[dict, list[Region]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        regions = [
            Region(
                **{
                    **one,
                    "centroid_ras": tuple(one["centroid_ras"]),
                    "peak_ras": tuple(one["peak_ras"]),
                    "anatomy": anatomy_of(one.get("anatomy")),
                }
            )
            for one in content.pop("regions")
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unusable(path, getattr(error, "strerror", None) or f"{type(error).__name__}: {error}") from None
    return content, regions


def _unusable(path: str | os.PathLike, why: str) -> FAError:
    return FAError(
        "bad-input", _("The result file {name} cannot be used").format(name=Path(path).name), why, _("Run again")
    )
