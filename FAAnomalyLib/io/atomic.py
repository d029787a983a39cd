"""Files that appear whole or not at all: written under a temporary name beside the target, then renamed."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import FAError


@contextlib.contextmanager
def atomic_write(path: Path, *, unique_suffix: str | None = None, sync: bool = False) -> Iterator[Path]:
    """Context manager that gives a temporary path to write to, and renames it to *path* at the end.

    After an error nothing is left, and a file that was already at *path* stays as it was.

    Parameters
    ----------
    path
        The target. Its folder must exist.
    unique_suffix
        Ending of a temporary name that no other process uses: for targets that several processes may write,
        and for writers that choose the format by the ending. By default the name is ``NAME.partial``, so that
        what a killed process left is overwritten by the next attempt.
    sync
        Whether the content must have reached the disk before the rename.

    Yields
    ------
    pathlib.Path
        The temporary path, in the same folder.

    Raises
    ------
    OSError
        When the folder cannot be written or the disk is full; see :func:`cannot_write`.

    Examples
    --------
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "scores.json") as temporary:
    ...     _ = temporary.write_text("{}")
    >>> [file.name for file in folder.iterdir()]
    ['scores.json']
    """
    path = Path(path)
    temporary = path.with_name(f"{path.name}.partial") if unique_suffix is None else _new_file(path, unique_suffix)
    try:
        yield temporary
        if unique_suffix is not None:
            # mkstemp gives mode 0600; the result gets the mode that a plain open() would give.
            os.chmod(temporary, 0o666 & ~_umask())
        if sync:
            with open(temporary, "r+b") as handle:
                os.fsync(handle.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def cannot_write(path: Path, error: Exception) -> FAError:
    """The ``FAError('bad-input')`` for a file or folder that could not be written because of *error*.

    Examples
    --------
    >>> print(cannot_write(Path("z_map.nii.gz"), OSError(28, "No space left on device")))
    Cannot write z_map.nii.gz: No space left on device. Choose a folder with room that you may write to
    """
    reason = getattr(error, "strerror", None) or (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return FAError(
        "bad-input",
        f"Cannot write {path}",
        reason.strip().replace("Reason: ", "").rstrip("."),
        "Choose a folder with room that you may write to",
    )


def _new_file(path: Path, suffix: str) -> Path:
    handle, name = tempfile.mkstemp(suffix=suffix, prefix=".", dir=path.parent)
    os.close(handle)
    return Path(name)


def _umask() -> int:
    # There is no way to read it without setting it.
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
