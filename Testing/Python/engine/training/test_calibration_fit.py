"""Making a calibration from healthy people: nobody's own deviation makes it look smaller, everybody has one share."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from scipy import ndimage, stats

from FAAnomalyLib.anomaly.calibration import COMBINATIONS, Calibration
from FAAnomalyLib.anomaly.calibration_file import CALIBRATION_FILE
from FAAnomalyLib.anomaly.regions import find_regions, restrict_to_signs
from FAAnomalyLib.anomaly.residual_maps import SCREENING_KEYS
from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.models.manifest import calibrated_on, read_manifest, sha256_of
from FAAnomalyLib.pipeline.loaded_model import OWN_TEMPLATE, open_model
from FAAnomalyLib.preprocessing import template_warping
from FAAnomalyLib.request import SIGNS
from FAAnomalyLib.training import drawn_regions
from FAAnomalyLib.training.calibration_fit import fit
from FAAnomalyLib.training.healthy_limits import FINEST_STEP, TAIL
from FAAnomalyLib.training.healthy_maps import HealthySubject
from FAAnomalyLib.training.place_statistics import PRIOR_PEOPLE, SPREAD_SMOOTHING_MM
from FAAnomalyLib.training.template_building import save_template
from FAAnomalyLib.volume import Volume
from support.phantoms import tiny_brain as tb
from support.phantoms import tiny_training
from support.phantoms.screened_people import ANALYSED, PLACE, somebody

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def people() -> list[HealthySubject]:
    """Six, of whom one deviates strongly at one place."""
    return [
        *(somebody(number, scale=0.02 + 0.002 * number) for number in range(5)),
        somebody(5, more=8.0 * tb.ball(PLACE, 8.0)),
    ]


@pytest.fixture(scope="module")
def fitted(people) -> Calibration:
    return fit(people)


@pytest.fixture(scope="module")
def without(people) -> list[Calibration]:
    """For each of them what the others alone give."""
    return [fit([other for other in people if other is not one]) for one in people]


@pytest.fixture(scope="module")
def seen(people, without) -> list[dict[str, np.ndarray]]:
    """Combined maps of everybody as a calibration shows them that knows only the others."""
    return [
        others.combined(one.maps, one.analysed, one.subject_scale) for one, others in zip(people, without, strict=True)
    ]


def largest(maps: list[np.ndarray], sign: int) -> np.ndarray:
    return np.array([(sign * values).max() for values in maps])


def beyond(maxima: np.ndarray) -> float:
    """What 5 % of people exceed, if maxima are Gumbel distributed."""
    scale = maxima.std() * np.sqrt(6.0) / np.pi
    return float(stats.gumbel_r.ppf(TAIL, maxima.mean() - np.euler_gamma * scale, scale))


def test_bias_and_spread_are_those_of_the_people_with_a_prior_of_none(people, fitted):
    for key in (SCREENING_KEYS[0], SCREENING_KEYS[-1]):
        standard = np.stack([(one.maps[key] - one.subject_scale[key][0]) / one.subject_scale[key][1] for one in people])
        bias = standard.sum(0) / (len(people) + PRIOR_PEOPLE)
        np.testing.assert_allclose(fitted.bias[key][ANALYSED], bias[ANALYSED], rtol=1e-3, atol=1e-5)
        square = (((standard - bias) ** 2).sum(0) + PRIOR_PEOPLE) / (len(people) + PRIOR_PEOPLE)
        # Smoothed over places, and the same in both hemispheres.
        smooth = ndimage.gaussian_filter(np.where(ANALYSED, square, 1.0), SPREAD_SMOOTHING_MM / tb.MM)
        both = np.sqrt((smooth + smooth[::-1]) / 2)
        np.testing.assert_allclose(fitted.spread[key][ANALYSED], both[ANALYSED], rtol=1e-3)
        assert not fitted.bias[key][~ANALYSED].any() and (fitted.spread[key][~ANALYSED] == 1.0).all()
        assert fitted.spread[key][PLACE] > 1.3 * np.median(fitted.spread[key][ANALYSED])


def test_the_scale_of_the_population_is_the_median_persons(people, fitted):
    for key in SCREENING_KEYS:
        assert fitted.population_scale[key] == pytest.approx(np.median([one.subject_scale[key][1] for one in people]))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_limits_are_what_a_person_shows_whom_the_statistics_do_not_know(fitted, seen, name):
    found = [maps[name] for maps in seen]
    assert fitted.limits[name] == pytest.approx([beyond(largest(found, sign)) for sign in (1, -1)], rel=1e-3)


def test_nobodys_own_deviation_makes_it_look_smaller(people, fitted, seen):
    """The one with a change stands out more than by statistics that include it."""
    ill = people[-1]
    known = fitted.combined(ill.maps, ill.analysed, ill.subject_scale)
    for name, own in known.items():
        assert seen[-1][name].max() > 1.2 * own.max()
        assert fitted.limits[name][0] > own.max()


def test_z_is_standard_normal_in_healthy_people(fitted, seen):
    z = [fitted.to_normal(fitted.strongest(maps))[ANALYSED] for maps in seen]
    shares = np.array([0.02, 0.16, 0.5, 0.84, 0.98])
    found = np.mean([np.quantile(values, shares) for values in z], axis=0)
    np.testing.assert_allclose(found, stats.norm.ppf(shares), atol=0.15)
    assert (np.diff(fitted.normal) > 0).all()
    raw = np.mean([np.quantile(fitted.strongest(maps)[ANALYSED], shares) for maps in seen], axis=0)
    assert np.abs(raw - stats.norm.ppf(shares)).max() > 0.3, "it was normal before: nothing is tested"


def test_the_threshold_is_what_one_more_person_stays_below(fitted, seen):
    number = len(seen)
    tails = [largest([fitted.to_normal(fitted.strongest(maps)) * ANALYSED for maps in seen], sign) for sign in (1, -1)]
    # One spread for both tails: each alone rests on half as many values.
    spread = np.sqrt(np.mean([maxima.var(ddof=1) for maxima in tails]) * (1 + 1 / number))
    expected = [maxima.mean() + spread * stats.t.ppf(TAIL, 2 * (number - 1)) for maxima in tails]
    assert fitted.threshold == pytest.approx(expected, rel=1e-3)
    assert fitted.people == number


def test_thresholds_are_for_the_z_that_results_show(people, fitted):
    """Half a voxel off the model grid linear interpolation lowers narrow peaks; what the maps say stays the same."""
    off = fit([replace(one, prepared=somebody(0, shift_mm=tb.MM / 2).prepared) for one in people])
    assert off.limits == fitted.limits and np.array_equal(off.normal, fitted.normal)
    assert all(0.5 * on < lower < 0.97 * on for lower, on in zip(off.threshold, fitted.threshold, strict=True))
    assert off.sensitive[0] < 0.97 * fitted.sensitive[0]


def regions_a_brain(fitted, seen, scale: float, signs: str) -> float:
    """Regions that people show on average at a share of the automatic threshold."""
    limits = restrict_to_signs(tuple(scale * limit for limit in fitted.threshold), signs)
    brains = [
        Volume(fitted.to_normal(fitted.strongest(maps)) * ANALYSED, np.diag([tb.MM] * 3 + [1.0])) for maps in seen
    ]
    return np.mean([len(find_regions(brain, brain, limits)[1]) for brain in brains])


def test_the_sensitive_threshold_lets_a_healthy_brain_show_one_region(fitted, seen):
    assert all(low < high for low, high in zip(fitted.sensitive, fitted.threshold, strict=True))
    share = fitted.sensitive[0] / fitted.threshold[0]
    assert fitted.sensitive[1] / fitted.threshold[1] == pytest.approx(share)
    below = share - FINEST_STEP
    assert regions_a_brain(fitted, seen, share, "both") <= 1.0 < regions_a_brain(fitted, seen, below, "both")


@pytest.mark.parametrize("signs", SIGNS[1:])
def test_who_looks_for_one_sign_alone_is_shown_one_region_of_it(fitted, seen, signs):
    tail = SIGNS[1:].index(signs)
    assert fitted.one_sided[tail] < fitted.sensitive[tail], "the other sign's regions do not count"
    share = fitted.one_sided[tail] / fitted.threshold[tail]
    below = share - FINEST_STEP
    assert regions_a_brain(fitted, seen, share, signs) <= 1.0 < regions_a_brain(fitted, seen, below, signs)


def test_two_volumes_of_a_person_share_its_weight(people, fitted):
    twice = fit([*people, replace(people[-1], name="again_FA.nii.gz")])
    assert twice.people == fitted.people and twice.threshold == pytest.approx(fitted.threshold, rel=1e-4)
    assert twice.sensitive == pytest.approx(fitted.sensitive, rel=1e-4)
    assert set(twice.limits) == set(fitted.limits)
    for name, limit in fitted.limits.items():
        assert twice.limits[name] == pytest.approx(limit, rel=1e-4)
    for key in SCREENING_KEYS:
        np.testing.assert_allclose(twice.bias[key], fitted.bias[key], atol=1e-5)
        np.testing.assert_allclose(twice.spread[key], fitted.spread[key], atol=1e-5)
    # As another person it would count.
    assert fit([*people, replace(people[-1], person="X")]).threshold != pytest.approx(fitted.threshold, rel=0.02)


def test_it_tells_of_every_volume_and_needs_nothing_but_maps(people, fitted):
    told: list[str] = []
    fit(people, told.append)
    assert len(told) == len(people) and all(one.name in line for one, line in zip(people, told, strict=True))
    assert {field.name for field in fields(HealthySubject)} == {
        "name",
        "person",
        "prepared",
        "analysed",
        "maps",
        "subject_scale",
    }


def test_there_is_no_spread_of_a_pair(people):
    pair = [people[0], people[1], replace(people[0], name="other_FA.nii.gz")]
    with pytest.raises(FAError, match="2 people are too few") as caught:
        fit(pair)
    assert caught.value.code == "bad-request"


# ---- the command


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Four people, one of them with two volumes, and two models that have seen none of them.

    One region of each size is drawn in each hemisphere: see ``test_drawn_regions.py`` for what more of them give. The
    template is bent in few steps: ``test_template_warping.py`` is about that.
    """
    site = tmp_path_factory.mktemp("site")
    (site / "data").mkdir()
    rows = ["file,person"]
    for seed, name in enumerate(("a", "b", "c", "d", "d2"), 1):
        path = site / "data" / f"{name}_FA.nii.gz"
        tiny_training.write_head(path, seed)
        tiny_training.write_mask(path)
        rows.append(f"{name},{name[0].upper()}")
    (site / "people.csv").write_text("\n".join(rows) + "\n")
    for name in ("model", "fold"):
        tb.save(site / name, ("somebody_FA.nii.gz",))
    (site / "folds.csv").write_text("person,model\n" + "".join(f"{name},fold\n" for name in "ABCD"))
    # D's fold is a template alone.
    save_template(tiny_training.template(), site / "template" / OWN_TEMPLATE)
    (site / "templates.csv").write_text("person,model\n" + "".join(f"{name},fold\n" for name in "ABC") + "D,template\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn_regions, "PLACES", 1)
        patch.setattr(template_warping, "LEVELS_MM", ((8.0, 12),))
        yield site


def calibrate(site, model: str, *more: str, folds: str = "folds.csv") -> int:
    return cli.main(
        [
            "calibrate",
            str(site / "data"),
            "--folds",
            str(site / folds),
            "--people",
            str(site / "people.csv"),
            "-o",
            str(site / model),
            "--device",
            "cpu",
            *more,
        ]
    )


def test_the_command_seals_a_calibration_in_the_model_and_in_everybodys_own(site, capsys):
    cross = site / "cross"
    assert calibrate(site, "model", "--cross", str(cross)) == 0
    told = capsys.readouterr()
    assert "with 4 people" in told.out and told.err.count("looked at") == 5
    everybody = {f"{name}_FA.nii.gz" for name in ("a", "b", "c", "d", "d2")}
    manifest = read_manifest(site / "model")
    assert calibrated_on(manifest) == everybody and manifest["training"] == {"volumes": ["somebody_FA.nii.gz"]}
    loaded = open_model(str(site / "model"), "cpu")
    assert loaded.calibration.people == manifest["calibration"]["people"] == 4
    assert loaded.calibration.limits.keys() == manifest["calibration"]["limits"].keys()
    assert all(np.isfinite(limit).all() and min(limit) > 0 for limit in loaded.calibration.limits.values())
    assert manifest["calibration"]["threshold"] == pytest.approx(loaded.calibration.threshold, abs=1e-3)
    assert manifest["calibration"]["sensitive"] == pytest.approx(loaded.calibration.sensitive, abs=1e-3)
    assert manifest["calibration"]["alone"] == pytest.approx(loaded.calibration.one_sided, abs=1e-3)
    assert (cross / "folds.csv").read_text().split() == ["person,model", "A,A", "B,B", "C,C", "D,D"]
    for name in "ABCD":
        own = read_manifest(cross / name)
        assert calibrated_on(own) == {file for file in everybody if not file.startswith(name.lower())}
        assert own["calibration"]["people"] == 3 and (cross / name / CALIBRATION_FILE).is_file()
    assert not (site / "fold" / CALIBRATION_FILE).exists(), "the model that looked was written to"


def test_a_model_that_has_seen_a_person_does_not_look_at_it(site, capsys):
    """Another volume of the same person counts."""
    path = site / "fold" / "manifest.json"
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "training": {"volumes": ["d_FA.nii.gz"]}}))
    try:
        assert calibrate(site, "model") == 2
    finally:
        path.write_text(before)
    told = capsys.readouterr().err
    # d2 comes before d.
    assert "was trained on d_FA.nii.gz" in told and "looked at 3/5" in told and "looked at 4/5" not in told


