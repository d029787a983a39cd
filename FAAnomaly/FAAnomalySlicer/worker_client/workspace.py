"""The private folder through which volumes travel to the engine and back."""

from __future__ import annotations

import atexit
import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

PREFIX = "FAAnomaly-"
STILL_ACTIVE = 259
"""What Windows gives as the exit code of a process that has none yet."""
QUERY_LIMITED_INFORMATION = 0x1000


class Workspace:
    """A folder of this process alone (mode 0700), with a folder for each job.

    Nothing is made before the first job. Then folders of dead processes are removed; the folder of this process is
    removed by :meth:`close`, at the latest when Python ends.

    Parameters
    ----------
    parent
        Where the folder is made, such as ``slicer.app.temporaryPath``; by default the system's temporary folder.
    """

    def __init__(self, parent: str | os.PathLike | None = None) -> None:
        self._parent = parent
        self._root: Path | None = None

    @property
    def root(self) -> Path | None:
        """The folder, once there is one."""
        return self._root

    def new_folder(self, needed_bytes: int = 0) -> Path:
        """A new empty folder for a job.

        Raises
        ------
        FAError
            ``bad-input`` when it cannot be made, or when the disk has less room than *needed_bytes*.
        """
        with self.writing():
            root = self._root if self._root is not None and self._root.is_dir() else self._open()
            free = shutil.disk_usage(root).free
            if free < needed_bytes:
                raise OSError(
                    errno.ENOSPC,
                    _("{needed} MB are needed, {free} MB are free").format(
                        needed=_megabytes(needed_bytes), free=_megabytes(free)
                    ),
                )
            return Path(tempfile.mkdtemp(prefix="job-", dir=root))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an ``OSError`` of the block, a full disk above all, into one ``FAError('bad-input')``."""
        try:
            yield
        except OSError as error:
            where = self._root or self._parent or tempfile.gettempdir()
            why = error.strerror or str(error)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise FAError(
                    "bad-input",
                    _("The disk with the temporary folder is full"),
                    f"{where}: {why}",
                    _("Make room there, or choose another temporary folder in Slicer's settings"),
                ) from error
            raise FAError(
                "bad-input",
                _("The temporary folder cannot be written"),
                f"{where}: {why}",
                _("Choose another temporary folder in Slicer's settings"),
            ) from error

    def remove(self, folder: str | os.PathLike) -> None:
        """Remove the folder of a job. Files that are still open are removed by :meth:`close`."""
        folder = Path(folder)
        if self._root is None or self._root not in folder.parents:
            raise ValueError(f"{folder} is no folder of a job")
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything; a new folder is made when there is another job."""
        if self._root is not None:
            atexit.unregister(self.close)
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    def _open(self) -> Path:
        parent = Path(self._parent or tempfile.gettempdir())
        parent.mkdir(parents=True, exist_ok=True)
        remove_stale_folders(parent)
        # mkdtemp makes the folder with mode 0700, in one step and under a name that cannot be guessed.
        self._root = root = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))
        atexit.register(self.close)
        return root


def remove_stale_folders(parent: Path) -> None:
    """Remove the folders in *parent* that dead processes of this user have left behind."""
    for folder in parent.glob(f"{PREFIX}*"):
        named = re.fullmatch(rf"{PREFIX}(\d+)-\w+", folder.name)
        if named and _is_ours(folder) and not is_alive(int(named.group(1))):
            shutil.rmtree(folder, ignore_errors=True)


def is_alive(pid: int) -> bool:
    """Whether a process of that number runs."""
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it runs, for another user
    return True


def _is_alive_on_windows(pid: int) -> bool:
    # os.kill would end it: Windows has no signal 0.
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]  # on Windows alone
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return False
    code = ctypes.c_ulong()
    try:
        return bool(
            kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(code)) and code.value == STILL_ACTIVE
        )
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))


def _is_ours(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    # The shared temporary folder is writable for everybody: links of other users are not followed.
    return folder.is_dir() and not folder.is_symlink() and (os.name == "nt" or status.st_uid == os.getuid())


def _megabytes(size: int) -> int:
    return round(size / 2**20)
