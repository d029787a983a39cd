"""The bytes of a file, unpacked and checked to the very end."""

from __future__ import annotations

import zlib
from pathlib import Path

from .file_faults import MAX_VOXELS, NOT_PERMITTED, unreadable

GZIP = b"\x1f\x8b"
GZIP_WINDOW = 31
"""Tells zlib to take gzip's header and to check its sum."""


def plain_bytes(path: Path) -> tuple[bytes, list[str]]:
    """Read a whole file, unpacked where it is gzipped, once or, as downloads sometimes are, twice.

    Read to the very end, because nibabel stops after the last voxel and never meets gzip's checksum. What follows the
    compressed data is left out: the checksum says that they are whole without it.

    Returns
    -------
    raw : bytes
        Not empty.
    remarks : list of str
        For the user, on bytes that were left out; zeros, with which archives pad, go without one.

    Raises
    ------
    FAError
        ``bad-input``, or ``out-of-memory``.
    """
    limit = MAX_VOXELS * 16
    beyond = 0
    try:
        with open(path, "rb") as file:
            raw = file.read(limit + 1)
        for _ in range(2):
            if raw[:2] == GZIP:
                raw, more = _unpacked(raw, limit + 1)
                beyond += more
    except EOFError:
        raise unreadable(path, "it ends too early") from None
    except zlib.error as error:
        raise unreadable(path, f"its compressed data are damaged ({error})") from None
    except PermissionError as error:
        raise unreadable(path, error, NOT_PERMITTED) from None
    except (OSError, MemoryError) as error:
        raise unreadable(path, error) from None
    if not raw:
        raise unreadable(path, "it is empty")
    if len(raw) > limit:
        raise unreadable(path, "it is far too large for one brain", "Choose one 3D FA map")
    if not beyond:
        return raw, []
    return raw, [f"{beyond} bytes behind the compressed data of {path.name} belong to nothing and were left out"]


def _unpacked(packed: bytes, most: int) -> tuple[bytes, int]:
    """The content of all gzip members, at most *most* bytes, and the number of bytes behind the last one."""
    parts, rest = [], packed
    while rest[:2] == GZIP and most > 0:
        member = zlib.decompressobj(GZIP_WINDOW)
        parts.append(member.decompress(rest, most))
        most -= len(parts[-1])
        if not member.eof and most > 0:
            raise EOFError
        rest = member.unused_data
    return b"".join(parts), len(rest.lstrip(b"\0"))
