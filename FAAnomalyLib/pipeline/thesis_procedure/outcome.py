"""What the thesis' procedure gives back, and its files."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...io.atomic import cannot_write
from ...io.volumes import save_volume
from ...reporting.result_files import STAGING
from ...result import DECREASED, INCREASED
from ...volume import Volume

RESULT_JSON = "result.json"
DRAW = "pseudo_healthy_draw"


@dataclass(frozen=True)
class ThesisOutcome:
    """Volumes in the input's own geometry, and how they came about.

    Attributes
    ----------
    input
        The FA map, float32 in [0, 1].
    pseudo_healthy
        FA: generated inside the cubes' holes (the mean of the draws, cut to [0, 1]), the input elsewhere.
    generated
        uint8, 1 where a voxel was generated.
    draws
        The pseudo-healthy map of each draw where there are several, else empty.
    segmentation
        uint8, 1 increased and 2 decreased beyond the threshold; None where none was given.
    provenance
        Contents of ``result.json``.
    """

    input: Volume
    pseudo_healthy: Volume
    generated: Volume
    draws: tuple[Volume, ...] = ()
    segmentation: Volume | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def difference(self) -> Volume:
        """Input minus pseudo-healthy, signed, FA."""
        return self.input.with_data(self.input.data - self.pseudo_healthy.data)

    @property
    def absolute_difference(self) -> Volume:
        """Its absolute value."""
        return self.input.with_data(np.abs(self.difference.data))

    def volumes(self) -> dict[str, Volume]:
        """File stem -> volume."""
        volumes = {
            "pseudo_healthy": self.pseudo_healthy,
            "difference": self.difference,
            "absolute_difference": self.absolute_difference,
            "generated": self.generated,
        }
        if self.segmentation is not None:
            volumes["segmentation"] = self.segmentation
        return volumes | {f"{DRAW}{number}": draw for number, draw in enumerate(self.draws, 1)}

    def result_json(self) -> str:
        """The provenance as JSON text."""
        return json.dumps(self.provenance, indent=2)


def thresholded(difference: np.ndarray, generated: np.ndarray, threshold: float, signs: str) -> np.ndarray:
    """Generated voxels whose difference is beyond a change of FA; uint8, 1 increased and 2 decreased.

    Examples
    --------
    >>> thresholded(np.array([0.3, -0.3, 0.1, 0.3]), np.array([True, True, True, False]), 0.2, "both").tolist()
    [1, 2, 0, 0]
    """
    found = np.zeros(difference.shape, np.uint8)
    if signs != "decreased":
        found[generated & (difference > threshold)] = INCREASED
    if signs != "increased":
        found[generated & (difference < -threshold)] = DECREASED
    return found


def write_outcome(outcome: ThesisOutcome, folder: Path) -> list[str]:
    """Write all files of an outcome; returns their names.

    They are written to a hidden folder first and renamed once complete, ``result.json`` last; files of an earlier
    outcome that this one does not have are removed.

    Raises
    ------
    FAError
        ``bad-input`` when the folder cannot be written.
    """
    for left in folder.glob(f"{STAGING}*"):
        shutil.rmtree(left, ignore_errors=True)
    names = [*(f"{stem}.nii.gz" for stem in outcome.volumes()), RESULT_JSON]
    try:
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
        try:
            for stem, volume in outcome.volumes().items():
                save_volume(volume, staging / f"{stem}.nii.gz")
            (staging / RESULT_JSON).write_text(outcome.result_json(), encoding="utf-8", newline="")
            (folder / RESULT_JSON).unlink(missing_ok=True)
            for stale in {*folder.glob(f"{DRAW}*.nii.gz"), folder / "segmentation.nii.gz"}:
                stale.unlink(missing_ok=True)
            for name in names:
                os.replace(staging / name, folder / name)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return names
