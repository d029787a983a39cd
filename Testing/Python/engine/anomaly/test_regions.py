"""From a z-map to regions: planted changes are found where they are, with their sign, size and outline."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly.regions import MIN_REGION_ML, find_regions, restrict_to_signs
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb

SHAPE = (40, 48, 40)
AFFINES = {
    "anisotropic": np.diag([1.7, 1.7, 3.0, 1.0]),
    "oblique, left-handed": np.block(
        [
            [sb.rotation(20, -10, 15) @ np.diag([-2.0, 2.0, 2.5]), np.array([[30.0], [-12.0], [7.0]])],
            [np.zeros((1, 3)), 1],
        ]
    ),
}


def ball(centre, radius: float, spacing=(1.0, 1.0, 1.0)) -> np.ndarray:
    away = sum(((np.indices(SHAPE)[i] - centre[i]) * spacing[i]) ** 2 for i in range(3))
    return away <= radius**2


def bump(centre, height: float, radius: float = 7.0, blur: float = 1.5) -> np.ndarray:
    """What a smoothed map shows of a changed ball: it passes half of *height* at the ball's edge."""
    return height * ndimage.gaussian_filter(ball(centre, radius).astype(np.float64), blur)


def regions_of(z: np.ndarray, threshold, spacing: float = 2.0):
    volume = Volume(z.astype(np.float32), np.diag([spacing] * 3 + [1.0]))
    return find_regions(volume, volume, threshold)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES.keys())
def test_both_tails_are_found_where_they_were_planted(affine):
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    bright, dark = (12, 30, 14), (28, 15, 25)
    z = np.random.default_rng(0).normal(0.0, 0.5, SHAPE)
    z += 12.0 * ball(bright, 7.0, spacing=spacing) - 9.0 * ball(dark, 9.0, spacing=spacing)
    difference = 0.2 * ball(bright, 7.0, spacing=spacing) - 0.1 * ball(dark, 9.0, spacing=spacing)
    segmentation, regions = find_regions(
        Volume(z.astype(np.float32), affine), Volume(difference.astype(np.float32), affine), 4.5
    )
    assert [(r.label, r.sign) for r in regions] == [(1, "increased"), (2, "decreased")]
    for region, centre, radius, change, label in zip(
        regions, (bright, dark), (7.0, 9.0), (0.2, -0.1), (1, 2), strict=True
    ):
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
        assert region.mean_difference_sd == pytest.approx(abs(change / z[truth].mean()), rel=0.1)
        peak = np.unravel_index(np.argmax(sign * z), SHAPE)
        np.testing.assert_allclose(region.peak_ras, (affine @ [*peak, 1.0])[:3])
    np.testing.assert_array_equal(segmentation.affine, affine)


# ---- the edge


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("threshold", [2.0, 4.0, 6.0, 8.0])
def test_the_edge_lies_at_half_height_whatever_the_threshold(threshold, sign):
    """Of a bump that is 10 high: two thresholds are below the half of it, two are above."""
    truth = ball((20, 24, 20), 7.0)
    segmentation, regions = regions_of(sign * bump((20, 24, 20), 10.0), threshold)
    assert [r.sign for r in regions] == ["increased" if sign > 0 else "decreased"]
    assert dice(segmentation.data > 0, truth) > 0.9
    assert regions[0].voxels == pytest.approx(truth.sum(), rel=0.15)


def test_each_region_is_cut_at_half_its_own_peak():
    halo, core, faint = ball((20, 24, 20), 8), ball((20, 24, 20), 4), ball((8, 8, 8), 4)
    z = np.where(halo, 9.0, 0.0) + 11.0 * core + 5.0 * faint
    segmentation, regions = regions_of(z, 4.5)
    assert [r.voxels for r in regions] == [core.sum(), faint.sum()]
    np.testing.assert_array_equal(segmentation.data > 0, core | faint)


def test_one_wild_voxel_does_not_lift_the_edge():
    z = bump((20, 24, 20), 10.0)
    plain = regions_of(z, 4.5)[0].data
    z[20, 24, 20] = 60.0
    segmentation, regions = regions_of(z, 4.5)
    np.testing.assert_array_equal(segmentation.data, plain)
    assert regions[0].peak_z == 60.0


def test_a_region_grows_no_further_than_its_own_size():
    """A few voxels above the threshold on a wide plateau below it are not the plateau."""
    z = np.where(ball((20, 24, 20), 15.0), 3.0, 0.0)
    z[19:22, 23:26, 19:22] = 5.0
    segmentation, regions = regions_of(z, 4.5)
    where = np.argwhere(segmentation.data > 0)
    assert len(regions) == 1 and (where.max(0) - where.min(0)).max() < 15


# ---- neighbours


def test_apart_neighbours_are_two_regions():
    centres, heights = ((11, 24, 20), (29, 24, 20)), (20.0, 9.0)
    z = sum(bump(c, h, 6.0) for c, h in zip(centres, heights, strict=True))
    segmentation, regions = regions_of(z, 6.0)
    assert [r.peak_z > 15 for r in regions] == [True, False]
    for centre, region in zip(centres, regions, strict=True):
        np.testing.assert_allclose(region.centroid_ras, 2.0 * np.array(centre), atol=1.0)
        assert segmentation.data[centre] == 1


