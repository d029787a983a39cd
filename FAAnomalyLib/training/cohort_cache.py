"""Healthy volumes on the model grid, prepared once and kept beside the run."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ..datasets.cohort import load_subject, mask_of, naming
from ..io.atomic import atomic_write
from ..preprocessing.model_grid import RESOLUTION_MM, prepare
from ..preprocessing.template import BRAIN_PROBABILITY, Template, TemplatePriors
from ..preprocessing.template_warping import LEVELS, SMOOTHING_VOXELS, UPDATE_SMOOTHING_VOXELS

RIM_MM = 3.0
"""FA this near to the brain's edge is mostly noise."""
RIM_WEIGHT = 0.1
OUTSIDE_WEIGHT = 0.02
STORED = ("fa", "brain", "prior_fa", "prior_white_matter", "prior_brain")


@dataclass(frozen=True)
class TrainingSubject:
    """One volume on the model grid.

    Attributes
    ----------
    name, person
        Volumes of one person never stand on both sides of a split.
    fa
        FA in [0, 1], float32 tensor (X, Y, Z).
    weight
        What an error costs at each voxel: 1 in the brain, less at its rim, little outside.
    prior
        The template's priors bent to this brain.
    """

    name: str
    person: str
    fa: Tensor
    weight: Tensor
    priors: TemplatePriors


def prepare_subjects(
    volumes: list[tuple[str, Path]], template: Template, cache: Path, report: Callable[[str], None] = print
) -> list[TrainingSubject]:
    """Register and resample every volume, or read it from *cache* when nothing has changed.

    Several processes may share a cache.  Raises ``FAError('bad-input')``, which names the file.
    """
    cache.mkdir(parents=True, exist_ok=True)
    subjects = []
    for number, (person, path) in enumerate(volumes, 1):
        entry = cache / f"{path.name.split('.nii')[0]}.npz"
        key = _key(path, template)
        found = _read(entry, key)
        if found is None:
            volume, brain = load_subject(path)
            with naming(path):
                prepared = prepare(volume, template, brain)
            priors = prepared.grid.priors
            found = [
                a.astype(np.float16)
                for a in (prepared.fa, prepared.brain, priors.fa, priors.white_matter, priors.brain)
            ]
            with atomic_write(entry, unique_suffix=".npz") as temporary:
                np.savez_compressed(temporary, key=key, **dict(zip(STORED, found, strict=True)))
            report(
                f"prepared {number}/{len(volumes)} {path.name}: correlation {prepared.grid.alignment.correlation:.2f}"
            )
        fa, brain, *priors = (array.astype(np.float32) for array in found)
        subjects.append(
            TrainingSubject(
                path.name,
                person,
                torch.from_numpy(fa),
                torch.from_numpy(error_weight(brain > BRAIN_PROBABILITY, template.fa.spacing[0])),
                TemplatePriors(*priors),
            )
        )
    return subjects


def error_weight(brain: np.ndarray, spacing_mm: float) -> np.ndarray:
    """:attr:`TrainingSubject.weight` of a boolean brain mask."""
    depth = ndimage.distance_transform_edt(brain, sampling=spacing_mm)
    return np.where(depth > RIM_MM, 1.0, np.where(brain, RIM_WEIGHT, OUTSIDE_WEIGHT)).astype(np.float32)


def _key(path: Path, template: Template) -> str:
    files = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in (path, mask_of(path)) if p.is_file()]
    grid = (
        template.sha256,
        template.fa.shape,
        template.fa.affine.tolist(),
        RESOLUTION_MM,
        LEVELS,
        SMOOTHING_VOXELS,
        UPDATE_SMOOTHING_VOXELS,
    )
    return hashlib.sha256(repr((files, grid)).encode()).hexdigest()


def _read(entry: Path, key: str) -> list[np.ndarray] | None:
    if not entry.is_file():
        return None
    try:
        with np.load(entry, allow_pickle=False) as stored:
            return [stored[name] for name in STORED] if str(stored["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None  # damaged: made again
