"""The shell: commands, options, exit statuses, and what a run leaves behind."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from support.drivers.public_faces import (
    DATA,
    HEAD,
    MODEL,
    REGION,
    ROI,
    assert_as_stored,
    assert_same,
    command_options,
    key_paths,
    printed_json,
    shell,
    shell_in_this_process,
    stored,
)

RESULT_FILES = [
    "difference.nii.gz",
    "pseudo_healthy.nii.gz",
    "regions.csv",
    "report.html",
    "result.json",
    "segmentation.nii.gz",
    "z_map.nii.gz",
]
COLUMNS = [
    "label",
    "sign",
    "voxels",
    "volume_ml",
    "peak_z",
    "mean_z",
    "mean_difference",
    "mean_difference_sd",
    "centroid_r",
    "centroid_a",
    "centroid_s",
    "peak_r",
    "peak_a",
    "peak_s",
]
RUNS = {
    "whole": ["detect", HEAD, "--mask-size", "32"],
    "region": ["detect", HEAD, "--region", REGION, "--no-report"],
    "roi": ["inpaint", HEAD, "--roi", ROI, "--no-report", "--sampler", "dpm++", "--steps", "2"],
}
EXACT = ("request", "model", "input_sha256", "passes", "network_evaluations", "drawn_ml", "calibration", "threshold_z")


@pytest.fixture(scope="module")
def runs(tmp_path_factory, one_thread) -> Path:
    """The folder with a folder of results for each of :data:`RUNS`."""
    folder = tmp_path_factory.mktemp("runs")
    for name, words in RUNS.items():
        assert shell_in_this_process(*words, "--model", MODEL, "-o", folder / name, "--device", "cpu") == 0
    return folder


@pytest.fixture(scope="module")
def options(one_thread) -> dict:
    return command_options()


def test_commands_options_choices_and_defaults(options):
    assert_as_stored("commands", options)


@pytest.mark.parametrize("command", [None, "detect", "evaluate"])
def test_help_tells_of_every_option(command, options, capsys):
    assert shell_in_this_process(*filter(None, [command, "--help"])) == 0
    printed = capsys.readouterr()
    words = [word for one in options[command or "program"].values() for word in one.get("words", "").split()]
    words += [] if command else options["commands"]
    assert [word for word in words if word not in printed.out] == [] and not printed.err


def test_the_version_is_printed(capsys):
    assert shell_in_this_process("--version") == 0
    assert re.fullmatch(r"faanomaly \d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("status", "names", "words"),
    [
        (2, "", []),
        (2, "--output", ["detect", HEAD]),
        (5, "no-such-model", ["models", "verify", "no-such-model"]),
    ],
)
def test_a_refusal_is_one_line_and_a_status(status, names, words):
    answer = shell(*words)
    assert answer.returncode == status, answer.stderr
    assert answer.stderr.startswith("faanomaly: ") and answer.stderr.count("\n") == 1 and names in answer.stderr
    assert not answer.stdout


@pytest.mark.parametrize(
    ("status", "names", "words"),
    [
        (2, "dance", ["dance"]),
        (2, "--mask-size", ["detect", HEAD, "--mask-size", "7"]),
        (2, "--region", ["inpaint", HEAD]),
        (2, "--roi", ["detect", HEAD, "--region", REGION, "--roi", ROI]),
        (2, "loud", ["detect", HEAD, "--threshold", "loud"]),
        (2, "steps", ["detect", HEAD, "--sampler", "dpm++", "--steps", "1001"]),
        (2, "mean", ["detect", HEAD, "--steps", "5"]),
        (2, "absent.nii.gz", ["detect", "absent.nii.gz", "--model", MODEL]),
        (2, "people.csv", ["detect", DATA / "people.csv", "--model", MODEL]),
        (5, "no-such-model", ["detect", HEAD, "--model", "no-such-model"]),
        (5, "ALTERED", ["detect", HEAD, "--model", "ALTERED"]),
        (5, "UNCALIBRATED", ["detect", HEAD, "--model", "UNCALIBRATED"]),
        (2, "absent", ["train", "absent"]),
        (2, "absent", ["evaluate", "absent"]),
        (2, "--settings", ["evaluate", "absent", "--experiment", "thesis-3.9", "--settings"]),
        (2, "absent", ["template", "absent", "--target", HEAD]),
        (2, "absent", ["calibrate", "absent", "--folds", DATA / "folds.csv"]),
        (2, "steps", ["sample", "--steps", "0"]),
    ],
)
def test_an_error_is_the_last_line_and_a_status(status, names, words, tmp_path, one_thread, capfd):
    damaged = {"ALTERED": "weights.pt", "UNCALIBRATED": "calibration.npz"}
    for folder in (tmp_path / word for word in words if word in damaged):
        shutil.copytree(MODEL, folder)
        content = bytearray((folder / damaged[folder.name]).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / damaged[folder.name]).write_bytes(content)
    words = [tmp_path / word if word in damaged else word for word in words]
    assert shell_in_this_process(*words, "-o", tmp_path / "out") == status
    printed = capfd.readouterr()
    *progress, error = printed.err.splitlines()
    assert error.startswith("faanomaly: ") and names in error and not printed.out
    assert all(re.match(r" *\d+ %  ", line) for line in progress), printed.err
    assert not (tmp_path / "out").exists()


def test_the_json_that_is_printed_has_the_keys_that_it_had(one_thread):
    printed = printed_json()
    # Declared since: the report's pictures need it, and always did.
    printed["doctor"].pop("packages.Pillow")
    assert_as_stored("printed", printed)


@pytest.mark.parametrize("name", RUNS)
def test_a_run_leaves_the_files_that_it_left(runs, name):
    assert set(os.listdir(runs / name)) >= set(RESULT_FILES)
    for word in ("pseudo_healthy", "difference", "z_map", "segmentation"):
        assert (runs / name / f"{word}.nii.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert (runs / name / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", RUNS)
def test_result_json_has_the_keys_that_it_had(runs, name):
    told = json.loads((runs / name / "result.json").read_text(encoding="utf-8"))
    assert_same(key_paths(stored(f"result_{name}")), key_paths(told), f"the keys of result.json ({name})")


@pytest.mark.parametrize("name", RUNS)
def test_a_run_finds_what_it_found(runs, name):
    before = stored(f"result_{name}")
    told = json.loads((runs / name / "result.json").read_text(encoding="utf-8"))
    request = {**told["request"], "output": name, "model": Path(told["request"]["model"]).name}
    assert_same(
        {key: before[key] for key in EXACT},
        {key: told[key] for key in EXACT} | {"request": {key: request[key] for key in before["request"]}},
        f"result.json ({name})",
    )
    assert told["registration"]["method"] == before["registration"]["method"]
    assert told["registration"]["correlation"] == pytest.approx(before["registration"]["correlation"], abs=0.005)
    assert told["hidden_share"] == pytest.approx(before["hidden_share"], abs=0.005)
    # Other processors add up in another order, and some compute in half precision.
    strongest, was = told["regions"][0], before["regions"][0]
    assert strongest["sign"] == was["sign"] and strongest["voxels"] == pytest.approx(was["voxels"], rel=0.1)
    # The template that fills a candidate is warped otherwise since then, which moves the change by some hundredths.
    for key, tolerance in (("peak_z", 0.1), ("mean_z", 0.1), ("mean_difference", 0.08)):
        assert strongest[key] == pytest.approx(was[key], rel=tolerance), key
    assert strongest["centroid_ras"] == pytest.approx(was["centroid_ras"], abs=1.0)


@pytest.mark.parametrize("name", RUNS)
def test_the_table_of_regions_has_the_columns_that_it_had(runs, name):
    with open(runs / name / "regions.csv", newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS and rows[0]["side_known"] == "true"
    with open(DATA / f"regions_{name}.csv", newline="", encoding="utf-8") as lines:
        before = list(csv.DictReader(lines))
    assert list(before[0]) == COLUMNS and rows[0]["sign"] == before[0]["sign"] == "decreased"


@pytest.mark.slow
def test_an_interrupted_run_keeps_its_passes_and_goes_on(tmp_path, one_thread, capfd):
    words = [
        "detect",
        HEAD,
        "--model",
        MODEL,
        "--mask-size",
        "32",
        "-o",
        tmp_path,
        "--sampler",
        "ddpm",
        "--steps",
        "4",
        "--device",
        "cpu",
        "--no-report",
        "--json",
    ]
    over = threading.Event()

    def interrupt() -> None:
        while not over.is_set():
            if len(list(tmp_path.glob(".passes/*/*.npy"))) > 1:
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.005)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    status = shell_in_this_process(*words)
    over.set()
    watcher.join()
    printed = capfd.readouterr()
    assert status == 4 and printed.err.splitlines()[-1].startswith("faanomaly: ") and not printed.out
    kept = sorted(path.relative_to(tmp_path / ".passes").parts for path in tmp_path.glob(".passes/*/*.npy"))
    assert {name for _, name in kept} >= {"0.npy"} and len({folder for folder, _ in kept}) == 1
    assert os.listdir(tmp_path) == [".passes"]
    assert shell_in_this_process(*words, "--resume") == 0
    told = json.loads(capfd.readouterr().out)
    # Four steps, and one evaluation more for the variance, where the mean takes one.
    whole = 5 * (8 + 1)
    assert told["network_evaluations"] == whole - 5 * len(kept) and set(os.listdir(tmp_path)) >= set(RESULT_FILES)
