"""``import FAAnomalyLib as fa``: the calls, the fields, and models of an earlier day behind them."""

from __future__ import annotations

import dataclasses
import re
import shutil

import numpy as np
import pytest

import FAAnomalyLib as fa
from support.drivers.public_faces import HEAD, MODEL, THESIS_MODEL, assert_same, stored

REQUEST = {
    "input": "",
    "output": None,
    "model": "default",
    "mask_type": "cubic",
    "mask_size": 16,
    "region": None,
    "segment": None,
    "roi": None,
    "brain_mask": None,
    "sampler": "mean",
    "steps": 0,
    "samples": 1,
    "threshold": "auto",
    "signs": "both",
    "device": "auto",
    "seed": 0,
    "resume": False,
    "scale": None,
    "report": True,
}
RESULT = ["input", "pseudo_healthy", "difference", "z_map", "segmentation", "regions", "provenance"]
REGION = [
    "label",
    "sign",
    "voxels",
    "volume_ml",
    "peak_z",
    "mean_z",
    "mean_difference",
    "mean_difference_sd",
    "centroid_ras",
    "peak_ras",
    "side_known",
]
STATUS = {"bug": 1, "bad-request": 2, "bad-input": 2, "out-of-memory": 3, "cancelled": 4, "missing": 5}
HOLE = (slice(13, 18), slice(10, 15), slice(12, 17))


@pytest.fixture(scope="module")
def result(one_thread):
    """Of a whole brain, and what ``progress`` was told."""
    heard = []
    found = fa.detect(HEAD, model=MODEL, mask_size=32, device="cpu", progress=lambda *report: heard.append(report))
    return found, heard


def test_the_names_at_the_root():
    assert {"DetectRequest", "FAError", "__version__", "detect", "inpaint"} <= set(fa.__all__)
    assert re.fullmatch(r"\d+\.\d+\.\d+", fa.__version__)


def test_the_modules_that_the_documentation_names():
    from FAAnomalyLib.errors import FAError
    from FAAnomalyLib.request import DetectRequest
    from FAAnomalyLib.result import Region, Result
    from FAAnomalyLib.volume import Volume

    assert FAError is fa.FAError and DetectRequest is fa.DetectRequest
    assert all(dataclasses.is_dataclass(kind) for kind in (Region, Result, Volume))


def test_the_fields_of_a_request_and_their_defaults():
    assert_same(REQUEST, dataclasses.asdict(fa.DetectRequest()), "the fields of DetectRequest")
    assert list(REQUEST) == [field.name for field in dataclasses.fields(fa.DetectRequest)][: len(REQUEST)]


def test_a_request_from_a_dictionary():
    assert fa.DetectRequest.from_dict({"input": "a", "mask_size": 8}).mask_size == 8
    assert fa.DetectRequest(input="a").check().problems() == [] and fa.DetectRequest().problems()
    with pytest.raises(fa.FAError, match="colour") as caught:
        fa.DetectRequest.from_dict({"colour": "red"})
    assert caught.value.code == "bad-request"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("mask_type", ("cubic", "wm"), "round"),
        ("mask_size", (0, 4, 8, 16, 32), 7),
        ("sampler", ("mean", "dpm++", "ddim", "ddpm", "repaint", "thesis"), "best"),
        ("device", ("auto", "cpu", "cuda", "mps"), "tpu"),
        ("signs", ("both", "increased", "decreased"), "up"),
        ("threshold", ("auto", "sensitive", 3.5), "low"),
        ("scale", (None, "auto", 1000.0), "big"),
        ("samples", (1, 64), 65),
        ("steps", (0, 1), 1001),
        ("seed", (0, 2**63 - 1), -1),
    ],
)
def test_what_a_request_accepts(name, good, bad):
    assert [value for value in good if fa.DetectRequest(input="a", **{name: value}).problems()] == []
    assert len(fa.DetectRequest(input="a", **{name: bad}).problems()) == 1


