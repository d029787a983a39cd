"""Location, scale, gain and offset: what outliers and levels do to them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from FAAnomalyLib.preprocessing.robust_statistics import fit_gain_and_offset, robust_location_and_scale


def test_location_and_scale_are_robust():
    values = np.random.default_rng(1).normal(3.0, 2.0, 20000)
    values[:1000] = 1e6
    location, scale = robust_location_and_scale(values)
    assert location == pytest.approx(3.0, abs=0.2) and scale == pytest.approx(2.0, abs=0.2)
    assert robust_location_and_scale(np.zeros(0)) == (0.0, 1.0)
    assert robust_location_and_scale(np.full(9, 0.3)).scale > 0


def test_the_scale_is_the_scaled_median_absolute_deviation():
    values = np.random.default_rng(2).normal(0.0, 0.05, 999)
    expected = stats.median_abs_deviation(values, scale="normal")
    assert robust_location_and_scale(values).scale == pytest.approx(expected, rel=1e-5)


def test_gain_and_offset_are_those_of_least_squares():
    rng = np.random.default_rng(3)
    reference = rng.uniform(0.1, 0.8, 500).astype(np.float32)
    values = (0.8 * reference + 0.1 + rng.normal(0.0, 0.05, 500)).astype(np.float32)
    line = stats.linregress(reference.astype(float), values.astype(float))
    assert fit_gain_and_offset(reference, values) == pytest.approx((line.slope, line.intercept), rel=1e-9)


@pytest.mark.parametrize("count", [1, 20])
def test_a_reference_without_contrast_gives_the_level_alone(count):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert fit_gain_and_offset(np.full(count, 0.4), np.full(count, 0.5)) == pytest.approx((1.0, 0.1))
