"""The file in which voxels travel to the engine: NRRD, uncompressed, in one write.

Without a scene and with numpy alone, so that it may run in a thread: a write releases the interpreter.
"""

from __future__ import annotations

import os

import numpy as np

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_nrrd(array_kji: np.ndarray, affine: np.ndarray, path: str | os.PathLike) -> None:
    """Write an array (k, j, i) as uncompressed NRRD: uint8 and bool as uint8, everything else as float32.

    ``affine`` goes from (i, j, k) to RAS mm. Raises ``OSError`` when the file cannot be written.
    """
    binary = array_kji.dtype in (np.bool_, np.uint8)
    data = np.ascontiguousarray(array_kji, dtype=np.uint8 if binary else "<f4")
    lps = RAS_TO_LPS @ affine
    vectors = [f"({','.join(repr(float(number)) for number in column)})" for column in lps[:3].T]
    header = "\n".join(
        [
            "NRRD0004",
            f"type: {'uint8' if binary else 'float'}",
            "dimension: 3",
            "space: left-posterior-superior",
            f"sizes: {' '.join(str(n) for n in data.shape[::-1])}",
            f"space directions: {' '.join(vectors[:3])}",
            "kinds: domain domain domain",
            "endian: little",
            "encoding: raw",
            f"space origin: {vectors[3]}",
        ]
    )
    with open(path, "wb") as file:
        file.write(header.encode("ascii") + b"\n\n")
        file.write(data.data)