def test_a_weak_neighbour_does_not_take_the_slopes_of_a_strong_one():
    """Between the two the map stays above half of the weak one's height, all round the strong one too."""
    place = np.indices(SHAPE)

    def hill(centre, height, width):
        return height * np.exp(-sum((place[i] - centre[i]) ** 2 for i in range(3)) / (2 * width**2))

    strong, weak = (12, 24, 20), (25, 24, 20)
    z = np.maximum(hill(strong, 20.0, 5.0), hill(weak, 9.0, 4.0))
    assert 4.5 < z[strong[0] : weak[0], 24, 20].min() < 7.0, "they do not touch as they should"
    _, regions = regions_of(z, 7.0)
    assert [r.peak_z for r in regions] == pytest.approx([20.0, 9.0])
    for region, centre in zip(regions, (strong, weak), strict=True):
        np.testing.assert_allclose(region.centroid_ras, 2.0 * np.array(centre), atol=2.5)
    assert regions[1].voxels == pytest.approx((hill(weak, 9.0, 4.0) > 4.5).sum(), rel=0.2)


def test_peaks_of_one_change_are_one_region():
    """Noise breaks a change into clusters above the threshold; at half height they are one."""
    z = bump((20, 24, 20), 8.0, 9.0)
    z[20, :, :] = np.minimum(z[20, :, :], 6.0)
    _, regions = regions_of(z, 7.0)
    assert len(regions) == 1 and regions[0].voxels > 0.8 * ball((20, 24, 20), 9.0).sum()


def test_neighbours_by_a_corner_are_one_region_and_the_tails_never_merge():
    z = np.zeros(SHAPE)
    z[10:13, 10:13, 10:13] = z[13:16, 13:16, 13:16] = 8.0
    z[16:19, 10:13, 10:13] = -8.0
    z[13:16, 10:13, 10:13] = -8.0
    _, regions = regions_of(z, 4.5)
    assert sorted((r.sign, r.voxels) for r in regions) == [("decreased", 54), ("increased", 54)]


def test_no_voxel_belongs_to_two_regions():
    z = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(SHAPE), 2.0)
    segmentation, regions = regions_of(z / z.std(), 2.0)
    assert len(regions) > 10 and len({r.sign for r in regions}) == 2
    for value, sign in ((1, "increased"), (2, "decreased")):
        assert (segmentation.data == value).sum() == sum(r.voxels for r in regions if r.sign == sign)
    assert all((r.mean_z > 0) == (r.peak_z > 0) == (r.sign == "increased") for r in regions)


# ---- thresholds


def test_each_tail_has_its_own_threshold():
    z = np.zeros(SHAPE)
    z[5:9, 5:9, 5:9], z[20:24, 5:9, 5:9] = 5.0, -5.0
    for threshold, signs in (
        ((4.0, 6.0), ["increased"]),
        ((6.0, 4.0), ["decreased"]),
        ((6.0, 6.0), []),
        (4.0, ["decreased", "increased"]),
    ):
        assert sorted(r.sign for r in regions_of(z, threshold)[1]) == signs


def test_one_sign_alone_is_sought():
    z = np.zeros(SHAPE)
    z[5:9, 5:9, 5:9], z[20:24, 5:9, 5:9] = 5.0, -5.0
    for signs, found in (
        ("both", ["decreased", "increased"]),
        ("increased", ["increased"]),
        ("decreased", ["decreased"]),
    ):
        assert sorted(r.sign for r in regions_of(z, restrict_to_signs((4.0, 4.0), signs))[1]) == found
    with pytest.raises(ValueError, match="signs 'up' is none of"):
        restrict_to_signs((4.0, 4.0), "up")


def test_threshold_is_exclusive_and_regions_are_ordered_by_their_peak():
    z = np.zeros(SHAPE)
    z[5:9, 5:9, 5:9], z[20:24, 5:9, 5:9], z[5:9, 30:34, 5:9] = 4.5, 6.0, -7.0
    _, regions = regions_of(z, 4.5)
    assert [(r.label, r.peak_z) for r in regions] == [(1, -7.0), (2, 6.0)]


def test_specks_below_the_least_size_are_no_regions():
    fewest = int(np.ceil(MIN_REGION_ML * 1000 / 8.0))
    z = np.zeros(SHAPE)
    z[5, 5, 5 : 5 + fewest] = 9.0
    z[20, 20, 5 : 5 + fewest - 1] = 9.0
    segmentation, regions = regions_of(z, 4.5)
    assert [r.voxels for r in regions] == [fewest]
    assert segmentation.data.sum() == fewest
    # The same voxels are too small on a finer grid.
    assert regions_of(z, 4.5, spacing=1.0)[1] == []


def test_nothing_is_no_region():
    segmentation, regions = regions_of(np.zeros(SHAPE), 3.0)
    assert not segmentation.data.any() and regions == [] and segmentation.data.dtype == np.uint8


@pytest.mark.slow
def test_hundreds_of_clusters_in_a_large_volume_take_a_moment():
    """A threshold that a person drags down must not freeze what they look at."""
    z = np.random.default_rng(0).standard_normal((256, 256, 160), np.float32)
    z = ndimage.gaussian_filter(z, 1.5)
    z /= z.std()
    volume = Volume(z, np.eye(4))
    begin = time.process_time()  # other programs' load is not its fault
    _, regions = find_regions(volume, volume, 3.1)
    assert time.process_time() - begin < 8.0
    assert len(regions) + (ndimage.label(np.abs(z) > 3.1)[1]) > 1000
