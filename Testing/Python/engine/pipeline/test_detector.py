"""The whole way on a synthetic brain with a stand-in model: geometry, bits, cancelling, provenance."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly.calibration import Calibration
from FAAnomalyLib.anomaly.drawn_region import drawn_hole
from FAAnomalyLib.anomaly.region_limits import RegionLimits, SizeLimits
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.pipeline import run_opening
from FAAnomalyLib.pipeline.detector import STAGES, Detector
from FAAnomalyLib.pipeline.jobs import run_job
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.model_grid import ModelGrid, PreparedSubject
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.reporting.result_files import RESULT_FILES
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.result import Result
from FAAnomalyLib.runtime.progress import CancelToken
from FAAnomalyLib.volume import Volume
from support.fakes import stand_in
from support.phantoms import synthetic_brain as sb

pytestmark = pytest.mark.slow

POSE = sb.head((1.0, 1.0, 1.0), (3.0, -5.0, 4.0), x=6.0)
LESION = sb.Lesion(radius_mm=9.0, change=0.3)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return stand_in.make(tmp_path_factory.mktemp("model") / "stand-in", spread=0.02, spacing=4.0)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory) -> str:
    """A model on a coarse grid, for what does not depend on it."""
    return str(stand_in.make(tmp_path_factory.mktemp("model") / "coarse", spread=0.02, spacing=4.0))


@pytest.fixture(scope="module")
def brain() -> Volume:
    """Oblique, stored left-anterior-superior, with a bright sphere in deep white matter."""
    shape, affine = sb.grid((2.5, 2.5, 2.5), POSE, x=10)
    return sb.stored_as(sb.brain(shape, affine, POSE, lesion=LESION, variation=0.05), "LAS")


@pytest.fixture(scope="module")
def aligned_once(brain) -> None:
    """Registration is tested elsewhere and takes most of the time: the same map is aligned once."""
    known: dict[bytes, object] = {}

    def remembered(volume, template, mask, check):
        assert mask is None
        key = volume.data.tobytes() + volume.affine.tobytes() + bytes(template.fa.shape)
        if key not in known:
            known[key] = prepare(volume, template, mask)
        return known[key]

    patch = pytest.MonkeyPatch()
    patch.setattr(run_opening, "prepare", remembered)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def detector(aligned_once) -> Detector:
    return Detector()


@pytest.fixture(scope="module")
def run(detector, brain, model):
    """``run(**options)`` scores the brain."""

    def scored(method: str = "detect", hole=None, progress=None, cancel=None, **options) -> Result:
        request = DetectRequest(**{"input": "brain", "model": str(model), "device": "cpu", **options})
        return run_job(method, request, lambda: detector, volume=brain, hole=hole, progress=progress, cancel=cancel)

    return scored


@pytest.fixture(scope="module")
def whole(run, tmp_path_factory) -> tuple[Result, Path, list]:
    reports: list = []
    folder = tmp_path_factory.mktemp("out") / "whole"
    # The stand-in is not calibrated: its automatic threshold would be a guess.
    result = run(output=str(folder), threshold=4.0, progress=lambda *report: reports.append(report))
    return result, folder, reports


def test_results_lie_exactly_on_the_inputs_grid(whole, brain):
    result, folder, _ = whole
    for name, volume in result.volumes().items():
        assert volume.shape == brain.shape and np.isfinite(volume.data).all()
        np.testing.assert_array_equal(volume.affine, brain.affine)
        written, _ = load_volume(folder / f"{name}.nii.gz")
        np.testing.assert_array_equal(written.data, volume.data)
        np.testing.assert_allclose(written.affine, brain.affine, atol=1e-4)
    assert sorted(p.name for p in folder.iterdir()) == sorted(RESULT_FILES)


def test_difference_is_input_minus_expected(whole, brain):
    result = whole[0]
    np.testing.assert_array_equal(result.input.data, brain.data)
    np.testing.assert_array_equal(result.difference.data, brain.data - result.expected.data)
    outside = brain.data == 0
    far = ndimage.distance_transform_edt(outside) > 3
    np.testing.assert_array_equal(result.expected.data[far], brain.data[far])
    judged = result.expected_sd.data > 0
    assert not judged[far].any() and (judged >= (result.difference.data != 0)).all()
    # This brain misses its expected FA by as much as it says.
    z = result.difference.data[judged] / result.expected_sd.data[judged]
    assert 0.7 < np.sqrt((np.clip(z, -3, 3) ** 2).mean()) < 1.3 and result.expected_sd.data[judged].min() > 1e-3
    assert not result.z_map.data[outside].any() and not result.segmentation.data[outside].any()
    # Nearly all of the brain was replaced by something like it.
    changed = result.difference.data != 0
    assert changed[~outside].mean() > 0.97
    inner = ndimage.binary_erosion(~outside, iterations=4)
    assert np.corrcoef(result.expected.data[inner], brain.data[inner])[0, 1] > 0.7


def test_only_the_regions_are_replaced_by_a_draw_in_which_the_lesion_is_gone(whole, brain):
    result = whole[0]
    found, healthy = result.segmentation.data > 0, result.pseudo_healthy.data
    np.testing.assert_array_equal(healthy[~found], brain.data[~found])
    assert (healthy[found] != brain.data[found]).mean() > 0.99 and 0 <= healthy.min() and healthy.max() <= 1
    # Healthy on average, and no mean: it has the texture of the brain.
    drawn, expected = healthy[found], result.expected.data[found]
    assert abs((drawn - expected).mean()) < 0.05 and (drawn - expected).std() > 0.01
    told = result.provenance["pseudo_healthy"]
    assert told == {"seed": 0, "voxels": int(found.sum()), "without_texture": 0}


def test_the_lesion_is_found_where_it_was_planted(whole, brain):
    result = whole[0]
    region = result.regions[0]
    assert region.sign == "increased" and region.mean_difference > 0.1
    assert np.linalg.norm(np.subtract(region.centroid_ras, sb.lesion_centre(POSE, LESION))) < 2.5
    truth = sb.sphere(brain.shape, brain.affine, POSE, LESION)
    found = result.segmentation.data == 1
    assert (found & truth).sum() / (found | truth).sum() > 0.25
    # What is shown in its place looks like the white matter around it.
    assert result.expected.data[truth].mean() < brain.data[truth].mean() - 0.15


def test_provenance_tells_everything_in_strict_json(whole, brain, model):
    result, folder, _ = whole
    told = result.provenance
    json.dumps(told, allow_nan=False)
    written = json.loads((folder / "result.json").read_text())
    # Of a model without a calibration.
    assert written["calibration"]["sensitive_z"] == {"increased": 6.0, "decreased": 6.0}
    assert {
        "faanomaly",
        "input_sha256",
        "request",
        "threshold_z",
        "model",
        "registration",
        "passes",
        "network_evaluations",
        "seconds",
        "device",
        "dtype",
        "peak_memory_mb",
        "warnings",
        "versions",
        "pseudo_healthy",
        "regions",
    } <= set(written)
    assert written["model"]["sha256"] == json.loads((model / "manifest.json").read_text())["sha256"]
    assert written["request"]["seed"] == 0 and written["request"]["sampler"] == "mean"
    assert set(written["seconds"]) == set(STAGES) and written["drawn_ml"] is None
    # The network fills the candidates, all in one hole; its linear estimate the passes.
    assert written["hidden_share"] > 0 and written["network_evaluations"] == 1 < told["passes"]
    assert len(written["regions"]) == len(result.regions) >= 1
    assert "torch" in written["versions"] and 0.9 < written["registration"]["correlation"] <= 1
    found = np.array(written["registration"]["template_to_input_ras"])
    assert sb.misplacement_mm(found, POSE).mean() < 1.5
    assert str(folder.parent) not in (folder / "result.json").read_text()


def test_thresholds_are_the_calibrations_and_for_one_sign_alone_its_own(detector, run, coarse, drawn, monkeypatch):
    before = run("inpaint", hole=drawn, model=coarse)
    limits = SizeLimits(3.2, 0.95, (7.0, 7.5), (6.0, 6.5), (1.5, 0.5))
    known = Calibration(threshold=(9.0, 9.0), regions=RegionLimits((60.0,), (limits,), 5))
    monkeypatch.setattr(detector._opener, "_loaded", replace(detector._opener._loaded, calibration=known))
    for threshold, signs, limits in (
        ("auto", "both", (7.0, 7.5)),
        ("sensitive", "both", (6.0, 6.5)),
        ("sensitive", "increased", (1.5, 0.5)),
        ("sensitive", "decreased", (1.5, 0.5)),
    ):
        found = run("inpaint", hole=drawn, model=coarse, threshold=threshold, signs=signs)
        told = found.provenance
        assert told["threshold_z"] == dict(zip(("increased", "decreased"), limits, strict=True))
        assert told["request"]["signs"] == signs and told["calibration"]["alone_z"]["decreased"] == 0.5
        np.testing.assert_array_equal(found.z_map.data, before.z_map.data)
        if signs != "both":
            assert {region.sign for region in found.regions} <= {signs} and (found.regions or signs == "decreased")
            assert set(np.unique(found.segmentation.data)) <= {0, {"increased": 1, "decreased": 2}[signs]}


def test_progress_runs_forward_through_every_stage(whole):
    fractions = [fraction for fraction, _, _ in whole[2]]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert list(dict.fromkeys(stage for _, stage, _ in whole[2])) == [*STAGES, "done"]


def test_the_same_seed_gives_the_same_bits_and_another_does_not(run, coarse, drawn):
    first, again, other = (
        run("inpaint", hole=drawn, model=coarse, sampler="ddpm", steps=2, seed=seed) for seed in (0, 0, 1)
    )
    for name, volume in first.volumes().items():
        np.testing.assert_array_equal(again.volumes()[name].data, volume.data)
    assert again.regions == first.regions
    for one, another in ((other.expected, first.expected), (other.pseudo_healthy, first.pseudo_healthy)):
        assert (one.data != another.data)[drawn].mean() > 0.2


@pytest.mark.parametrize("stage", STAGES)
def test_cancelling_at_any_stage_leaves_no_result(run, coarse, tmp_path, stage):
    cancel = CancelToken()

    def watch(fraction: float, now: str, left: float | None) -> None:
        if now == stage:
            cancel.cancel()

    late = stage in ("second look", "scoring")
    draws = {"sampler": "ddpm", "steps": 1} if late else {}
    with pytest.raises(FAError) as caught:
        run(model=coarse, mask_size=32, output=str(tmp_path / "out"), progress=watch, cancel=cancel, **draws)
    assert caught.value.code == "cancelled" and "\n" not in str(caught.value)
    left = {p.name for p in (tmp_path / "out").iterdir()} if (tmp_path / "out").exists() else set()
    assert left <= {".passes"}
    # What is kept of the network's passes is said: from the second look on, these are all.
    kept = len(list((tmp_path / "out" / ".passes").glob("*/*.npy")))
    assert ("--resume" in str(caught.value)) == bool(kept)
    if late:
        assert kept and f"{kept} of {kept} passes are kept" in str(caught.value)


def test_a_cancelled_run_goes_on_and_ends_with_the_same_bits(run, coarse, tmp_path):
    options = {"model": coarse, "mask_size": 32, "sampler": "ddpm", "steps": 1}
    straight, cancel = run(**options), CancelToken()
    options["output"] = str(tmp_path)

    def stop_half_way(fraction: float, stage: str, left: float | None) -> None:
        if stage == "filling holes" and fraction > 0.6:
            cancel.cancel()

    with pytest.raises(FAError) as caught:
        run(progress=stop_half_way, cancel=cancel, **options)
    assert "--resume" in str(caught.value)
    kept = len(list((tmp_path / ".passes").glob("*/*.npy")))
    resumed = run(resume=True, **options)
    assert kept > 0
    assert resumed.provenance["network_evaluations"] == straight.provenance["network_evaluations"] - 2 * kept
    np.testing.assert_array_equal(resumed.z_map.data, straight.z_map.data)
    for name in ("expected", "pseudo_healthy"):
        np.testing.assert_array_equal(resumed.volumes()[name].data, straight.volumes()[name].data)
    assert not (tmp_path / ".passes").exists()


@pytest.fixture(scope="module")
def drawn(brain) -> np.ndarray:
    """A box over the lesion and half as wide again, on the brain's own grid."""
    centre = np.linalg.inv(brain.affine) @ [*sb.lesion_centre(POSE, LESION), 1.0]
    inside = np.zeros(brain.shape, bool)
    inside[tuple(slice(round(c) - 5, round(c) + 6) for c in centre[:3])] = True
    return inside


