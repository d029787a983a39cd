"""The thesis' crop: which voxels it takes, where they lie, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.preprocessing.native_crop import native_crop
from FAAnomalyLib.volume import Volume

FINE = np.diag([1.25, 1.25, 1.25, 1.0])
LEFT_HANDED = np.array([[0, -1.25, 0, 90], [0, 0, 1.25, -60], [1.25, 0, 0, -70], [0, 0, 0, 1.0]])
"""Voxels in the order superior, left, anterior."""


def speckled(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.01, 1, shape).astype(np.float32)


def world_ramp(shape, affine):
    """FA that grows evenly through the world, so that a place has one value on every grid."""
    place = np.einsum("ij,jxyz->ixyz", affine[:3, :3], np.indices(shape)) + affine[:3, 3, None, None, None]
    return (0.5 + 0.001 * place[0] + 0.0015 * place[1] - 0.0008 * place[2]).astype(np.float32)


def test_the_thesis_shape_is_cut_at_8_23_8_bit_by_bit():
    data = speckled((145, 174, 145))
    crop = native_crop(Volume(data, FINE))
    assert np.array_equal(crop.fa, data[8:136, 23:151, 8:136]) and not crop.resampled
    back = crop.to_native(crop.fa)
    assert np.array_equal(back[8:136, 23:151, 8:136], crop.fa) and np.count_nonzero(back) == 128**3
    (warning,) = crop.remarks()
    assert (
        warning.startswith(f"{(145 * 174 * 145 - 128**3) * 1.25**3 / 1000:.1f} ml") and "181 x 218 x 181 mm" in warning
    )


def test_a_crop_about_the_brain_is_centred_on_what_is_not_zero():
    data = np.zeros((145, 174, 145), np.float32)
    data[3:103, 40:160, 20:120] = speckled((100, 120, 100))
    crop = native_crop(Volume(data, FINE), centre="brain")
    assert crop.start == (-11, 36, 6) and crop.clipped_ml == 0 and crop.remarks() == []
    assert np.array_equal(crop.fa[14:114, 4:124, 14:114], data[3:103, 40:160, 20:120])
    assert np.count_nonzero(crop.fa) == 100 * 120 * 100
    assert np.array_equal(crop.to_native(crop.fa), data)


def test_a_brain_longer_than_the_crop_is_told():
    data = np.zeros((60, 150, 60), np.float32)
    data[5:55, 5:145, 5:55] = 0.5
    crop = native_crop(Volume(data, FINE))
    assert crop.clipped_ml == pytest.approx(50 * 12 * 50 * 1.25**3 / 1000)
    assert "62 x 175 x 62 mm" in crop.remarks()[0]


@pytest.mark.parametrize("affine", [FINE, LEFT_HANDED], ids=["right-handed", "left-handed"])
def test_voxels_keep_their_place_in_the_world(affine):
    volume = Volume(world_ramp((40, 50, 44), affine), affine)
    crop = native_crop(volume, centre="array")
    inside = crop.fa > 0
    np.testing.assert_allclose(crop.fa[inside], world_ramp(crop.fa.shape, crop.affine)[inside], atol=1e-5)
    assert np.count_nonzero(inside) == volume.data.size and np.array_equal(crop.to_native(crop.fa), volume.data)


@pytest.mark.parametrize("sizes", [(2.5, 2.5, 2.5), (1.72, 2.0, 3.0), (0.9, 1.0, 1.1)])
def test_other_voxels_are_resampled_by_their_size_alone(sizes):
    """Linear interpolation repeats what grows evenly, on the way there and on the way back."""
    affine = LEFT_HANDED @ np.diag([size / 1.25 for size in sizes] + [1.0])
    shape = tuple(round(70 / size) for size in sizes)
    volume = Volume(world_ramp(shape, affine), affine)
    crop = native_crop(volume, centre="array")
    assert crop.resampled and crop.fa.shape == (128, 128, 128)
    x, y, z = (slice(a + 6, a + 46) for a in (-s for s in crop.start))
    expected = world_ramp(crop.fa.shape, crop.affine)
    np.testing.assert_allclose(crop.fa[x, y, z], expected[x, y, z], atol=2e-5 if min(sizes) > 1.25 else 5e-4)
    back = crop.to_native(expected)
    middle = tuple(slice(n // 4, n - n // 4) for n in shape)
    np.testing.assert_allclose(back[middle], volume.data[middle], atol=2e-5)
    assert "resampled to 1.25 mm" in crop.remarks()[0]


def test_what_is_zero_outside_the_brain_stays_zero():
    data = np.zeros((40, 40, 40), np.float32)
    data[10:30, 10:30, 10:30] = speckled((20, 20, 20))
    for voxels in (128, 32):
        crop = native_crop(Volume(data, np.diag([2.0, 2.0, 2.0, 1.0])), voxels)
        # The box of 40 mm and the reach of the kernel: a voxel of the larger grid on each side.
        assert np.count_nonzero(crop.fa) <= (40 / crop.spacing_mm + 4) ** 3
        assert crop.fa.min() >= 0 and crop.fa.max() <= 1 and crop.spacing_mm == 160 / voxels


def test_a_coarse_grid_averages_instead_of_skipping():
    data = np.zeros((64, 64, 64), np.float32)
    data[::2] = 1.0
    crop = native_crop(Volume(data, FINE), 32, "array")
    middle = crop.fa[12:20, 12:20, 12:20]
    np.testing.assert_allclose(middle, 0.5, atol=0.13)


def test_another_centre_is_refused():
    with pytest.raises(ValueError, match="centre must be"):
        native_crop(Volume(np.zeros((4, 4, 4)), FINE), centre="left")
