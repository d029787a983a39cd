"""Screening maps of healthy people, each by a template that does not hold the person: the data of a calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anomaly.residual_maps import MapKey
from ..anomaly.screening import Screening, screen
from ..datasets.cohort import CohortSubject, load_subject, naming
from ..errors import FAError
from ..models.manifest import read_manifest, trained_on
from ..pipeline.loaded_model import LoadedModel, open_model, template_folder
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import PreparedSubject
from ..preprocessing.preparation import prepare
from ..preprocessing.robust_statistics import LocationScale
from ..preprocessing.template import Template, load_template, on_grid
from ..volume import Volume
from .fold_folders import has_weights

MIN_PEOPLE = 3
"""A pair has no spread."""


@dataclass(frozen=True)
class HealthySubject:
    """One volume of one person after screening.

    Attributes
    ----------
    name, person
        File name, and the person it is of.
    prepared
        The subject on the model grid, and its way back.
    analysed
        Voxels that are scored, bool (X, Y, Z).
    maps
        Screening maps, float32 (X, Y, Z), FA.
    subject_scale
        Location and scale of each map over this brain, FA.
    """

    name: str
    person: str
    prepared: PreparedSubject
    analysed: np.ndarray
    maps: dict[MapKey, np.ndarray]
    subject_scale: dict[MapKey, LocationScale]

    @classmethod
    def of(cls, subject: CohortSubject, prepared: PreparedSubject, screening: Screening) -> HealthySubject:
        """What a calibration needs of a screening."""
        return cls(
            subject.path.name,
            subject.person,
            prepared,
            screening.analysed,
            screening.maps,
            screening.subject_scale,
        )

    @property
    def displacement(self) -> np.ndarray | None:
        """(3, X, Y, Z) in voxels: where each voxel lies in the template."""
        return self.prepared.grid.priors.displacement

    def shown(self, z: np.ndarray) -> Volume:
        """A z-map of the model grid, (X, Y, Z), as a result shows it on the native grid."""
        return self.prepared.whole_brain_z(z)


def screen_cohort(
    subjects: list[CohortSubject],
    folds: dict[str, Path],
    grid: tuple[tuple[int, int, int], float],
    report: Callable[[str], None],
    check: Check | None = None,
) -> list[HealthySubject]:
    """Register and screen every subject by the template of its person's fold, as a detection does.

    Parameters
    ----------
    subjects
        FA maps of a cohort.
    folds
        Person -> folder with a template that does not hold the person: a model folder, or one of
        :mod:`.fold_folders`.
    grid
        Shape and edge in mm of the model grid.
    report
        Called with a line of text for every subject.
    check
        Called during the registration; may raise to cancel.

    Raises
    ------
    FAError
        ``bad-request`` for a model that was trained on any volume of a person it is to score.
    """
    templates: dict[Path, Template] = {}
    screened = []
    for number, subject in enumerate(subjects, 1):
        folder = folds[subject.person]
        if has_weights(folder):
            check_not_trained_on(folder, [one for one in subjects if one.person == subject.person])
        if folder not in templates:
            templates[folder] = on_grid(load_template(template_folder(folder)), *grid)
        prepared = register(subject, templates[folder], check)
        screened.append(HealthySubject.of(subject, prepared, screen(prepared, check)))
        correlation = prepared.grid.alignment.correlation
        report(f"looked at {number}/{len(subjects)} {subject.path.name}: correlation {correlation:.2f}")
    return screened


def enough_people(people: set[str]) -> list[str]:
    """The people's names in order; raises ``FAError('bad-request')`` for fewer than :data:`MIN_PEOPLE`."""
    if len(people) < MIN_PEOPLE:
        raise FAError(
            "bad-request", f"{len(people)} people are too few to calibrate with", "", f"Give at least {MIN_PEOPLE}"
        )
    return sorted(people)


def unseen_model(
    subject: CohortSubject,
    subjects: list[CohortSubject],
    folds: dict[str, Path],
    device: str,
    models: dict[Path, LoadedModel],
) -> LoadedModel:
    """The model of a subject's fold, opened once and kept in *models*.

    Raises ``FAError('bad-request')`` for a model that was trained on any of the person's *subjects*.
    """
    folder = folds[subject.person]
    if folder not in models:
        models[folder] = open_model(str(folder), device, calibrated=False)
    check_not_trained_on(folder, [one for one in subjects if one.person == subject.person])
    return models[folder]


def register(subject: CohortSubject, template: Template, check: Check | None = None) -> PreparedSubject:
    """The subject on the template's grid; an error names its file."""
    volume, brain = load_subject(subject)
    with naming(subject.path):
        return prepare(volume, template, brain, check)


def check_not_trained_on(folder: Path, subjects: list[CohortSubject]) -> None:
    """Raise ``FAError('bad-request')`` for a model that was trained on any of one person's *subjects*."""
    seen = sorted({subject.path.name for subject in subjects} & trained_on(read_manifest(folder)))
    if seen:
        raise FAError(
            "bad-request",
            f"The model in {folder} was trained on {seen[0]}",
            f"it is of {subjects[0].person}",
            "Calibrate with a model that has not seen the person",
        )