@pytest.mark.fast
def test_a_drawn_region_changes_nothing_outside_it(run, brain, drawn, tmp_path):
    save_volume(brain.with_data(drawn), tmp_path / "drawn.nii.gz")
    result = run(region=str(tmp_path / "drawn.nii.gz"))
    for name in ("expected", "pseudo_healthy"):
        np.testing.assert_array_equal(result.volumes()[name].data[~drawn], brain.data[~drawn])
    judged = result.difference.data != 0
    assert (result.pseudo_healthy.data != brain.data)[judged].mean() > 0.99, "the whole drawn region is filled"
    assert result.provenance["pseudo_healthy"]["voxels"] == pytest.approx(judged.sum(), rel=0.01)
    assert not result.z_map.data[~drawn].any() and not result.segmentation.data[~drawn].any()
    assert (result.difference.data[drawn] != 0).mean() > 0.95
    assert result.provenance["passes"] == result.provenance["network_evaluations"] == 1
    assert result.drawn_ml == pytest.approx(11**3 * 2.5**3 / 1000)
    inpainted = run("inpaint", hole=drawn)
    np.testing.assert_array_equal(inpainted.pseudo_healthy.data, result.pseudo_healthy.data)


def test_a_region_beyond_the_largest_calibrated_one_is_refused_in_one_line(run, brain, coarse):
    with pytest.raises(FAError, match="too large to be judged.* ml of brain.*up to 216 ml.*whole brain") as caught:
        run("inpaint", hole=np.ones(brain.shape, bool), model=coarse)
    assert caught.value.code == "bad-request" and "\n" not in str(caught.value)


