"""Smoothed residuals: a planted change is recovered at its height, by every source that can know of it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly.residual_maps import (
    LEVEL_MM,
    MAX_DEVIATION,
    MAX_LEVEL,
    MAX_PRECISION,
    MAX_RESIDUAL,
    MIN_SUPPORT,
    SCREENING_KEYS,
    TEMPLATE,
    TEMPLATE_MINMOD,
    TEMPLATE_MINMOD_IN_TRACTS,
    screening_maps,
    smoothed,
    template_deviation,
    without_regional_level,
)
from FAAnomalyLib.anomaly.screening import subject_scale_of
from FAAnomalyLib.preprocessing.template import TemplatePriors

pytestmark = pytest.mark.slow

SHAPE = (40, 48, 44)
MM = 2.0
SD = 0.05
CHANGE = -0.12
MINMOD_MAPS = [key for key in SCREENING_KEYS if key[0] in (TEMPLATE_MINMOD, TEMPLATE_MINMOD_IN_TRACTS)]
PLACE, MIRRORED = (29, 24, 22), (10, 24, 22)
CENTRE = tuple((n - 1) / 2 for n in SHAPE)


def ball(centre, radius: float) -> np.ndarray:
    return sum((np.indices(SHAPE)[i] - centre[i]) ** 2 for i in range(3)) <= radius**2


BALL = ball(CENTRE, 18.0)
LESION = ball(PLACE, 7.0)


def smooth(seed: int, sigma: float, size: float) -> np.ndarray:
    values = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), sigma)
    return size * values / values.std()


def level_of(deviation: np.ndarray) -> np.ndarray:
    """The regional level of a deviation over the analysed ball."""
    return deviation - without_regional_level(deviation, BALL, MM)


@pytest.fixture(scope="module")
def template() -> TemplatePriors:
    """Not symmetric, so that a source that forgets the template's own sides is found out."""
    fa = np.clip(0.4 + smooth(5, 3.0, 0.1), 0.0, 1.0).astype(np.float32)
    return TemplatePriors(fa, np.ones(SHAPE, np.float32), np.ones(SHAPE, np.float32))


def at_its_height(change: float, sigma_mm: float) -> float:
    """What a Gaussian of that width leaves of a change in the middle of the lesion."""
    share = ndimage.gaussian_filter(LESION.astype(np.float64), sigma_mm / MM)[PLACE]
    return pytest.approx(change * share / (1.0 + MIN_SUPPORT), rel=0.1, abs=0.01)


def maps_of(
    template: TemplatePriors,
    lesion: float = 0.0,
    analysed: np.ndarray = BALL,
    gain: float = 1.0,
    offset: float = 0.0,
    noise: float = SD,
):
    """Maps of a brain like the template."""
    rng = np.random.default_rng(0)
    healthy = gain * template.fa + offset
    fa = (healthy + rng.normal(0.0, noise, SHAPE) + lesion * LESION).astype(np.float32)
    return screening_maps(fa, template, analysed, MM)


def test_every_map_is_there_and_0_where_nothing_is_analysed(template):
    maps = maps_of(template, CHANGE)
    assert tuple(maps) == SCREENING_KEYS
    for values in maps.values():
        assert values.dtype == np.float32 and values.shape == SHAPE and np.isfinite(values).all()
        assert not values[~BALL].any() and values[BALL].std() > 0


@pytest.mark.parametrize("change", [CHANGE, -CHANGE])
@pytest.mark.parametrize("key", SCREENING_KEYS, ids=str)
def test_each_map_shows_a_planted_change_at_about_its_height(template, key, change):
    maps, healthy = maps_of(template, change, noise=0.01), maps_of(template, noise=0.01)
    # Its own regional level is taken away with the brain's.
    expected = change - level_of(change * LESION)[PLACE]
    shown = maps[key] - healthy[key]
    assert shown[PLACE] == at_its_height(expected, key[1]) and abs(shown[PLACE]) > 0.5 * abs(expected)
    # A width of at least the kernel away little of it is left, on the other side neither.
    away = ndimage.distance_transform_edt(~LESION, sampling=MM) > 3.0 * key[1]
    assert np.abs(shown[away & BALL]).max() < 0.1 * abs(change)


