"""A 3D array with its place in the world, read from and written to files.

Arrays are indexed (x, y, z) along with a 4x4 affine to RAS millimetres, as in nibabel.
nibabel and SimpleITK are imported only when a file is touched, so that 3D Slicer can use the
value without them.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import FAError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
NIFTI_ENDINGS = (".nii", ".nii.gz")
ITK_ENDINGS = (".nrrd", ".nhdr", ".mha", ".mhd")


@dataclass(frozen=True)
class Volume:
    """A scalar volume and where it lies.

    Attributes
    ----------
    data
        Array of shape (X, Y, Z).
    affine
        4x4 float64 matrix from voxel indices to RAS millimetres; any axis order, handedness,
        obliqueness and anisotropy, but no shear and not singular.
    """

    data: np.ndarray
    affine: np.ndarray

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if self.data.ndim != 3:
            raise FAError("bad-input", "Not a 3D volume", f"it has the shape {self.data.shape}",
                          "Choose one 3D FA map")
        check_affine(affine)
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        return self.data.shape

    @property
    def spacing(self) -> np.ndarray:
        """Edge lengths of a voxel in millimetres, shape (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    def with_data(self, data: np.ndarray) -> Volume:
        """Another array in the same place; its shape must be this volume's."""
        if data.shape != self.shape:
            raise ValueError(f"shape {data.shape} is not {self.shape}")
        return Volume(data, self.affine)

    def same_geometry(self, other: Volume, tolerance_mm: float = 1e-2) -> bool:
        """Whether *other* has this shape and its corners lie within *tolerance_mm* of this one's."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1)
        corners = np.vstack([corners, np.ones(corners.shape[1])])
        return bool(np.abs((self.affine - other.affine) @ corners).max() <= tolerance_mm)


def check_affine(affine: np.ndarray) -> None:
    """Raise ``FAError`` when *affine* is not a finite, invertible, shear-free 4x4 matrix."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise FAError("bad-input", "The volume's affine is not usable", "it is not a finite 4x4 matrix",
                      "Write the file again with a correct orientation")
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if (lengths < 1e-6).any() or abs(np.linalg.det(axes / np.maximum(lengths, 1e-12))) < 1e-3:
        raise FAError("bad-input", "The volume's affine is singular", "two voxel axes coincide or have no length",
                      "Write the file again with a correct orientation")
    directions = axes / lengths
    skew = np.abs(directions.T @ directions - np.eye(3)).max()
    # sin(0.5 degree): float32 headers and registered files stay far below, a real shear far above.
    if skew > 0.0087:
        raise FAError("bad-input", "The volume's affine is sheared",
                      f"its axes are {np.degrees(np.arcsin(min(skew, 1.0))):.1f} degrees from a right angle",
                      "Resample the volume to a grid with right angles first")


def load_volume(path: str | os.PathLike) -> tuple[Volume, list[str]]:
    """Read a volume as float32; NIfTI through nibabel, NRRD and MetaImage through SimpleITK.

    Returns the volume and remarks for the user (for instance that qform and sform disagree).
    Raises ``FAError('bad-input')`` with one clear line for whatever cannot be read.
    """
    path = Path(path)
    if not path.exists():
        raise FAError("bad-input", f"There is no file {path}", "", "Check the path")
    if path.is_dir():
        raise FAError("bad-input", f"{path} is a folder", "one volume file is needed",
                      "Name a .nii, .nii.gz, .nrrd or .mha file")
    name = path.name.lower()
    if name.endswith(NIFTI_ENDINGS):
        return _load_nifti(path)
    if name.endswith(ITK_ENDINGS):
        return _load_itk(path)
    raise FAError("bad-input", f"{path.name} has an unknown ending", "",
                  "Use .nii, .nii.gz, .nrrd or .mha")


