"""What comes in as an FA map: repaired and said, or refused with the likely cause."""

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.preprocessing.fa_validation import validate_brain_mask, validate_fa
from FAAnomalyLib.volume import Volume

SPACING = np.diag([4.0, 4.0, 4.0, 1.0])


def brain(seed=0, shape=(40, 44, 36)):
    """A ball of values spread as FA is, with zeros around: median about 0.23, 99th percentile about 0.7."""
    x = np.stack(np.meshgrid(*[np.linspace(-1.15, 1.15, n) for n in shape], indexing="ij"))
    inside = (x**2).sum(0) < 1
    values = np.random.default_rng(seed).beta(1.8, 5.0, shape)
    return Volume(np.where(inside, values, 0).astype(np.float32), SPACING)


def changed(change):
    volume = brain()
    data = volume.data.copy()
    change(data)
    return volume.with_data(data)


def refused(volume, *args):
    with pytest.raises(FAError) as caught:
        validate_fa(volume, *args)
    assert caught.value.code == "bad-input"
    assert caught.value.what and caught.value.why and caught.value.fix and "\n" not in str(caught.value)
    return str(caught.value)


def some_inside(count, seed=3):
    inside = np.argwhere(ndimage.binary_erosion(brain().data > 0, iterations=3))
    return tuple(inside[np.random.default_rng(seed).choice(len(inside), count, replace=False)].T)


def test_a_good_map_passes_untouched():
    volume = brain()
    clean, remarks = validate_fa(volume)
    assert remarks == []
    assert clean.data.dtype == np.float32 and clean.data is not volume.data
    np.testing.assert_array_equal(clean.data, volume.data)
    np.testing.assert_array_equal(clean.affine, volume.affine)


def test_the_input_is_not_changed():
    volume = changed(lambda d: d.__setitem__(some_inside(9), np.nan))
    before = volume.data.copy()
    validate_fa(volume)
    np.testing.assert_array_equal(volume.data, before)


@pytest.mark.parametrize(
    ("value", "word"), [(0.0, "empty"), (0.4, "constant"), (np.nan, "no numbers"), (np.inf, "no numbers")]
)
def test_volumes_without_content_are_refused(value, word):
    assert word in refused(Volume(np.full((40, 40, 40), value, np.float32), SPACING))


def test_zeros_and_nan_are_still_empty():
    data = np.zeros((40, 40, 40), np.float32)
    data[:10] = np.nan
    assert "empty" in refused(Volume(data, SPACING))


def test_scattered_holes_in_the_brain_are_filled_from_their_neighbours():
    volume = brain()
    smooth = volume.with_data(np.where(volume.data > 0, 0.3 + 0.01 * volume.data, 0).astype(np.float32))
    where = some_inside(300)
    for bad in (np.nan, np.inf, -np.inf):
        broken = smooth.data.copy()
        broken[where] = bad
        clean, remarks = validate_fa(smooth.with_data(broken))
        assert any("300 voxels inside the brain" in r for r in remarks)
        np.testing.assert_allclose(clean.data[where], 0.303, atol=0.01)
        untouched = np.isfinite(broken)
        np.testing.assert_array_equal(clean.data[untouched], smooth.data[untouched])


@pytest.mark.parametrize("nothing", [np.nan, 0.0])
def test_a_clump_without_a_measurement_is_not_filled_in(nothing):
    clump = (slice(18, 23), slice(20, 25), slice(16, 21))

    def change(data):
        data[data > 0] = 0.3 + 0.01 * data[data > 0]
        data[clump] = nothing
        data[10, 20, 18] = nothing

    clean, remarks = validate_fa(changed(change))
    assert not clean.data[clump].any()
    assert clean.data[10, 20, 18] == pytest.approx(0.303, abs=0.01)
    assert len(remarks) == 2 and remarks[0].startswith("1 ") and "filled from their neighbours" in remarks[0]


def test_a_background_of_nan_becomes_zero():
    clean, remarks = validate_fa(changed(lambda d: d.__setitem__(d == 0, np.nan)))
    np.testing.assert_array_equal(clean.data, brain().data)
    assert len(remarks) == 1 and "outside the brain" in remarks[0]


