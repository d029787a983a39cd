"""How far each tract of one brain departs from the warped template: what norms are made of and z is made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..preprocessing.robust_statistics import fit_gain_and_offset
from ..preprocessing.template import TemplatePriors
from .tract_atlas import NODES, TractAtlas
from .warped_tracts import TractOnGrid, tracts_on_grid


@dataclass(frozen=True)
class TractMeasures:
    """Every tract of one brain, T tracts in the order of the atlas; NaN where too little of one is seen.

    Attributes
    ----------
    tracts
        The tracts at the analysed voxels.
    coverage
        Share of each tract that is analysed, (T,).
    mean_fa, expected_fa
        Streamline-weighted mean of the brain's FA and of the template's with the brain's gain and offset, (T,).
    profile, expected_profile
        The same at each of 20 places along the tract, (T, 20).
    asymmetry
        Deviation of the left tract minus that of the right one, FA, (T,), the same on both; NaN for a tract that has
        no twin.
    """

    tracts: list[TractOnGrid]
    coverage: np.ndarray
    mean_fa: np.ndarray
    expected_fa: np.ndarray
    profile: np.ndarray
    expected_profile: np.ndarray
    asymmetry: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """Mean FA minus expected FA, (T,)."""
        return self.mean_fa - self.expected_fa


def measure_tracts(
    atlas: TractAtlas, fa: np.ndarray, priors: TemplatePriors, analysed: np.ndarray, grid_affine: np.ndarray
) -> TractMeasures:
    """Measure every tract on the model grid.

    Parameters
    ----------
    atlas
        In the template's world.
    fa
        (X, Y, Z) in [0, 1] on the model grid.
    priors
        The template warped to this brain.
    analysed
        bool (X, Y, Z): white matter away from the brain's edge.
    grid_affine
        4x4 of the model grid, in the template's world.
    """
    tracts = tracts_on_grid(atlas, analysed, grid_affine, priors.displacement)
    values, reference = fa[analysed], priors.fa[analysed]
    gain, offset = fit_gain_and_offset(reference, values) if values.size > 1 else (1.0, 0.0)
    expected = gain * reference + offset
    mean = np.array([tract.mean(values) for tract in tracts])
    expected_mean = np.array([tract.mean(expected) for tract in tracts])
    return TractMeasures(
        tracts,
        np.array([tract.coverage for tract in tracts]),
        mean,
        expected_mean,
        np.stack([tract.profile(values) for tract in tracts]) if tracts else np.empty((0, NODES)),
        np.stack([tract.profile(expected) for tract in tracts]) if tracts else np.empty((0, NODES)),
        _asymmetry(atlas, mean - expected_mean),
    )


def twins(atlas: TractAtlas) -> list[int | None]:
    """For each tract the number of the same tract in the other hemisphere, None where it has none."""
    number = {tract.name: n for n, tract in enumerate(atlas.tracts)}
    other = {"left": "right", "right": "left"}
    return [
        number.get(f"{other[tract.side]}{tract.name.removeprefix(tract.side)}") if tract.side in other else None
        for tract in atlas.tracts
    ]


def _asymmetry(atlas: TractAtlas, deviation: np.ndarray) -> np.ndarray:
    difference = np.full(len(atlas.tracts), np.nan)
    for number, twin in enumerate(twins(atlas)):
        if twin is not None:
            sign = 1.0 if atlas.tracts[number].side == "left" else -1.0
            difference[number] = sign * (deviation[number] - deviation[twin])
    return difference
