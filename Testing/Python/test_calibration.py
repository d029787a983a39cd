"""How healthy people deviate, applied and stored: sums of maps, ghosts, drawn regions, limits, files."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import tiny_brain as tb

from FAAnomalyLib.calibration import (
    COMBINATIONS,
    FILE,
    LONE_OTHER_SIDE,
    UNCALIBRATED,
    UNIT,
    Calibration,
    calibrated_voxels,
    drawn_name,
    load_calibration,
    save_calibration,
)
from FAAnomalyLib.checkpoints import read_manifest
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evidence import DRAWN, FIRST, OTHER_SIDE, YARDSTICK

BUNDLED = Path(__file__).resolve().parents[2] / "Resources" / "Models"
SHAPE = (6, 5, 4)
EVERYWHERE = np.ones(SHAPE, bool)
PLAIN = {key: (0.0, 1.0) for key in FIRST}
"""A yardstick that leaves maps as they are."""
SIGMAS = sorted({sigma for name, sigma in FIRST if name == OTHER_SIDE})


def flat(**heights: float) -> dict:
    """Maps of one height each: of the other side (*ghost*), of this side's predictions (*own*)."""
    return {key: np.full(SHAPE, heights.get("ghost" if key[0] == OTHER_SIDE else "own", 0.0), np.float32)
            for key in FIRST}


def combined(maps: dict, known: Calibration | None = None, judged: np.ndarray = EVERYWHERE) -> dict:
    return (known or Calibration()).combined(maps, judged, PLAIN)


def of_scale(sigma: float) -> list[str]:
    """Combinations that the other side has a share in at that scale."""
    return [name for name, parts in COMBINATIONS.items() if (OTHER_SIDE, sigma) in parts]


# ---- sums of maps


def test_every_map_is_part_of_a_sum_and_every_sum_of_maps_of_one_scale():
    used = [key for parts in COMBINATIONS.values() for key in parts]
    assert set(used) == set(FIRST)
    assert all(len({sigma for _, sigma in parts}) == 1 for parts in COMBINATIONS.values())
    assert set(UNCALIBRATED) == set(COMBINATIONS)


def test_sums_are_weighted_as_they_say():
    rng = np.random.default_rng(0)
    # Small enough that no ghost is limited.
    maps = {key: rng.uniform(-0.5, 0.5, SHAPE).astype(np.float32) for key in FIRST}
    found = combined(maps)
    assert list(found) == list(COMBINATIONS)
    for name, parts in COMBINATIONS.items():
        np.testing.assert_allclose(found[name], sum(w * maps[key] for key, w in parts.items()), atol=1e-6)


def test_each_map_is_standardised_by_subject_place_and_nowhere_but_where_judged():
    known = tb.calibration(shape=SHAPE)
    judged = np.random.default_rng(3).random(SHAPE) < 0.5
    key = FIRST[1]
    values = np.random.default_rng(4).normal(0.02, 0.03, SHAPE).astype(np.float32)
    expected = ((values - 0.01) / 0.04 - known.bias[key]) / known.spread[key]
    found = known.standardised(key, values, judged, (0.01, 0.04))
    np.testing.assert_allclose(found[judged], expected[judged], rtol=1e-4, atol=1e-5)
    assert found.dtype == np.float32 and judged.any() and not found[~judged].any()


def test_every_map_has_its_own_yardstick_in_a_sum():
    maps = flat(own=0.03, ghost=0.03)
    yardstick = {key: (0.01, 0.02 + 0.01 * number) for number, key in enumerate(FIRST)}
    found = Calibration().combined(maps, EVERYWHERE, yardstick)
    for name, parts in COMBINATIONS.items():
        np.testing.assert_allclose(found[name], sum(w * 0.02 / yardstick[key][1] for key, w in parts.items()),
                                   rtol=1e-4)


# ---- ghosts: a change on the other side, seen here with the other sign


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_other_side_alone_says_little_at_any_scale(sigma, sign):
    names = of_scale(sigma)
    assert names
    for name in names:
        weight = COMBINATIONS[name][OTHER_SIDE, sigma]
        np.testing.assert_allclose(combined(flat(ghost=sign * 50.0))[name], sign * weight * LONE_OTHER_SIDE)
        # Below the limit it is as it is.
        np.testing.assert_allclose(combined(flat(ghost=sign * 0.5))[name], sign * weight * 0.5)


