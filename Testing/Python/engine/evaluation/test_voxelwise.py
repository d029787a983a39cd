"""Every score of an evaluation against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.evaluation.metrics.bootstrap import mean_over_people
from FAAnomalyLib.evaluation.metrics.healthy import QUANTILES, z_on_healthy
from FAAnomalyLib.evaluation.metrics.voxelwise import average_precision, best_dice, leakage, overlap


def booleans(*values):
    return np.array(values, bool)


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], 0.5 * 1 + 0.5 * 2 / 3),
        ([0.6, 0.7, 0.8, 0.9], [1, 0, 1, 0], 0.5 * 1 / 2 + 0.5 * 2 / 4),
        ([1.0, 1.0, 0.0, 0.0], [1, 0, 1, 0], 0.5 * 1 / 2 + 0.5 * 2 / 4),
        ([5.0, 4.0, 3.0, 2.0, 1.0], [1, 1, 0, 0, 0], 1.0),
        ([-3.0, -1.0, -2.0], [0, 1, 0], 1.0),
        ([0.0] * 8, [1, 0, 0, 0, 0, 0, 1, 0], 0.25),
    ],
)
def test_average_precision_by_hand(scores, truth, expected):
    assert average_precision(np.array(scores), booleans(*truth)) == pytest.approx(expected)


def test_average_precision_is_the_sum_over_ranks():
    rng = np.random.default_rng(0)
    scores, truth = rng.integers(0, 40, 500).astype(np.float32), rng.random(500) < 0.1
    expected, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        step = (truth & chosen).sum() / truth.sum()
        expected += (step - recall) * truth[chosen].mean()
        recall = step
    assert average_precision(scores, truth) == pytest.approx(expected)


def test_the_best_dice_is_the_largest_of_all_thresholds():
    assert best_dice(np.array([4.0, 3.0, 2.0, 1.0]), booleans(1, 0, 1, 0)) == pytest.approx(2 * 2 / (3 + 2))
    assert best_dice(np.zeros(4), booleans(1, 0, 0, 0)) == pytest.approx(2 / 5)
    rng = np.random.default_rng(1)
    scores, truth = rng.normal(size=300), rng.random(300) < 0.2
    scores += truth
    every = [2 * (truth & (scores >= t)).sum() / ((scores >= t).sum() + truth.sum()) for t in scores]
    assert best_dice(scores, truth) == pytest.approx(max(every))


def test_nothing_to_rank_is_an_error():
    with pytest.raises(ValueError, match="no truth"):
        average_precision(np.arange(3.0), np.zeros(3, bool))


def test_overlap_by_hand():
    truth = booleans(1, 1, 1, 1, 0, 0, 0, 0)
    #                      hit, hit, other sign, missed, false, false of the other sign
    segmentation = np.array([2, 2, 1, 0, 2, 1, 0, 0], np.uint8)
    assert overlap(segmentation, 2, truth) == {
        "dice": 2 * 2 / (5 + 4),
        "iou": 2 / (5 + 4 - 2),
        "sensitivity": 2 / 4,
        "precision": 2 / 5,
    }


def test_the_other_sign_is_a_miss_and_a_false_positive():
    truth = booleans(1, 1, 0)
    assert overlap(np.array([1, 1, 0]), 1, truth)["dice"] == 1.0
    assert overlap(np.array([2, 2, 0]), 1, truth) == {"dice": 0.0, "iou": 0.0, "sensitivity": 0.0, "precision": 0.0}


def test_nothing_found_has_no_precision():
    assert overlap(np.zeros(3, np.uint8), 1, booleans(1, 0, 0)) == {
        "dice": 0.0,
        "iou": 0.0,
        "sensitivity": 0.0,
        "precision": None,
    }


def test_leakage_is_the_prediction_that_follows_the_change():
    before, truth = np.array([0.5, 0.5, 0.5]), booleans(1, 1, 0)
    assert leakage(before, before, truth, -0.2) == 0.0
    assert leakage(before, before - 0.2, truth, -0.2) == pytest.approx(1.0)
    assert leakage(before, np.array([0.55, 0.45, 0.9]), truth, 0.1) == pytest.approx(0.0)
    assert leakage(before, np.array([0.55, 0.53, 0.9]), truth, 0.2) == pytest.approx(0.2)


def test_z_of_the_healthy_leaves_out_what_was_not_judged():
    z = np.array([0.0, 1.0, -2.5, 3.5, 9.0, 1.0])
    white = booleans(1, 1, 1, 1, 0, 1)
    found = z_on_healthy(z, white)
    assert found["z_mean"] == pytest.approx(0.75) and found["z_sd"] == pytest.approx(np.std([1, -2.5, 3.5, 1]))
    assert (found["z_beyond_2"], found["z_beyond_3"], found["z_above_3"], found["z_below_3"]) == (0.5, 0.25, 0.25, 0.0)
    assert (found["z_highest"], found["z_lowest"], found["judged_share"]) == (3.5, -2.5, 0.8)
    assert len(found["z_quantiles"]) == len(QUANTILES)


def test_z_of_the_healthy_where_nothing_was_judged():
    found = z_on_healthy(np.zeros(4), np.ones(4, bool))
    assert found["z_sd"] is None and found["judged_share"] == 0.0


def test_a_person_counts_once_however_many_volumes_there_are():
    found = mean_over_people([("A", 1.0), ("A", 1.0), ("A", 1.0), ("B", 0.0), ("B", None)])
    assert found["mean"] == 0.5 and (found["people"], found["cases"]) == (2, 4)
    assert (found["low"], found["high"]) == (0.0, 1.0)


def test_the_interval_is_that_of_the_mean_over_people():
    rng = np.random.default_rng(0)
    values = [(str(n), float(v)) for n, v in enumerate(rng.normal(10.0, 2.0, 100))]
    found = mean_over_people(values)
    half = 1.96 * np.std([v for _, v in values]) / 10
    assert found["low"] == pytest.approx(found["mean"] - half, abs=0.08)
    assert found["high"] == pytest.approx(found["mean"] + half, abs=0.08)
    assert mean_over_people(values) == found


def test_one_person_has_no_interval_and_nobody_no_mean():
    assert mean_over_people([("A", 1.0), ("A", 2.0)]) == {
        "mean": 1.5,
        "low": None,
        "high": None,
        "people": 1,
        "cases": 2,
    }
    assert mean_over_people([("A", None)]) is None
