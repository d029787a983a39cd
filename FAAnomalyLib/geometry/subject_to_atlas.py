"""From places in a scan to places in the atlas: affine registration and the template's warping, in one small file.

NumPy and SciPy are all that it needs, so that Slicer's process can name regions of another threshold.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import FAError

STORED_STEP = 2
"""The displacement is stored at every second voxel of the model grid: it is smooth over several."""


@dataclass(frozen=True)
class SubjectToAtlas:
    """Mapping of points of a scan's world to the template's world.

    Attributes
    ----------
    template_from_subject
        4x4, mm (RAS) of the scan to mm (RAS) of the template, affine.
    displacement
        (3, X, Y, Z), mm of the template's world: what lies at p after the affine lies at ``p + displacement(p)`` in
        the template.
    affine
        4x4, voxel of the displacement's grid to mm of the template's world.
    """

    template_from_subject: np.ndarray
    displacement: np.ndarray
    affine: np.ndarray

    def __call__(self, points_ras: np.ndarray) -> np.ndarray:
        """Points of the scan in mm (RAS), (N, 3), as points of the template in mm; linear between the grid's voxels."""
        # The public contract imports this file, and the shell starts faster without SciPy.
        from scipy import ndimage

        matrix = self.template_from_subject
        points = np.asarray(points_ras, float) @ matrix[:3, :3].T + matrix[:3, 3]
        inverse = np.linalg.inv(self.affine)
        voxels = (points @ inverse[:3, :3].T + inverse[:3, 3]).T
        moved = [ndimage.map_coordinates(part, voxels, order=1, mode="nearest") for part in self.displacement]
        return points + np.stack(moved, axis=1)

    @property
    def volume_ratio(self) -> float:
        """Volume in the template over volume in the scan, by the affine."""
        return float(abs(np.linalg.det(self.template_from_subject[:3, :3])))


def save_mapping(mapping: SubjectToAtlas | None, path: Path) -> None:
    """Write a mapping as an ``.npz`` file of arrays alone, which are none for None."""
    if mapping is None:
        np.savez_compressed(path)
        return
    np.savez_compressed(
        path,
        template_from_subject=mapping.template_from_subject,
        displacement=mapping.displacement.astype(np.float16),
        affine=mapping.affine,
    )


def load_mapping(path: Path | IO[bytes]) -> SubjectToAtlas | None:
    """Read a mapping from a file, or from a stream of its content; None where it holds none.

    Raises
    ------
    FAError
        ``missing`` for a file that is absent or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            if not stored.files:
                return None
            matrix, displacement = stored["template_from_subject"], stored["displacement"].astype(np.float32)
            affine = stored["affine"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        source = f" from {path}" if isinstance(path, Path) else ""
        raise FAError(
            "missing", f"The place of the brain in the atlas cannot be read{source}", str(error), "Run it again"
        ) from error
    return SubjectToAtlas(matrix, displacement, affine)


def coarse_mapping(
    template_from_subject: np.ndarray, displacement_voxels: np.ndarray | None, grid_affine: np.ndarray
) -> SubjectToAtlas:
    """The mapping of a registered brain, with its displacement at every second voxel.

    Parameters
    ----------
    template_from_subject
        4x4, scan world to template world.
    displacement_voxels
        (3, X, Y, Z) in voxels of the model grid, as
        :attr:`FAAnomalyLib.preprocessing.template.TemplatePriors.displacement`; None for none.
    grid_affine
        4x4 of the model grid, whose axes are the template's.
    """
    if displacement_voxels is None:
        displacement_voxels = np.zeros((3, 1, 1, 1), np.float32)
    coarse = displacement_voxels[:, ::STORED_STEP, ::STORED_STEP, ::STORED_STEP]
    in_mm = np.einsum("ij,jxyz->ixyz", grid_affine[:3, :3], coarse).astype(np.float32)
    affine = grid_affine @ np.diag([STORED_STEP, STORED_STEP, STORED_STEP, 1.0])
    return SubjectToAtlas(np.asarray(template_from_subject, float), in_mm, affine)


def displaced_voxels(voxels: np.ndarray, displacement: np.ndarray | None) -> np.ndarray:
    """Voxels of the model grid, int (N, 3), moved to where they lie in the template, float (N, 3) in voxels.

    >>> displaced_voxels(np.array([[1, 0, 0]]), np.full((3, 2, 1, 1), 0.5)).tolist()
    [[1.5, 0.5, 0.5]]
    """
    if displacement is None:
        return voxels.astype(float)
    return voxels + displacement[:, voxels[:, 0], voxels[:, 1], voxels[:, 2]].T