def test_the_other_side_is_limited_at_3_mm_too():
    assert 3.0 in SIGMAS and of_scale(3.0)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_other_side_adds_twice_what_this_side_bears_out(sigma, sign):
    for name in of_scale(sigma):
        parts = COMBINATIONS[name]
        rest = sum(parts.values()) - parts[OTHER_SIDE, sigma]
        borne_out = combined(flat(own=sign * 3.0, ghost=sign * 50.0))[name]
        np.testing.assert_allclose(borne_out, sign * (3.0 * rest + parts[OTHER_SIDE, sigma] * (6.0 + LONE_OTHER_SIDE)),
                                   rtol=1e-6)
        # Of the other sign it is a ghost, however loud this side is.
        against = combined(flat(own=sign * 3.0, ghost=-sign * 50.0))[name]
        np.testing.assert_allclose(against, sign * (3.0 * rest - parts[OTHER_SIDE, sigma] * LONE_OTHER_SIDE),
                                   rtol=1e-6)


@pytest.mark.parametrize("sigma", SIGMAS)
def test_only_maps_of_the_same_scale_bear_it_out(sigma):
    maps = flat(ghost=50.0)
    for key in FIRST:
        if key[0] != OTHER_SIDE and key[1] != sigma:
            maps[key] = np.full(SHAPE, 9.0, np.float32)
    for name in of_scale(sigma):
        np.testing.assert_allclose(combined(maps)[name], COMBINATIONS[name][OTHER_SIDE, sigma] * LONE_OTHER_SIDE)


def test_limiting_ghosts_leaves_the_maps_that_it_was_given():
    maps = flat(own=1.0, ghost=50.0)
    combined(maps)
    assert all((values == (50.0 if key[0] == OTHER_SIDE else 1.0)).all() for key, values in maps.items())


# ---- drawn regions


def drawn_maps(seed: int = 0) -> dict:
    """As a region that is all lesion: far from 0 and flat."""
    rng = np.random.default_rng(seed)
    return {key: rng.normal(-0.2, 0.001, SHAPE).astype(np.float32) for key in DRAWN}


def test_a_drawn_region_is_measured_by_the_populations_yardstick():
    known, maps = tb.calibration(shape=SHAPE), drawn_maps()
    judged = np.random.default_rng(5).random(SHAPE) < 0.5
    found = known.drawn(maps, judged)
    assert list(found) == [drawn_name(sigma) for _, sigma in DRAWN] and len(found) == len(DRAWN)
    for key in DRAWN:
        whose = YARDSTICK[key]
        expected = (maps[key] / known.subject[whose] - known.bias[whose]) / known.spread[whose]
        np.testing.assert_allclose(found[drawn_name(key[1])][judged], expected[judged], rtol=1e-4)
        assert not found[drawn_name(key[1])][~judged].any()
    # The population's spreads differ, so that a mixed up one is found out.
    assert len({known.subject[YARDSTICK[key]] for key in DRAWN}) == len(DRAWN)


def test_its_own_yardstick_serves_where_no_population_is_known():
    """Then a region that is all lesion cannot stand out; but a lesion in a part of it does."""
    maps = drawn_maps()
    lone = {key: values.copy() for key, values in maps.items()}
    for values in lone.values():
        values[0, 0, 0] -= 0.1
    found, with_lesion = (Calibration().drawn(each, EVERYWHERE) for each in (maps, lone))
    for name in found:
        assert abs(np.median(found[name])) < 0.01 and np.abs(found[name]).max() < 6.0
        assert with_lesion[name][0, 0, 0] < -30.0


# ---- limits and the normal scale


