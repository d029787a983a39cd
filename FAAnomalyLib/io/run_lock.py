"""One run at a time in an output folder."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import FAError
from .atomic import cannot_write

NAME = ".running"
"""File in the output folder while a run lives; it holds the number of its process."""
LOCKED_BYTE = 1 << 20
"""On Windows a byte is locked, and a locked one cannot be read: this one lies behind the number."""
TAKEN = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
"""What a lock that another process holds is told by; anything else means that this disk knows no locks."""


@contextmanager
def only_run_in(folder: Path) -> Iterator[None]:
    """Context manager that keeps every other run out of *folder*, which is created as needed.

    The operating system drops the lock with the process, however that ends: a file that a killed run has left keeps
    nobody out. Folders that were created and are empty at the end are removed.

    Raises
    ------
    FAError
        ``bad-request`` while another run lives, ``bad-input`` when the folder cannot be written.
    """
    created: list[Path] = []
    try:
        try:
            create_folder(folder, created)
            handle = _locked(folder / NAME)
        except OSError as error:
            raise cannot_write(folder, error) from error
        try:
            yield
        finally:
            _release(handle, folder / NAME)
    finally:
        for path in reversed(created):
            with suppress(OSError):
                path.rmdir()


def create_folder(folder: Path, created: list[Path]) -> None:
    """Create *folder* with its parents, and add each new one to *created*; raises ``OSError``."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        created.append(path)


def _locked(path: Path) -> int:
    """The descriptor of *path*, locked and with the number of this process in it."""
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
        except OSError as error:
            if error.errno in TAKEN:
                owner = os.read(handle, 20).decode("ascii", "replace").strip()
                os.close(handle)
                raise FAError(
                    "bad-request",
                    f"Another run is going on in {path.parent}",
                    f"it is the process {owner}" if owner else "",
                    "Wait for its end or choose another output folder",
                ) from error
        # The run before may have removed the file between our opening and locking it.
        if _is(handle, path):
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode("ascii"))
            return handle
        os.close(handle)


def _release(handle: int, path: Path) -> None:
    if sys.platform == "win32":  # which removes no open file
        os.close(handle)
    with suppress(OSError):
        path.unlink()
    if sys.platform != "win32":
        os.close(handle)


def _is(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _lock(handle: int) -> None:
    """Take the lock without waiting; raises ``OSError``."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(handle, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
