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
from FAAnomalyLib.anomaly.screening import subject_scale_of
from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.datasets.file_names import mask_of
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.models.manifest import calibrated_on, read_manifest, sha256_of
from FAAnomalyLib.pipeline.detector import Detector
from FAAnomalyLib.pipeline.loaded_model import open_model
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.model_grid import ModelGrid, PreparedSubject
from FAAnomalyLib.request import SIGNS, DetectRequest, changed_hole_options
from FAAnomalyLib.training import drawn_regions, healthy_maps
from FAAnomalyLib.training.calibration_fit import fit
from FAAnomalyLib.training.healthy_limits import FINEST_STEP, TAIL
from FAAnomalyLib.training.healthy_maps import HealthySubject, screen_cohort
from FAAnomalyLib.training.place_statistics import PRIOR_PEOPLE
from FAAnomalyLib.volume import Volume
from support.phantoms import tiny_brain as tb
from support.phantoms import tiny_training

pytestmark = pytest.mark.slow

ANALYSED = tb.ball((12, 14, 12), 30.0)
PLACE = (12, 14, 12)


def somebody(
    number: int, person: str | None = None, scale: float = 0.02, more: np.ndarray | float = 0.0, shift_mm: float = 0.0
) -> HealthySubject:
    """Maps of smooth noise that is this volume's own, with what is added to all of them, in spreads."""
    rng = np.random.default_rng(100 + number)
    maps = {}
    for key in SCREENING_KEYS:
        noise = ndimage.gaussian_filter(rng.standard_normal(tb.SHAPE), key[1] / tb.MM)
        maps[key] = np.where(ANALYSED, 0.01 + scale * (noise / noise.std() + more), 0.0).astype(np.float32)
    known = tiny_training.template()
    affine = known.fa.affine.copy()
    affine[:3, 3] += shift_mm
    native = Volume(known.fa.data, affine)
    whole = np.ones(tb.SHAPE, bool)
    prepared = PreparedSubject(
        ModelGrid(native, known, Alignment(np.eye(4), 1.0, "affine")), native.data, whole, whole, []
    )
    scale_of_maps = subject_scale_of(maps, ANALYSED)
    return HealthySubject(f"{number}_FA.nii.gz", person or f"P{number}", prepared, whole, ANALYSED, maps, scale_of_maps)


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
        # Smoothed over places; in the middle of the analysed part nothing of its outside is mixed in.
        inner = ndimage.binary_erosion(ANALYSED, iterations=4)
        smooth = np.sqrt(ndimage.gaussian_filter(square, 3.0 / tb.MM))
        np.testing.assert_allclose(fitted.spread[key][inner], smooth[inner], rtol=1e-3)
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
        "covered",
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

    One region of each size is drawn in each hemisphere: see ``test_drawn_regions.py`` for what more of them give.
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn_regions, "PLACES", 1)
        yield site


def calibrate(site, model: str, *more: str) -> int:
    return cli.main(
        [
            "calibrate",
            str(site / "data"),
            "--folds",
            str(site / "folds.csv"),
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
    assert calibrate(site, "model", "--cross", str(cross), "--work", str(site / "work")) == 0
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
        assert calibrate(site, "model", "--work", str(site / "work2")) == 2
    finally:
        path.write_text(before)
    told = capsys.readouterr().err
    # d2 comes before d.
    assert "was trained on d_FA.nii.gz" in told and "looked at 3/5" in told and "looked at 4/5" not in told


def test_a_model_with_a_calibration_of_another_version_can_be_calibrated(site):
    """It looks with its weights alone."""
    path = site / "fold" / "manifest.json"
    before = path.read_text()
    np.savez(site / "fold" / CALIBRATION_FILE, settings=np.frombuffer(b"{}", np.uint8))
    path.write_text(
        json.dumps({**json.loads(before), "calibration": {"sha256": sha256_of(site / "fold" / CALIBRATION_FILE)}})
    )
    try:
        with pytest.raises(FAError, match="Calibrate the model again"):
            open_model(str(site / "fold"), "cpu")
        assert calibrate(site, "model", "--work", str(site / "work")) == 0
    finally:
        path.write_text(before)
        (site / "fold" / CALIBRATION_FILE).unlink()


def test_a_detection_goes_on_with_the_passes_of_a_calibration(site):
    """And so does ``evaluate --work`` with untouched brains."""
    work, path = site / "work3", site / "data" / "a_FA.nii.gz"
    screen_cohort([CohortSubject.from_file(path, "A")], {"A": site / "fold"}, work, "cpu", lambda text: None)
    passes = {file: file.stat().st_mtime_ns for file in (work / ".passes").glob("*/*.npy")}
    request = DetectRequest(
        str(path), str(work), str(site / "fold"), device="cpu", resume=True, brain_mask=str(mask_of(path))
    )
    Detector().detect(request)
    assert passes and passes == {file: file.stat().st_mtime_ns for file in (work / ".passes").glob("*/*.npy")}
    Detector().detect(replace(request, mask_type="wm"))
    assert len(list((work / ".passes").iterdir())) == 2, "other holes were not told apart"


def test_holes_are_filled_as_asked_and_the_model_says_so(site, monkeypatch):
    """Of a thesis model, which the default sampler does not fit."""
    asked = []

    def fill(inpainter, fa, passes, sampling, *rest):
        asked.append((sampling, {one.mask_size for one in passes}))
        raise KeyboardInterrupt

    monkeypatch.setattr(healthy_maps, "inpaint_passes_by_size", fill)
    holes = DetectRequest("(in memory)", sampler="ddpm", steps=3, mask_size=32, noise="simplex")
    subject = CohortSubject.from_file(site / "data" / "a_FA.nii.gz", "A")
    with pytest.raises(KeyboardInterrupt):
        screen_cohort([subject], {"A": site / "fold"}, site / "work4", "cpu", lambda text: None, holes=holes)
    assert asked == [(Sampling("ddpm", 3, 1, 0, "simplex"), {32})]
    assert changed_hole_options(holes) == {"mask_size": 32, "sampler": "ddpm", "steps": 3, "noise": "simplex"}
    with pytest.raises(FAError, match="thesis does not fit"):
        wrong = replace(holes, sampler="thesis")
        screen_cohort([subject], {"A": site / "fold"}, site / "work4", "cpu", lambda text: None, holes=wrong)
