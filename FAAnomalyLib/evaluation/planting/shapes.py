"""Real lesion shapes: masks in the template's world (MNI), resampled to a subject through its registration."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ...errors import FAError
from ...io.volumes import load_volume
from ...volume import Volume

MIN_ML, MAX_ML = 2.0, 8.0
"""Sizes of the shapes that are planted."""


@dataclass(frozen=True)
class LesionShape:
    """Outline of a lesion.

    Attributes
    ----------
    name
        Stem of its file.
    mask
        Above 0.5 inside the lesion, in the template's world.
    volume_ml
        Size in the template's world.
    """

    name: str
    mask: Volume
    volume_ml: float


def find_shapes(folder: Path) -> list[LesionShape]:
    """The shapes ``lesion-*.nii.gz`` of :data:`MIN_ML` to :data:`MAX_ML` in *folder*, by name.

    Sizes come from ``volumes.csv`` (columns ``file``, ``volume_ml``); a mask without an entry is measured. Raises
    ``FAError('bad-input')`` when the folder or its table cannot be used or no shape has such a size.
    """
    files = sorted(folder.glob("lesion-*.nii.gz")) if folder.is_dir() else []
    if not files:
        raise FAError("bad-input", f"There are no lesion shapes in {folder}", "", "Name files like lesion-1.nii.gz")
    listed = _listed_volumes(folder / "volumes.csv")
    shapes = []
    for path in files:
        if not MIN_ML <= listed.get(path.name, MIN_ML) <= MAX_ML:
            continue
        mask, _ = load_volume(path)
        size = listed.get(path.name, np.count_nonzero(mask.data > 0.5) * mask.voxel_ml)
        if MIN_ML <= size <= MAX_ML:
            shapes.append(LesionShape(path.name.removesuffix(".nii.gz"), mask, size))
    if not shapes:
        raise FAError(
            "bad-input", f"No lesion shape in {folder} has {MIN_ML:g} to {MAX_ML:g} ml", "", "Name another folder"
        )
    return shapes


def _listed_volumes(table: Path) -> dict[str, float]:
    if not table.is_file():
        return {}
    try:
        with open(table, newline="", encoding="utf-8-sig") as handle:
            return {row["file"]: float(row["volume_ml"]) for row in csv.DictReader(handle)}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise FAError(
            "bad-input",
            f"{table} cannot be used",
            f"{type(error).__name__} {error}",
            "Give a CSV with the columns file,volume_ml",
        ) from error


def resample_to_subject(shape: LesionShape, volume: Volume, template_to_subject: np.ndarray) -> np.ndarray:
    """Voxels of a subject's grid whose centre lies in the shape.

    Parameters
    ----------
    shape
        The lesion in the template's world.
    volume
        Gives the subject's shape and affine.
    template_to_subject
        4x4, template RAS mm -> subject RAS mm
        (:attr:`~FAAnomalyLib.preprocessing.affine_registration.Alignment.matrix`).

    Returns
    -------
    bool array (X, Y, Z)
        Linear interpolation above 0.5; false beyond the mask's field of view.
    """
    step = np.linalg.inv(template_to_subject @ shape.mask.affine) @ volume.affine
    inside = ndimage.affine_transform(
        (shape.mask.data > 0.5).astype(np.float32),
        step[:3, :3],
        step[:3, 3],
        output_shape=volume.shape,
        order=1,
        mode="constant",
        cval=0.0,
    )
    return inside > 0.5
