"""Volume files <-> arrays and affines: NIfTI with nibabel, NRRD and MetaImage with SimpleITK.

Both libraries are imported only when a file is read or written. Every fault of a file is raised as one ``FAError``,
and what the libraries print is kept off standard error.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import FAError
from ..geometry.orientation import LPS_TO_RAS

if TYPE_CHECKING:
    import SimpleITK

NIFTI_ENDINGS = (".nii.gz", ".nii")
ITK_ENDINGS = (".nrrd", ".mha", ".nhdr", ".mhd")
WRITABLE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Single files only: a header that names a second file would still name the temporary one after the rename."""

MAX_VOXELS = 2**28
"""645 voxels cubed: more than any brain needs, and a bound on the memory that a forged header can ask for."""

DAMAGED = "The file is damaged or not what its ending says; copy or convert it again"
NOT_PERMITTED = "Ask for the right to read it, or copy it to a folder of yours"
MILLIMETRES = {1: 1000.0, 3: 0.001}
"""NIfTI code of a spatial unit (metre, micrometre) -> millimetres; every other code counts as millimetres."""


def unreadable(path: Path, reason: object, fix: str = DAMAGED) -> FAError:
    """The error for a file that cannot be read; *reason* is an exception or words."""
    if isinstance(reason, MemoryError):
        return FAError("out-of-memory", f"{path.name} does not fit into memory", "", "Close other programs")
    words = getattr(reason, "strerror", None) or (str(reason).strip().splitlines() or [type(reason).__name__])[-1]
    return FAError("bad-input", f"{path.name} cannot be read", words.strip().rstrip(".")[:200], fix)


def read_nifti(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, list[str]]:
    """Read NIfTI-1 or NIfTI-2, gzipped or not.

    Returns
    -------
    data : numpy.ndarray
        float32, (X, Y, Z), slope and intercept applied.
    affine : numpy.ndarray
        4x4, voxel indices to RAS mm.
    qform : numpy.ndarray or None
        4x4, in mm, when both the qform and the sform are set and the qform is usable.
    remarks : list of str
        For the user.

    Raises
    ------
    FAError
        ``bad-input``, or ``out-of-memory``.
    """
    import nibabel

    raw = _plain_bytes(path)
    size = {raw[:4] == n.to_bytes(4, order): n for n in (348, 540) for order in ("little", "big")}.get(True)
    if size is None:
        kind = "it is a text file" if raw[:200].isascii() and b"\0" not in raw[:200] else "it is something else"
        raise unreadable(path, f"{kind}, not NIfTI")
    try:
        with _silence(nibabel.imageglobals.logger):
            image = (nibabel.Nifti1Image if size == 348 else nibabel.Nifti2Image).from_bytes(raw)
            shape = _three(path, image.shape)
            kind = image.get_data_dtype()
            if kind.names or kind.kind not in "iufb":
                raise _not_scalar(path, "colours" if kind.names else str(kind))
            data = np.asarray(image.dataobj, dtype=np.float32).reshape(shape)
            affine, header = np.array(image.affine, dtype=np.float64), image.header
            both = header["qform_code"] > 0 and header["sform_code"] > 0
            qform = _qform(header) if both else None
    except FAError:
        raise
    except Exception as error:
        truncated = "memory" not in type(error).__name__.lower() and len(raw) < _expected_bytes(raw, size)
        raise unreadable(path, "it ends before its last voxel" if truncated else error) from None
    affine, qform, remarks = _in_millimetres(path, header, affine, qform)
    if header["qform_code"] <= 0 and header["sform_code"] <= 0:
        remarks.insert(0, f"{path.name} does not say how it is oriented; left and right may be exchanged")
    return data, affine, qform, remarks


