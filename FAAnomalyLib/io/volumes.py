"""Volume files <-> :class:`~FAAnomalyLib.volume.Volume`; pairs of files and FreeSurfer's are read alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FAError
from ..volume import Volume
from .atomic import atomic_write, cannot_write
from .file_faults import no_orientation
from .itk_files import ITK_ENDINGS, itk_image, read_itk, says_orientation, write_itk
from .nifti_files import MGH_ENDINGS, NIFTI_ENDINGS, PAIR_ENDINGS, read_mgh, read_nifti, read_pair, write_nifti

if TYPE_CHECKING:
    import SimpleITK

WRITABLE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Single files only: a header that names a second file would still name the temporary one after the rename."""


def load_volume(path: str | os.PathLike) -> tuple[Volume, list[str]]:
    """Read a 3D volume and its place in the world.

    The reading libraries print nothing. An axis of length 1 after the third is dropped.

    Parameters
    ----------
    path
        A ``.nii``, ``.nii.gz``, ``.nrrd``, ``.nhdr``, ``.mha``, ``.mhd``, ``.mgz`` or ``.mgh`` file, or either of a
        pair ``.hdr`` and ``.img``, gzipped or not.

    Returns
    -------
    volume : Volume
        float32, (X, Y, Z), with the affine to RAS mm. Slope and intercept are applied; NaN and infinity are kept.
    remarks : list of str
        For the user, for instance that qform and sform disagree (the sform is used).

    Raises
    ------
    FAError
        ``bad-input`` when the file is absent, damaged, of another format, not one scalar 3D volume or has an affine
        that is singular or sheared; ``out-of-memory`` when it does not fit.
    """
    path = Path(path)
    name = path.name.lower()
    check_file(path)
    try:
        if name.endswith(NIFTI_ENDINGS):
            return read_nifti(path)
        if name.endswith(PAIR_ENDINGS):
            return read_pair(path)
        if name.endswith(MGH_ENDINGS):
            return read_mgh(path)
        if name.endswith(ITK_ENDINGS):
            data, affine, _ = read_itk(path)
            known = says_orientation(path)
            return Volume(data, affine, None, known), [] if known else [no_orientation(path)]
    except FAError as error:
        if path.name in error.what:
            raise
        raise FAError(
            error.code,
            f"{path.name} cannot be used",
            f"{error.what[0].lower()}{error.what[1:]}, {error.why}",
            error.fix,
        ) from None
    raise FAError("bad-input", f"{path.name} has an unknown ending", "", "Use .nii, .nii.gz, .nrrd, .mha or .mgz")


def save_volume(volume: Volume, path: str | os.PathLike) -> None:
    """Write a volume to a file, whole or not at all (see :func:`~FAAnomalyLib.io.atomic.atomic_write`).

    Parameters
    ----------
    volume
        (X, Y, Z) with its affine to RAS mm. ``uint8`` and ``bool`` are written as uint8, everything else as float32.
    path
        A ``.nii``, ``.nii.gz``, ``.nrrd`` or ``.mha`` file. NIfTI gets both forms and codes of the file that the
        volume came from; of any other volume the same affine as sform and qform.

    Raises
    ------
    FAError
        ``bad-request`` for another ending, ``bad-input`` when the disk is full or the folder cannot be written.
    """
    path = Path(path)
    ending = next((e for e in WRITABLE_ENDINGS if path.name.lower().endswith(e)), None)
    if ending is None:
        raise FAError("bad-request", f"Cannot write {path.name}", "unknown ending", "Use .nii, .nii.gz, .nrrd or .mha")
    data = volume.data.astype(np.uint8 if volume.data.dtype in (np.bool_, np.uint8) else np.float32, copy=False)
    write = write_nifti if ending in NIFTI_ENDINGS else write_itk
    try:
        with atomic_write(path, unique_suffix=ending) as temporary:
            write(volume.with_data(data), str(temporary))
    except (OSError, RuntimeError, ValueError) as error:
        raise cannot_write(path, error) from None


def to_itk(volume: Volume) -> SimpleITK.Image:
    """*volume* as a SimpleITK image (Z, Y, X in memory) in the same place of the world."""
    return itk_image(volume.data, volume.affine)


def check_file(path: Path) -> None:
    """Raise ``FAError('bad-input')`` unless *path* is an ordinary file that may be looked at."""
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
