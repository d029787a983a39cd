"""Free response: what other thresholds would find, and what they would cost."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.evaluation.metrics.froc import FALSE_REGIONS, LEVELS, curve, found_at_price, free_response
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


def test_each_level_is_a_threshold_of_its_own():
    z = 3.9 * TRUTH - 3.1 * box(14, 18) + 2.6 * box(24, 29)
    points = free_response(analysed(z), TRUTH, "increased")
    assert len(points) == len(LEVELS)
    for level, (found, false) in zip(LEVELS, points, strict=True):
        assert found == (level < 3.9), level
        assert false == (level < 3.1) + (level < 2.6), level


def test_the_other_sign_is_never_found():
    points = free_response(analysed(-5.0 * TRUTH), TRUTH, "increased")
    assert all(found == 0 for found, _ in points)
    assert [false for _, false in points] == [float(level < 5.0) for level in LEVELS]


def test_for_one_sign_alone_the_other_ones_regions_are_no_price():
    z = -3.9 * TRUTH + 3.1 * box(14, 18) - 2.6 * box(24, 29)
    both, one_sided = (free_response(analysed(z), TRUTH, "decreased", signs) for signs in ("both", "decreased"))
    assert [found for found, _ in one_sided] == [found for found, _ in both] == [float(level < 3.9) for level in LEVELS]
    for level, (_, price), (_, lower) in zip(LEVELS, both, one_sided, strict=True):
        assert price == (level < 3.1) + (level < 2.6) and lower == (level < 2.6), level


def test_the_curve_is_a_mean_over_people_not_over_maps():
    always, never = [[1.0, 0.0]] * len(LEVELS), [[0.0, 3.0]] * len(LEVELS)
    rows = [{"person": "A", "free_response": always}] * 3 + [{"person": "B", "free_response": never}]
    points = curve([*rows, {"person": "C"}, {"person": "D", "free_response": None}])
    assert [point["z"] for point in points] == list(LEVELS)
    assert all(point["found"]["mean"] == 0.5 and point["false_regions"]["mean"] == 1.5 for point in points)
    assert curve([{"person": "C"}]) == []


def falling(*points: tuple[float, float]) -> list[list[float]]:
    """These ``(found, false regions)`` at the first levels, then the last of them."""
    return [*map(list, points), *[list(points[-1])] * (len(LEVELS) - len(points))]


def at_price(rows: list[dict]) -> dict | None:
    return found_at_price(rows, curve(rows))


def test_the_price_is_read_off_on_the_line_between_two_levels():
    rows = [
        {"person": "A", "free_response": falling((1.0, 9.0), (0.8, 3.0), (0.2, 0.0))},
        {"person": "B", "free_response": falling((1.0, 5.0), (1.0, 2.0), (0.0, 0.5))},
        {"person": "C"},
    ]
    found = at_price(rows)
    # Means: 2.5 false regions and 0.9 found, then 0.25 and 0.1; one lies a third of the way up.
    assert FALSE_REGIONS == 1.0 and found["mean"] == pytest.approx(0.1 + 0.8 / 3)
    assert found["z"] == pytest.approx(LEVELS[2] + (LEVELS[1] - LEVELS[2]) / 3)
    assert found["people"] == 2 and found["low"] <= found["mean"] <= found["high"]


def test_a_level_at_the_price_is_taken_as_it_is():
    rows = [{"person": "A", "free_response": falling((0.9, 7.0), (0.8, FALSE_REGIONS), (0.5, 0.2))}]
    assert at_price(rows)["mean"] == 0.8 and at_price(rows)["z"] == LEVELS[1]
    cheap = [{"person": "A", "free_response": falling((0.7, 0.5), (0.4, 0.0))}]
    assert at_price(cheap)["mean"] == 0.7 and at_price(cheap)["z"] == LEVELS[0]


def test_there_may_be_no_such_price():
    assert at_price([{"person": "A", "free_response": falling((0.9, 7.0))}]) is None and at_price([]) is None


@pytest.mark.parametrize("sign", ["increased", "decreased"])
def test_nothing_to_see_is_nothing_found(sign):
    assert free_response(analysed(np.zeros(SHAPE)), TRUTH, sign) == [[0.0, 0.0]] * len(LEVELS)
