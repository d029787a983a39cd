"""Subjects on the model grid, prepared once and kept in the run's folder."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage
from torch import Tensor

from ..datasets.cohort import CohortSubject, load_subject, naming
from ..io.atomic import atomic_write
from ..networks.thesis.unet import WHITE_MATTER_FA
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import RESOLUTION_MM, PreparedSubject
from ..preprocessing.preparation import prepare
from ..preprocessing.template import BRAIN_PROBABILITY, Template, TemplatePriors
from ..preprocessing.template_warping import SETTINGS
from ..runtime.arrays import as_tensor
from ..runtime.progress import told_what_is_kept

RIM_MM = 3.0
"""FA nearer than this to the brain's edge is mostly noise."""
RIM_WEIGHT = 0.1
OUTSIDE_WEIGHT = 0.02
STORED = ("fa", "brain", "prior_fa", "prior_white_matter", "prior_brain")
"""Arrays of a cache entry, float16 (X, Y, Z)."""


@dataclass(frozen=True)
class TrainingSubject:
    """One FA map on the model grid.

    Attributes
    ----------
    name
        File name of the map.
    person
        Who it is of.
    fa
        FA in [0, 1], float32 (X, Y, Z).
    weight
        What an error costs at each voxel, float32 (X, Y, Z): 1 in the brain, less at its rim, little outside.
    priors
        The template's priors warped to this brain.
    """

    name: str
    person: str
    fa: Tensor
    weight: Tensor
    priors: TemplatePriors

    @property
    def white_matter(self) -> Tensor:
        """The thesis' mask FA > 0.2 (equation 2.1), bool (X, Y, Z)."""
        return self.fa > WHITE_MATTER_FA


def prepare_subjects(
    subjects: list[CohortSubject],
    template: Template,
    cache: Path,
    report: Callable[[str], None] = print,
    check: Check | None = None,
) -> list[TrainingSubject]:
    """Register every FA map and resample it to the model grid, or read the result of an earlier call.

    Parameters
    ----------
    subjects
        FA maps of a cohort.
    template
        On the model grid.
    cache
        Folder for the results, which several processes may share. An entry is used while the map, its mask, the
        template and the settings of the registration are those that it was made with.
    report
        Called with a line for every map that is registered.
    check
        Called during the registrations; may raise to cancel. Maps that are registered are kept, and said.

    Raises
    ------
    FAError
        ``bad-input``, with the file's name, when a map cannot be used.
    """
    cache.mkdir(parents=True, exist_ok=True)
    prepared = []
    for number, subject in enumerate(subjects, 1):
        entry = cache / f"{subject.path.name.split('.nii')[0]}.npz"
        key = _key(subject, template)
        arrays = _read(entry, key)
        if arrays is None:
            with told_what_is_kept(partial(_kept, number - 1, len(subjects), cache)):
                one, correlation = _register(subject, template, check)
            arrays = _arrays(one)
            _write(entry, key, arrays)
            report(f"prepared {number}/{len(subjects)} {subject.path.name}: correlation {correlation:.2f}")
        prepared.append(_training_subject(subject, arrays, template.fa.spacing[0]))
    return prepared


def error_weight(brain: np.ndarray, spacing_mm: float) -> np.ndarray:
    """:attr:`TrainingSubject.weight` of a brain.

    Parameters
    ----------
    brain
        Brain mask, bool (X, Y, Z).
    spacing_mm
        Voxel size, the same along all axes.

    Returns
    -------
    ndarray of float32, shape (X, Y, Z)
        1 deeper than :data:`RIM_MM`, :data:`RIM_WEIGHT` in the rim, :data:`OUTSIDE_WEIGHT` outside.

    Examples
    --------
    >>> brain = np.zeros((9, 9, 9), bool)
    >>> brain[1:8, 1:8, 1:8] = True
    >>> [round(float(weight), 2) for weight in error_weight(brain, 2.0)[4, 4, :4]]
    [0.02, 0.1, 1.0, 1.0]
    """
    depth = ndimage.distance_transform_edt(brain, sampling=spacing_mm)
    return np.where(depth > RIM_MM, 1.0, np.where(brain, RIM_WEIGHT, OUTSIDE_WEIGHT)).astype(np.float32)


def _kept(done: int, total: int, cache: Path) -> str:
    return f"{done} of {total} registered maps are kept in {cache}"


def _register(subject: CohortSubject, template: Template, check: Check | None) -> tuple[PreparedSubject, float]:
    """The subject on the model grid, and its correlation with the template."""
    volume, brain = load_subject(subject)
    with naming(subject.path):
        prepared = prepare(volume, template, brain, check)
    return prepared, prepared.grid.alignment.correlation


def _arrays(prepared: PreparedSubject) -> list[np.ndarray]:
    """:data:`STORED` of a subject."""
    priors = prepared.grid.priors
    arrays = (prepared.fa, prepared.brain, priors.fa, priors.white_matter, priors.brain)
    return [array.astype(np.float16) for array in arrays]


def _training_subject(subject: CohortSubject, arrays: list[np.ndarray], spacing_mm: float) -> TrainingSubject:
    fa, brain, *priors = (array.astype(np.float32) for array in arrays)
    weight = error_weight(brain > BRAIN_PROBABILITY, spacing_mm)
    return TrainingSubject(subject.path.name, subject.person, as_tensor(fa), as_tensor(weight), TemplatePriors(*priors))


def _key(subject: CohortSubject, template: Template) -> str:
    """Hash of everything that decides an entry; times of files stand for their contents."""
    files = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in (subject.path, subject.mask) if p is not None]
    grid = (
        template.sha256,
        template.fa.shape,
        template.fa.affine.tolist(),
        RESOLUTION_MM,
        SETTINGS,
    )
    return hashlib.sha256(repr((files, grid)).encode()).hexdigest()


def _write(entry: Path, key: str, arrays: list[np.ndarray]) -> None:
    content: dict[str, Any] = {"key": key, **dict(zip(STORED, arrays, strict=True))}
    with atomic_write(entry, unique_suffix=".npz") as temporary:
        np.savez_compressed(temporary, **content)


def _read(entry: Path, key: str) -> list[np.ndarray] | None:
    if not entry.is_file():
        return None
    try:
        with np.load(entry, allow_pickle=False) as stored:
            return [stored[name] for name in STORED] if str(stored["key"]) == key else None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None  # a damaged entry is made again
