"""How healthy people deviate, applied and stored: combinations of maps, limits, files."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from FAAnomalyLib.anomaly.calibration import (
    COMBINATIONS,
    UNCALIBRATED,
    UNIT,
    Calibration,
    calibrated_voxels,
)
from FAAnomalyLib.anomaly.calibration_file import CALIBRATION_FILE, load_calibration, save_calibration
from FAAnomalyLib.anomaly.residual_maps import SCREENING_KEYS
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.models.manifest import read_manifest
from support.paths import BUNDLED_MODELS
from support.phantoms import tiny_brain as tb

SHAPE = (6, 5, 4)
EVERYWHERE = np.ones(SHAPE, bool)
PLAIN = {key: (0.0, 1.0) for key in SCREENING_KEYS}
"""A scale that leaves maps as they are."""


def combined(maps: dict, known: Calibration | None = None, analysed: np.ndarray = EVERYWHERE) -> dict:
    return (known or Calibration()).combined(maps, analysed, PLAIN)


# ---- combinations


def test_every_map_is_part_of_a_combination_and_every_combination_of_maps_of_one_scale():
    used = [key for parts in COMBINATIONS.values() for key in parts]
    assert sorted(used) == sorted(SCREENING_KEYS)
    assert all(len({sigma for _, sigma in parts}) == 1 for parts in COMBINATIONS.values())
    assert set(UNCALIBRATED) == set(COMBINATIONS)


def test_combinations_are_weighted_sums():
    rng = np.random.default_rng(0)
    maps = {key: rng.uniform(-9.0, 9.0, SHAPE).astype(np.float32) for key in SCREENING_KEYS}
    found = combined(maps)
    assert list(found) == list(COMBINATIONS)
    for name, parts in COMBINATIONS.items():
        np.testing.assert_allclose(found[name], sum(w * maps[key] for key, w in parts.items()), rtol=1e-5, atol=1e-5)


def test_each_map_is_standardised_by_subject_and_place_at_analysed_voxels_alone():
    known = tb.calibration(shape=SHAPE)
    analysed = np.random.default_rng(3).random(SHAPE) < 0.5
    key = SCREENING_KEYS[1]
    values = np.random.default_rng(4).normal(0.02, 0.03, SHAPE).astype(np.float32)
    expected = ((values - 0.01) / 0.04 - known.bias[key]) / known.spread[key]
    found = known.standardised(key, values, analysed, (0.01, 0.04))
    np.testing.assert_allclose(found[analysed], expected[analysed], rtol=1e-4, atol=1e-5)
    assert found.dtype == np.float32 and analysed.any() and not found[~analysed].any()


def test_every_map_has_its_own_scale_in_a_combination():
    maps = {key: np.full(SHAPE, 0.03, np.float32) for key in SCREENING_KEYS}
    subject_scale = {key: (0.01, 0.02 + 0.01 * number) for number, key in enumerate(SCREENING_KEYS)}
    found = Calibration().combined(maps, EVERYWHERE, subject_scale)
    for name, parts in COMBINATIONS.items():
        np.testing.assert_allclose(
            found[name], sum(w * 0.02 / subject_scale[key][1] for key, w in parts.items()), rtol=1e-4
        )


# ---- limits and the normal scale


def test_every_maps_own_limit_is_the_unit_and_the_strongest_is_taken_with_its_sign():
    names = list(COMBINATIONS)[:2]
    known = Calibration(limits={names[0]: (10.0, 20.0), names[1]: (5.0, 4.0)})
    maps = {
        names[0]: np.array([10.0, -20.0, 2.0, -10.0, 0.0], np.float32),
        names[1]: np.array([2.0, -1.0, 5.0, 5.0, 0.0], np.float32),
    }
    np.testing.assert_allclose(known.strongest(maps), [UNIT, -UNIT, UNIT, UNIT, 0.0])
    # Without limits a typical one stands for each.
    one_sided = Calibration().strongest({names[0]: np.array([UNCALIBRATED[names[0]]], np.float32)})
    np.testing.assert_allclose(one_sided, UNIT)


def test_the_normal_scale_goes_on_straight_beyond_its_table():
    x, z = np.array([-2.0, 0.0, 1.0, 3.0]), np.array([-3.0, -1.0, 1.0, 3.0])
    known = Calibration(normal=np.stack([x, z]))
    np.testing.assert_allclose(known.to_normal(x), z)
    np.testing.assert_allclose(known.to_normal(np.array([-12.0, 0.5, 13.0])), [-13.0, 0.0, 13.0], atol=1e-6)
    np.testing.assert_array_equal(Calibration().to_normal(x), x.astype(np.float32))


# ---- places


def test_a_brain_sees_the_bias_and_spread_of_its_places():
    known = tb.calibration(shape=SHAPE)
    away = np.zeros((3, *SHAPE), np.float32)
    away[0], away[1] = 1.0, -1.0
    brought = known.brought_to(away)
    for key in SCREENING_KEYS:
        for name in ("bias", "spread"):
            here, there = getattr(brought, name)[key], getattr(known, name)[key]
            # What lies at x in the brain lies at x + displacement in the template.
            np.testing.assert_allclose(here[:-1, 1:], there[1:, :-1], atol=1e-6)
            assert np.abs(here - there).max() > 0.1 and here.dtype == np.float32
    same = ("population_scale", "limits", "threshold", "sensitive", "one_sided", "people", "regions")
    assert all(getattr(brought, name) == getattr(known, name) for name in same)
    assert brought.normal is known.normal and set(brought.bias) == set(brought.spread) == set(SCREENING_KEYS)


def test_half_a_voxel_away_is_half_of_both_places():
    known = tb.calibration(shape=SHAPE)
    away = np.zeros((3, *SHAPE), np.float32)
    away[2] = 0.5
    key = SCREENING_KEYS[2]
    found, before = known.brought_to(away).bias[key], known.bias[key]
    np.testing.assert_allclose(found[..., :-1], (before[..., :-1] + before[..., 1:]) / 2, atol=1e-6)


def test_a_brain_that_lies_on_the_template_needs_nothing_brought():
    known = tb.calibration(shape=SHAPE)
    assert known.brought_to(None) is known
    # Nor does a model without a calibration.
    bare = Calibration()
    assert bare.brought_to(np.ones((3, *SHAPE), np.float32)) is bare


# ---- files


@pytest.fixture
def stored(tmp_path):
    known = tb.calibration()
    return known, tmp_path, {"calibration": {"sha256": save_calibration(known, tmp_path / CALIBRATION_FILE)}}


def test_a_saved_calibration_comes_back(stored):
    known, folder, manifest = stored
    assert manifest["calibration"]["sha256"] == hashlib.sha256((folder / CALIBRATION_FILE).read_bytes()).hexdigest()
    found = load_calibration(folder, manifest)
    plain = ("population_scale", "limits", "threshold", "sensitive", "one_sided", "people")
    assert [getattr(found, name) for name in plain] == [getattr(known, name) for name in plain]
    np.testing.assert_array_equal(found.normal, known.normal)
    where = calibrated_voxels(known)
    assert where.any() and not where.all()
    for key in SCREENING_KEYS:
        for name, elsewhere in (("bias", 0.0), ("spread", 1.0)):
            back, before = getattr(found, name)[key], getattr(known, name)[key]
            assert back.dtype == np.float32 and (back[~where] == elsewhere).all()
            np.testing.assert_allclose(back[where], before[where], rtol=1e-3, atol=1e-3)


def test_a_model_without_a_calibration_has_an_empty_one(tmp_path):
    for manifest in ({}, {"calibration": None}, {"calibration": {}}):
        found = load_calibration(tmp_path, manifest)
        assert found.people == 0 and not found.bias and not found.limits and found.normal is None


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("absent", "is missing"),
        ("altered", "altered or damaged"),
        ("of other maps", "does not fit this version"),
        ("no archive", "does not fit this version"),
        ("half", "does not fit this version"),
    ],
)
def test_a_calibration_that_is_not_the_models_is_refused(stored, how, words):
    known, folder, manifest = stored
    path = folder / CALIBRATION_FILE
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
    for folder in sorted(path.parent for path in BUNDLED_MODELS.glob(f"*/{CALIBRATION_FILE}")):
        manifest = read_manifest(folder)
        found = load_calibration(folder, manifest)
        assert found.people == manifest["calibration"]["people"] > 0 and set(found.limits) >= set(COMBINATIONS)
        assert found.bias[SCREENING_KEYS[0]].shape == tuple(manifest["grid"]["shape"])
        told = manifest["calibration"].get("regions", {"people": 0, "edges_mm": [60.0]})
        assert found.regions.people == told["people"] and list(found.regions.edges_mm) == told["edges_mm"]


def test_drawn_regions_are_stored_whole_and_leave_all_else_as_it_is(tmp_path):
    known, regions = tb.calibration(), tb.regions()
    for folder, one in (("without", known), ("with", replace(known, regions=regions))):
        (tmp_path / folder).mkdir()
        digest = save_calibration(one, tmp_path / folder / CALIBRATION_FILE)
        found = load_calibration(tmp_path / folder, {"calibration": {"sha256": digest}})
        assert found.regions == one.regions and found.threshold == known.threshold
    with np.load(tmp_path / "without" / CALIBRATION_FILE) as old, np.load(tmp_path / "with" / CALIBRATION_FILE) as new:
        assert set(old) == set(new)
        for name in set(old) - {"settings"}:
            np.testing.assert_array_equal(old[name], new[name])
        before, after = (json.loads(bytes(one["settings"])) for one in (old, new))
    assert after.pop("regions")["people"] == 6 and before == after