def test_a_region_that_is_all_lesion_is_still_scored(run, brain, drawn):
    """The region's own voxels must not be the standard: a lesion that fills it would vanish."""
    truth = sb.sphere(brain.shape, brain.affine, POSE, LESION)
    result = run("inpaint", hole=truth)
    assert result.difference.data[truth].mean() > 0.1
    assert result.z_map.data[truth].mean() > 2.0


@pytest.mark.parametrize("spacing", [(1.25, 1.25, 1.25), (2.5, 2.5, 2.5), (1.7, 1.7, 3.0)])
def test_what_lies_in_a_drawn_region_does_not_rule_what_is_shown_instead(spacing):
    """Interpolation and smoothing carry a voxel's value beyond its place; the hidden part must reach as far."""
    volume = sb.brain(*sb.grid(spacing, POSE, x=10), POSE, lesion=LESION)
    grid = ModelGrid(volume, sb.template(), Alignment(POSE, 1.0, "affine"))
    centre = np.linalg.inv(volume.affine) @ [*sb.lesion_centre(POSE, LESION), 1.0]
    drawn = np.zeros(volume.shape, bool)
    reach = np.round(12.0 / volume.spacing)
    drawn[tuple(slice(int(c - r), int(c + r) + 1) for c, r in zip(centre[:3], reach, strict=True))] = True
    brain = sb.template().priors.brain > 0.5
    prepared = PreparedSubject(grid, grid.to_model(volume.data), brain, volume.data > 0, [])
    hidden = drawn_hole(prepared, drawn)
    changed = np.where(drawn, 1.0 - volume.data, volume.data).astype(np.float32)
    leak = np.abs(grid.to_model(changed) - prepared.fa)
    assert leak[hidden].max() > 0.3, "nothing was changed that could leak"
    assert leak[brain & ~hidden].max() < 0.01
