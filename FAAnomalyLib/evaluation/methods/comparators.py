"""What needs no network, judged by the same protocol: a method that cannot beat these is not worth its weights.

The template z-map and the harmonic fill are judges as the detector is one: the volume is registered, every
white-matter voxel 6 mm inside the brain's edge is predicted, the residual is smoothed there (SD 3 mm) and
standardised by its own median and MAD over that brain. Their threshold, one a tail, is the 95th percentile of
the largest z of untouched brains of *other* people (of the judged brain itself when there is nobody else).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from ...anomaly.regions import find_regions
from ...anomaly.robust_statistics import fit_gain_and_offset, robust_location_and_scale
from ...inpainting.masks import plan
from ...preprocessing.model_grid import PreparedSubject
from ...preprocessing.template import EDGE_MM, WHITE_MATTER_PROBABILITY
from ...result import Result
from ...volume import Volume
from ..baselines.harmonic import Harmonic

SMOOTHING_MM = 3.0
PERCENTILE = 95.0
MASK_SIZE = 16
"""The harmonic fill covers the brain with interleaved holes of 20 mm."""
NOBODY = (float("inf"), float("inf"))
"""Thresholds that nothing passes: while the untouched brains are still to tell them."""
THESIS_MARGIN = 0.02


def template_prediction(prepared: PreparedSubject, inside: np.ndarray) -> np.ndarray:
    """FA of the registered template with gain and offset fitted to this brain's white matter, (X, Y, Z)."""
    priors = prepared.grid.priors
    gain, offset = fit_gain_and_offset(priors.fa[inside], prepared.fa[inside])
    return np.clip(gain * priors.fa + offset, 0.0, 1.0)


def harmonic_prediction(prepared: PreparedSubject, inside: np.ndarray) -> np.ndarray:
    """FA of the smoothest fill of interleaved holes that cover the brain, (X, Y, Z)."""
    spacing, filled = prepared.grid.spacing_mm, np.zeros_like(prepared.fa)
    for one in plan(prepared.brain, MASK_SIZE, (spacing,) * 3, shift_count=1):
        filled[one.hole] = Harmonic().fill(prepared.fa, one.hole)[one.hole]
    return filled


COMPARATORS = {"template z-map": template_prediction, "harmonic fill": harmonic_prediction}


class Comparator:
    """A :class:`~.protocol.Judge` without a network.

    Parameters
    ----------
    name
        One of :data:`COMPARATORS`.
    prepare
        Brings a volume onto the template's grid; the comparators share one, which does it once.
    limits
        Positive z of the increased and of the decreased tail.
    """

    def __init__(
        self, name: str, prepare: Callable[[Volume], PreparedSubject], limits: tuple[float, float] = NOBODY
    ) -> None:
        self._predict, self._prepare, self._limits = COMPARATORS[name], prepare, limits
        self.identity = repr((name, SMOOTHING_MM, EDGE_MM, MASK_SIZE, limits))

    def judge(self, volume: Volume) -> Result:
        """See :meth:`.protocol.Judge.judge`."""
        prepared = self._prepare(volume)
        grid = prepared.grid
        depth = ndimage.distance_transform_edt(prepared.brain, sampling=grid.spacing_mm)
        inside = (grid.priors.white_matter > WHITE_MATTER_PROBABILITY) & (depth >= EDGE_MM)
        prediction = self._predict(prepared, inside)
        z = _standardised(prepared.fa - prediction, inside, SMOOTHING_MM / grid.spacing_mm)
        replaced = prepared.native_brain & grid.mask_to_native(prepared.brain)
        healthy = np.where(replaced, grid.to_native(prediction), volume.data).astype(np.float32)
        native_z = volume.with_data(np.where(prepared.native_brain, grid.to_native(z), 0.0).astype(np.float32))
        difference = volume.with_data(volume.data - healthy)
        segmentation, regions = find_regions(native_z, difference, self._limits)
        return Result(
            volume,
            volume.with_data(healthy),
            difference,
            native_z,
            segmentation,
            regions,
            {"threshold_z": None if self._limits == NOBODY else list(self._limits), "network_evaluations": 0},
        )


def _standardised(residual: np.ndarray, inside: np.ndarray, sigma: float) -> np.ndarray:
    """Residual averaged over the inside neighbours, less its median, over 1.4826 of its MAD; 0 outside."""
    weight = ndimage.gaussian_filter(inside.astype(np.float64), sigma)
    mean = ndimage.gaussian_filter(np.where(inside, residual, 0.0).astype(np.float64), sigma)
    mean = np.divide(mean, weight, out=np.zeros_like(mean), where=inside)
    location, scale = robust_location_and_scale(mean[inside])
    return np.where(inside, (mean - location) / scale, 0.0).astype(np.float32)


def limits_for(person: str, extremes: list[tuple[str, float, float]]) -> tuple[float, float]:
    """Thresholds for a person's brains, from other people's untouched ones.

    *extremes* holds ``(person, highest z, lowest z)`` of every untouched brain; a person counts once, with
    the largest of several volumes.
    """
    others = [row for row in extremes if row[0] != person] or extremes
    found = []
    for column, sign in ((1, 1.0), (2, -1.0)):
        largest: dict[str, float] = {}
        for row in others:
            largest[row[0]] = max(largest.get(row[0], 0.0), sign * row[column])
        found.append(float(np.percentile(list(largest.values()), PERCENTILE)))
    return found[0], found[1]


def thesis_rule(difference: np.ndarray, white: np.ndarray, change: float) -> np.ndarray:
    """What the thesis calls anomalous: |difference| above the planted change - 0.02, sign unseen, bool.

    *change* is the planted one, so the threshold is an oracle's: nobody knows it beforehand.
    """
    return white & (np.abs(difference) > max(abs(change) - THESIS_MARGIN, 0.0))
