"""Healthy people as a model sees them that has not been trained on them: the raw material of a calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..anomaly.candidates import judged_mask
from ..anomaly.residual_maps import FIRST, Key, centre_and_spread, first_evidence
from ..anomaly.scoring import small_and_large
from ..datasets.cohort import load_subject, naming
from ..errors import FAError
from ..inpainting.fusion import combine
from ..inpainting.pass_planning import identity_of_passes, roaming_passes
from ..inpainting.pass_runner import roam_by_size
from ..inpainting.volume_inpainter import Sampling
from ..io.pass_cache import PassStore
from ..models.manifest import trained_on
from ..pipeline.loaded_model import Engine, load_engine
from ..preprocessing.model_grid import Prepared, prepare
from ..request import DetectRequest
from ..volume import Volume


@dataclass(frozen=True)
class Healthy:
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
    prepared: Prepared
    covered: np.ndarray
    judged: np.ndarray
    maps: dict[Key, np.ndarray]

    @property
    def yardstick(self) -> dict[Key, tuple[float, float]]:
        """Centre and spread of each map over the brain."""
        return {key: centre_and_spread(self.maps[key][self.judged]) for key in FIRST}

    def shown(self, z: np.ndarray) -> Volume:
        """A z-map of the model grid as a result shows it, on the map's own grid."""
        return self.prepared.z_on_native(z, self.covered)




def look_at(volumes: list[tuple[str, Path]], folds: dict[str, Path], work: Path, device: str,
            report: Callable[[str], None]) -> list[Healthy]:
    """Register and roam every volume with its person's model; finished passes are kept in *work*.

    Raises ``FAError('bad-request')`` for a model that was trained on the person it is to judge.
    """
    engines: dict[Path, Engine] = {}
    request = DetectRequest(device=device)
    found = []
    for number, (person, path) in enumerate(volumes, 1):
        folder = folds[person]
        if folder not in engines:
            engines[folder] = load_engine(str(folder), device, calibrated=False)
        engine = engines[folder]
        # Another volume of the same person counts.
        seen = sorted({other.name for owner, other in volumes if owner == person} & trained_on(engine.model.manifest))
        if seen:
            raise FAError("bad-request", f"The model in {folder} was trained on {seen[0]}", f"it is of {person}",
                          "Calibrate with a model that has not seen the person")
        with naming(path):
            prepared = prepare(*_volume_first(path, engine))
        spacing = prepared.space.spacing_mm
        identity = identity_of_passes(prepared, request, engine.model.manifest["sha256"])
        by_size = roam_by_size(engine.filler, prepared.fa, roaming_passes(prepared, request), Sampling(), None,
                               PassStore(work, identity, True), prepared.space.prior)
        covered = combine(by_size.values(), prepared.fa.shape).covered
        judged = judged_mask(prepared.brain, prepared.space.prior.white_matter, covered, spacing)
        small, large = small_and_large(prepared.fa, by_size)
        maps = first_evidence(prepared.fa, prepared.space.prior, judged, small, large, spacing)
        found.append(Healthy(path.name, person, prepared, prepared.filled_on_native(covered), judged, maps))
        report(f"looked at {number}/{len(volumes)} {path.name}: error in 40 mm holes "
               f"{float(large[0][judged].std()):.4f} FA")
    return found


def _volume_first(path: Path, engine: Engine):
    volume, brain = load_subject(path)
    return volume, engine.template, brain
