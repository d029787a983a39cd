"""Bias and spread at places of the template: what a brain shows is carried to where the template has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly.residual_maps import SCREENING_KEYS
from FAAnomalyLib.preprocessing.robust_statistics import LocationScale
from FAAnomalyLib.training.calibration_fit import combined_by
from FAAnomalyLib.training.calibration_fit import fit as fit_calibration
from FAAnomalyLib.training.healthy_maps import HealthySubject
from FAAnomalyLib.training.place_statistics import PRIOR_PEOPLE, PlaceStatistics
from support.phantoms import tiny_brain as tb
from support.phantoms.screened_people import ANALYSED, somebody

ONE = np.ones(1)
KEY = SCREENING_KEYS[0]


def displaced(one: HealthySubject, displacement: np.ndarray) -> HealthySubject:
    """The same whose template was warped."""
    grid = one.prepared.grid
    warped = replace(grid.priors, displacement=displacement.astype(np.float32))
    return replace(one, prepared=replace(one.prepared, grid=replace(grid, warped=warped)))


def showing(values: np.ndarray, analysed: np.ndarray = ANALYSED, number: int = 0) -> HealthySubject:
    """Somebody whose standardised maps are these."""
    maps = {key: np.where(analysed, values, 0.0).astype(np.float32) for key in SCREENING_KEYS}
    return replace(
        somebody(number), maps=maps, analysed=analysed, subject_scale=dict.fromkeys(SCREENING_KEYS, LocationScale(0, 1))
    )


def pattern(seed: int = 0, sigma: float = 2.0) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(tb.SHAPE), sigma)
    return noise / noise.std()


def oblique() -> np.ndarray:
    """A different way at each place, about two voxels along every axis."""
    bent = np.stack([pattern(seed, 5.0) for seed in (1, 2, 3)])
    return 0.4 * bent + np.array([1.5, -2.0, 1.0])[:, None, None, None]


def test_what_a_brain_shows_counts_at_its_place_of_the_template():
    of_template, away = pattern(), oblique()
    places = np.indices(tb.SHAPE) + away
    in_brain, there = (ndimage.map_coordinates(x, places, order=1) for x in (of_template, ANALYSED.astype(float)))
    one = displaced(showing(in_brain, there > 0.5), away)
    found = PlaceStatistics([one]).bias_and_spread(ONE)[0][KEY] * (1 + PRIOR_PEOPLE)
    inner = ndimage.binary_erosion(ANALYSED, iterations=3)
    assert np.corrcoef(found[inner], of_template[inner])[0, 1] > 0.97
    assert np.corrcoef(in_brain[inner], of_template[inner])[0, 1] < 0.7, "nothing was displaced: it cannot fail"
    # The other way round, or not at all, it is of another place.
    for wrong in (-away, 0.0 * away):
        other = PlaceStatistics([displaced(one, wrong)]).bias_and_spread(ONE)[0][KEY]
        assert np.corrcoef(other[inner], of_template[inner])[0, 1] < 0.7


def test_one_voxel_is_carried_against_the_displacement():
    """What lies at x in the brain lies at x + u in the template."""
    values, x, u = np.zeros(tb.SHAPE), (12, 14, 12), (2, -3, 1)
    values[x] = 1.0
    away = np.broadcast_to(np.array(u, float)[:, None, None, None], (3, *tb.SHAPE))
    bias = PlaceStatistics([displaced(showing(values), away)]).bias_and_spread(ONE)[0][KEY]
    assert np.unravel_index(bias.argmax(), bias.shape) == tuple(a + b for a, b in zip(x, u, strict=True))
    assert bias.max() == pytest.approx(1 / (1 + PRIOR_PEOPLE), rel=1e-3)


def test_the_edge_of_what_is_analysed_is_not_drawn_to_nothing():
    """A share of an analysed voxel is no smaller value."""
    away = np.broadcast_to(np.array([0.3, 0.0, 0.0])[:, None, None, None], (3, *tb.SHAPE))
    bias, spread = PlaceStatistics([displaced(showing(np.full(tb.SHAPE, 2.0)), away)]).bias_and_spread(ONE)
    known = spread[KEY] != 1.0
    assert known.sum() > 0.9 * ANALYSED.sum()
    np.testing.assert_allclose(bias[KEY][known], 2.0 / (1 + PRIOR_PEOPLE), rtol=1e-3)


def test_both_hemispheres_have_one_spread_and_each_its_own_bias():
    left = tb.ball((6, 14, 12), 12.0)
    analysed = ANALYSED & ANALYSED[::-1]
    people = [showing(sign * 4.0 * left + 1.0, analysed, number) for number, sign in enumerate((1, -1, 1, -1, 1))]
    bias, spread = PlaceStatistics(people).bias_and_spread(np.ones(5))
    np.testing.assert_allclose(spread[KEY], spread[KEY][::-1], rtol=1e-5)
    assert spread[KEY][6, 14, 12] > 1.3 * spread[KEY][12, 5, 12]
    assert bias[KEY][6, 14, 12] > bias[KEY][17, 14, 12] + 0.2
    np.testing.assert_allclose(bias[KEY][17, 14, 12], 5.0 / (5 + PRIOR_PEOPLE), rtol=1e-4)


def test_a_displaced_brain_is_compared_with_its_own_places():
    """Everybody deviates at one place of the template: whose brain has it elsewhere is no exception there."""
    bump, u = 3.0 * tb.ball((13, 14, 12), 10.0), (0, 4, 0)
    away = np.broadcast_to(np.array(u, float)[:, None, None, None], (3, *tb.SHAPE))
    elsewhere = np.roll(bump, -4, axis=1)
    people = [showing(bump + 0.3 * pattern(n), number=n) for n in range(1, 6)]
    known = fit_calibration(people)
    moved = showing(elsewhere + 0.3 * pattern(9))
    shown = [combined_by(known, displaced(moved, d)) for d in (away, 0.0 * away)]
    place = (13, 10, 12)
    for name, values in shown[0].items():
        assert values[place] < 0.7 * shown[1][name][place]
