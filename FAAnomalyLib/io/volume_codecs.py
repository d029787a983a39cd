"""Volume files <-> arrays and affines: NIfTI with nibabel, NRRD and MetaImage with SimpleITK.

Both libraries are imported only when a file is read or written. Every fault of a file is raised as one ``FAError``,
and what the libraries print is kept off standard error.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FAError
from ..geometry.orientation import LPS_TO_RAS
from ..volume import NiftiForms, Volume, check_affine
from .nifti_header import forms_of, forms_remark, has_magic, header_size, mended, millimetres, voxel_bytes

if TYPE_CHECKING:
    import SimpleITK

NIFTI_ENDINGS = (".nii.gz", ".nii")
MGH_ENDINGS = (".mgz", ".mgh")
ITK_ENDINGS = (".nrrd", ".mha", ".nhdr", ".mhd")
WRITABLE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Single files only: a header that names a second file would still name the temporary one after the rename."""

MAX_VOXELS = 2**28
"""645 voxels cubed: more than any brain needs, and a bound on the memory that a forged header can ask for."""

DAMAGED = "The file is damaged or not what its ending says; copy or convert it again"
NOT_PERMITTED = "Ask for the right to read it, or copy it to a folder of yours"
MAX_HEADER = 2**16
"""Bytes within which a NRRD or MetaImage has said how it is oriented."""
SAME_PLACE_MM = 0.1
"""Two forms of a file that lie closer are the same, but for rounding."""
GZIP = b"\x1f\x8b"


def unreadable(path: Path, reason: object, fix: str = DAMAGED) -> FAError:
    """The error for a file that cannot be read; *reason* is an exception or words."""
    if isinstance(reason, MemoryError):
        return FAError("out-of-memory", f"{path.name} does not fit into memory", "", "Close other programs")
    words = getattr(reason, "strerror", None) or (str(reason).strip().splitlines() or [type(reason).__name__])[-1]
    return FAError("bad-input", f"{path.name} cannot be read", words.strip().rstrip(".")[:200], fix)


def read_nifti(path: Path) -> tuple[Volume, list[str]]:
    """Read NIfTI-1 or NIfTI-2, gzipped or not.

    Returns
    -------
    volume : Volume
        float32, slope and intercept applied, with both forms of the file; its affine is the sform where that is set.
    remarks : list of str
        For the user.

    Raises
    ------
    FAError
        ``bad-input``, or ``out-of-memory``.
    """
    import nibabel

    raw = _plain_bytes(path)
    size = header_size(raw)
    if size is None:
        kind = "it is a text file" if raw[:200].isascii() and b"\0" not in raw[:200] else "it is something else"
        raise unreadable(path, f"{kind}, not NIfTI")
    raw, remarks = mended(raw, size, path.name)
    if len(raw) >= size and not has_magic(raw, size):
        raise unreadable(path, "its header lacks the mark of NIfTI, so its orientation cannot be trusted")
    try:
        with _silence(nibabel.imageglobals.logger):
            image = (nibabel.Nifti1Image if size == 348 else nibabel.Nifti2Image).from_bytes(raw)
            shape = _three(path, image.shape)
            kind = image.get_data_dtype()
            if kind.names or kind.kind not in "iufb":
                raise _not_scalar(path, "colours" if kind.names else str(kind))
            data = np.asarray(image.dataobj, dtype=np.float32).reshape(shape)
            affine, header = np.array(image.affine, dtype=np.float64), image.header
    except FAError:
        raise
    except Exception as error:
        truncated = "memory" not in type(error).__name__.lower() and len(raw) < size + voxel_bytes(raw, size)
        raise unreadable(path, "it ends before its last voxel" if truncated else error) from None
    volume, more = _placed(path, data, affine, header)
    return volume, remarks + more


def _placed(path: Path, data: np.ndarray, affine: np.ndarray, header: Any) -> tuple[Volume, list[str]]:
    factor, remarks = millimetres(header, affine, path.name)
    affine = affine * np.array([[factor], [factor], [factor], [1.0]])
    check_affine(affine)
    forms = forms_of(header, factor)
    if forms.silent:
        remarks.insert(0, no_orientation(path))
    volume = Volume(data, affine, forms, not forms.silent and not forms.contradictory)
    if forms.qform_code > 0 < forms.sform_code:
        distance = volume.distance_mm(Volume(data, forms.qform)) if _usable(forms.qform) else 0.0
        if distance > SAME_PLACE_MM:
            remarks.append(forms_remark(forms, distance, path.name))
    return volume, remarks


