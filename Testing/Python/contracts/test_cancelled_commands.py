"""SIGINT and SIGTERM end the commands that learn from a cohort at once, and the message says what is kept."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from FAAnomalyLib.cli.application import main
from FAAnomalyLib.cli.signals import stopped_at_once
from FAAnomalyLib.datasets import cohort, folds
from FAAnomalyLib.errors import EXIT_STATUS, FAError
from FAAnomalyLib.preprocessing.interruptible_itk import interruptible
from FAAnomalyLib.runtime.progress import CancelToken
from FAAnomalyLib.training import drawn_regions, healthy_maps, template_building
from FAAnomalyLib.training.calibration_fit import install
from support.phantoms import tiny_brain

EARLIER_MODEL = Path(__file__).resolve().parent / "data" / "tiny_model"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")


def interrupted(number):
    """Stands for minutes of work, in which a signal arrives that nothing looks for."""

    def work(*args, **kwargs):
        os.kill(os.getpid(), number)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            pass
        raise AssertionError("the signal did not end it")

    return work


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def people(monkeypatch):
    person = SimpleNamespace(person="Ann", name="a")
    monkeypatch.setattr(cohort, "find_subjects", lambda *a: [person])
    monkeypatch.setattr(cohort, "split_people", lambda subjects, held_out: (subjects, []))
    monkeypatch.setattr(folds, "read_folds", lambda path: {"Ann": EARLIER_MODEL})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_calibrate_writes_nothing(people, monkeypatch, tmp_path, capsys, number):
    monkeypatch.setattr(healthy_maps, "screen_cohort", interrupted(number))
    monkeypatch.setattr(healthy_maps, "enough_people", lambda names: sorted(names))
    shutil.copytree(EARLIER_MODEL, tmp_path / "model")
    before = files_of(tmp_path / "model")
    cross = tmp_path / "cross"
    words = ["calibrate", tmp_path, "--folds", tmp_path / "folds.csv", "-o", tmp_path / "model", "--cross", cross]
    assert main([str(word) for word in words]) == EXIT_STATUS["cancelled"]
    told = capsys.readouterr().err
    assert "Cancelled" in told and not cross.exists()
    assert before == files_of(tmp_path / "model")
    assert told.count("\n") == 1 and signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_calibrate_regions_only_leaves_the_model_as_it_was(people, monkeypatch, tmp_path, capsys, number):
    monkeypatch.setattr(drawn_regions, "register", interrupted(number))
    monkeypatch.setattr(drawn_regions, "enough_people", lambda names: sorted(names))
    monkeypatch.setattr(drawn_regions, "unseen_model", lambda *a: SimpleNamespace(template=None))
    model = tmp_path / "model"
    tiny_brain.save(model)
    install(tiny_brain.calibration(), model, ["a_FA.nii.gz"])
    before = files_of(model)
    words = ["calibrate", tmp_path, "--folds", tmp_path / "folds.csv", "-o", model, "--regions-only"]
    assert main([str(word) for word in words]) == EXIT_STATUS["cancelled"]
    told = capsys.readouterr().err
    assert f"Cancelled: {model} is as it was. Run the same command again to begin anew" in told
    assert told.count("\n") == 1 and before == files_of(model)


def test_drawing_regions_looks_for_a_cancel_in_registration_and_network(people, monkeypatch):
    """A library call of seconds hears no signal; the token is asked within it."""
    token, layers = CancelToken(), nn.Sequential(nn.ReLU(), nn.ReLU())
    loaded = SimpleNamespace(inpainter=SimpleNamespace(network=layers), template="the model's")
    monkeypatch.setattr(drawn_regions, "enough_people", lambda names: sorted(names))
    monkeypatch.setattr(drawn_regions, "unseen_model", lambda *a: loaded)
    asked = []

    def registered(subject, template, check):
        asked.append((template, check))
        token.cancel()

    monkeypatch.setattr(drawn_regions, "register", registered)
    monkeypatch.setattr(drawn_regions, "healthy_boxes", lambda *a: [layers(torch.zeros(1))])
    person = SimpleNamespace(person="Ann", path=Path("a"))
    with pytest.raises(FAError, match="Cancelled"):
        drawn_regions.draw_in_cohort([person], {}, "cpu", lambda name: None, print, token.check)
    assert asked == [("the model's", token.check)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_registration_is_no_error_of_the_library(number):
    """SimpleITK makes a RuntimeError of what leaves its command, and prints a traceback."""
    token, running, stopped = CancelToken(), [], []
    process = SimpleNamespace(StopRegistration=lambda: stopped.append(True), Abort=None)
    process.AddCommand = lambda event, look: setattr(process, "look", look)

    def check():
        if running:
            os.kill(os.getpid(), number)
        token.check()

    def run():
        running.append(True)
        process.look()

    with stopped_at_once(token), pytest.raises(FAError, match="Cancelled"):
        interruptible(process, run, check)
    assert stopped


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_template_writes_nothing(people, monkeypatch, tmp_path, capsys, number):
    monkeypatch.setattr(template_building, "average_people", interrupted(number))
    target = str(template_building.__file__)
    monkeypatch.setattr("FAAnomalyLib.io.volumes.load_volume", lambda path: (None, []))
    cross = tmp_path / "cross"
    words = ["template", str(tmp_path), "-o", str(tmp_path / "out"), "--target", target, "--cross", str(cross)]
    assert main(words) == EXIT_STATUS["cancelled"]
    assert "Cancelled" in capsys.readouterr().err and not (tmp_path / "out").exists() and not cross.exists()
