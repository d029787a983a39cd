"""NIfTI, single files and pairs, Analyze 7.5 and FreeSurfer's MGH <-> volumes, with nibabel.

Imported only when a file is read or written. Every fault of a file is raised as one ``FAError``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FAError
from ..volume import NiftiForms, Volume, check_affine
from .file_bytes import plain_bytes
from .file_faults import no_orientation, not_scalar, three_axes, unreadable
from .nifti_header import forms_of, forms_remark, has_magic, header_size, mended, millimetres, voxel_bytes
from .quiet_libraries import silenced

NIFTI_ENDINGS = (".nii.gz", ".nii")
PAIR_ENDINGS = (".hdr", ".img", ".hdr.gz", ".img.gz")
MGH_ENDINGS = (".mgz", ".mgh")
SAME_PLACE_MM = 0.1
"""Two forms of a file that lie closer are the same, but for rounding."""


def read_nifti(path: Path) -> tuple[Volume, list[str]]:
    """Read a single file of NIfTI-1 or NIfTI-2, gzipped or not.

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

    raw, remarks = plain_bytes(path)
    size = _size_of(path, raw)
    raw, more = mended(raw, size, path.name)
    if len(raw) >= size and not has_magic(raw, size):
        raise unreadable(path, "its header lacks the mark of NIfTI, so its orientation cannot be trusted")
    kind = nibabel.Nifti1Image if size == 348 else nibabel.Nifti2Image
    with _truncation_told(path, len(raw) < size + voxel_bytes(raw, size)):
        image = kind.from_bytes(raw)
        data = _voxels(path, image)
    volume, said = _placed(path, data, np.array(image.affine, dtype=np.float64), image.header)
    return volume, remarks + more + said


def read_pair(path: Path) -> tuple[Volume, list[str]]:
    """Read a pair of header and image, ``.hdr`` and ``.img``: NIfTI-1, NIfTI-2 or Analyze 7.5.

    Analyze has no agreed handedness. Its axes are taken to run to left, anterior and superior about the centre of the
    array, as nibabel takes them and as a NIfTI file with two codes of 0, which results are written as. The scale
    factor of SPM is applied.

    Parameters
    ----------
    path
        Either of the two; the other one lies beside it.

    Returns
    -------
    volume, remarks
        As of :func:`read_nifti`.

    Raises
    ------
    FAError
        ``bad-input``, or ``out-of-memory``.
    """
    import nibabel

    header_path, image_path = _both(path)
    raw, remarks = plain_bytes(header_path)
    packed, more = plain_bytes(image_path)
    size = _size_of(header_path, raw)
    raw, mends = mended(raw, size, header_path.name)
    truncated = len(raw) < size or len(packed) < voxel_bytes(raw, size)
    with _truncation_told(header_path if len(raw) < size else image_path, truncated):
        if not has_magic(raw, size):
            data, affine = _analyze(path, raw, packed)
            silent = NiftiForms(np.eye(4), 0, np.eye(4), 0)
            return Volume(data, affine, silent, False), [*remarks, *more, *mends, no_orientation(path)]
        kind = nibabel.Nifti1Pair if size == 348 else nibabel.Nifti2Pair
        image = kind.from_file_map(kind.make_file_map({"header": BytesIO(raw), "image": BytesIO(packed)}))
        data = _voxels(path, image)
    volume, said = _placed(path, data, np.array(image.affine, dtype=np.float64), image.header)
    return volume, remarks + more + mends + said


def _both(path: Path) -> tuple[Path, Path]:
    """Header and image of the pair that *path* belongs to; the case of its letters is kept."""
    ending = next(e for e in PAIR_ENDINGS if path.name.lower().endswith(e))
    stem, written = path.name[: -len(ending)], path.name[-len(ending) :]
    swap = {"hdr": "img", "img": "hdr", "HDR": "IMG", "IMG": "HDR"}.get(
        written[1:4], "img" if "hdr" in ending else "hdr"
    )
    names = [stem + written[0] + swap + rest for rest in (written[4:], "" if written[4:] else ".gz")]
    other = next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)
    if other is None:
        raise FAError(
            "bad-input",
            f"{path.name} is half of a pair of files",
            f"there is no {names[0]} beside it",
            "Put both into one folder, or convert them to one .nii.gz file",
        )
    return (path, other) if "hdr" in ending else (other, path)


def _size_of(path: Path, raw: bytes) -> int:
    """Size of the header that *raw* begins with."""
    size = header_size(raw)
    if size is None:
        kind = "it is a text file" if raw[:200].isascii() and b"\0" not in raw[:200] else "it is something else"
        raise unreadable(path, f"{kind}, not NIfTI")
    return size


@contextmanager
def _truncation_told(path: Path, truncated: bool) -> Iterator[None]:
    """Context manager in which nibabel prints nothing and its errors become one ``FAError``."""
    import nibabel

    try:
        with silenced(nibabel.imageglobals.logger):
            yield
    except FAError:
        raise
    except Exception as error:
        cut = truncated and "memory" not in type(error).__name__.lower()
        raise unreadable(path, "it ends before its last voxel" if cut else error) from None


def _voxels(path: Path, image: Any) -> np.ndarray:
    """Numbers of a nibabel image, float32 (X, Y, Z), slope and intercept applied."""
    shape = three_axes(path, image.shape)
    kind = image.get_data_dtype()
    if kind.names or kind.kind not in "iufb":
        raise not_scalar(path, "colours" if kind.names else str(kind))
    return np.asarray(image.dataobj, dtype=np.float32).reshape(shape)


def _analyze(path: Path, raw: bytes, voxels: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (X, Y, Z) and affine of a pair whose header is from before NIfTI."""
    from nibabel.analyze import AnalyzeImage
    from nibabel.spm2analyze import Spm2AnalyzeHeader

    image = AnalyzeImage.from_file_map(AnalyzeImage.make_file_map({"header": BytesIO(raw), "image": BytesIO(voxels)}))
    data = _voxels(path, image)
    slope, intercept = Spm2AnalyzeHeader.from_fileobj(BytesIO(raw)).get_slope_inter()
    if slope is not None:
        data = np.asarray(data * np.float32(slope) + np.float32(intercept or 0.0), dtype=np.float32)
    affine = np.array(image.header.get_base_affine(), dtype=np.float64)
    check_affine(affine)
    return data, affine


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

    raw, remarks = plain_bytes(path)
    with _truncation_told(path, False):
        image = nibabel.MGHImage.from_bytes(raw)
        data = _voxels(path, image)
    known = raw[28:30] != b"\0\0"  # the flag of a good orientation, which nibabel sets in any case
    return Volume(data, image.affine, None, known), remarks + ([] if known else [no_orientation(path)])


def _usable(affine: np.ndarray) -> bool:
    try:
        check_affine(affine)
    except FAError:
        return False
    return True


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
    with silenced(nibabel.imageglobals.logger):
        nibabel.save(image, path)
