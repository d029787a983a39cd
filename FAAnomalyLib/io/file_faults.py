"""What can be wrong with a volume file, in words for the user."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import FAError

MAX_VOXELS = 2**28
"""645 voxels cubed: more than any brain needs, and a bound on the memory that a forged header can ask for."""
DAMAGED = "The file is damaged or not what its ending says; copy or convert it again"
NOT_PERMITTED = "Ask for the right to read it, or copy it to a folder of yours"


def unreadable(path: Path, reason: object, fix: str = DAMAGED) -> FAError:
    """The error for a file that cannot be read; *reason* is an exception or words."""
    if isinstance(reason, MemoryError):
        return FAError("out-of-memory", f"{path.name} does not fit into memory", "", "Close other programs")
    words = getattr(reason, "strerror", None) or (str(reason).strip().splitlines() or [type(reason).__name__])[-1]
    return FAError("bad-input", f"{path.name} cannot be read", words.strip().rstrip(".")[:200], fix)


def no_orientation(path: Path) -> str:
    """The remark on a file that does not say how its axes lie in the patient."""
    return f"{path.name} does not say how it is oriented; left and right may be exchanged, so the side is unknown"


def three_axes(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """The first three axes of *shape*; raises ``FAError('bad-input')`` unless the rest have the length 1."""
    full = tuple(int(n) for n in shape)
    three = full
    while len(three) > 3 and three[-1] == 1:
        three = three[:-1]
    if len(three) != 3:
        raise FAError(
            "bad-input",
            f"{path.name} is not one 3D volume",
            f"its shape is {full}",
            "Choose one 3D FA map, or extract one volume first",
        )
    if min(three) < 1 or np.prod([float(n) for n in three]) > MAX_VOXELS:
        raise unreadable(path, f"its header gives an impossible size, {full}")
    return three


def not_scalar(path: Path, kind: str) -> FAError:
    """The error for a file that holds *kind* instead of plain numbers."""
    return FAError(
        "bad-input",
        f"{path.name} does not hold one plain number per voxel",
        f"it holds {kind}",
        "Choose a scalar FA map",
    )
