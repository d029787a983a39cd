"""What a method makes of a volume, before any threshold: score, expected FA, generated voxels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...anomaly.regions import find_regions
from ...result import Result
from ...volume import Volume
from .thresholds import UNCALIBRATED, Thresholds


@dataclass(frozen=True, eq=False)
class ScoreMap:
    """Answer of a method to one volume; arrays (X, Y, Z) on the volume's own grid.

    Attributes
    ----------
    volume
        FA in [0, 1], as it was given to the method.
    score
        float32, of any unit: the farther from 0, the more anomalous; positive where FA is too high, negative where it
        is too low; 0 where nothing was judged. A method without signs takes that of its difference.
    expected
        float32 in [0, 1]: FA as it would be in health; the volume's own where nothing was generated.
    generated
        bool: the voxels that the method generated. Reconstruction is measured over them alone.
    provenance
        Further numbers for the record, for instance ``network_evaluations``.
    """

    volume: Volume
    score: np.ndarray
    expected: np.ndarray
    generated: np.ndarray
    provenance: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {self.volume.shape, self.score.shape, self.expected.shape, self.generated.shape}
        if len(shapes) != 1 or self.generated.dtype != np.bool_:
            raise ValueError(f"a score map needs arrays of the volume's shape and a bool mask, not {shapes}")

    @property
    def difference(self) -> np.ndarray:
        """Volume minus expected, signed, FA; 0 where nothing was generated."""
        return self.volume.data - self.expected

    def at(self, thresholds: Thresholds) -> Result:
        """Segmentation and regions beyond *thresholds*; :data:`~.thresholds.UNCALIBRATED` finds none."""
        volume = self.volume
        score, difference = volume.with_data(self.score), volume.with_data(self.difference)
        segmentation, regions = find_regions(score, difference, thresholds)
        used = None if thresholds == UNCALIBRATED else list(thresholds)
        provenance = {"threshold_z": used, "network_evaluations": 0, **self.provenance}
        expected = volume.with_data(self.expected)
        healthy = volume.with_data(np.where(segmentation.data > 0, self.expected, volume.data))
        return Result(volume, healthy, difference, score, segmentation, regions, provenance, expected=expected)
