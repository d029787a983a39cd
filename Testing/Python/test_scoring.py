"""From residual to regions: planted changes are found where they are, with their sign and size."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import synthetic_brain as sb
from scipy import ndimage

from FAAnomalyLib.regions import LEAST_REGION_ML, find_regions
from FAAnomalyLib.scoring import (
    EDGE_MM,
    SUSPECT_DILATION_MM,
    centre_and_spread,
    judged_mask,
    suspects,
    z_map,
)
from FAAnomalyLib.volume import Volume

SHAPE = (40, 48, 40)
MM = 2.0
SD = 0.05
BALL = sum((np.indices(SHAPE)[i] - (SHAPE[i] - 1) / 2) ** 2 for i in range(3)) < 18**2


def ball(centre, radius: float, shape=SHAPE, spacing=(1.0, 1.0, 1.0)) -> np.ndarray:
    away = sum(((np.indices(shape)[i] - centre[i]) * spacing[i]) ** 2 for i in range(3))
    return away <= radius**2


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0.0, SD, SHAPE)


def z_of(residual: np.ndarray, judged: np.ndarray = BALL, variance=SD**2) -> np.ndarray:
    mean = np.full(SHAPE, 0.4)
    return z_map(mean + residual, mean, np.broadcast_to(variance, SHAPE), judged, MM)


def test_pure_noise_has_median_zero_and_unit_spread(noise):
    z = z_of(noise)
    assert z.dtype == np.float32 and (z[~BALL] == 0).all()
    assert abs(np.median(z[BALL])) < 1e-6
    assert z[BALL].std() == pytest.approx(1.0, abs=0.05)
    assert np.abs(z[BALL]).max() < 4.8


def test_noise_has_the_same_spread_where_few_neighbours_are_judged():
    # Sheets one voxel thick and single voxels beside a solid part.
    judged = np.zeros(SHAPE, bool)
    judged[:20] = True
    judged[24::6] = True
    lonely = np.zeros(SHAPE, bool)
    lonely[27::6, 4::6, 4::6] = True
    judged |= lonely
    rng = np.random.default_rng(0)
    z = np.stack([z_of(rng.normal(0.0, SD, SHAPE), judged) for _ in range(12)])
    solid, sheet = z[:, 5:15].std(), z[:, 24::6][:, :, 8:40, 8:32].std()
    assert sheet == pytest.approx(solid, rel=0.1)
    assert z[:, lonely].std() == pytest.approx(solid, rel=0.1)


def test_uncertain_voxels_weigh_less(noise):
    doubtful = np.zeros(SHAPE, bool)
    doubtful[:20] = True
    residual = np.where(doubtful, 4 * noise, noise)
    z = z_of(residual, variance=np.where(doubtful, (4 * SD) ** 2, SD**2))
    inner = ndimage.binary_erosion(BALL & doubtful, iterations=5)
    assert z[inner].std() == pytest.approx(z[ndimage.binary_erosion(BALL & ~doubtful, iterations=5)].std(), rel=0.15)


def test_without_a_variance_all_voxels_are_equally_sure(noise):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unknown = z_of(noise, variance=np.nan)
    np.testing.assert_allclose(unknown, z_of(noise, variance=SD**2), atol=1e-4)


def test_a_large_lesion_hardly_moves_the_yardstick(noise):
    lesion = BALL & ball((20, 24, 12), 8.3)
    assert lesion.sum() == pytest.approx(0.1 * BALL.sum(), rel=0.1)
    far = BALL & ~ball((20, 24, 12), 14)
    changed = z_of(noise - 0.15 * lesion)
    plain = z_of(noise)
    assert np.abs(changed[far].std() / plain[far].std() - 1.0) < 0.3
    assert np.abs(np.median(changed[far])) < 0.35
    assert changed[lesion].mean() < -8


def test_nothing_to_judge_is_no_deviation():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nowhere = np.zeros(SHAPE, bool)
        z = z_of(np.zeros(SHAPE), nowhere)
        flat = z_of(np.zeros(SHAPE))
        volume = Volume(z, np.eye(4))
        segmentation, regions = find_regions(volume, volume, 3.0)
        assert not suspects(z, nowhere, MM).any()
    assert not z.any() and not flat.any() and not segmentation.data.any() and regions == []
    assert segmentation.data.dtype == np.uint8


def test_judged_is_filled_white_matter_away_from_the_edge():
    brain = BALL.copy()
    white, covered = np.ones(SHAPE, np.float32), np.ones(SHAPE, bool)
    white[20], covered[:, 24] = 0.4, False
    judged = judged_mask(brain, white, covered, MM)
    assert not judged[20].any() and not judged[:, 24].any()
    depth = ndimage.distance_transform_edt(brain) * MM
    assert depth[judged].min() >= EDGE_MM
    assert judged.sum() == (brain & (depth >= EDGE_MM) & (white > 0.5) & covered).sum()


AFFINES = {"anisotropic": np.diag([1.7, 1.7, 3.0, 1.0]),
           "oblique, left-handed": np.block([[sb.rotation(20, -10, 15) @ np.diag([-2.0, 2.0, 2.5]),
                                              np.array([[30.0], [-12.0], [7.0]])], [np.zeros((1, 3)), 1]])}


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_both_tails_are_found_where_they_were_planted(affine):
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    bright, dark = (12, 30, 14), (28, 15, 25)
    z = np.random.default_rng(0).normal(0.0, 0.5, SHAPE)
    z += 12.0 * ball(bright, 7.0, spacing=spacing) - 9.0 * ball(dark, 9.0, spacing=spacing)
    difference = 0.2 * ball(bright, 7.0, spacing=spacing) - 0.1 * ball(dark, 9.0, spacing=spacing)
    segmentation, regions = find_regions(Volume(z.astype(np.float32), affine),
                                         Volume(difference.astype(np.float32), affine), 4.5)
    assert [(r.label, r.sign) for r in regions] == [(1, "increased"), (2, "decreased")]
    for region, centre, radius, change, label in zip(regions, (bright, dark), (7.0, 9.0), (0.2, -0.1), (1, 2),
                                                     strict=True):
        truth = ball(centre, radius, spacing=spacing)
        world = (affine @ [*centre, 1.0])[:3]
        assert np.linalg.norm(np.subtract(region.centroid_ras, world)) < spacing.min()
        assert region.mean_difference == pytest.approx(change, abs=0.01)
        np.testing.assert_array_equal(segmentation.data == label, truth)
        assert region.voxels == truth.sum()
        assert region.volume_ml == pytest.approx(truth.sum() * spacing.prod() / 1000)
        sign = np.sign(change)
        assert region.peak_z == pytest.approx(sign * (sign * z)[truth].max(), rel=1e-5)
        assert region.mean_z == pytest.approx(z[truth].mean(), rel=1e-4)
        peak = np.unravel_index(np.argmax(sign * z), SHAPE)
        np.testing.assert_allclose(region.peak_ras, (affine @ [*peak, 1.0])[:3])
    np.testing.assert_array_equal(segmentation.affine, affine)


def regions_of(z: np.ndarray, threshold: float, spacing: float = 2.0):
    volume = Volume(z.astype(np.float32), np.diag([spacing] * 3 + [1.0]))
    return find_regions(volume, volume, threshold)


def test_regions_are_cut_at_half_their_own_peak():
    halo, core, faint = ball((20, 24, 20), 8), ball((20, 24, 20), 4), ball((8, 8, 8), 4)
    z = np.where(halo, 9.0, 0.0) + 11.0 * core + 5.0 * faint
    segmentation, regions = regions_of(z, 4.5)
    assert [r.voxels for r in regions] == [core.sum(), faint.sum()]
    np.testing.assert_array_equal(segmentation.data > 0, core | faint)


def test_specks_below_the_least_size_are_no_regions():
    fewest = int(np.ceil(LEAST_REGION_ML * 1000 / 8.0))
    z = np.zeros(SHAPE)
    z[5, 5, 5:5 + fewest] = 9.0
    z[20, 20, 5:5 + fewest - 1] = 9.0
    segmentation, regions = regions_of(z, 4.5)
    assert [r.voxels for r in regions] == [fewest]
    assert segmentation.data.sum() == fewest
    # The same voxels are too small on a finer grid.
    assert regions_of(z, 4.5, spacing=1.0)[1] == []


def test_neighbours_by_a_corner_are_one_region_and_the_tails_never_merge():
    z = np.zeros(SHAPE)
    z[10:13, 10:13, 10:13] = z[13:16, 13:16, 13:16] = 8.0
    z[16:19, 10:13, 10:13] = -8.0
    z[13:16, 10:13, 10:13] = -8.0
    _, regions = regions_of(z, 4.5)
    assert sorted((r.sign, r.voxels) for r in regions) == [("decreased", 54), ("increased", 54)]


def test_threshold_is_exclusive_and_regions_are_ordered_by_their_peak():
    z = np.zeros(SHAPE)
    z[5:9, 5:9, 5:9], z[20:24, 5:9, 5:9], z[5:9, 30:34, 5:9] = 4.5, 6.0, -7.0
    _, regions = regions_of(z, 4.5)
    assert [(r.label, r.peak_z) for r in regions] == [(1, -7.0), (2, 6.0)]


def test_suspects_are_hidden_whole_and_specks_are_not(noise):
    lesion = BALL & ball((20, 24, 20), 5)
    z = np.where(lesion, -4.0, 0.0).astype(np.float32)
    z[30, 24, 20] = 9.0
    hidden = suspects(z, BALL, MM)
    away = ndimage.distance_transform_edt(~lesion, sampling=MM)
    np.testing.assert_array_equal(hidden, away <= SUSPECT_DILATION_MM)
    assert not suspects(z, BALL & ~lesion, MM).any()


def test_centre_and_spread_are_robust():
    values = np.random.default_rng(1).normal(3.0, 2.0, 20000)
    values[:1000] = 1e6
    centre, spread = centre_and_spread(values)
    assert centre == pytest.approx(3.0, abs=0.2) and spread == pytest.approx(2.0, abs=0.2)
    assert centre_and_spread(np.zeros(0)) == (0.0, 1.0)


def test_what_is_not_judged_does_not_count(noise):
    wild = noise.copy()
    wild[~BALL] = 1e6
    np.testing.assert_array_equal(z_of(wild), z_of(noise))
    assert not z_of(wild)[~BALL].any()


def test_a_lesion_that_fills_the_region_shows_against_a_healthy_yardstick(noise):
    region = ball((30, 24, 20), 6.0)
    mean, variance = np.full(SHAPE, 0.4), np.full(SHAPE, SD**2)
    own = z_map(mean + noise - 0.3, mean, variance, region, MM)
    healthy = z_map(mean + noise - 0.3, mean, variance, region, MM, yardstick=(0.0, 1.0))
    assert abs(np.median(own[region])) < 0.1, "its own yardstick hides it"
    assert np.median(healthy[region]) < -4.0
