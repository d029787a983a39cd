"""Lesion-wise detection and false-positive regions."""

from __future__ import annotations

import numpy as np

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.evaluation.metrics.regionwise import detected_and_false_positives, false_positive_components
from FAAnomalyLib.result import Result
from FAAnomalyLib.volume import Volume

AFFINE = np.array([[-2.0, 0, 0, 40], [0, 0, 2.0, -30], [0, 2.0, 0, 10], [0, 0, 0, 1]])
SHAPE = (24, 24, 24)


def box(low, high):
    where = np.zeros(SHAPE, bool)
    where[tuple(slice(low, high) for _ in range(3))] = True
    return where


def analysed(z: np.ndarray, threshold: float = 3.0) -> Result:
    """A result whose z is given."""
    z = Volume(z.astype(np.float32), AFFINE)
    return Result(z, z, z, z, *find_regions(z, z, threshold))


LOW, HIGH = box(2, 7), box(14, 20)


def test_a_region_of_the_right_sign_in_the_truth_is_a_hit():
    assert detected_and_false_positives(analysed(5.0 * LOW), LOW, "increased") == (True, 0)
    assert detected_and_false_positives(analysed(-5.0 * LOW), LOW, "decreased") == (True, 0)


def test_one_voxel_in_common_is_enough():
    assert detected_and_false_positives(analysed(5.0 * box(6, 12)), LOW, "increased") == (True, 0)
    assert detected_and_false_positives(analysed(5.0 * box(7, 12)), LOW, "increased") == (False, 1)


def test_the_other_sign_is_false_wherever_it_lies():
    assert detected_and_false_positives(analysed(-5.0 * LOW), LOW, "increased") == (False, 1)
    assert detected_and_false_positives(analysed(5.0 * LOW - 5.0 * HIGH), LOW, "increased") == (True, 1)


def test_nothing_reported_is_nothing_found():
    assert detected_and_false_positives(analysed(np.zeros(SHAPE)), LOW, "increased") == (False, 0)


def test_two_regions_in_one_truth_are_two_hits():
    assert detected_and_false_positives(analysed(5.0 * LOW + 5.0 * HIGH), LOW | HIGH, "increased") == (True, 0)


def test_a_part_cut_off_from_its_region_still_belongs_to_it():
    # One cluster above 3 with a weak bridge: cut at half the height (5) it falls into two parts, one peak.
    z = 10.0 * box(2, 7)
    z[4, 4, 7:14] = 4.0
    z[3:6, 3:6, 14:18] = 6.0
    result = analysed(z)
    truth = np.zeros(SHAPE, bool)
    truth[3:6, 3:6, 15:18] = True
    assert len(result.regions) == 1
    assert detected_and_false_positives(result, truth, "increased") == (True, 0)


def test_false_positive_components_are_counted_without_specks():
    predicted = LOW | HIGH
    predicted[10, 10, 10] = True
    assert false_positive_components(predicted, LOW, 0.008) == 1
    assert false_positive_components(predicted, np.zeros(SHAPE, bool), 0.008) == 2
    assert false_positive_components(predicted, LOW, 0.2) == 2