@pytest.mark.parametrize("key", MINMOD_MAPS, ids=str)
def test_a_change_is_no_change_of_the_other_sign_on_the_other_side(template, key):
    maps, healthy = maps_of(template, CHANGE, noise=0.01), maps_of(template, noise=0.01)
    shown = maps[key] - healthy[key]
    assert abs(shown[PLACE]) > 0.05 and abs(shown[MIRRORED]) < 0.01


@pytest.mark.parametrize("key", MINMOD_MAPS, ids=str)
def test_what_both_sides_have_does_not_count(template, key):
    """What the template misses on both sides of a healthy brain; a symmetric lesion, too, is left to the others."""
    rng = np.random.default_rng(0)
    fa = (template.fa + rng.normal(0.0, 0.01, SHAPE) + CHANGE * (LESION | LESION[::-1])).astype(np.float32)
    maps = screening_maps(fa, template, BALL, MM)
    assert abs(maps[key][PLACE]) < 0.02 < 0.05 < abs(maps[TEMPLATE, 8.0][PLACE])


def test_the_weaker_of_the_two_counts(template):
    """Half of the change on the other side as well: half of it is left."""
    rng = np.random.default_rng(0)
    healthy = template.fa + rng.normal(0.0, 0.01, SHAPE)
    shown = [
        screening_maps(
            (healthy + CHANGE * (LESION + share * LESION[::-1])).astype(np.float32),
            template,
            BALL,
            MM,
        )[TEMPLATE_MINMOD_IN_TRACTS, 5.0][PLACE]
        for share in (0.0, 0.5, 1.0)
    ]
    assert shown[1] == pytest.approx(0.5 * shown[0], rel=0.2) and abs(shown[2]) < 0.1 * abs(shown[0])


def test_the_other_side_is_found_through_the_warped_template(template):
    """A lesion whose partner lies 8 mm from its straight mirror image is compared with the partner."""
    rng = np.random.default_rng(0)
    away = np.zeros((3, *SHAPE), np.float32)
    away[1] = 4.0 * (np.indices(SHAPE)[0] < 20)
    partner_of_lesion = np.roll(LESION[::-1], -4, axis=1)
    flat = replace(template, fa=0.4 + 1e-3 * template.fa)
    fa = (0.4 + rng.normal(0.0, 0.01, SHAPE) + CHANGE * (LESION | partner_of_lesion)).astype(np.float32)
    straight, warped = (
        screening_maps(fa, priors, BALL, MM)[TEMPLATE_MINMOD_IN_TRACTS, 5.0]
        for priors in (flat, replace(flat, displacement=away))
    )
    # The same change on both sides: with the right partner nothing is left of it.
    assert np.abs(warped).max() < 0.25 * np.abs(straight).max()


def test_the_templates_own_sides_are_no_change(template):
    """A brain just like an asymmetric template deviates nowhere."""
    maps = maps_of(template, noise=0.0)
    for key, values in maps.items():
        assert np.abs(values).max() < 1e-3, key


def test_a_tracts_core_counts_more_than_its_rim(template):
    """The same change in voxels of high and of low FA: the mean lies nearer to what the core shows."""
    rng = np.random.default_rng(0)
    core = np.indices(SHAPE)[1] % 2 == 0
    tract = replace(template, fa=np.where(core, 0.6, 0.3).astype(np.float32))
    shown = {}
    for name, where in (("core", core), ("rim", ~core)):
        fa = (tract.fa + rng.normal(0.0, 0.01, SHAPE) + CHANGE * (LESION & where)).astype(np.float32)
        maps = screening_maps(fa, tract, BALL, MM)
        shown[name] = {key: maps[key][PLACE] for key in ((TEMPLATE_MINMOD, 8.0), (TEMPLATE_MINMOD_IN_TRACTS, 5.0))}
    assert shown["core"][TEMPLATE_MINMOD, 8.0] == pytest.approx(shown["rim"][TEMPLATE_MINMOD, 8.0], rel=0.1)
    # Precision goes with the square of FA.
    ratio = shown["core"][TEMPLATE_MINMOD_IN_TRACTS, 5.0] / shown["rim"][TEMPLATE_MINMOD_IN_TRACTS, 5.0]
    assert ratio == pytest.approx(4.0, rel=0.15)


