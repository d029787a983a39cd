"""What an empty result means: the least change that would have been found."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly.calibration import COMBINATIONS, Calibration
from FAAnomalyLib.anomaly.detectable_change import (
    CHANGES,
    ball_height,
    detectable_changes,
    detectable_in_region,
    level_lifted,
    residual_left,
    statistic_at,
)
from FAAnomalyLib.anomaly.drawn_region import INPAINTED, SIGMAS_MM
from FAAnomalyLib.anomaly.residual_maps import (
    MAX_DEVIATION,
    MAX_LEVEL,
    SCREENING_KEYS,
    TEMPLATE,
    TEMPLATE_MINMOD,
    without_regional_level,
)
from FAAnomalyLib.preprocessing.model_grid import RESOLUTION_MM
from FAAnomalyLib.result import LARGEST_CHANGE, Result
from support.phantoms import tiny_brain as tb

KNOWN = tb.calibration(population_scale=dict.fromkeys(SCREENING_KEYS, 0.02), regions=tb.regions())
SCALE = {**KNOWN.population_scale} | {(name, sigma): 0.02 for name in (TEMPLATE, INPAINTED) for sigma in SIGMAS_MM}


def test_a_wider_sphere_a_lower_threshold_and_a_quieter_brain_need_less():
    (small, large), (easy, _) = (detectable_changes(KNOWN, SCALE, (z, z)) for z in (4.0, 3.0))
    assert 0 < large.increased < small.increased < LARGEST_CHANGE and easy.increased < small.increased
    quiet = detectable_changes(KNOWN, {key: 0.5 * value for key, value in SCALE.items()}, (4.0, 4.0))
    assert quiet[0].increased < 0.8 * small.increased


def test_at_the_change_that_is_told_the_threshold_is_reached():
    """Forward: this change's maps, combined and brought to z as a detection does."""
    told = detectable_changes(KNOWN, SCALE, (4.0, inf))[1]
    assert told.decreased is None
    where = KNOWN.spread[SCREENING_KEYS[0]] != 1.0
    left, heights = residual_left(level_lifted(40.0)), []
    for name, weights in COMBINATIONS.items():
        shown = {key: ball_height(20.0, key[1]) * np.interp(told.increased, CHANGES, left[key[0]]) for key in weights}
        t = sum(weights[key] * shown[key] / 0.02 / np.median(KNOWN.spread[key][where]) for key in shown)
        heights.append(t * 6.0 / KNOWN.limits[name][0])
    assert float(KNOWN.to_normal(np.array(max(heights)))) == pytest.approx(4.0, rel=0.02)


def test_nothing_is_said_without_healthy_people():
    assert detectable_changes(Calibration(), SCALE, (4.0, 4.0)) == []
    assert detectable_in_region(replace(KNOWN, regions=Calibration().regions), SCALE, (4.0, 4.0), 20.0) == []


def test_in_a_drawn_region_spheres_that_fit_are_told_of():
    limits = (4.0, 4.0)
    told = {edge: detectable_in_region(KNOWN, SCALE, limits, edge) for edge in (12.34, 25.0, 30.0)}
    assert [[one.diameter_mm for one in found] for found in told.values()] == [[12.3], [20.0], [20.0]]
    assert told[25.0][0].increased < told[30.0][0].increased < LARGEST_CHANGE


def test_a_ball_is_as_high_as_a_smoothed_ball():
    grid = np.indices((61, 61, 61)) - 30
    ball = (np.sum(grid**2, axis=0) <= 10.0**2).astype(float)
    sigma = float(np.sqrt(5.0**2 + RESOLUTION_MM**2 / 12))
    assert ball_height(10.0, 5.0) == pytest.approx(ndimage.gaussian_filter(ball, sigma)[30, 30, 30], rel=0.02)


def test_little_is_left_of_a_change_where_it_has_to_be_borne_out():
    left = residual_left()
    assert left[TEMPLATE][-1] == pytest.approx(MAX_DEVIATION, rel=0.01)
    assert (left[TEMPLATE_MINMOD] <= left[TEMPLATE] + 1e-3).all() and (np.diff(left[TEMPLATE]) > -1e-9).all()


