"""Suspects are reshaped by a finer map and keep their height."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_brain as tb

from FAAnomalyLib.calibration import UNIT
from FAAnomalyLib.outline import outlined
from FAAnomalyLib.scoring import SUSPECT_SHARE

NONE = np.zeros(tb.SHAPE, np.float32)


def test_without_suspects_nothing_changes():
    weak = (0.9 * SUSPECT_SHARE * UNIT * tb.ball()).astype(np.float32)
    np.testing.assert_array_equal(outlined(weak, 5.0 * tb.ball(radius_mm=4.0), tb.ball(radius_mm=16.0)), weak)
    strong = (2.0 * UNIT * tb.ball()).astype(np.float32)
    np.testing.assert_array_equal(outlined(strong, 5.0 * tb.ball(radius_mm=4.0), np.zeros(tb.SHAPE, bool)), strong)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_suspect_keeps_its_height_and_loses_its_halo(sign):
    core, halo, hidden = (tb.ball(radius_mm=r) for r in (8.5, 14.0, 18.0))
    wide = sign * 10.0 * halo.astype(np.float32)
    found = outlined(wide, sign * 3.0 * core, hidden)
    np.testing.assert_allclose(found[core], sign * 10.0, rtol=1e-5)
    np.testing.assert_allclose(found[halo & ~core], sign * 5.0, rtol=1e-5)
    assert not found[~halo].any()


def test_outside_the_suspects_it_is_untouched():
    hidden = tb.ball(radius_mm=12.0)
    rng = np.random.default_rng(0)
    statistic = (rng.normal(0.0, 1.0, tb.SHAPE) + 9.0 * tb.ball(radius_mm=8.0)).astype(np.float32)
    found = outlined(statistic, rng.normal(0.0, 1.0, tb.SHAPE) + 3.0 * tb.ball(radius_mm=8.0), hidden)
    np.testing.assert_array_equal(found[~hidden], statistic[~hidden])
    assert (found[hidden] != statistic[hidden]).any()


def test_a_finer_map_that_sees_nothing_there_changes_nothing():
    wide = (10.0 * tb.ball(radius_mm=12.0)).astype(np.float32)
    for finer in (NONE, -3.0 * tb.ball(radius_mm=12.0)):
        np.testing.assert_array_equal(outlined(wide, finer, tb.ball(radius_mm=16.0)), wide)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_weak_suspect_does_not_rescale_a_strong_one_of_the_other_sign(sign):
    strong, weak = tb.ball((9, 12, 12), 8.0), tb.ball((16, 12, 12), 8.0)
    hidden = tb.ball((9, 12, 12), 16.0) | tb.ball((16, 12, 12), 16.0)
    statistic = sign * (20.0 * strong - 5.5 * weak).astype(np.float32)
    found = sign * outlined(statistic, sign * (4.0 * strong - 5.0 * weak), hidden)
    np.testing.assert_allclose(found[strong], 20.0, rtol=1e-5)
    np.testing.assert_allclose(found[weak], -5.5, rtol=1e-5)


def test_no_voxel_stands_out_more_than_before():
    """What is found, and the threshold that healthy people gave, stay as they are."""
    rng = np.random.default_rng(1)
    up, down = tb.ball((8, 12, 12), 10.0), tb.ball((16, 12, 12), 10.0)
    statistic = (8.0 * up - 9.0 * down + rng.normal(0.0, 0.5, tb.SHAPE)).astype(np.float32)
    hidden = tb.ball((8, 12, 12), 16.0) | tb.ball((16, 12, 12), 16.0)
    found = outlined(statistic, 3.0 * up - 3.0 * down + rng.normal(0.0, 1.5, tb.SHAPE), hidden)
    assert (found * statistic >= 0.0).all() and (np.abs(found) <= np.abs(statistic)).all()
    assert (np.abs(found) < np.abs(statistic))[hidden].any()


@pytest.mark.parametrize("sign", [1, -1])
def test_what_deviates_the_other_way_beside_a_suspect_does_not_grow(sign):
    core, beside, hidden = tb.ball((9, 12, 12), 8.0), tb.ball((16, 12, 12), 5.0), tb.ball((12, 12, 12), 20.0)
    below = 0.5 * SUSPECT_SHARE * UNIT
    statistic = sign * (15.0 * core - below * beside).astype(np.float32)
    found = sign * outlined(statistic, sign * (3.0 * core - 3.0 * beside), hidden)
    assert found.min() >= -below and (found[core] == 15.0).all()