def test_where_a_few_mirrored_places_are_not_analysed_there_is_no_asymmetry(template):
    analysed = BALL & ~LESION[::-1]
    maps = maps_of(template, CHANGE, analysed)
    assert all(abs(maps[key][PLACE]) < 0.3 * abs(maps[TEMPLATE, 8.0][PLACE]) for key in MINMOD_MAPS)


def test_half_a_brain_goes_on_without_the_other_side(template):
    """No map is 0 everywhere, which would divide by next to nothing; a change shows as it does in the template."""
    analysed = BALL.copy()
    analysed[: SHAPE[0] // 2] = False
    maps = maps_of(template, CHANGE, analysed)
    scales = subject_scale_of(maps, analysed)
    assert all(scales[key].scale > 1e-3 for key in MINMOD_MAPS)
    np.testing.assert_allclose(maps[TEMPLATE_MINMOD, 8.0], maps[TEMPLATE, 8.0], atol=1e-6)


def test_another_scanners_gain_and_offset_are_no_change(template):
    maps = maps_of(template, gain=0.7, offset=0.1, noise=0.0)
    for key in SCREENING_KEYS:
        assert np.abs(maps[key]).max() < 1e-3
    # And a change is measured in the scanner's own FA.
    ill = maps_of(template, CHANGE, gain=0.7, offset=0.1, noise=0.0)
    assert ill[TEMPLATE, 8.0][PLACE] == at_its_height(CHANGE - level_of(CHANGE * LESION)[PLACE], 8.0)


def test_wider_kernels_take_more_noise_away(template):
    maps = maps_of(template)
    for name in {name for name, _ in SCREENING_KEYS}:
        spreads = [maps[key][BALL].std() for key in sorted(k for k in SCREENING_KEYS if k[0] == name)]
        assert spreads == sorted(spreads, reverse=True)


# ---- smoothing


def test_unsure_voxels_weigh_less():
    """A sure neighbour and one of a hundredth of its precision: the mean is the sure one's."""
    rng = np.random.default_rng(0)
    unsure = rng.random(SHAPE) < 0.5
    residual = np.where(unsure, 0.25, 0.05).astype(np.float32)
    variance = np.where(unsure, 1.0, 0.01).astype(np.float32)
    weighted = smoothed(residual, variance, BALL, 2.5)
    plain = smoothed(residual, np.full(SHAPE, np.nan, np.float32), BALL, 2.5)
    inner = ndimage.binary_erosion(BALL, iterations=6)
    assert plain[inner].mean() == pytest.approx(0.15, rel=0.15)
    assert weighted[inner].mean() < 0.075


def test_no_voxel_is_so_sure_that_it_speaks_for_all():
    residual, variance = np.zeros(SHAPE, np.float32), np.full(SHAPE, 0.01, np.float32)
    place = tuple(int(c) for c in CENTRE)
    residual[place], variance[place] = 0.2, 1e-12
    found = smoothed(residual, variance, BALL, 2.5)[place]
    plain = smoothed(residual, np.full(SHAPE, 0.01, np.float32), BALL, 2.5)[place]
    assert plain < found < 1.5 * MAX_PRECISION * plain < 0.04


def test_without_a_variance_all_voxels_are_equally_sure():
    residual = np.random.default_rng(0).normal(0.0, SD, SHAPE).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unknown = smoothed(residual, np.full(SHAPE, np.nan, np.float32), BALL, 2.0)
    np.testing.assert_allclose(unknown, smoothed(residual, np.full(SHAPE, 0.01, np.float32), BALL, 2.0), atol=1e-6)


def test_what_is_not_analysed_does_not_count():
    residual = np.random.default_rng(0).normal(0.0, SD, SHAPE).astype(np.float32)
    variance = np.full(SHAPE, SD**2, np.float32)
    wild, unknown = residual.copy(), variance.copy()
    wild[~BALL], unknown[~BALL] = 1e6, np.nan
    np.testing.assert_array_equal(smoothed(wild, unknown, BALL, 2.0), smoothed(residual, variance, BALL, 2.0))


def test_the_edge_of_the_analysed_part_does_not_dilute_a_mean():
    """The mean is over analysed voxels: at a face, half a kernel speaks nearly as loud as a whole one."""
    flat = smoothed(np.full(SHAPE, 0.2, np.float32), np.full(SHAPE, 0.01, np.float32), BALL, 2.0) / 0.2
    assert flat[BALL].min() > 0.5 and flat[BALL].max() <= 1.0
    assert flat[tuple(int(c) for c in CENTRE)] > 0.85


def test_a_lonely_voxel_is_not_as_loud_as_a_crowd():
    lonely = np.zeros(SHAPE, bool)
    place = tuple(int(c) for c in CENTRE)
    lonely[place] = True
    residual, variance = np.full(SHAPE, 0.2, np.float32), np.full(SHAPE, 0.01, np.float32)
    assert 0 < smoothed(residual, variance, lonely, 2.5)[place] < 0.5 * smoothed(residual, variance, BALL, 2.5)[place]
    assert not smoothed(residual, variance, np.zeros(SHAPE, bool), 2.5).any()


# ---- Winsorising


@pytest.mark.parametrize("sign", [1, -1])
def test_one_wild_voxel_counts_no_more_than_the_largest_residual(sign):
    """To the bit: its neighbours do not learn how wild it is."""
    residual = np.random.default_rng(0).normal(0.0, SD, SHAPE).astype(np.float32)
    variance = np.full(SHAPE, SD**2, np.float32)
    maps = []
    for height in (0.0, 0.5, 1.0, 2.0, 10.0):
        residual[PLACE] = sign * height * MAX_RESIDUAL
        maps.append(smoothed(residual, variance, BALL, 1.5))
    none, half, largest = (values[PLACE] for values in maps[:3])
    assert sign * (largest - half) == pytest.approx(sign * (half - none), rel=1e-3) and sign * (half - none) > 0
    for values in maps[3:]:
        np.testing.assert_array_equal(values, maps[2])


@pytest.mark.parametrize("key", SCREENING_KEYS, ids=str)
def test_a_wild_voxel_of_the_brain_is_bounded_in_every_map(template, key):
    """A tract's edge a voxel off its place must not rule its surroundings, whoever predicts."""
    shown = []
    for wild in (0.0, 0.8):
        fa = template.fa.copy()
        fa[PLACE] += wild
        shown.append(screening_maps(fa, template, BALL, MM)[key])
    kernel = ndimage.gaussian_filter(np.eye(1, 41, 20)[0], key[1] / MM).max() ** 3
    most = np.abs(shown[1] - shown[0]).max()
    assert most == pytest.approx(MAX_DEVIATION * kernel / (1.0 + MIN_SUPPORT), rel=0.15, abs=1e-4)
    assert most < 0.5 * 0.8 * kernel


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("key", SCREENING_KEYS, ids=str)
def test_a_change_of_that_size_in_all_voxels_is_seen_whole(template, key, sign):
    healthy = maps_of(template, noise=0.01)[key]
    most = MAX_DEVIATION + level_of(MAX_DEVIATION * LESION)[PLACE]
    shown = maps_of(template, sign * most, noise=0.01)[key] - healthy
    assert sign * shown[PLACE] == at_its_height(MAX_DEVIATION, key[1])
    # A larger one is seen as this one.
    larger = maps_of(template, sign * 2.0 * most, noise=0.01)[key] - healthy
    assert larger[PLACE] == pytest.approx(shown[PLACE], rel=0.1)


# ---- the regional level


def test_the_mean_of_the_neighbourhood_is_taken_away():
    """By hand: a Gaussian over what counts, bounded before it is averaged."""
    counted = np.random.default_rng(3).random(SHAPE) < 0.4
    deviation = smooth(4, 8.0, 0.03) + smooth(6, 0.5, 0.1)
    found = without_regional_level(deviation, counted, MM)
    where = np.argwhere(counted)
    for place in ((20, 24, 22), (3, 40, 10)):
        # Cut at 3 standard deviations along each axis, of which this grid's largest is 30 voxels.
        weights = np.exp(-0.5 * ((where - place) ** 2).sum(1) / (LEVEL_MM / MM) ** 2)
        weights *= (np.abs(where - place) <= 3 * LEVEL_MM / MM).all(1)
        line = np.exp(-0.5 * (np.arange(-30, 31) / (LEVEL_MM / MM)) ** 2).sum()
        bounded = np.clip(deviation[counted], -MAX_DEVIATION, MAX_DEVIATION)
        level = (weights @ bounded / line**3) / (weights.sum() / line**3 + MIN_SUPPORT)
        assert abs(level) < MAX_LEVEL
        assert deviation[place] - found[place] == pytest.approx(level, abs=1e-5)
    assert found.dtype == np.float32
    # Two voxels away from each other and alone in the world see one another.
    pair = np.zeros(SHAPE, bool)
    pair[20, 24, 22] = pair[21, 24, 22] = True
    alone = without_regional_level(np.where(np.indices(SHAPE)[0] == 20, 0.1, 0.0), pair, MM)
    line, near = np.exp(-0.5 * (np.arange(-30, 31) / 10.0) ** 2).sum(), np.exp(-0.5 / 10.0**2)
    assert alone[21, 24, 22] == pytest.approx(-0.1 * near / line**3 / ((1 + near) / line**3 + MIN_SUPPORT), rel=1e-3)


def test_a_brain_that_deviates_everywhere_alike_deviates_nowhere():
    for lobe in (0.03, -0.03):
        found = without_regional_level(np.full(SHAPE, lobe, np.float32), np.ones(SHAPE, bool), MM)
        assert np.abs(found[10:30, 12:36, 11:33]).max() < 0.2 * abs(lobe)


@pytest.mark.parametrize("sign", [1, -1])
def test_no_more_than_the_largest_level_is_taken_away(sign):
    """A change of a whole lobe is left but for that."""
    found = without_regional_level(np.full(SHAPE, sign * 0.3, np.float32), np.ones(SHAPE, bool), MM)
    np.testing.assert_allclose(found, sign * (0.3 - MAX_LEVEL), atol=1e-6)


def test_a_drawn_regions_own_voxels_tell_nothing_of_its_level(template):
    """To the bit outside; inside the change is left whole."""
    outside, deviation = BALL & ~LESION, smooth(7, 3.0, 0.02)
    first, second = (without_regional_level(deviation + height * LESION, outside, MM) for height in (0.0, 0.12))
    np.testing.assert_array_equal(first[~LESION], second[~LESION])
    np.testing.assert_allclose((second - first)[LESION], 0.12, atol=1e-6)
    counted = without_regional_level(deviation + 0.12 * LESION, BALL, MM)
    assert (second - counted)[PLACE] > 0.01, "nothing of it lies in the level: the test cannot fail"
    fa = (template.fa + deviation).astype(np.float32)
    calm, wild = (template_deviation(np.where(LESION, inside, fa), template.fa, outside, MM) for inside in (fa, 0.9))
    np.testing.assert_array_equal(calm[~LESION], wild[~LESION])


# ---- one deviation, nothing


def test_a_deviation_has_the_gain_and_offset_of_what_is_healthy(template):
    healthy = BALL & ~LESION
    fa = (0.8 * template.fa + 0.05 + 0.1 * LESION).astype(np.float32)
    found = template_deviation(fa, template.fa, healthy, MM)
    np.testing.assert_allclose(found[healthy], 0.0, atol=1e-5)
    np.testing.assert_allclose(found[LESION & BALL], 0.1, atol=1e-5)
    assert template_deviation(fa + LESION, template.fa, healthy, MM).max() == pytest.approx(MAX_DEVIATION)


@pytest.mark.parametrize("key", SCREENING_KEYS[::4], ids=str)
def test_the_grid_around_what_is_analysed_changes_nothing(key):
    """Only the box about it is smoothed."""
    residual = np.random.default_rng(0).normal(0.0, SD, SHAPE).astype(np.float32)
    variance, analysed = np.full(SHAPE, SD**2, np.float32), BALL & (np.indices(SHAPE)[0] > 22)
    wide = [
        np.pad(part, 30, constant_values=fill)
        for part, fill in ((residual, 9.0), (variance, np.nan), (analysed, False))
    ]
    found = smoothed(*wide, key[1] / MM)
    np.testing.assert_array_equal(found[30:-30, 30:-30, 30:-30], smoothed(residual, variance, analysed, key[1] / MM))
    assert not found[~wide[2]].any()


def test_nothing_analysed_is_no_evidence(template):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = maps_of(template, CHANGE, np.zeros(SHAPE, bool))
    assert all(not values.any() for values in maps.values())