def test_a_wide_change_lifts_the_regional_level_as_told():
    """Forward: in the middle of a sphere of 60 mm that every voxel of the brain counts for."""
    mm, change, diameter = 4.0, 0.08, 60.0
    ball = np.sum((np.indices((41, 41, 41)) - 20) ** 2, axis=0) * mm**2 <= (diameter / 2) ** 2
    left = without_regional_level(change * ball, np.ones(ball.shape, bool), mm)[20, 20, 20]
    share = level_lifted(diameter)
    assert share > 0.25 and left == pytest.approx(change * (1 - share), rel=0.02)
    # The mean over noise, and nothing beyond the bound of the level is taken away.
    shown = np.interp(change, CHANGES, residual_left(share)[TEMPLATE])
    noisy = np.interp(change * (1 - share), CHANGES, residual_left()[TEMPLATE])
    assert shown == pytest.approx(noisy, rel=0.03)
    last = residual_left(0.9)[TEMPLATE][-1]
    assert last == pytest.approx(np.interp(CHANGES[-1] - MAX_LEVEL, CHANGES, residual_left()[TEMPLATE]), rel=1e-3)
    assert (residual_left(0.3)[TEMPLATE_MINMOD] <= residual_left()[TEMPLATE_MINMOD]).all()


def test_the_statistic_of_a_threshold_is_the_inverse_of_z():
    for sign in (1, -1):
        statistic = sign * 6.0 * statistic_at(KNOWN, 4.0, sign)
        assert float(KNOWN.to_normal(np.array(statistic))) == pytest.approx(sign * 4.0, abs=1e-3)


@pytest.mark.parametrize(
    ("changes", "signs", "words"),
    [
        ([], "both", "No region is beyond the threshold."),
        (
            [(20.0, 0.176, 0.18), (40.0, 0.09, 0.08)],
            "both",
            "A change of 0.18 FA in a sphere of 20 mm (0.09 in 40 mm) would have been found at half of the places of "
            "white matter.",
        ),
        ([(20.0, 0.12, None), (40.0, 0.09, None)], "increased", "A change of 0.12 FA in a sphere of 20 mm (0.09 in"),
        (
            [(20.0, 0.12, None), (40.0, 0.09, 0.1)],
            "both",
            "A change of 0.10 FA in a sphere of 40 mm (more than 0.4 in 20 mm) would",
        ),
        (
            [(10.0, None, None)],
            "both",
            "Not even a change of 0.4 FA in a sphere of 10 mm would have been found at half of",
        ),
    ],
)
def test_an_empty_result_says_what_it_means(changes, signs, words):
    keys = ("diameter_mm", "increased", "decreased")
    told = {"detectable_change": [dict(zip(keys, one, strict=True)) for one in changes], "request": {"signs": signs}}
    volume = tb.as_volume(np.zeros(tb.SHAPE, np.float32))
    assert words in Result(volume, volume, volume, volume, volume, [], told).nothing_found


def test_of_a_drawn_region_is_said_what_would_have_been_found_in_it():
    changes = [{"diameter_mm": 20.0, "increased": 0.17, "decreased": 0.2}]
    volume = tb.as_volume(np.zeros(tb.SHAPE, np.float32))
    told = {"detectable_change": changes, "request": {"signs": "both"}, "drawn_edge_mm": 30.0}
    said = Result(volume, volume, volume, volume, volume, [], told).nothing_found
    assert said.endswith(
        "A change of 0.20 FA in a sphere of 20 mm would have been found at half of the places in a region drawn so."
    )
    whole = Result(volume, volume, volume, volume, volume, [], {**told, "drawn_edge_mm": None}).nothing_found
    assert whole.endswith("at half of the places of white matter.")


def test_a_change_that_only_the_bounded_residuals_reach_is_not_told():
    """Beyond 0.4 FA the height hardly grows, so that any threshold just above would be told of ever larger changes."""
    assert CHANGES[-1] == LARGEST_CHANGE
    reached = [detectable_in_region(KNOWN, SCALE, (z, z), 30.0)[0].increased for z in (4.0, 40.0)]
    assert reached[0] < LARGEST_CHANGE and reached[1] is None