def test_too_many_holes_are_refused():
    inside = int((brain().data > 0).sum())
    volume = changed(lambda d: d.__setitem__(some_inside(int(0.09 * inside)), np.nan))
    assert "missing" in refused(volume)


def test_values_above_one_at_the_rim_are_clipped():
    clean, remarks = validate_fa(changed(lambda d: d.__setitem__(some_inside(150), 1.4)))
    assert clean.data.max() == 1.0
    assert any("150 voxels above 1 (up to 1.40)" in r for r in remarks)


def test_many_values_above_one_are_refused():
    assert "0 to 1.4" in refused(changed(lambda d: d.__setitem__(some_inside(3000), 1.4))).replace("from 0", "0")


def test_single_wild_values_are_replaced():
    clean, remarks = validate_fa(changed(lambda d: d.__setitem__(some_inside(8), 1e30)))
    assert 0 < clean.data[some_inside(8)].max() < 0.8
    assert any("8 voxels inside" in r for r in remarks)


def test_slightly_negative_values_are_clipped():
    clean, remarks = validate_fa(changed(lambda d: d.__setitem__(some_inside(50), -0.01)))
    assert clean.data.min() == 0.0
    assert any("50 voxels below 0" in r for r in remarks)


def test_signed_maps_are_refused():
    refused(changed(lambda d: d.__setitem__(some_inside(4000), -0.4)))
    signed = changed(lambda d: d.__setitem__(some_inside(4000), -0.4))
    assert "FA times" not in refused(signed.with_data(signed.data * 1000))


@pytest.mark.parametrize("scale", [100, 255, 1000, 4095, 10000])
@pytest.mark.parametrize("whole_numbers", [False, True])
def test_other_scales_are_named_found_and_undone(scale, whole_numbers):
    data = brain().data * scale
    volume = brain().with_data(np.round(data) if whole_numbers else data)
    line = refused(volume)
    assert f"FA times {scale}, which is a guess" in line and f"--scale {scale}" in line
    given, _ = validate_fa(volume, float(scale))
    found, remarks = validate_fa(volume, "auto")
    measured = volume.data != 0
    np.testing.assert_allclose(
        found.data[measured], brain().data[measured], atol=0.51 / scale if whole_numbers else 1e-6
    )
    np.testing.assert_array_equal(given.data, found.data)
    assert any(f"FA times {scale}" in r for r in remarks)


def test_auto_leaves_fa_alone():
    clean, remarks = validate_fa(brain(), "auto")
    assert remarks == []
    np.testing.assert_array_equal(clean.data, brain().data)


def test_a_wrong_scale_is_refused():
    refused(brain().with_data(brain().data * 1000), 100.0)
    refused(brain().with_data(brain().data * 37), "auto")
    for scale in (0, -5, np.nan, np.inf, True, "many"):
        with pytest.raises(FAError) as caught:
            validate_fa(brain(), scale)
        assert caught.value.code == "bad-request"


def test_masks_and_atlases_are_refused():
    ball = brain().data > 0
    for data in (ball, ball.astype(np.float32) * 7, np.where(ball, 0.5, 0)):
        assert "mask or labels" in refused(Volume(data, SPACING))
    blocks = np.arange(ball.size).reshape(ball.shape)[::6, ::6, ::6]
    atlas = np.kron(blocks, np.ones((6, 6, 6), int))[:40, :44, :36] % 97 + 1
    assert "mask or labels" in refused(Volume(np.where(ball, atlas, 0), SPACING))


def test_volumes_too_small_for_a_brain_are_refused():
    values = np.random.default_rng(0).random((40, 40, 40)).astype(np.float32)
    assert "7 x 7 x 7" in refused(Volume(values[:7, :7, :7], np.eye(4)))
    assert "too small" in refused(Volume(values[:, :, :7], SPACING))
    assert "40 x 40 x 40 mm" in refused(Volume(values, np.eye(4)))
    padded = np.zeros((80, 80, 80), np.float32)
    padded[20:60, 20:60, 20:60] = values
    assert "span 40 x 40 x 40 mm" in refused(Volume(padded, np.eye(4)))


def test_large_voxels_are_refused():
    assert "too large" in refused(Volume(brain().data, np.diag([4, 4, 7.1, 1])))
    validate_fa(Volume(brain().data, np.diag([4, 4, 7, 1])))