def _in_millimetres(
    path: Path, header: Any, affine: np.ndarray, qform: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    unit = MILLIMETRES.get(int(header["xyzt_units"]) & 7)
    if unit is None:
        return affine, qform, []
    scale = np.array([[unit], [unit], [unit], [1.0]])
    remark = f"{path.name} gives its lengths in {'metres' if unit > 1 else 'micrometres'}; converted to millimetres"
    return affine * scale, None if qform is None else qform * scale, [remark]


def _plain_bytes(path: Path) -> bytes:
    # Read to the very end: nibabel stops after the last voxel and never meets gzip's checksum.
    limit = MAX_VOXELS * 16
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            raw = (gzip.GzipFile(fileobj=file) if packed else file).read(limit + 1)
    except EOFError:
        raise unreadable(path, "it ends too early") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise unreadable(path, f"its compressed data are damaged ({error})") from None
    except PermissionError as error:
        raise unreadable(path, error, NOT_PERMITTED) from None
    except (OSError, MemoryError) as error:
        raise unreadable(path, error) from None
    if not raw:
        raise unreadable(path, "it is empty")
    if len(raw) > limit:
        raise unreadable(path, "it is far too large for one brain", "Choose one 3D FA map")
    return raw


def _expected_bytes(raw: bytes, size: int) -> int:
    if len(raw) < size:
        return size
    order: Literal["little", "big"] = "little" if raw[0] in (92, 28) else "big"
    begin, step, width = (40, 72, 2) if size == 348 else (16, 14, 8)
    sizes = [int.from_bytes(raw[begin + width * i : begin + width * (i + 1)], order) for i in range(8)]
    bits = int.from_bytes(raw[step : step + 2], order)
    return size + int(np.prod([float(n) for n in sizes[1 : 1 + min(sizes[0], 7)]])) * bits // 8


def _qform(header: Any) -> np.ndarray | None:
    try:
        return np.asarray(header.get_qform(), dtype=np.float64)
    except Exception:  # an unusable quaternion does no harm beside a good sform
        return None


def read_itk(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read NRRD or MetaImage: float32 data (X, Y, Z), and the 4x4 affine from voxel indices to RAS mm.

    Raises ``FAError('bad-input')``, or ``'out-of-memory'``.
    """
    import SimpleITK

    _check_openable(path)
    try:
        with _silence() as said:
            reader = SimpleITK.ImageFileReader()
            reader.SetFileName(str(path))
            reader.ReadImageInformation()
            # Checked before the voxels are read, which may be many.
            if reader.GetNumberOfComponents() != 1 or "complex" in _pixel_name(reader):
                raise _not_scalar(path, f"{reader.GetNumberOfComponents()} components")
            _three(path, reader.GetSize())
            image = reader.Execute()
            if image.GetDimension() == 4:
                image = image[:, :, :, 0]
            data = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0).astype(np.float32)
    except FAError:
        raise
    except Exception as error:
        heard = " ".join(said)
        reason: object = said[-1] if heard else error
        if "not read completely" in heard or "expected" in str(error) or "fread" in str(error):
            reason = "it ends before its last voxel"
        elif "Unable to determine ImageIO reader" in str(error):
            reason = f"its content is not {path.suffix}"
        raise unreadable(path, reason) from None
    return data, itk_affine(image)


def _pixel_name(reader: SimpleITK.ImageFileReader) -> str:
    import SimpleITK

    return SimpleITK.GetPixelIDValueAsString(reader.GetPixelID()).lower()


def _check_openable(path: Path) -> None:
    # SimpleITK says "no reader" for all of these.
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except PermissionError as error:
        raise unreadable(path, error, NOT_PERMITTED) from None
    except OSError as error:
        raise unreadable(path, error) from None
    if empty:
        raise unreadable(path, "it is empty")


def write_nifti(data: np.ndarray, affine: np.ndarray, path: str) -> None:
    """Write *data* (X, Y, Z) with its *affine* to RAS mm as sform and qform (both with the code "scanner")."""
    import nibabel

    image = nibabel.Nifti1Image(data, affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    image.header.set_xyzt_units("mm")
    with _silence(nibabel.imageglobals.logger):
        nibabel.save(image, path)


def write_itk(data: np.ndarray, affine: np.ndarray, path: str) -> None:
    """Write *data* (X, Y, Z) with its *affine* to RAS mm as compressed NRRD or MetaImage."""
    import SimpleITK

    with _silence():
        SimpleITK.WriteImage(itk_image(data, affine), path, useCompression=True)


def itk_affine(image: SimpleITK.Image) -> np.ndarray:
    """The 4x4 affine from voxel indices to RAS mm of a 3D SimpleITK image, whose own world is LPS."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ affine


def itk_image(data: np.ndarray, affine: np.ndarray) -> SimpleITK.Image:
    """*data* (X, Y, Z) with its *affine* to RAS mm as a SimpleITK image in the same place."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(data.transpose(2, 1, 0)))
    lps = LPS_TO_RAS @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def _three(path: Path, shape: tuple[int, ...]) -> tuple[int, int, int]:
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


def _not_scalar(path: Path, kind: str) -> FAError:
    return FAError(
        "bad-input",
        f"{path.name} does not hold one plain number per voxel",
        f"it holds {kind}",
        "Choose a scalar FA map",
    )


@contextlib.contextmanager
def _silence(logger: Any = None) -> Iterator[list[str]]:
    """Keep warnings, *logger* and C++ code off standard error; the list holds what C++ printed, after the end."""
    printed: list[str] = []
    was = getattr(logger, "disabled", False)
    try:
        if logger is not None:
            logger.disabled = True
        with _captured_stderr(printed), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield printed
    finally:
        if logger is not None:
            logger.disabled = was


@contextlib.contextmanager
def _captured_stderr(lines: list[str]) -> Iterator[None]:
    """Redirect the file descriptor of standard error, which C++ writes to, and collect its *lines* at the end."""
    with contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
            stack.callback(os.close, saved)
            sink = stack.enter_context(tempfile.TemporaryFile())
        except OSError:  # a windowed program may have no standard error at all: nothing to silence
            yield
            return
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            sink.seek(0)
            text = sink.read().decode("utf-8", "replace")
            lines.extend(line.strip() for line in text.split("\n") if line.strip())