@pytest.fixture
def outdated_fold(site):
    """The model that looks has a calibration of another version: it looks with its weights alone."""
    path = site / "fold" / "manifest.json"
    before = path.read_text()
    np.savez(site / "fold" / CALIBRATION_FILE, settings=np.frombuffer(b"{}", np.uint8))
    path.write_text(
        json.dumps({**json.loads(before), "calibration": {"sha256": sha256_of(site / "fold" / CALIBRATION_FILE)}})
    )
    try:
        with pytest.raises(FAError, match="Calibrate the model again"):
            open_model(str(site / "fold"), "cpu")
        yield
    finally:
        path.write_text(before)
        (site / "fold" / CALIBRATION_FILE).unlink()


def test_a_fold_may_hold_a_template_alone(site, outdated_fold, capsys):
    """Its person counts for whole brains, and no region is drawn in them; their own model gets this model's weights."""
    tb.save(site / "other", ("d_FA.nii.gz",))
    assert calibrate(site, "other", "--cross", str(site / "cross2"), folds="templates.csv") == 0
    told = capsys.readouterr()
    assert "with 4 people" in told.out and "regions drawn in 3 people" in told.out
    assert told.err.count("looked at") == 5 and told.err.count("drew regions in") == 3
    everybody = {f"{name}_FA.nii.gz" for name in ("a", "b", "c", "d", "d2")}
    assert calibrated_on(read_manifest(site / "other")) == everybody
    own = site / "cross2" / "D"
    assert open_model(str(own), "cpu").calibration.people == 3
    assert calibrated_on(read_manifest(own)) == {f"{name}_FA.nii.gz" for name in "abc"}
    assert not (site / "template" / "manifest.json").exists(), "the fold was written to"


def test_without_weights_for_three_people_nothing_is_begun(site, capsys):
    """Drawn regions need a network that has not seen the person."""
    (site / "bare.csv").write_text("person,model\n" + "".join(f"{name},template\n" for name in "ABCD"))
    before = (site / "model" / "manifest.json").read_bytes()
    assert calibrate(site, "model", "--cross", str(site / "cross3"), folds="bare.csv") == 2
    told = capsys.readouterr().err
    assert "0 people are too few" in told and "looked at" not in told and "\n" not in told.strip()
    assert not (site / "cross3").exists() and (site / "model" / "manifest.json").read_bytes() == before
