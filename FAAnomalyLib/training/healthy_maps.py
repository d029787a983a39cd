"""Healthy people as a model sees them that has not been trained on them: the raw material of a calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anomaly.candidates import analysis_mask
from ..anomaly.residual_maps import SCREENING_KEYS, Key, robust_location_and_scale, screening_maps
from ..anomaly.scoring import small_and_large_residuals
from ..datasets.cohort import CohortSubject, load_subject, naming
from ..errors import FAError
from ..inpainting.fusion import fuse_passes
from ..inpainting.pass_planning import passes_identity, whole_brain_passes
from ..inpainting.pass_runner import inpaint_passes_by_size
from ..inpainting.volume_inpainter import Sampling
from ..io.pass_cache import PassCache
from ..models.manifest import trained_on
from ..pipeline.loaded_model import LoadedModel, open_model
from ..preprocessing.model_grid import PreparedSubject, prepare
from ..request import DetectRequest
from ..volume import Volume


@dataclass(frozen=True)
class HealthySubject:
    """One volume of one person after the roaming passes.

    Attributes
    ----------
    name, person
        File and person.
    prepared
        The subject on the model grid, and its way back.
    covered
        Where some hole lay, bool on the map's own grid.
    judged
        Where the brain is judged, bool (X, Y, Z).
    maps
        First-look maps, FA.
    """

    name: str
    person: str
    prepared: PreparedSubject
    covered: np.ndarray
    analysed: np.ndarray
    maps: dict[Key, np.ndarray]

    @property
    def subject_scale(self) -> dict[Key, tuple[float, float]]:
        """Centre and spread of each map over the brain."""
        return {key: robust_location_and_scale(self.maps[key][self.analysed]) for key in SCREENING_KEYS}

    def shown(self, z: np.ndarray) -> Volume:
        """A z-map of the model grid as a result shows it, on the map's own grid."""
        return self.prepared.z_on_native(z, self.covered)


def screen_cohort(
    subjects: list[CohortSubject], folds: dict[str, Path], work: Path, device: str, report: Callable[[str], None]
) -> list[HealthySubject]:
    """Register and roam every volume with its person's model; finished passes are kept in *work*.

    Raises ``FAError('bad-request')`` for a model that was trained on the person it is to judge.
    """
    loaded_models: dict[Path, LoadedModel] = {}
    request = DetectRequest(device=device)
    found = []
    for number, subject in enumerate(subjects, 1):
        person, path = subject.person, subject.path
        folder = folds[person]
        if folder not in loaded_models:
            loaded_models[folder] = open_model(str(folder), device, calibrated=False)
        loaded = loaded_models[folder]
        # Another volume of the same person counts.
        seen = sorted(
            {other.path.name for other in subjects if other.person == person} & trained_on(loaded.model.manifest)
        )
        if seen:
            raise FAError(
                "bad-request",
                f"The model in {folder} was trained on {seen[0]}",
                f"it is of {person}",
                "Calibrate with a model that has not seen the person",
            )
        with naming(path):
            prepared = prepare(*_volume_first(subject, loaded))
        spacing = prepared.grid.spacing_mm
        identity = passes_identity(prepared, request, loaded.model.manifest["sha256"])
        by_size = inpaint_passes_by_size(
            loaded.inpainter,
            prepared.fa,
            whole_brain_passes(prepared, request),
            Sampling(),
            None,
            PassCache(work, identity, True),
            prepared.grid.priors,
        )
        covered = fuse_passes(by_size.values(), prepared.fa.shape).covered
        analysed = analysis_mask(prepared.brain, prepared.grid.priors.white_matter, covered, spacing)
        small, large = small_and_large_residuals(prepared.fa, by_size)
        maps = screening_maps(prepared.fa, prepared.grid.priors, analysed, small, large, spacing)
        found.append(HealthySubject(path.name, person, prepared, prepared.inpainted_on_native(covered), analysed, maps))
        report(
            f"looked at {number}/{len(subjects)} {path.name}: error in 40 mm holes "
            f"{float(large[0][analysed].std()):.4f} FA"
        )
    return found


def _volume_first(subject: CohortSubject, loaded: LoadedModel):
    volume, brain = load_subject(subject)
    return volume, loaded.template, brain
