"""The panel's check of a sample says what the engine will say, in a fraction of the time."""

import slicer_harness

slicer_harness.require()

import functools
import re
import tracemalloc

import numpy as np
import pytest
import slicer
from scipy import ndimage

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.preprocessing import fa_limits, fa_validation
from FAAnomalyLib.preprocessing.fa_validation import validate_fa
from FAAnomalyLib.volume import Volume
from FAAnomalySlicer.scene import input_check
from support.phantoms.mrml_volumes import add_volume, put_under

SPACING = np.diag([2.0, 2.0, 2.2, 1.0])

CUT = ("philips_slab", "sag_s4", "canon_3000", "niivue_fa")
"""Real maps whose field of view ends inside the brain."""


def ball(shape=(80, 88, 72)):
    """Values spread as FA is, in a ball with zeros around, (x, y, z)."""
    return drawn_ball(shape).copy()


@functools.cache
def drawn_ball(shape):
    x, y, z = (np.linspace(-1.15, 1.15, n) for n in shape)
    inside = x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2 < 1
    return np.where(inside, np.random.default_rng(0).beta(1.8, 5.0, shape), 0).astype(np.float32)


def places_inside(data, count, seed=3):
    """Places deep inside the ball."""
    middle = np.array(data.shape) // 2
    return tuple(middle[:, None] + np.random.default_rng(seed).integers(-15, 15, (3, count)))


def with_value(value, count):
    data = ball()
    data[places_inside(data, count)] = value
    return data


def t1():
    tissue = np.random.default_rng(4).choice([250, 550, 800], ball().shape, p=[0.15, 0.5, 0.35])
    noise = 40 * np.random.default_rng(5).standard_normal(tissue.shape)
    return np.where(ball() > 0, tissue + noise, 0).astype(np.int16)


def atlas():
    blocks = np.kron(np.random.default_rng(1).integers(1, 90, (10, 11, 9)), np.ones((8, 8, 8), int))
    return np.where(ball() > 0, blocks, 0).astype(np.int16)


def background(value):
    data = ball()
    return np.where(data > 0, data, value).astype(np.float32)


def noise_all_round():
    data = ball()
    return np.where(data > 0, data, 0.2 + 0.5 * np.random.default_rng(2).random(data.shape)).astype(np.float32)


VOLUMES = {
    "good": (ball(), "fa"),
    "times 1000": ((1000 * ball()).astype(np.int16), "remark.*FA times 1000.*divided"),
    "times 255": ((255 * ball()).astype(np.uint8), "remark.*FA times 255"),
    "times 4095": (4095 * ball(), "remark.*FA times 4095"),
    "few NaN": (with_value(np.nan, 300), "remark.*filled from their neighbours"),
    "infinite": (with_value(-np.inf, 300), "remark.*filled from their neighbours"),
    "NaN around": (background(np.nan), "remark.*outside the brain.*taken as 0"),
    "many NaN": (np.where(np.random.default_rng(0).random((80, 88, 72)) < 0.15, np.nan, ball()), "refused.*missing"),
    "rim above 1": (with_value(1.3, 200), "remark.*above 1 \\(up to 1.30\\).*clipped"),
    "half above 1": (2.5 * ball(), "refused.*does not look like"),
    "slightly negative": (with_value(-0.02, 200), "remark.*below 0"),
    "signed": (np.where(ball() > 0, ball() - 0.3, 0).astype(np.float32), "refused.*does not look like"),
    "T1": (t1(), "remark.*like those of a T1"),
    "T1 with other units": (30 * t1().astype(np.float32), "remark.*like those of a T1"),
    "T1 over 1": ((0.003 * t1()).astype(np.float32), "refused.*does not look like"),
    "mean diffusivity": (0.003 * ball(), "refused.*does not look like an FA map"),
    "CT": (np.where(ball() > 0, 1500 * ball() - 200, -1000).astype(np.int16), "refused.*does not look like"),
    "empty": (np.zeros((80, 88, 72), np.float32), "refused.*empty"),
    "constant": (np.full((80, 88, 72), 0.4, np.float32), "refused.*constant"),
    "all NaN": (np.full((80, 88, 72), np.nan, np.float32), "refused.*no numbers"),
    "mask": ((ball() > 0).astype(np.uint8), "refused.*mask or labels"),
    "atlas": (atlas(), "refused.*mask or labels"),
    "few voxels": (ball((80, 88, 12)), "refused.*too small"),
    "a crop": (np.pad(ball((20, 20, 20)), 30), "refused.*too small.*span"),
    "upper half": (ball()[:, :, 30:], "remark.*cut"),
    "noise all round": (noise_all_round(), "fa|remark"),
}


