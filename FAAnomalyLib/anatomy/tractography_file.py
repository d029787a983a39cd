"""Reader of tractography in the Tiny Track format (``.tt.gz``): gzip of MATLAB version-4 matrices."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FAError

TYPES = {0: "<f8", 1: "<f4", 2: "<i4", 3: "<i2", 4: "<u2", 5: "u1"}
"""Tens digit of a matrix' type -> NumPy's name of it."""
STEPS_PER_VOXEL = 32.0
HEADER_BYTES = 16
"""Of a streamline: its size as uint32 and its first point as three int32."""


@dataclass(frozen=True)
class Tractography:
    """Streamlines and the bundle of each.

    Attributes
    ----------
    streamlines
        Arrays (N, 3) of points in mm (RAS), one array a streamline.
    bundle
        int (number of streamlines,): number of the bundle, from 0.
    """

    streamlines: list[np.ndarray]
    bundle: np.ndarray


def read_tractography(path: Path) -> Tractography:
    """Read a ``.tt.gz`` file.

    Raises
    ------
    FAError
        ``bad-input`` for a file that cannot be read or is of another format.
    """
    try:
        matrices = _matrices(gzip.decompress(path.read_bytes()))
        to_mm = matrices["trans_to_mni"].reshape(4, 4).astype(float)
        voxels = _streamlines(matrices["track"].tobytes())
        bundle = matrices["cluster"].ravel().astype(int)
    except (OSError, EOFError, KeyError, ValueError, struct.error, zlib.error) as error:
        raise FAError(
            "bad-input", f"{path} is no tractography in the Tiny Track format", str(error), "Give a .tt.gz file"
        ) from error
    if len(voxels) != bundle.size:
        raise FAError(
            "bad-input",
            f"{path} is damaged",
            f"it has {len(voxels)} streamlines and the bundles of {bundle.size}",
            "Fetch it again",
        )
    return Tractography([points @ to_mm[:3, :3].T + to_mm[:3, 3] for points in voxels], bundle)


def _matrices(content: bytes) -> dict[str, np.ndarray]:
    """Name -> flat array. The matrices follow each other; each has five int32, its name and its data."""
    matrices, at = {}, 0
    while at < len(content):
        kind, rows, columns, _, name_bytes = struct.unpack_from("<5i", content, at)
        at += 20
        name = content[at : at + name_bytes].split(b"\0")[0].decode("ascii")
        at += name_bytes
        dtype = np.dtype(TYPES[kind // 10 % 10])
        matrices[name] = np.frombuffer(content, dtype, rows * columns, at)
        at += rows * columns * dtype.itemsize
    return matrices


def _streamlines(buffer: bytes) -> list[np.ndarray]:
    """Points of each streamline in voxels, (N, 3): a first point, then steps of three int8, in 1/32 voxel."""
    streamlines, at = [], 0
    while at < len(buffer):
        (size,) = struct.unpack_from("<I", buffer, at)
        end = at + size + HEADER_BYTES - 3
        first = np.frombuffer(buffer, "<i4", 3, at + 4)
        steps = np.frombuffer(buffer, "i1", end - at - HEADER_BYTES, at + HEADER_BYTES).reshape(-1, 3)
        streamlines.append(np.vstack([first, steps]).cumsum(axis=0) / STEPS_PER_VOXEL)
        at = end
    return streamlines
