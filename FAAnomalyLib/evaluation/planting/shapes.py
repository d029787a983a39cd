"""Real lesion shapes: masks in the template's world (MNI), brought to a subject by the registration."""

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
"""Shapes of these sizes are planted."""


@dataclass(frozen=True)
class Shape:
    """A lesion's outline.

    Attributes
    ----------
    name
        Stem of its file.
    mask
        Above 0.5 inside the lesion; its world is the template's.
    volume_ml
        In the template's world.
    """

    name: str
    mask: Volume
    volume_ml: float


def find_shapes(folder: Path, least_ml: float = MIN_ML, most_ml: float = MAX_ML) -> list[Shape]:
    """The shapes ``lesion-*.nii.gz`` of *least_ml* to *most_ml* in *folder*, by name.

    Sizes are those of ``volumes.csv`` (columns ``file``, ``volume_ml``); a mask that it does not name, or
    all of them where there is no such table, are measured. Raises ``FAError('bad-input')`` when the folder
    or its table cannot be used or no shape is of that size.
    """
    files = sorted(folder.glob("lesion-*.nii.gz")) if folder.is_dir() else []
    if not files:
        raise FAError("bad-input", f"There are no lesion shapes in {folder}", "", "Name files like lesion-1.nii.gz")
    known = _volumes(folder / "volumes.csv")
    shapes = []
    for path in files:
        if not least_ml <= known.get(path.name, least_ml) <= most_ml:
            continue
        mask, _ = load_volume(path)
        size = known.get(path.name, np.count_nonzero(mask.data > 0.5) * mask.voxel_ml)
        if least_ml <= size <= most_ml:
            shapes.append(Shape(path.name.removesuffix(".nii.gz"), mask, size))
    if not shapes:
        raise FAError(
            "bad-input", f"No lesion shape in {folder} has {least_ml:g} to {most_ml:g} ml", "", "Name another folder"
        )
    return shapes


def _volumes(table: Path) -> dict[str, float]:
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


def brought(shape: Shape, volume: Volume, template_to_subject: np.ndarray) -> np.ndarray:
    """Voxels of *volume*'s grid whose centre lies in the shape, bool (X, Y, Z).

    *template_to_subject* is 4x4, template RAS mm -> subject RAS mm
    (:attr:`~FAAnomalyLib.preprocessing.affine_registration.Alignment.matrix`).
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