@pytest.mark.parametrize("name", VOLUMES)
def test_the_engine_comes_to_the_same_verdict(scene, name):
    data, words = VOLUMES[name]
    check = input_check.check_fa(add_volume(data, SPACING))
    assert re.match(words, f"{check.kind} {check.sentence}"), check
    try:
        _, remarks = validate_fa(Volume(data, SPACING), "auto")
    except FAError as error:
        assert not check.ok
        reasons = [str(error).split(":")[0], check.sentence.split(":")[0]]
        assert reasons[0] == reasons[1] or all("FA map" in reason for reason in reasons)
    else:
        assert check.ok
        assert (check.kind == "remark") == bool(remarks) or "cut" in check.sentence


def test_the_limits_are_the_engines():
    """Neither side has a number of its own for what an FA map is."""
    for module in (input_check, fa_validation):
        rules = {name for name, value in vars(module).items() if getattr(value, "__module__", "") == fa_limits.__name__}
        assert {"fa_scale", "looks_like_labels", "out_of_range", "is_too_broken", "is_usual"} <= rules
        own = {name for name in vars(module) if name.startswith(("MIN_", "MAX_", "SCALES"))}
        assert all(getattr(module, name) is getattr(fa_limits, name) for name in own)


def test_a_matrix_that_lost_digits_in_a_file_changes_no_verdict():
    data = ball((40, 40, 40))
    span = np.ptp(np.argwhere(data.any(axis=(1, 2)))) + 1
    for millimetres, ok in ((48.0, True), (48.0 - 1e-5, True), (46.0, False)):
        spacing = np.full(3, millimetres / span)
        assert input_check.check_values(data.T, spacing).ok == ok
        if ok:
            validate_fa(Volume(data, np.diag([*spacing, 1.0])))


def test_large_voxels_are_refused(scene):
    assert "too large" in input_check.check_fa(add_volume(ball(), np.diag([8.0, 2, 2, 1]))).sentence


def test_nodes_without_one_number_a_voxel_are_refused(scene):
    assert "no image" in input_check.check_fa(None).sentence
    assert "no image" in input_check.check_fa(scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")).sentence
    colours = slicer.util.addVolumeFromArray(
        np.zeros((20, 20, 20, 3), np.uint8), nodeClassName="vtkMRMLVectorVolumeNode"
    )
    assert "holds 3" in input_check.check_fa(colours).sentence


def test_a_sheared_volume_is_refused(scene):
    volume = add_volume(ball(), SPACING)
    skew = SPACING.copy()
    skew[0, 1] = 1.0
    volume.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(skew))
    assert "sheared" in input_check.check_fa(volume).sentence
    put_under(volume, np.eye(4))
    assert not input_check.check_fa(volume).ok


@pytest.mark.parametrize("broken", [False, True], ids=["whole", "with NaN"])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
def test_a_large_volume_is_neither_copied_nor_searched_whole(kind, broken):
    """Testing/Benchmarks/gui_pauses.py tells the milliseconds."""
    data = np.tile(ball((64, 64, 64)), (4, 4, 4))
    data = (1000 * data).astype(kind) if kind is np.int16 else data.astype(kind)
    if broken and kind is not np.int16:
        data[::8, ::8, ::16] = np.nan
    tracemalloc.start()
    assert input_check.check_values(data, (1.0, 1.0, 1.0)).ok
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 32 * input_check.SAMPLE < data.nbytes


@pytest.mark.parametrize("smoothing", [0.0, 0.7, 1.5])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 1.0])
def test_gaps_are_filled_as_scipy_fills_them(smoothing, share):
    field = ndimage.gaussian_filter(np.random.default_rng(7).standard_normal((24, 17, 30)), smoothing)
    mask = field <= np.quantile(field, share)
    padded = np.pad(mask, 2)
    closed = ndimage.binary_closing(padded, iterations=2) | padded
    expected = ndimage.binary_fill_holes(closed)[2:-2, 2:-2, 2:-2]
    assert (input_check._without_holes(mask) == expected).all()


def test_real_maps(shared):
    for name in ("btc_con02", "afni_fatcat", "papaya", "niivue_fa", "canon_3000", "sag_s4", "philips_slab"):
        path = shared / "fa" / f"{name}_FA.nii.gz"
        volume, _ = load_volume(path)
        check = input_check.check_values(volume.data.T, volume.spacing[::-1])
        _, remarks = validate_fa(volume, "auto")
        assert check.ok and ("may not be" in check.sentence) == any("may not be" in r for r in remarks), path
        assert ("cut" in check.sentence) == (name in CUT), (path, check)
