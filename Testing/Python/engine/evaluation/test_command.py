"""``faanomaly evaluate`` at the shell: whose model scores whom, what is refused, what is printed."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest
import torch

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.methods import detector as methods_module
from FAAnomalyLib.evaluation.methods.detector import (
    DetectorMethod,
    DetectorMethods,
    folds_for,
    seen_in_training,
    whole_brain_request,
)
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.preprocessing.template import on_grid
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.result import Result
from FAAnomalyLib.volume import Volume
from support.fakes import fake_model
from support.phantoms import synthetic_brain as sb


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    shape, affine = sb.grid((4.5, 4.5, 4.5))
    for seed, name in enumerate(("one", "two")):
        save_volume(sb.brain(shape, affine, seed=seed), folder / f"{name}_FA.nii.gz")
    return folder


class Silent:
    """Methods that detect nothing, in place of the detector's."""

    identity = "silent"

    def __init__(self, model, folds, device, cancel, work, holes) -> None:
        self.folds = folds

    def method_for(self, subject):
        return self

    def template_for(self, subject):
        return on_grid(sb.template(), (40, 48, 40), 4.0)

    def model_of(self, subject):
        return sb.resources_dir() / "Models" / "inpainter"

    def score(self, volume):
        nothing = volume.with_data(np.zeros(volume.shape, np.float32))
        return Result(volume, volume, nothing, nothing, volume.with_data(np.zeros(volume.shape, np.uint8)))


@pytest.fixture
def silent(aligned, monkeypatch):
    monkeypatch.setattr(methods_module, "DetectorMethods", Silent)


def test_a_signal_stops_a_method_between_two_layers_of_its_own_network(silent, data, tmp_path, capsys, monkeypatch):
    ran = []

    class Layer(torch.nn.Module):
        def forward(self, x):
            ran.append(1)
            os.kill(os.getpid(), signal.SIGINT)
            return x

    network = torch.nn.Sequential(Layer(), Layer())
    monkeypatch.setattr(Silent, "score", lambda self, volume: network(torch.zeros(1)))
    assert cli.main(["evaluate", str(data), "-o", str(tmp_path / "out"), "--methods", "harmonic-fill"]) == 4
    assert len(ran) == 1 and capsys.readouterr().err.splitlines()[-1].startswith("faanomaly: Cancelled")


@pytest.mark.slow
def test_the_table_is_printed_and_written(silent, data, tmp_path, capsys):
    people = tmp_path / "people.csv"
    people.write_text("file,person\none,A\ntwo,A\n")
    out = tmp_path / "out"
    assert (
        cli.main(
            [
                "evaluate",
                str(data),
                "-o",
                str(out),
                "--people",
                str(people),
                "--diameters",
                "8",
                "--changes",
                "-0.2",
                "--places",
                "1",
                "--subjects",
                "one",
            ]
        )
        == 0
    )
    printed = capsys.readouterr().out
    assert "| FAAnomaly | sphere 8 (10 mm) | -0.2 | 0.00 |" in printed and "One person" in printed
    assert (out / "table.md").read_text() in printed
    stored = json.loads((out / "evaluation.json").read_text())
    assert stored["protocol"] == {"diameters": [8], "changes": [-0.2], "places": 1, "seed": 0}
    assert {row["person"] for row in stored["planted_rows"]} == {"A"} and set(stored["model_sha256"]) == {"one"}
    leak = [row["leak"] for row in stored["planted_rows"] if row["method"] == "FAAnomaly"]
    assert leak == [pytest.approx(1.0, abs=1e-5)], "this method returns its input"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["DATA", "-o", "OUT", "--places", "0"], "--places 0 is below 1"),
        (["DATA", "-o", "OUT", "--changes", "2"], "from -1 to 1"),
        (["DATA", "-o", "OUT", "--changes", "0"], "from -1 to 1"),
        (["DATA", "-o", "OUT", "--diameters", "0"], "diameter"),
        (["DATA", "-o", "OUT", "--subjects", "three"], "There is no subject three"),
        (["DATA", "-o", "OUT", "--folds", "f.csv", "--model", "m"], "Give one of them"),
        (["DATA", "-o", "OUT", "--folds", "absent.csv"], "absent.csv cannot be read"),
        (["DATA", "-o", "OUT", "--lesions", "absent"], "no lesion shapes in absent"),
        (["ABSENT", "-o", "OUT"], "There is no folder"),
        (["DATA"], "--output"),
    ],
)
def test_what_cannot_be_is_one_line(silent, data, tmp_path, capsys, words, says):
    places = {"DATA": str(data), "OUT": str(tmp_path / "out"), "ABSENT": str(tmp_path / "absent")}
    assert cli.main(["evaluate", *(places.get(word, word) for word in words)]) == 2
    printed = capsys.readouterr()
    assert says in printed.err and printed.err.count("\n") == 1 and not printed.out
    assert not (tmp_path / "out").exists()


def test_folds_are_read_from_beside_the_table(tmp_path):
    (tmp_path / "fold1" / "model").mkdir(parents=True)
    table = tmp_path / "folds.csv"
    table.write_text("person,model\nA,fold1/model\nB,/elsewhere\n")
    assert {k: str(v) for k, v in folds_for(table, {"A", "B"}).items()} == {
        "A": str(tmp_path / "fold1" / "model"),
        "B": "/elsewhere",
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("person,model\nA,m\n", "names no model for B"),
        ("person\nA\n", "cannot be used"),
        ("who,model\nA,m\nB,m\n", "cannot be used"),
    ],
)
def test_everybody_needs_a_fold(tmp_path, content, says):
    (tmp_path / "folds.csv").write_text(content)
    with pytest.raises(FAError, match=says):
        folds_for(tmp_path / "folds.csv", {"A", "B"})