def read_mgh(path: Path) -> tuple[Volume, list[str]]:
    """Read a FreeSurfer volume, gzipped or not; result and errors as of :func:`read_nifti`."""
    import nibabel

    raw = _plain_bytes(path)
    try:
        with _silence(nibabel.imageglobals.logger):
            image = nibabel.MGHImage.from_bytes(raw)
            shape = _three(path, image.shape)
            data = np.asarray(image.dataobj, dtype=np.float32).reshape(shape)
            known = raw[28:30] != b"\0\0"  # the flag of a good orientation, which nibabel sets in any case
    except FAError:
        raise
    except Exception as error:
        raise unreadable(path, error) from None
    return Volume(data, image.affine, None, known), [] if known else [no_orientation(path)]


def no_orientation(path: Path) -> str:
    """The remark on a file that does not say how its axes lie in the patient."""
    return f"{path.name} does not say how it is oriented; left and right may be exchanged, so the side is unknown"


def _usable(affine: np.ndarray) -> bool:
    try:
        check_affine(affine)
    except FAError:
        return False
    return True


def _plain_bytes(path: Path) -> bytes:
    # Read to the very end: nibabel stops after the last voxel and never meets gzip's checksum.
    limit = MAX_VOXELS * 16
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == GZIP
            file.seek(0)
            raw = (gzip.GzipFile(fileobj=file) if packed else file).read(limit + 1)
        if packed and raw[:2] == GZIP:  # compressed twice, as downloads sometimes are
            raw = gzip.GzipFile(fileobj=io.BytesIO(raw)).read(limit + 1)
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


def read_itk(path: Path, most_layers: int = 1) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Read NRRD or MetaImage.

    Parameters
    ----------
    path
        The file.
    most_layers
        Most numbers per voxel that are accepted: a segmentation of 3D Slicer keeps overlapping segments in layers.

    Returns
    -------
    data : numpy.ndarray
        float32, (X, Y, Z), or (X, Y, Z, layers) where there are several.
    affine : numpy.ndarray
        4x4, voxel indices to RAS mm.
    texts : dict of str to str
        What the header says besides, such as the names of segments.

    Raises
    ------
    FAError
        ``bad-input``, or ``out-of-memory``.
    """
    import SimpleITK

    _check_openable(path)
    try:
        with _silence() as said:
            reader = SimpleITK.ImageFileReader()
            reader.SetFileName(str(path))
            reader.ReadImageInformation()
            # Checked before the voxels are read, which may be many.
            if not 1 <= reader.GetNumberOfComponents() <= most_layers or "complex" in _pixel_name(reader):
                raise _not_scalar(path, f"{reader.GetNumberOfComponents()} components")
            _three(path, reader.GetSize())
            image = reader.Execute()
            if image.GetDimension() == 4:
                image = image[:, :, :, 0]
            array = SimpleITK.GetArrayFromImage(image)
            data = array.transpose(2, 1, 0, *range(3, array.ndim)).astype(np.float32)
            texts = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
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
    return data, itk_affine(image), texts


def says_orientation(path: Path) -> bool:
    """Whether the header of a readable NRRD or MetaImage names the world that its axes run in."""
    with open(path, "rb") as file:
        head = file.read(MAX_HEADER)
    if path.suffix.lower() in (".nrrd", ".nhdr"):
        space = re.search(rb"^space:[ \t]*(\S+)", re.split(rb"\r?\n\r?\n", head)[0], re.MULTILINE)
        return bool(space and re.match(rb"(?i)(left|right)-|[LR][AP][SI]", space[1]))
    fields = head.partition(b"ElementDataFile")[0]
    return re.search(rb"^\s*(TransformMatrix|Orientation|Rotation)\s*=", fields, re.MULTILINE) is not None


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


def write_nifti(volume: Volume, path: str) -> None:
    """Write *volume* with both forms and codes of the file that it came from.

    Without such a file its affine is written as sform and qform, both with the code "scanner".
    """
    import nibabel

    image = nibabel.Nifti1Image(volume.data, volume.affine)
    forms = volume.forms or NiftiForms(volume.affine, 1, volume.affine, 1)
    image.set_sform(forms.sform if forms.sform_code > 0 else None, code=forms.sform_code)
    image.set_qform(forms.qform if forms.qform_code > 0 else None, code=forms.qform_code)
    image.header.set_xyzt_units("mm")
    with _silence(nibabel.imageglobals.logger):
        nibabel.save(image, path)


def write_itk(volume: Volume, path: str) -> None:
    """Write *volume* as compressed NRRD or MetaImage."""
    import SimpleITK

    with _silence():
        SimpleITK.WriteImage(itk_image(volume.data, volume.affine), path, useCompression=True)


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
