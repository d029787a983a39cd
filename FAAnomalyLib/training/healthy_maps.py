"""Screening maps of healthy people, each by a model that was not trained on the person: the data of a calibration."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..anomaly.residual_maps import MapKey
from ..anomaly.screening import Screening, residual_and_variance, screen
from ..datasets.cohort import CohortSubject, load_subject, naming
from ..errors import FAError
from ..inpainting.fusion import Inpainted
from ..inpainting.interruptible_network import interruptible_network
from ..inpainting.pass_planning import passes_identity, whole_brain_passes
from ..inpainting.pass_runner import inpaint_passes_by_size
from ..inpainting.sampling import Sampling
from ..io.pass_cache import PassCache
from ..models.manifest import trained_on
from ..pipeline.loaded_model import LoadedModel, open_model
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import PreparedSubject, prepare
from ..preprocessing.robust_statistics import LocationScale
from ..request import MASK_VOXEL_MM, DetectRequest
from ..volume import Volume

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
    covered
        Voxels that lay in some hole, bool on the native grid.
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
    covered: np.ndarray
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
            prepared.inpainted_on_native(screening.inpainted.covered),
            screening.analysed,
            screening.maps,
            screening.subject_scale,
        )

    def shown(self, z: np.ndarray) -> Volume:
        """A z-map of the model grid, (X, Y, Z), as a result shows it on the native grid."""
        return self.prepared.z_on_native(z, self.covered)


def screen_cohort(
    subjects: list[CohortSubject],
    folds: dict[str, Path],
    work: Path,
    device: str,
    report: Callable[[str], None],
    check: Check | None = None,
    holes: DetectRequest | None = None,
) -> list[HealthySubject]:
    """Register and inpaint every subject with its person's model, as a detection does.

    Parameters
    ----------
    subjects
        FA maps of a cohort.
    folds
        Person -> folder of a model that was not trained on the person.
    work
        Folder in which finished passes are kept and found again.
    device
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    report
        Called with a line of text for every subject.
    check
        Called during registration and filling; may raise to cancel. Finished passes are kept.
    holes
        How holes are filled; None for the defaults.

    Raises
    ------
    FAError
        ``bad-request`` for a model that was trained on any volume of a person it is to score, or that the
        sampler does not fit.
    """
    request = replace(holes or DetectRequest(), device=device)
    models: dict[Path, LoadedModel] = {}
    screened = []
    for number, subject in enumerate(subjects, 1):
        loaded = unseen_model(subject, subjects, folds, device, models)
        loaded.inpainter.check(Sampling.of_request(request))
        prepared = register(subject, loaded, check)
        with interruptible_network(loaded.inpainter.network, check) if check else nullcontext():
            by_size = _inpainted(prepared, loaded, request, work)
        screening = screen(prepared, by_size)
        screened.append(HealthySubject.of(subject, prepared, screening))
        largest = max(by_size)
        error = residual_and_variance(prepared.fa, by_size[largest]).values[screening.analysed].std()
        where = f"error in {largest * MASK_VOXEL_MM:g} mm holes {float(error):.4f} FA"
        report(f"looked at {number}/{len(subjects)} {subject.path.name}: {where}")
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
    """The model of a subject's fold, opened once and kept in *models*; the other parameters are those of
    :func:`screen_cohort`."""
    folder = folds[subject.person]
    if folder not in models:
        models[folder] = open_model(str(folder), device, calibrated=False)
    _check_not_trained_on(models[folder], folder, [one for one in subjects if one.person == subject.person])
    return models[folder]


def register(subject: CohortSubject, loaded: LoadedModel, check: Check | None = None) -> PreparedSubject:
    """The subject on the model's grid; an error names its file."""
    volume, brain = load_subject(subject)
    with naming(subject.path):
        return prepare(volume, loaded.template, brain, check)


def _check_not_trained_on(loaded: LoadedModel, folder: Path, subjects: list[CohortSubject]) -> None:
    """Raise ``FAError('bad-request')`` for a model that was trained on any of one person's *subjects*."""
    seen = sorted({subject.path.name for subject in subjects} & trained_on(loaded.model.manifest))
    if seen:
        raise FAError(
            "bad-request",
            f"The model in {folder} was trained on {seen[0]}",
            f"it is of {subjects[0].person}",
            "Calibrate with a model that has not seen the person",
        )


def _inpainted(
    prepared: PreparedSubject, loaded: LoadedModel, request: DetectRequest, work: Path
) -> dict[int, Inpainted]:
    """Mask size -> healthy content; finished passes are kept in *work*."""
    identity = passes_identity(prepared, request, loaded.model.manifest["sha256"])
    return inpaint_passes_by_size(
        loaded.inpainter,
        prepared.fa,
        whole_brain_passes(prepared, request),
        Sampling.of_request(request),
        None,
        PassCache(work, identity, True),
        prepared.grid.priors,
    )