def test_every_maps_own_limit_is_the_unit_and_the_strongest_is_taken_with_its_sign():
    names = list(COMBINATIONS)[:2]
    known = Calibration(limits={names[0]: (10.0, 20.0), names[1]: (5.0, 4.0)})
    maps = {names[0]: np.array([10.0, -20.0, 2.0, -10.0, 0.0], np.float32),
            names[1]: np.array([2.0, -1.0, 5.0, 5.0, 0.0], np.float32)}
    np.testing.assert_allclose(known.strongest(maps), [UNIT, -UNIT, UNIT, UNIT, 0.0])
    # Without limits a typical one stands for each.
    alone = Calibration().strongest({names[0]: np.array([UNCALIBRATED[names[0]]], np.float32)})
    np.testing.assert_allclose(alone, UNIT)


def test_the_normal_scale_goes_on_straight_beyond_its_table():
    x, z = np.array([-2.0, 0.0, 1.0, 3.0]), np.array([-3.0, -1.0, 1.0, 3.0])
    known = Calibration(normal=np.stack([x, z]))
    np.testing.assert_allclose(known.to_normal(x), z)
    np.testing.assert_allclose(known.to_normal(np.array([-12.0, 0.5, 13.0])), [-13.0, 0.0, 13.0], atol=1e-6)
    np.testing.assert_array_equal(Calibration().to_normal(x), x.astype(np.float32))


# ---- files


@pytest.fixture
def stored(tmp_path):
    known = tb.calibration()
    return known, tmp_path, {"calibration": {"sha256": save_calibration(known, tmp_path / FILE)}}


def test_a_saved_calibration_comes_back(stored):
    known, folder, manifest = stored
    assert manifest["calibration"]["sha256"] == hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    found = load_calibration(folder, manifest)
    assert (found.subject, found.limits, found.threshold, found.people) == \
        (known.subject, known.limits, known.threshold, known.people)
    np.testing.assert_array_equal(found.normal, known.normal)
    where = calibrated_voxels(known)
    assert where.any() and not where.all()
    for key in FIRST:
        for name, elsewhere in (("bias", 0.0), ("spread", 1.0)):
            back, before = getattr(found, name)[key], getattr(known, name)[key]
            assert back.dtype == np.float32 and (back[~where] == elsewhere).all()
            np.testing.assert_allclose(back[where], before[where], rtol=1e-3, atol=1e-3)


def test_a_model_without_a_calibration_has_an_empty_one(tmp_path):
    for manifest in ({}, {"calibration": None}, {"calibration": {}}):
        found = load_calibration(tmp_path, manifest)
        assert found.people == 0 and not found.bias and not found.limits and found.normal is None


@pytest.mark.parametrize(("how", "words"), [
    ("absent", "is missing"), ("altered", "altered or damaged"), ("of other maps", "does not fit this version"),
    ("no archive", "does not fit this version"), ("half", "does not fit this version")])
def test_a_calibration_that_is_not_the_models_is_refused(stored, how, words):
    known, folder, manifest = stored
    path = folder / FILE
    if how == "absent":
        path.unlink()
    elif how == "altered":
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    else:
        with np.load(path) as archive:
            arrays = dict(archive)
        if how == "of other maps":
            plain = json.loads(bytes(arrays["settings"]).decode())
            plain["keys"] = plain["keys"][::-1]
            arrays["settings"] = np.frombuffer(json.dumps(plain).encode(), np.uint8)
        else:
            del arrays["spread0"]
        np.savez_compressed(path, **arrays)
        if how == "no archive":
            path.write_bytes(b"no archive")
        manifest["calibration"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(FAError, match=words) as caught:
        load_calibration(folder, manifest)
    assert caught.value.code == "missing" and "\n" not in str(caught.value)


def test_every_bundled_calibration_fits_this_version():
    """Another set of maps loses every calibration that was made before."""
    names = {*COMBINATIONS, *(drawn_name(sigma) for _, sigma in DRAWN)}
    for folder in sorted(path.parent for path in BUNDLED.glob(f"*/{FILE}")):
        manifest = read_manifest(folder)
        found = load_calibration(folder, manifest)
        assert found.people == manifest["calibration"]["people"] > 0 and set(found.limits) == names
        assert found.bias[FIRST[0]].shape == tuple(manifest["grid"]["shape"])