def fold(resources, name, trained_on, part="training"):
    folder = fake_model.make(resources, name)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, part: {"volumes": trained_on}}))
    return folder


def test_each_person_is_scored_by_their_own_model(tmp_path):
    folds = {"A": fold(tmp_path, "without-A", ["b_FA.nii.gz"]), "B": fold(tmp_path, "without-B", ["a_FA.nii.gz"])}
    methods = DetectorMethods("default", folds, "cpu")
    a, b = (CohortSubject(name, name.upper(), tmp_path / f"{name}_FA.nii.gz") for name in "ab")
    assert methods.model_of(a) == folds["A"] and methods.model_of(b) == folds["B"]
    assert methods.method_for(a).identity != methods.method_for(b).identity
    assert methods.method_for(a).identity == methods.method_for(a).identity
    assert seen_in_training([a, b], [a, b], methods.model_of) == []


@pytest.mark.parametrize("part", ["training", "calibration"])
def test_another_volume_of_the_same_person_is_no_stranger(tmp_path, part):
    model = fold(tmp_path, "m", ["a2_FA.nii.gz"], part)
    a1, a2, b = (
        CohortSubject(name, person, tmp_path / f"{name}_FA.nii.gz")
        for name, person in (("a1", "A"), ("a2", "A"), ("b", "B"))
    )
    assert seen_in_training([a1, b], [a1, a2, b], lambda subject: model) == [a1]
    own = [CohortSubject(s.name, s.name, s.path) for s in (a1, a2, b)]
    assert seen_in_training([own[0]], own, lambda subject: model) == []


@pytest.mark.parametrize("part", ["training", "calibration"])
def test_a_fold_that_has_seen_its_person_is_refused(silent, data, tmp_path, capsys, monkeypatch, part):
    model = fold(tmp_path, "m", ["one_FA.nii.gz"], part)
    monkeypatch.setattr(Silent, "model_of", lambda self, subject: model)
    (tmp_path / "folds.csv").write_text(f"person,model\none,{model}\ntwo,{model}\n")
    words = ["evaluate", str(data), "-o", str(tmp_path / "out"), "--folds", str(tmp_path / "folds.csv")]
    assert cli.main(words) == 2
    assert "The model of one was trained or calibrated on the same person" in capsys.readouterr().err


def test_a_model_that_has_seen_somebody_is_told(silent, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Silent, "model_of", lambda self, subject: fold_of_one)
    fold_of_one = fold(tmp_path, "m", ["one_FA.nii.gz"])
    assert cli.main(["evaluate", str(data), "-o", str(tmp_path / "out"), "--diameters"]) == 0
    assert "Not held out: the model was trained or calibrated on one;" in capsys.readouterr().out


class Recorder:
    def detect(self, request, volume=None, cancel=None):
        self.seen = request, volume, cancel
        return "result"


def test_the_detector_gets_the_volume_its_mask_and_its_defaults(tmp_path):
    model, detector = fold(tmp_path, "m", []), Recorder()
    method = DetectorMethod(detector, whole_brain_request(model, "cpu", tmp_path / "mask.nii.gz"), "token")
    volume = Volume(np.zeros((2, 2, 2), np.float32), np.eye(4))
    assert method.score(volume) == "result"
    request, seen, cancel = detector.seen
    assert seen is volume and cancel == "token" and request.model == str(model) and request.device == "cpu"
    assert request.brain_mask == str(tmp_path / "mask.nii.gz")
    assert request.threshold == "auto" and request.region is None and request.roi is None
    assert request.output is None and not request.resume


def test_kept_passes_are_looked_for_and_left_where_they_are(tmp_path):
    detector = Recorder()
    request = whole_brain_request(fold(tmp_path, "m", []), "cpu", None, tmp_path / "work")
    DetectorMethod(detector, request, None).score(None)
    assert detector.seen[0].output == str(tmp_path / "work") and detector.seen[0].resume
    detector.seen[0].check()


def test_how_holes_are_filled_reaches_the_detector_and_is_part_of_a_record(tmp_path):
    model = fold(tmp_path, "m", [])
    holes = DetectRequest(sampler="ddpm", steps=3, mask_type="wm", mask_size=8, noise="simplex", device="cpu")
    methods = DetectorMethods(str(model), None, "cpu", holes=holes)
    methods._detector = detector = Recorder()
    method = methods.method_for(CohortSubject("one", "one", tmp_path / "one_FA.nii.gz"))
    method.score(None)
    seen = detector.seen[0]
    chosen = ("sampler", "steps", "mask_type", "mask_size", "noise", "device")
    assert [getattr(seen, name) for name in chosen] == ["ddpm", 3, "wm", 8, "simplex", "cpu"]
    assert seen.threshold == "auto" and seen.model == str(model)
    plain = DetectorMethods(str(model), None, "cpu").method_for(CohortSubject("one", "one", tmp_path / "one_FA.nii.gz"))
    assert plain.identity != method.identity and len(json.loads(plain.identity)) == 2, "old records stay valid"


def test_holes_that_cannot_be_filled_are_refused_before_any_work(data, tmp_path, capsys):
    assert cli.main(["evaluate", str(data), "-o", str(tmp_path / "out"), "--sampler", "mean", "--steps", "5"]) == 2
    assert "mean" in capsys.readouterr().err and not (tmp_path / "out").exists()
