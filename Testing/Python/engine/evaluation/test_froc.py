"""FROC: sensitivity and false positives at other thresholds."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.evaluation.metrics.froc import (
    FALSE_POSITIVES,
    Z_THRESHOLDS,
    froc_curve,
    froc_points,
    sensitivity_at_false_positives,
)
from FAAnomalyLib.result import Result
from FAAnomalyLib.volume import Volume

SHAPE = (32, 32, 32)


def box(low, high):
    where = np.zeros(SHAPE, bool)
    where[tuple(slice(low, high) for _ in range(3))] = True
    return where


TRUTH = box(3, 9)


def analysed(z: np.ndarray) -> Result:
    """A result at a threshold beyond everything: it reports nothing itself."""
    z = Volume(z.astype(np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    return Result(z, z, z, z, *find_regions(z, z, 100.0))


def test_each_point_is_a_threshold_of_its_own():
    z = 3.9 * TRUTH - 3.1 * box(14, 18) + 2.6 * box(24, 29)
    points = froc_points(analysed(z), TRUTH, "increased")
    assert len(points) == len(Z_THRESHOLDS)
    for level, (found, false) in zip(Z_THRESHOLDS, points, strict=True):
        assert found == (level < 3.9), level
        assert false == (level < 3.1) + (level < 2.6), level


def test_the_other_sign_is_never_found():
    points = froc_points(analysed(-5.0 * TRUTH), TRUTH, "increased")
    assert all(found == 0 for found, _ in points)
    assert [false for _, false in points] == [float(level < 5.0) for level in Z_THRESHOLDS]


def test_regions_of_a_sign_that_is_not_reported_are_no_false_positives():
    z = -3.9 * TRUTH + 3.1 * box(14, 18) - 2.6 * box(24, 29)
    both, one_sided = (froc_points(analysed(z), TRUTH, "decreased", signs) for signs in ("both", "decreased"))
    assert (
        [found for found, _ in one_sided]
        == [found for found, _ in both]
        == [float(level < 3.9) for level in Z_THRESHOLDS]
    )
    for level, (_, false), (_, fewer) in zip(Z_THRESHOLDS, both, one_sided, strict=True):
        assert false == (level < 3.1) + (level < 2.6) and fewer == (level < 2.6), level


def test_the_curve_is_a_mean_over_people_not_over_maps():
    always, never = [[1.0, 0.0]] * len(Z_THRESHOLDS), [[0.0, 3.0]] * len(Z_THRESHOLDS)
    rows = [{"person": "A", "free_response": always}] * 3 + [{"person": "B", "free_response": never}]
    points = froc_curve([*rows, {"person": "C"}, {"person": "D", "free_response": None}])
    assert [point["z"] for point in points] == list(Z_THRESHOLDS)
    assert all(point["found"]["mean"] == 0.5 and point["false_regions"]["mean"] == 1.5 for point in points)
    assert froc_curve([{"person": "C"}]) == []


def falling(*points: tuple[float, float]) -> list[list[float]]:
    """These ``(found, false regions)`` at the first thresholds, then the last of them."""
    return [*map(list, points), *[list(points[-1])] * (len(Z_THRESHOLDS) - len(points))]


def operating_point(rows: list[dict]) -> dict | None:
    return sensitivity_at_false_positives(rows, froc_curve(rows))


def test_the_operating_point_lies_on_the_line_between_two_thresholds():
    rows = [
        {"person": "A", "free_response": falling((1.0, 9.0), (0.8, 3.0), (0.2, 0.0))},
        {"person": "B", "free_response": falling((1.0, 5.0), (1.0, 2.0), (0.0, 0.5))},
        {"person": "C"},
    ]
    sensitivity = operating_point(rows)
    # Means: 2.5 false regions and 0.9 found, then 0.25 and 0.1; one lies a third of the way up.
    assert FALSE_POSITIVES == 1.0 and sensitivity["mean"] == pytest.approx(0.1 + 0.8 / 3)
    assert sensitivity["z"] == pytest.approx(Z_THRESHOLDS[2] + (Z_THRESHOLDS[1] - Z_THRESHOLDS[2]) / 3)
    assert sensitivity["people"] == 2 and sensitivity["low"] <= sensitivity["mean"] <= sensitivity["high"]


def test_a_threshold_at_the_operating_point_is_taken_as_it_is():
    rows = [{"person": "A", "free_response": falling((0.9, 7.0), (0.8, FALSE_POSITIVES), (0.5, 0.2))}]
    assert operating_point(rows)["mean"] == 0.8 and operating_point(rows)["z"] == Z_THRESHOLDS[1]
    below = [{"person": "A", "free_response": falling((0.7, 0.5), (0.4, 0.0))}]
    assert operating_point(below)["mean"] == 0.7 and operating_point(below)["z"] == Z_THRESHOLDS[0]


def test_there_may_be_no_operating_point():
    assert (
        operating_point([{"person": "A", "free_response": falling((0.9, 7.0))}]) is None and operating_point([]) is None
    )


@pytest.mark.parametrize("sign", ["increased", "decreased"])
def test_nothing_to_see_is_nothing_found(sign):
    assert froc_points(analysed(np.zeros(SHAPE)), TRUTH, sign) == [[0.0, 0.0]] * len(Z_THRESHOLDS)