def save_volume(volume: Volume, path: str | os.PathLike) -> None:
    """Write *volume* under a temporary name and rename it, so that no half file is ever seen.

    ``float32`` and ``uint8`` arrays keep their type. Raises ``FAError('bad-input')`` when the
    disk is full or the folder cannot be written.
    """
    path = Path(path)
    name = path.name.lower()
    ending = next((e for e in (".nii.gz", ".nii", *ITK_ENDINGS) if name.endswith(e)), None)
    if ending is None:
        raise FAError("bad-request", f"Cannot write {path.name}", "unknown ending",
                      "Use .nii, .nii.gz, .nrrd or .mha")
    try:
        handle, temporary = tempfile.mkstemp(suffix=ending, prefix=".", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        (_save_nifti if ending in NIFTI_ENDINGS else _save_itk)(volume, temporary)
        os.chmod(temporary, 0o644 & ~current_umask())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise cannot_write(path, error) from error
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
    reason = getattr(error, "strerror", None) or str(error).strip().splitlines()[-1]
    return FAError("bad-input", f"Cannot write {path}", reason, "Choose a folder with room that you may write to")


def _load_nifti(path: Path) -> tuple[Volume, list[str]]:
    import nibabel

    try:
        image = nibabel.load(path)
        shape = image.shape
        while len(shape) > 3 and shape[-1] == 1:
            shape = shape[:-1]
        if len(shape) != 3:
            raise _not_3d(path, image.shape)
        if np.issubdtype(image.get_data_dtype(), np.complexfloating) or image.get_data_dtype().names:
            raise FAError("bad-input", f"{path.name} holds no plain numbers", str(image.get_data_dtype()),
                          "Choose a scalar FA map")
        data = np.asarray(image.dataobj, dtype=np.float32).reshape(shape)
        affine = image.affine
        qform, qcode = image.header.get_qform(coded=True)
        _, scode = image.header.get_sform(coded=True)
    except FAError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    remarks = []
    if not qcode and not scode:
        remarks.append(f"{path.name} says nothing about its orientation; voxel axes are taken as left-right, "
                       "back-front, bottom-top")
    volume = Volume(data, affine)
    if qcode and scode and not volume.same_geometry(Volume(data, _shearless(qform, affine)), 0.1):
        remarks.append(f"qform and sform of {path.name} disagree; the sform is used (3D Slicer uses the qform)")
    return volume, remarks


def _shearless(qform: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    try:
        check_affine(np.asarray(qform, dtype=np.float64))
    except FAError:
        return fallback
    return qform


def _load_itk(path: Path) -> tuple[Volume, list[str]]:
    import SimpleITK

    try:
        SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
        image = SimpleITK.ReadImage(str(path))
    except Exception as error:
        raise _unreadable(path, error) from error
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise _not_3d(path, (*image.GetSize(), image.GetNumberOfComponentsPerPixel()))
    data = SimpleITK.GetArrayFromImage(image).transpose(2, 1, 0).astype(np.float32)
    return Volume(data, itk_affine(image)), []


def itk_affine(image) -> np.ndarray:
    """The voxel-to-RAS affine of a 3D SimpleITK image (which keeps LPS itself)."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return LPS_TO_RAS @ affine


def to_itk(volume: Volume):
    """*volume* as a SimpleITK image with the same place in the world."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.data.transpose(2, 1, 0)))
    lps = LPS_TO_RAS @ volume.affine
    spacing = volume.spacing
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(lps[:3, 3].tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    return image


def _save_nifti(volume: Volume, path: str) -> None:
    import nibabel

    image = nibabel.Nifti1Image(_storable(volume.data), volume.affine)
    image.set_sform(volume.affine, code=1)
    image.set_qform(volume.affine, code=1)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)


def _save_itk(volume: Volume, path: str) -> None:
    import SimpleITK

    SimpleITK.WriteImage(to_itk(volume.with_data(_storable(volume.data))), path, useCompression=True)


def _storable(data: np.ndarray) -> np.ndarray:
    return data.astype(np.uint8) if data.dtype in (np.bool_, np.uint8) else data.astype(np.float32)


def _not_3d(path: Path, shape) -> FAError:
    return FAError("bad-input", f"{path.name} is not one 3D volume", f"its shape is {tuple(shape)}",
                   "Choose one 3D FA map, or extract one volume first")


def _unreadable(path: Path, error: Exception) -> FAError:
    reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
    return FAError("bad-input", f"{path.name} cannot be read", reason[:200],
                   "The file is damaged or not what its ending says; copy or convert it again")
