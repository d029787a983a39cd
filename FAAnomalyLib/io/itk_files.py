"""NRRD and MetaImage <-> arrays and affines, with SimpleITK.

Imported only when a file is read or written. Every fault of a file is raised as one ``FAError``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FAError
from ..geometry.orientation import LPS_TO_RAS
from ..volume import Volume
from .file_faults import NOT_PERMITTED, not_scalar, three_axes, unreadable
from .quiet_libraries import silenced

if TYPE_CHECKING:
    import SimpleITK

ITK_ENDINGS = (".nrrd", ".mha", ".nhdr", ".mhd")
MAX_HEADER = 2**16
"""Bytes within which a NRRD or MetaImage has said how it is oriented."""


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
        with silenced() as said:
            reader = SimpleITK.ImageFileReader()
            reader.SetFileName(str(path))
            reader.ReadImageInformation()
            # Checked before the voxels are read, which may be many.
            if not 1 <= reader.GetNumberOfComponents() <= most_layers or "complex" in _pixel_name(reader):
                raise not_scalar(path, f"{reader.GetNumberOfComponents()} components")
            three_axes(path, reader.GetSize())
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


def write_itk(volume: Volume, path: str) -> None:
    """Write *volume* as compressed NRRD or MetaImage."""
    import SimpleITK

    with silenced():
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