def test_a_constant_background_below_0_is_background():
    volume = brain()
    clean, _ = validate_fa(volume.with_data(np.where(volume.data > 0, volume.data, -1.0)))
    np.testing.assert_array_equal(clean.data, volume.data)


def test_colours_and_complex_numbers_are_refused():
    refused(Volume(np.zeros((40, 40, 40), np.complex64), SPACING))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: np.where(d > 0, np.clip(0.55 + 0.5 * d, 0, 1), 0),  # a T1 brought to 0..1
    ],
)
def test_doubtful_maps_pass_with_a_remark(change):
    _, remarks = validate_fa(brain().with_data(change(brain().data).astype(np.float32)))
    assert any("may not be an FA map" in r for r in remarks)


@pytest.mark.parametrize("value", [1e-6, 0.001, 1.0])
def test_a_background_is_no_reason_to_doubt_the_map(value):
    with_background = brain().with_data(np.where(brain().data > 0, brain().data, np.float32(value)))
    assert not any("may not be an FA map" in remark for remark in validate_fa(with_background)[1])


@pytest.mark.parametrize("scale", [0.001, 0.1, 3**0.5, 10, 50, 200, 225, 255, 256, 512, 2000, 4095, 4096, 16384, 32768])
def test_a_map_that_is_cut_off_at_one_tells_its_scale(scale):
    whole = brain()
    whole.data[whole.data > 0.65] = 1.0
    line = refused(whole.with_data((whole.data * scale).astype(np.float32)))
    assert "the values run from 0 to" in line
    assert f"FA times {scale:.6g}, which is a guess" in line and f"--scale {scale:.6g}" in line


@pytest.mark.parametrize("factor", [0.003, 0.2])
def test_values_too_small_for_fa_are_refused_with_their_range(factor):
    line = refused(brain().with_data((brain().data * factor).astype(np.float32)))
    assert "run from 0 to" in line and "guess" not in line


def test_a_scale_for_a_map_that_needs_none_is_refused():
    line = refused(brain(), 1000.0)
    assert "Scale 1000 does not fit" in line and "Leave --scale out" in line


@pytest.mark.parametrize("scale", [1000.0, "auto"])
def test_with_a_scale_the_quotient_is_repeated_bit_by_bit(scale):
    stored = brain().with_data(np.round(brain().data * 1000).astype(np.int16))
    clean, remarks = validate_fa(stored, scale)
    measured = stored.data != 0
    np.testing.assert_array_equal(clean.data[measured], (stored.data.astype(np.float32) / np.float32(1000))[measured])
    assert "repeat the quotient" in remarks[0]


def test_real_maps_pass(shared):
    from FAAnomalyLib.io.volumes import load_volume

    clean, remarks = validate_fa(load_volume(shared / "fa" / "btc_con02_FA.nii.gz")[0])
    assert remarks == ["3 single voxels inside the brain held 0 and were filled from their neighbours"]
    assert clean.data.max() == 1.0


def test_a_brain_mask_counts_above_one_half():
    volume = brain()
    inside = volume.data > 0
    for data in (inside, inside * 255.0, np.where(inside, 0.7, 0.3), np.where(inside, 1.0, np.nan)):
        mask = validate_brain_mask(Volume(np.asarray(data), SPACING), volume)
        assert mask.dtype == bool
        np.testing.assert_array_equal(mask, inside)


def test_brain_masks_that_do_not_fit_are_refused():
    volume = brain()
    inside = (volume.data > 0).astype(np.uint8)
    mirrored, moved = SPACING.copy(), SPACING.copy()
    mirrored[0] *= -1
    moved[1, 3] = 1.5
    cases = {
        "5 mm, the map's 4 x 4 x 4": Volume(inside, np.diag([5.0, 5.0, 5.0, 1.0])),
        "middles of both are 156": Volume(inside, mirrored),
        "up to 1.5 mm from": Volume(inside, moved),
        "empty": Volume(inside * 0, SPACING),
        "misses": Volume(1 - inside, SPACING),
    }
    for word, mask in cases.items():
        with pytest.raises(FAError, match=word) as caught:
            validate_brain_mask(mask, volume)
        assert caught.value.code == "bad-input"
