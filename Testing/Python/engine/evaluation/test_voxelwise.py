"""Every score of an evaluation against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.evaluation.metrics.bootstrap import mean_over_people
from FAAnomalyLib.evaluation.metrics.healthy import QUANTILES, STANDARD_NORMAL, healthy_z_statistics
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


@pytest.mark.parametrize("values", [7, 1000000])
def test_ranking_agrees_with_scikit_learn(values):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(2)
    truth = rng.random(2000) < 0.05
    scores = np.round(rng.normal(size=2000) + truth, 6) if values > 7 else rng.integers(0, values, 2000).astype(float)
    assert average_precision(scores, truth) == pytest.approx(metrics.average_precision_score(truth, scores), abs=1e-12)
    precision, recall, _ = metrics.precision_recall_curve(truth, scores)
    dice = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert best_dice(scores, truth) == pytest.approx(dice.max(), abs=1e-12)


def test_overlap_of_one_sign_agrees_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(3)
    truth, predicted = rng.random(500) < 0.2, rng.random(500) < 0.3
    assert overlap(predicted.astype(np.uint8), 1, truth) == {
        "dice": pytest.approx(metrics.f1_score(truth, predicted)),
        "iou": pytest.approx(metrics.jaccard_score(truth, predicted)),
        "sensitivity": pytest.approx(metrics.recall_score(truth, predicted)),
        "precision": pytest.approx(metrics.precision_score(truth, predicted)),
    }


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
    found = healthy_z_statistics(z, white)
    assert found["z_mean"] == pytest.approx(0.75) and found["z_sd"] == pytest.approx(np.std([1, -2.5, 3.5, 1]))
    assert (found["z_beyond_2"], found["z_beyond_3"], found["z_above_3"], found["z_below_3"]) == (0.5, 0.25, 0.25, 0.0)
    assert (found["z_highest"], found["z_lowest"], found["judged_share"]) == (3.5, -2.5, 0.8)
    assert len(found["z_quantiles"]) == len(QUANTILES)


def test_what_a_standard_normal_would_give():
    assert STANDARD_NORMAL["z_beyond_2"] == pytest.approx(0.0455, abs=1e-5)
    assert STANDARD_NORMAL["z_beyond_3"] == pytest.approx(0.0027, abs=1e-6)


def test_z_of_the_healthy_where_nothing_was_judged():
    found = healthy_z_statistics(np.zeros(4), np.ones(4, bool))
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


def test_where_all_people_agree_the_interval_is_their_value():
    for value in (0.0, 1.0, 0.1):
        found = mean_over_people([(person, value) for person in "ABC"])
        assert found["low"] == found["mean"] == found["high"] == pytest.approx(value)
    nearly = mean_over_people([("A", 0.1), ("B", 0.1), ("C", 0.1 + 1e-16)])
    assert nearly["low"] == nearly["high"] == pytest.approx(0.1)


def test_the_interval_of_a_skewed_sample_reaches_farther_into_its_tail():
    values = np.random.default_rng(0).exponential(size=12)
    found = mean_over_people([(str(number), value) for number, value in enumerate(values)])
    drawn = values[np.random.default_rng(1).integers(12, size=(20000, 12))].mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    assert found["low"] > low and found["high"] > high


def test_one_person_has_no_interval_and_nobody_no_mean():
    assert mean_over_people([("A", 1.0), ("A", 2.0)]) == {
        "mean": 1.5,
        "low": None,
        "high": None,
        "people": 1,
        "cases": 2,
    }
    assert mean_over_people([("A", None)]) is None
