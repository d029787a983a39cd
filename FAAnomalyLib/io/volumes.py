"""Volume files <-> :class:`~FAAnomalyLib.volume.Volume`: NIfTI, NRRD and MetaImage."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import numpy as np

from ..errors import FAError
from ..volume import Volume, check_affine
from .volume_codecs import (
    ITK_ENDINGS,
    NIFTI_ENDINGS,
    WRITABLE_ENDINGS,
    itk_image,
    read_itk,
    read_nifti,
    write_itk,
    write_nifti,
)


def load_volume(path: str | os.PathLike) -> tuple[Volume, list[str]]:
    """Read a 3D volume as float32: ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``, ``.mha`` or ``.mhd``.

    Returns the volume, indexed (x, y, z) with its affine to RAS mm, and remarks for the user (for
    instance that qform and sform disagree). Values are as the file means them (slope and intercept
    applied), NaN and infinity included. Raises ``FAError('bad-input')``, one clear line, for
    whatever cannot be read, and prints nothing.
    """
    path = Path(path)
    name = path.name.lower()
    _check_file(path)
    if name.endswith(NIFTI_ENDINGS):
        data, affine, qform, remarks = read_nifti(path)
    elif name.endswith(ITK_ENDINGS):
        data, affine = read_itk(path)
        qform, remarks = None, []
    elif name.endswith((".img", ".hdr", ".img.gz", ".hdr.gz")):
        raise FAError(
            "bad-input",
            f"{path.name} is half of a pair of files",
            "such a pair may not know left from right",
            "Convert it to one .nii.gz file",
        )
    else:
        raise FAError("bad-input", f"{path.name} has an unknown ending", "", "Use .nii, .nii.gz, .nrrd or .mha")
    try:
        volume = Volume(data, affine)
    except FAError as error:
        raise FAError(
            error.code,
            f"{path.name} cannot be used",
            f"{error.what[0].lower()}{error.what[1:]}, {error.why}",
            error.fix,
        ) from None
    if qform is not None and _usable(qform) and not volume.same_geometry(Volume(data, qform), 0.1):
        remarks.append(f"qform and sform of {path.name} disagree; the sform is used (3D Slicer uses the qform)")
    return volume, remarks


def save_volume(volume: Volume, path: str | os.PathLike) -> None:
    """Write ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha`` under a temporary name and rename it.

    No half file is ever seen, and a file already there stays whole when writing fails. ``uint8`` and
    ``bool`` are written as uint8, everything else as float32. Raises ``FAError('bad-request')`` for
    another ending and ``FAError('bad-input')`` when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    ending = next((e for e in WRITABLE_ENDINGS if path.name.lower().endswith(e)), None)
    if ending is None:
        raise FAError("bad-request", f"Cannot write {path.name}", "unknown ending", "Use .nii, .nii.gz, .nrrd or .mha")
    data = volume.data.astype(np.uint8 if volume.data.dtype in (np.bool_, np.uint8) else np.float32, copy=False)
    try:
        handle, temporary = tempfile.mkstemp(suffix=ending, prefix=".", dir=path.parent)
        os.close(handle)
    except (OSError, ValueError) as error:
        raise cannot_write(path, error) from None
    try:
        (write_nifti if ending in NIFTI_ENDINGS else write_itk)(data, volume.affine, temporary)
        os.chmod(temporary, 0o666 & ~current_umask())
        os.replace(temporary, path)
    except (OSError, RuntimeError, ValueError) as error:
        raise cannot_write(path, error) from None
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def current_umask() -> int:
    """The process' umask (there is no way to read it without setting it)."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def cannot_write(path: Path, error: Exception) -> FAError:
    """The error for a file that could not be written."""
    reason = getattr(error, "strerror", None) or (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return FAError(
        "bad-input",
        f"Cannot write {path}",
        reason.strip().replace("Reason: ", "").rstrip("."),
        "Choose a folder with room that you may write to",
    )


def to_itk(volume: Volume):
    """*volume* as a SimpleITK image with the same place in the world."""
    return itk_image(volume.data, volume.affine)


def _check_file(path: Path) -> None:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise FAError("bad-input", f"There is no file {path}", "", "Check the path") from None
        raise FAError(
            "bad-input",
            f"{path.name[:100]} cannot be read",
            getattr(error, "strerror", None) or str(error),
            "Check the path and the right to read it",
        ) from None
    if stat.S_ISDIR(mode):
        raise FAError(
            "bad-input", f"{path} is a folder", "one volume file is needed", "Name a .nii, .nii.gz, .nrrd or .mha file"
        )
    if not stat.S_ISREG(mode):
        raise FAError("bad-input", f"{path} is not a file", "", "Name a .nii, .nii.gz, .nrrd or .mha file")


def _usable(affine: np.ndarray) -> bool:
    try:
        check_affine(affine)
    except FAError:
        return False
    return True
