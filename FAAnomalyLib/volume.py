"""A 3D array with its place in the world.

Arrays are indexed (x, y, z) and come with a 4x4 affine to right-anterior-superior (RAS) millimetres, as in nibabel.
Needs NumPy alone; :mod:`FAAnomalyLib.io.volumes` reads and writes files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .errors import FAError

MAX_ITK_SKEW = 1e-4
"""Cosine between two axes of an sform from which on ITK takes the qform instead."""


@dataclass(frozen=True, eq=False)
class NiftiForms:
    """The two statements of a NIfTI file about its place, kept so that results repeat them.

    Attributes
    ----------
    qform, sform
        4x4, voxel indices to RAS mm; of no meaning where the code is 0.
    qform_code, sform_code
        As in the file: 0 says nothing, 1 scanner, 2 aligned, and so on.
    """

    qform: np.ndarray
    qform_code: int
    sform: np.ndarray
    sform_code: int

    @property
    def contradictory(self) -> bool:
        """Whether both are set and one is the mirror image of the other."""
        if self.qform_code <= 0 or self.sform_code <= 0:
            return False
        handed = np.linalg.det(np.stack([self.qform[:3, :3], self.sform[:3, :3]]))
        return bool(handed[0] * handed[1] < 0)

    @property
    def silent(self) -> bool:
        """Whether neither is set."""
        return self.qform_code <= 0 and self.sform_code <= 0

    def itk_affine(self, spacing: np.ndarray) -> np.ndarray:
        """4x4, the place that ITK, and with it 3D Slicer, gives the file.

        The sform with the code 1 or without a qform, otherwise the qform; also the qform where the sform is skewed.
        Where neither is set the axes run to left, posterior and superior from the origin, in steps of *spacing* mm.
        """
        if self.silent:
            return np.diag([-spacing[0], -spacing[1], spacing[2], 1.0])
        if self.qform_code <= 0:
            return self.sform
        return self.sform if self.sform_code == 1 and _skew(self.sform) <= MAX_ITK_SKEW else self.qform


@dataclass(frozen=True)
class Volume:
    """A scalar volume and where it lies.

    Attributes
    ----------
    data
        Array of shape (X, Y, Z), any dtype. The unit depends on the use: FA, z, probability or label.
    affine
        4x4 float64 matrix from voxel indices to RAS millimetres: any axis order, handedness, obliqueness and
        anisotropy, but invertible and without shear.
    forms
        Both statements of the NIfTI file that it came from; None for any other origin.
    sides_known
        Whether the affine tells the patient's left from right; False where the file does not say.

    Raises
    ------
    FAError
        ``bad-input`` for an array that is not 3D and an affine that :func:`check_affine` refuses.

    Examples
    --------
    >>> volume = Volume(np.zeros((96, 112, 60), np.float32), np.diag([2.0, 2.0, 2.5, 1.0]))
    >>> volume.shape, volume.spacing.tolist(), round(volume.voxel_ml, 6)
    ((96, 112, 60), [2.0, 2.0, 2.5], 0.01)
    """

    data: np.ndarray
    affine: np.ndarray
    forms: NiftiForms | None = None
    sides_known: bool = True

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)
        if self.data.ndim != 3:
            raise FAError("bad-input", "Not a 3D volume", f"it has the shape {self.data.shape}", "Choose one 3D FA map")
        check_affine(affine)
        object.__setattr__(self, "affine", affine)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along x, y and z."""
        x, y, z = self.data.shape
        return x, y, z

    @property
    def spacing(self) -> np.ndarray:
        """Edge lengths of a voxel in millimetres, shape (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000.0

    def with_data(self, data: np.ndarray) -> Volume:
        """A volume of another array in the same place; raises ``ValueError`` when the shapes differ."""
        if data.shape != self.shape:
            raise ValueError(f"shape {data.shape} is not {self.shape}")
        return replace(self, data=data)

    @property
    def itk_affine(self) -> np.ndarray:
        """4x4, the affine by which 3D Slicer shows the file: what is drawn there lies in this world."""
        return self.affine if self.forms is None else self.forms.itk_affine(self.spacing)

    def same_geometry(self, other: Volume, tolerance_mm: float = 1e-2) -> bool:
        """Whether *other* has the same shape and its corners lie within *tolerance_mm* of this volume's.

        >>> volume = Volume(np.zeros((3, 3, 3)), np.eye(4))
        >>> volume.same_geometry(Volume(np.ones((3, 3, 3)), np.diag([1.001, 1.0, 1.0, 1.0])))
        True
        """
        return self.shape == other.shape and self.distance_mm(other) <= tolerance_mm

    def distance_mm(self, other: Volume) -> float:
        """How far apart a corner of this volume's grid lies by its own affine and by that of *other*, at most, mm."""
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape])).reshape(3, -1)
        corners = np.vstack([corners, np.ones(corners.shape[1])])
        return float(np.abs((self.affine - other.affine) @ corners).max())


def check_affine(affine: np.ndarray) -> None:
    """Raise ``FAError('bad-input')`` when *affine* is not a finite, invertible 4x4 matrix without shear.

    >>> check_affine(np.diag([2.0, 2.0, 0.0, 1.0]))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    FAAnomalyLib.errors.FAError: The volume's affine is singular: two voxel axes coincide or have no length. ...
    """
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise FAError(
            "bad-input",
            "The volume's affine is not usable",
            "it is not a finite 4x4 matrix",
            "Write the file again with a correct orientation",
        )
    axes = affine[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if (lengths < 1e-6).any() or abs(np.linalg.det(axes / np.maximum(lengths, 1e-12))) < 1e-3:
        raise FAError(
            "bad-input",
            "The volume's affine is singular",
            "two voxel axes coincide or have no length",
            "Write the file again with a correct orientation",
        )
    skew = _skew(affine)
    # sin(0.5 degree): float32 headers and registered files stay far below, a real shear far above.
    if skew > 0.0087:
        raise FAError(
            "bad-input",
            "The volume's affine is sheared",
            f"its axes are {np.degrees(np.arcsin(min(skew, 1.0))):.1f} degrees from a right angle",
            "Resample the volume to a grid with right angles first",
        )


def _skew(affine: np.ndarray) -> float:
    """Largest cosine of the angle between two axes; 0 at right angles."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.abs(directions.T @ directions - np.eye(3)).max())
