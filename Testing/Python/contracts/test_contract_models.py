"""Models on disk: what stands in their files, and that files of an earlier day are still what is written today."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from support.drivers.public_faces import (
    DATA,
    MODEL,
    PEOPLE,
    THESIS_MODEL,
    assert_same,
    key_paths,
    shell,
    shell_in_this_process,
)
from support.paths import ROOT

pytestmark = pytest.mark.slow

BUNDLED = ROOT / "Resources" / "Models" / "inpainter"
MAPS = [
    ["warped template, borne out by the other side", 3.0],
    ["warped template, borne out by the other side, tracts first", 3.0],
    ["warped template, borne out by the other side", 5.0],
    ["warped template, borne out by the other side, tracts first", 5.0],
    ["warped template", 8.0],
    ["warped template, borne out by the other side", 8.0],
]
LIMITS = [
    "template and other side, 3 mm",
    "template and other side, 5 mm",
    "template and other side, 8 mm",
]
ARRAYS = {
    "settings": "uint8",
    "where": "uint8",
    "shape": "int64",
    "normal": "float64",
    **{f"{name}{number}": "float16" for number in range(len(MAPS)) for name in ("bias", "spread")},
}
SETTINGS = {
    "subject[]": "number",
    **{f"limits.{name}[]": "number" for name in LIMITS},
    "threshold[]": "number",
    "sensitive[]": "number",
    "alone[]": "number",
    "people": "number",
    "keys[][]": "text",
}
REGION_SETTINGS = {
    "regions.edges_mm[]": "number",
    "regions.inpainter_spread[]": "number",
    "regions.spread[]": "number",
    "regions.threshold[][]": "number",
    "regions.sensitive[][]": "number",
    "regions.alone[][]": "number",
    "regions.people": "number",
}
"""Since version 0.1.0."""
MANIFEST = {
    "format": "number",
    "network.kind": "text",
    "network.widths[]": "number",
    "network.blocks[]": "number",
    "schedule.kind": "text",
    "schedule.timesteps": "number",
    "schedule.parameters.zero_terminal_snr": "truth",
    "grid.shape[]": "number",
    "grid.spacing_mm": "number",
    "template_sha256": "text",
    "training.people": "number",
    "training.volumes[]": "text",
    "training.held_out[]": "nothing",
    "training.seed": "number",
    "training.steps": "number",
    "sha256": "text",
    "calibration.sha256": "text",
    "calibration.people": "number",
    "calibration.volumes[]": "text",
    "calibration.threshold[]": "number",
    "calibration.sensitive[]": "number",
    "calibration.alone[]": "number",
    **{f"calibration.limits.{name}[]": "number" for name in LIMITS},
}
REGION_MANIFEST = {
    "calibration.regions.people": "number",
    "calibration.regions.volumes[]": "text",
    "calibration.regions.edges_mm[]": "number",
    "calibration.regions.threshold[][]": "number",
}
"""Since version 0.1.0."""
RECIPE = [
    "network",
    "schedule",
    "grid",
    "steps",
    "batch",
    "learning_rate",
    "warmup",
    "decay",
    "crop",
    "average",
    "clip",
]
RECIPE_SINCE = ["constant_steps", "sampling", "space", "precision", "weights", "adam_epsilon"]
"""Added since the bundled model was trained."""
PREPARED = {"key": "<U64", **dict.fromkeys(["fa", "brain", "prior_fa", "prior_white_matter", "prior_brain"], "float16")}
"""Arrays of a prepared subject."""
TEMPLATE_FILES = ["brain.nii.gz", "fa.nii.gz", "white_matter.nii.gz"]


@pytest.fixture(scope="module")
def few_places():
    """One drawn region of each size in each hemisphere: the form of what is stored does not depend on how many."""
    from FAAnomalyLib.training import drawn_regions

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawn_regions, "PLACES", 1)
        yield


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory, one_thread, few_places) -> Path:
    """A copy of the model of an earlier day that ``calibrate`` has calibrated today."""
    folder = tmp_path_factory.mktemp("models") / MODEL.name
    shutil.copytree(MODEL, folder)
    (folder / "calibration.npz").unlink()
    assert (
        shell_in_this_process(
            "calibrate",
            PEOPLE,
            "--folds",
            DATA / "folds.csv",
            "--people",
            DATA / "people.csv",
            "-o",
            folder,
            "--device",
            "cpu",
        )
        == 0
    )
    return folder


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))


def calibration(folder: Path) -> tuple[dict, dict]:
    """Arrays and settings."""
    with np.load(folder / "calibration.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    return arrays, json.loads(bytes(arrays["settings"]).decode())


@pytest.mark.parametrize(
    ("which", "more"),
    [
        ("bundled", REGION_SETTINGS),
        ("earlier day", {}),
        ("today", REGION_SETTINGS),
    ],
)
def test_the_arrays_and_words_of_a_calibration(which, more, calibrated):
    arrays, settings = calibration({"bundled": BUNDLED, "earlier day": MODEL, "today": calibrated}[which])
    assert_same(ARRAYS, {name: str(array.dtype) for name, array in arrays.items()}, "the arrays of calibration.npz")
    assert_same(SETTINGS | more, key_paths(settings), "the settings in calibration.npz")
    assert_same(MAPS, settings["keys"], "the maps that calibration.npz is of")


def test_a_calibration_is_made_as_it_was(calibrated):
    (arrays, settings), (before_arrays, before) = calibration(calibrated), calibration(MODEL)
    np.testing.assert_array_equal(arrays["where"], before_arrays["where"])
    for name in ("subject", "threshold", "sensitive", "alone"):
        # Far tails of three people: half precision on another processor moves them by some percent.
        np.testing.assert_allclose(settings[name], before[name], rtol=0.2, err_msg=name)
    assert settings["people"] == before["people"] == 3


def test_a_model_with_a_calibration_of_the_first_version_runs_and_says_that_it_is_a_guess(tmp_path, one_thread):
    folder, old = tmp_path / MODEL.name, DATA / "calibration_of_0.1.0.npz"
    shutil.copytree(MODEL, folder)
    shutil.copyfile(old, folder / "calibration.npz")
    told = manifest(folder)
    told["calibration"]["sha256"] = hashlib.sha256(old.read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(told), encoding="utf-8")
    words = ["detect", PEOPLE / "A_FA.nii.gz", "--model", folder, "--mask-size", "32", "--device", "cpu"]
    assert shell_in_this_process(*words, "-o", tmp_path / "out", "--no-report") == 0
    warnings = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))["warnings"]
    assert [text for text in warnings if "earlier version" in text and "guess" in text]
    words = ["--folds", DATA / "folds.csv", "--people", DATA / "people.csv", "-o", folder]
    assert shell_in_this_process("calibrate", PEOPLE, *words, "--regions-only") == 2, "regions alone are not enough"


def test_drawn_regions_are_added_and_all_else_stays(tmp_path, one_thread, few_places):
    folder = tmp_path / MODEL.name
    shutil.copytree(MODEL, folder)
    words = ["--folds", DATA / "folds.csv", "--people", DATA / "people.csv", "-o", folder, "--device", "cpu"]
    assert shell_in_this_process("calibrate", PEOPLE, *words, "--regions-only") == 0
    (arrays, settings), (before_arrays, before) = calibration(folder), calibration(MODEL)
    regions = settings.pop("regions")
    assert regions["people"] == 3 and len(regions["threshold"]) == len(regions["edges_mm"]) and settings == before
    for name in set(before_arrays) - {"settings"}:
        np.testing.assert_array_equal(arrays[name], before_arrays[name])
    told, was = manifest(folder), manifest(MODEL)
    assert told["calibration"].pop("regions")["edges_mm"] == regions["edges_mm"]
    assert told["calibration"].pop("sha256") != was["calibration"].pop("sha256") and told == was


def test_the_keys_of_a_manifest(calibrated):
    assert_same(MANIFEST, key_paths(manifest(MODEL)), "the manifest of an earlier day")
    assert_same(
        MANIFEST | REGION_MANIFEST, key_paths(manifest(calibrated)), "the manifest of a model that was calibrated today"
    )
    assert manifest(MODEL) | {"calibration": None} == manifest(calibrated) | {"calibration": None}


def test_the_keys_of_the_bundled_manifest():
    told = manifest(BUNDLED)
    assert told["format"] == 1
    ancestor = told["training"].pop("started_from")
    assert sorted(ancestor) == ["sha256", "training"] and sorted(told["training"].pop("recipe")) == sorted(RECIPE)
    assert_same(MANIFEST | REGION_MANIFEST, key_paths(told), "the bundled manifest")


@pytest.mark.parametrize("folder", [MODEL, THESIS_MODEL], ids=["inpainter", "thesis"])
def test_a_model_of_an_earlier_day_is_verified(folder):
    answer = shell("models", "verify", folder, "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == [{"name": str(folder), "sha256": manifest(folder)["sha256"], "verified": True}]


def test_an_altered_model_is_not_verified(tmp_path):
    folder = tmp_path / "altered"
    shutil.copytree(MODEL, folder)
    with open(folder / "weights.pt", "ab") as weights:
        weights.write(b"\0")
    answer = shell("models", "verify", folder)
    assert answer.returncode == 5 and "altered" in answer.stderr


def test_another_resources_folder_is_named_by_the_environment(tmp_path):
    for folder in (MODEL, THESIS_MODEL):
        shutil.copytree(folder, tmp_path / "Models" / folder.name)
    answer = shell("models", "list", "--json", FAANOMALY_RESOURCES=str(tmp_path))
    assert {row["name"]: (row["kind"], row["sha256"]) for row in json.loads(answer.stdout)} == {
        MODEL.name: ("inpainter", manifest(MODEL)["sha256"]),
        THESIS_MODEL.name: ("thesis", manifest(THESIS_MODEL)["sha256"]),
    }
    assert shell("models", "delete", MODEL.name, "--yes", FAANOMALY_RESOURCES=str(tmp_path)).returncode == 0
    assert os.listdir(tmp_path / "Models") == [THESIS_MODEL.name]
    refused = shell("models", "list", FAANOMALY_RESOURCES=str(tmp_path / "absent"))
    assert refused.returncode == 5 and "FAANOMALY_RESOURCES" in refused.stderr


def test_the_engine_reads_no_other_variable_of_its_own():
    import re

    found = {
        word
        for folder in ("FAAnomaly", "FAAnomalyLib")
        for path in (ROOT / folder).rglob("*.py")
        for word in re.findall(r"[\"'](FAANOMALY_[A-Z_]+)[\"']", path.read_text(encoding="utf-8"))
    }
    assert found == {"FAANOMALY_RESOURCES"}


def test_a_synthetic_brain_is_three_files(tmp_path, one_thread):
    assert (
        shell_in_this_process(
            "sample", "-o", tmp_path, "--model", MODEL, "--steps", "1", "--plant", "-0.3", "--device", "cpu"
        )
        == 0
    )
    assert sorted(os.listdir(tmp_path)) == ["sample_fa.nii.gz", "sample_healthy.nii.gz", "sample_truth.nii.gz"]


def training_words(folder: Path) -> list:
    """The command of a training of one step in *folder*, on one person."""
    (folder / "data").mkdir()
    shutil.copy(PEOPLE / "B_FA.nii.gz", folder / "data")
    paths = ["train", folder / "data", "-o", folder / "run", "--template", MODEL / "Template"]
    return [*paths, "--steps", "1", "--batch", "1", "--widths", "8", "8", "8", "--device", "cpu"]


def test_training_leaves_what_it_left_and_goes_on_from_it(tmp_path, one_thread, capfd):
    torch = pytest.importorskip("torch")
    words = training_words(tmp_path)
    assert shell_in_this_process(*words) == 0
    run = tmp_path / "run"
    assert sorted(os.listdir(run)) == ["checkpoint.pt", "log.csv", "model", "prepared"]
    assert sorted(os.listdir(run / "model")) == ["MODEL_CARD.md", "Template", "manifest.json", "weights.pt"]
    assert sorted(os.listdir(run / "model" / "Template")) == TEMPLATE_FILES
    assert (run / "log.csv").read_text().splitlines()[0] == "step,squared_error,seconds_per_step,held_out_rmse_fa"
    told = manifest(run / "model")
    assert sorted(told.pop("training")) == ["held_out", "people", "recipe", "seed", "steps", "volumes"]
    assert sorted(told) == ["format", "grid", "network", "schedule", "sha256", "template_sha256"]
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    assert sorted(state) == [
        "ancestor",
        "average",
        "computed",
        "data",
        "epoch_errors",
        "network",
        "optimizer",
        "recipe",
        "running",
        "seed",
        "step",
    ]
    assert list(json.loads(state["recipe"])) == sorted([*RECIPE, *RECIPE_SINCE]) and sorted(state["data"]) == [
        "held_out",
        "template",
        "training",
    ]
    with np.load(next((run / "prepared").iterdir()), allow_pickle=False) as prepared:
        kinds = {name: str(array.dtype) for name, array in prepared.items()}
    assert_same(PREPARED, kinds, "the arrays of a prepared subject")
    assert shell_in_this_process(*words) == 0 and "resumed at step 1" in capfd.readouterr().err