@pytest.mark.parametrize("code", STATUS)
def test_an_error_says_what_why_and_what_to_do(code):
    error = fa.FAError(code, "It broke", "it was old", "Buy another")
    assert error.exit_status == STATUS[code] and str(error) == "It broke: it was old. Buy another"
    assert error.as_dict() == {"code": code, "what": "It broke", "why": "it was old", "fix": "Buy another"}


def test_there_is_no_other_code():
    with pytest.raises(ValueError, match="volcano"):
        fa.FAError("volcano", "")


def test_the_attributes_of_a_result(result):
    found, _ = result
    assert [field.name for field in dataclasses.fields(found)][: len(RESULT)] == RESULT
    assert {"pseudo_healthy", "difference", "z_map", "segmentation"} <= set(found.volumes())
    assert (found.signs, found.drawn_ml) == ("both", None)
    for volume in (found.input, *found.volumes().values()):
        assert volume.data.shape == volume.shape == (24, 28, 24) and volume.affine.shape == (4, 4)
    # Since healthy tissue looks real: the mean is a volume of its own, and pseudo-healthy a draw in the regions alone.
    np.testing.assert_array_equal(found.difference.data, found.input.data - found.expected.data)
    healthy = found.segmentation.data == 0
    np.testing.assert_array_equal(found.pseudo_healthy.data[healthy], found.input.data[healthy])
    assert set(np.unique(found.segmentation.data)) <= {0, 1, 2}
    assert found.regions_csv().startswith("label,") and found.result_json().startswith("{")


def test_the_attributes_of_a_region(result):
    region = result[0].regions[0]
    assert [field.name for field in dataclasses.fields(region)][: len(REGION)] == REGION
    assert region.sign == "decreased" and region.sentence().startswith("Region 1: FA decreased by")
    assert region.mean_difference == pytest.approx(stored("result_whole")["regions"][0]["mean_difference"], rel=0.08)


def test_the_keys_of_provenance_are_those_of_the_file(result):
    before = stored("result_whole")
    before.pop("regions")
    assert set(before) <= set(result[0].provenance)


def test_progress_tells_share_stage_and_time_left(result):
    shares = [share for share, _, _ in result[1]]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert all(isinstance(stage, str) and (eta is None or eta >= 0) for _, stage, eta in result[1])


def test_inpaint_fills_a_hole_in_a_volume_in_memory(result):
    given = result[0].input
    hole = np.zeros(given.shape, bool)
    hole[HOLE] = True
    filled = fa.inpaint(given, hole, model=MODEL, device="cpu")
    changed = filled.pseudo_healthy.data != given.data
    assert changed[hole].any() and not changed[~hole].any()
    assert filled.drawn_ml == pytest.approx(8.0) and filled.provenance["request"]["input"] == "(in memory)"
    with pytest.raises(fa.FAError) as caught:
        fa.inpaint(given, model=MODEL)
    assert caught.value.code == "bad-request"


def test_a_thesis_model_of_an_earlier_day_fills_a_hole(result):
    given = result[0].input
    hole = np.zeros(given.shape, bool)
    hole[HOLE] = True
    filled = fa.inpaint(given, hole, model=THESIS_MODEL, sampler="thesis", steps=2, device="cpu")
    changed = filled.pseudo_healthy.data != given.data
    assert changed[hole].any() and not changed[~hole].any() and filled.provenance["network_evaluations"] >= 2
    assert filled.provenance["model"]["name"] == THESIS_MODEL.name


def test_the_bundled_model_and_its_calibration_can_be_read(one_thread):
    # Refused once the model is loaded and before the brain is registered: the quickest proof that it was loaded.
    with pytest.raises(fa.FAError) as caught:
        fa.detect(HEAD, sampler="thesis", device="cpu")
    assert caught.value.code == "bad-request", caught.value


def test_an_unknown_kind_of_network_is_missing(tmp_path, one_thread):
    folder = tmp_path / "other"
    shutil.copytree(MODEL, folder)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"inpainter"', '"oracle"'))
    with pytest.raises(fa.FAError, match="oracle") as caught:
        fa.detect(HEAD, model=folder, device="cpu")
    assert caught.value.code == "missing"
