"""The first look: where a brain is analysed, and which of its clusters are candidates."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly.calibration import UNIT, Calibration
from FAAnomalyLib.anomaly.candidates import (
    CANDIDATE_DILATION_MM,
    CANDIDATE_SHARE,
    MAX_HIDDEN_SHARE,
    MIN_CANDIDATE_ML,
    candidate_mask,
)
from FAAnomalyLib.anomaly.residual_maps import SCREENING_KEYS, screening_maps
from FAAnomalyLib.anomaly.screening import ANALYSED_PROBABILITY, DEPTH_MM, analysis_mask, subject_scale_of
from FAAnomalyLib.preprocessing.template import TemplatePriors

SHAPE = (40, 48, 40)
MM = 2.0
SD = 0.05
CENTRE = (19.5, 23.5, 19.5)
LEVEL = CANDIDATE_SHARE * UNIT


def ball(centre, radius: float) -> np.ndarray:
    return sum((np.indices(SHAPE)[i] - centre[i]) ** 2 for i in range(3)) <= radius**2


BALL = ball(CENTRE, 18.0)


def look(lesion: np.ndarray | None = None, change: float = 0.0, analysed: np.ndarray = BALL):
    """Scales and combined maps of pure noise about the template, with a change in *lesion*; without a calibration."""
    rng = np.random.default_rng(0)
    priors = TemplatePriors(
        *(np.full(SHAPE, 0.4, np.float32) + ndimage.gaussian_filter(rng.normal(0, 0.3, SHAPE), 2) for _ in range(3))
    )
    residual = rng.normal(0.0, SD, SHAPE)
    if lesion is not None:
        residual = residual + change * lesion
    fa = (priors.fa + residual).astype(np.float32)
    maps = screening_maps(fa, priors, analysed, MM)
    scale = subject_scale_of(maps, analysed)
    return scale, Calibration().combined(maps, analysed, scale)


@pytest.mark.parametrize("spacing", [1.0, MM, 4.0])
def test_analysed_is_white_matter_away_from_the_edge(spacing):
    white = np.ones(SHAPE, np.float32)
    white[:, 24], white[20] = ANALYSED_PROBABILITY + 0.01, ANALYSED_PROBABILITY
    analysed = analysis_mask(BALL, white, spacing)
    depth = ndimage.distance_transform_edt(BALL) * spacing
    np.testing.assert_array_equal(analysed, BALL & (depth >= DEPTH_MM) & (white > ANALYSED_PROBABILITY))
    assert not analysed[20].any() and analysed[:, 24].any()


@pytest.mark.parametrize("corner", [(16, 20, 9), (10, 14, 6), (0, 0, 0), (25, 20, 14)])
def test_a_patch_of_white_matter_is_analysed_where_it_would_be_in_the_whole(corner):
    """Only the box about it is looked at."""
    white, patch = np.ones(SHAPE, np.float32), np.zeros(SHAPE, bool)
    patch[tuple(slice(c, c + 7) for c in corner)] = True
    whole = analysis_mask(BALL, white, MM)
    np.testing.assert_array_equal(analysis_mask(BALL, white * patch, MM), whole & patch)


def test_the_scale_is_the_subjects_own():
    subject_scale, combined = look()
    assert set(subject_scale) == set(SCREENING_KEYS)
    for key, (centre, spread) in subject_scale.items():
        assert abs(centre) < 0.02 and 0 < spread < SD, key
    assert combined
    for z in combined.values():
        assert z.shape == SHAPE and not z[~BALL].any() and abs(np.median(z[BALL])) < 0.3


def test_a_lesion_hardly_moves_the_scale():
    lesion = BALL & ball((20, 24, 12), 6.0)
    assert lesion.sum() == pytest.approx(0.037 * BALL.sum(), rel=0.1)
    (plain, plain_maps), (ill, ill_maps) = look(), look(lesion, -0.15)
    for key in SCREENING_KEYS:
        assert ill[key].scale < 4.0 * plain[key].scale, key
        assert abs(ill[key].location - plain[key].location) < 0.05 * 0.15, key
    strongest = Calibration().strongest(ill_maps)
    assert (strongest[lesion] < -LEVEL).mean() > 0.5
    assert np.abs(Calibration().strongest(plain_maps)).max() < 2 * LEVEL


def test_nothing_analysed_is_no_deviation():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nowhere = np.zeros(SHAPE, bool)
        _, combined = look(analysed=nowhere)
        assert all(not z.any() for z in combined.values())
        assert not candidate_mask(np.zeros(SHAPE, np.float32), MM, nowhere).any()


# ---- candidates


def statistic(*parts: tuple[np.ndarray, float]) -> np.ndarray:
    z = np.zeros(SHAPE, np.float32)
    for where, height in parts:
        z[where] = height
    return z


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("centre", [(20, 24, 20), (1, 2, 38)])
def test_candidates_are_hidden_whole_with_a_margin(sign, centre):
    lesion = ball(centre, 5)
    hidden = candidate_mask(statistic((lesion, sign * 1.1 * LEVEL)), MM, BALL)
    away = ndimage.distance_transform_edt(~lesion, sampling=MM)
    np.testing.assert_array_equal(hidden, away <= CANDIDATE_DILATION_MM)
    assert hidden[lesion].all()


def test_below_the_level_or_too_small_nothing_is_a_candidate():
    lesion = ball((20, 24, 20), 5)
    assert not candidate_mask(statistic((lesion, 0.99 * LEVEL)), MM, BALL).any()
    fewest = int(np.ceil(MIN_CANDIDATE_ML * 1000 / MM**3))
    speck = np.zeros(SHAPE, bool)
    speck[20, 24, 1:fewest] = True
    assert speck.sum() == fewest - 1 and not candidate_mask(statistic((speck, 9 * LEVEL)), MM, BALL).any()
    speck[20, 24, fewest] = True
    assert candidate_mask(statistic((speck, 9 * LEVEL)), MM, BALL).any()
    # What is too small on this grid is large enough on a coarser one.
    speck[20, 24, fewest] = False
    assert candidate_mask(statistic((speck, 9 * LEVEL)), 2 * MM, BALL).any()


def test_the_tails_are_candidates_of_their_own():
    """An increase beside a decrease must not be averaged or joined away."""
    up, down = ball((14, 24, 20), 4), ball((26, 24, 20), 4)
    both = candidate_mask(statistic((up, 2 * LEVEL), (down, -2 * LEVEL)), MM, BALL)
    each = [
        candidate_mask(statistic((up, 2 * LEVEL)), MM, BALL),
        candidate_mask(statistic((down, -2 * LEVEL)), MM, BALL),
    ]
    np.testing.assert_array_equal(both, each[0] | each[1])


def test_the_strongest_are_hidden_first_and_context_remains():
    rng = np.random.default_rng(0)
    parts = []
    for number, centre in enumerate(np.stack(np.meshgrid([8, 20, 32], [8, 24, 40], [8, 20, 32]), -1).reshape(-1, 3)):
        parts.append((ball(centre, 4), float(rng.choice([-1, 1]) * LEVEL * (1.1 + 0.1 * number))))
    hidden = candidate_mask(statistic(*parts), MM, BALL)
    assert 0.3 * MAX_HIDDEN_SHARE < (hidden & BALL).sum() / BALL.sum() <= MAX_HIDDEN_SHARE
    order = sorted(parts, key=lambda part: -abs(part[1]))
    whole = [bool(hidden[where].all()) for where, _ in order]
    assert whole[0] and not whole[-1]
    assert whole == sorted(whole, reverse=True), "a weaker one was hidden instead of a stronger one"


def test_one_candidate_is_hidden_however_large():
    huge = ball(CENTRE, 15)
    assert (huge & BALL).sum() > MAX_HIDDEN_SHARE * BALL.sum()
    assert candidate_mask(statistic((huge, 2 * LEVEL)), MM, BALL)[huge].all()
