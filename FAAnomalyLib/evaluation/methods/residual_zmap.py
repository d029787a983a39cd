"""Comparators that standardise the residual of a simple prediction, without a network.

The volume is registered, FA is predicted over the analysis mask, and the residual is smoothed there (SD 3 mm) and
standardised by its own median and MAD over that brain. A method that does not beat these is not worth its weights.
Each is registered with two further widths of the Gaussian: a fair comparison is with the best of them.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from ...anomaly.screening import ANALYSED, analysed_voxels
from ...preprocessing.model_grid import PreparedSubject
from ...preprocessing.robust_statistics import robust_location_and_scale
from ...volume import Volume
from .registry import MethodContext, RegisteredMethod
from .score_map import ScoreMap
from .scoring_method import ScoringEntry, register_scoring

SMOOTHING_MM = 3.0
"""Standard deviation of the Gaussian over the residual."""
FURTHER_SMOOTHING_MM = (1.5, 6.0)
"""Of the other settings of each comparator: half and twice the width."""
MASK_SIZE = 16
"""Of the harmonic fill's holes (20 mm); part of the identity of every record of these comparators."""

Predict = Callable[[PreparedSubject, np.ndarray], np.ndarray]
"""``(subject, analysis mask) -> expected FA``, arrays (X, Y, Z) on the model grid."""


class ResidualZMap:
    """A :class:`~.scoring_method.ScoringMethod` from a prediction of healthy FA.

    Parameters
    ----------
    name
        Name in tables and records.
    predict
        The prediction.
    context
        Registration.
    smoothing_mm
        Standard deviation of the Gaussian.
    """

    def __init__(self, name: str, predict: Predict, context: MethodContext, smoothing_mm: float = SMOOTHING_MM) -> None:
        self._predict, self._prepare, self._smoothing_mm = predict, context.prepare, smoothing_mm
        self.identity = (name, smoothing_mm, *ANALYSED, MASK_SIZE)

    def score(self, volume: Volume) -> ScoreMap:
        """See :meth:`.scoring_method.ScoringMethod.score`."""
        prepared = self._prepare(volume)
        grid = prepared.grid
        analysed = analysed_voxels(prepared)
        prediction = self._predict(prepared, analysed)
        z = standardised_residual(prepared.fa - prediction, analysed, self._smoothing_mm / grid.spacing_mm)

        predicted = prepared.native_brain & grid.mask_to_native(prepared.brain)
        healthy = np.where(predicted, grid.to_native(prediction), volume.data).astype(np.float32)
        native_z = np.where(prepared.native_brain, grid.to_native(z), 0.0).astype(np.float32)
        return ScoreMap(volume, native_z, healthy, predicted)


def standardised_residual(
    residual: np.ndarray, analysed: np.ndarray, sigma: float, standardises: bool = True
) -> np.ndarray:
    """Smooth a residual within a mask and standardise it by its median and MAD.

    Parameters
    ----------
    residual
        FA, shape (X, Y, Z).
    analysed
        bool (X, Y, Z): voxels that are averaged and standardised.
    sigma
        Standard deviation of the Gaussian in voxels.
    standardises
        False: smooth only, for a residual that is 0 in most voxels and has no spread to divide by.

    Returns
    -------
    float32 array (X, Y, Z)
        z, or the smoothed residual; 0 outside *analysed*.
    """
    weight = ndimage.gaussian_filter(analysed.astype(np.float64), sigma)
    mean = ndimage.gaussian_filter(np.where(analysed, residual, 0.0).astype(np.float64), sigma)
    mean = np.divide(mean, weight, out=np.zeros_like(mean), where=analysed)
    location, scale = robust_location_and_scale(mean[analysed]) if standardises else (0.0, 1.0)
    return np.where(analysed, (mean - location) / scale, 0.0).astype(np.float32)


def register_residual_zmap(name: str, predict: Predict, position: int, by_default: bool = True) -> RegisteredMethod:
    """Register a comparator by its prediction, and its other settings, which take part where they are asked for.

    Parameters
    ----------
    name, position, by_default
        As in :class:`~.registry.RegisteredMethod`.
    predict
        The prediction. A brain that all settings score is predicted once.
    """
    once = _remembers_the_last(predict)

    def registered(setting: str, smoothing_mm: float, setting_of: str | None) -> RegisteredMethod:
        def load(context: MethodContext) -> ResidualZMap:
            return ResidualZMap(setting, once, context, smoothing_mm)

        default = by_default and setting_of is None
        return register_scoring(
            ScoringEntry(setting, load, position, needs_template=True, by_default=default, setting_of=setting_of)
        )

    for millimetres in FURTHER_SMOOTHING_MM:
        registered(f"{name} over {millimetres:g} mm", millimetres, name)
    return registered(name, SMOOTHING_MM, None)


def _remembers_the_last(predict: Predict) -> Predict:
    """The same prediction, which is not computed again while the same brain is asked for."""
    brain: Callable[[], PreparedSubject | None] = lambda: None  # noqa: E731 (a weak reference replaces it)
    known = np.zeros(0)

    def remembering(prepared: PreparedSubject, analysed: np.ndarray) -> np.ndarray:
        nonlocal brain, known
        if brain() is not prepared:
            known = predict(prepared, analysed)
            brain = weakref.ref(prepared)
        return known

    return remembering
