"""Folders of folds: everybody's holds a template without them, and weights that have not seen them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from FAAnomalyLib.anomaly.calibration_file import CALIBRATION_FILE
from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.datasets.folds import read_folds
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.models.manifest import WEIGHTS, read_manifest
from FAAnomalyLib.pipeline.loaded_model import OWN_TEMPLATE, open_model
from FAAnomalyLib.preprocessing.template import load_template
from FAAnomalyLib.training.calibration_fit import install
from FAAnomalyLib.training.fold_folders import copy_weights, has_weights, write_folds
from FAAnomalyLib.training.template_building import PeopleAverage, save_template
from support.phantoms import tiny_brain as tb
from support.phantoms import tiny_training

PEOPLE = ("A", "B", "C")


def contribution(seed: int) -> np.ndarray:
    """A head and its mirror image, seen whole."""
    known = tiny_training.template()
    fa, inside = tiny_training.head(tb.SHAPE, known.fa.affine, seed)
    one = np.stack([fa, fa > 0.35, inside, inside | True]).astype(np.float32)
    return one + one[:, ::-1]


@pytest.fixture(scope="module")
def average() -> PeopleAverage:
    affine = tiny_training.template().fa.affine
    return PeopleAverage(affine, {name: contribution(seed) for seed, name in enumerate(PEOPLE, 1)}, False)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Calibrated, and trained on B's second map."""
    folder = tb.save(tmp_path_factory.mktemp("model"), ("b2_FA.nii.gz",))
    install(tb.calibration(), folder, ["a_FA.nii.gz"])
    return folder


def subjects(folder) -> list[CohortSubject]:
    files = (("a", "A"), ("b", "B"), ("b2", "B"), ("c", "C"))
    return [CohortSubject.from_file(folder / f"{name}_FA.nii.gz", person) for name, person in files]


def test_everybody_has_the_template_without_them(average, tmp_path):
    table = write_folds(average, subjects(tmp_path), tmp_path / "folds")
    folds = read_folds(table)
    assert set(folds) == set(PEOPLE) and all(not has_weights(folder) for folder in folds.values())
    for name, folder in folds.items():
        found, expected = load_template(folder / OWN_TEMPLATE), average.template(without=(name,))
        np.testing.assert_allclose(found.priors.fa, expected.priors.fa, atol=6e-4)
        others = [load_template(folds[other] / OWN_TEMPLATE).sha256 for other in PEOPLE if other != name]
        assert found.sha256 not in others


def test_weights_are_for_those_whom_they_have_not_seen_and_name_their_template(average, model, tmp_path):
    folds = read_folds(write_folds(average, subjects(tmp_path), tmp_path / "folds", model))
    # Another map of the same person counts.
    assert {name: has_weights(folder) for name, folder in folds.items()} == {"A": True, "B": False, "C": True}
    assert not (folds["B"] / WEIGHTS).exists()
    for name in "AC":
        manifest = read_manifest(folds[name])
        assert manifest["template_sha256"] == load_template(folds[name] / OWN_TEMPLATE).sha256
        assert manifest["template_sha256"] != read_manifest(model)["template_sha256"]
        assert "calibration" not in manifest and not (folds[name] / CALIBRATION_FILE).exists()
        assert manifest["training"] == read_manifest(model)["training"]
        assert (folds[name] / WEIGHTS).read_bytes() == (model / WEIGHTS).read_bytes()
        opened = open_model(str(folds[name]), "cpu")
        assert opened.calibration.people == 0 and opened.template.sha256 == manifest["template_sha256"]


def test_weights_are_copied_without_the_calibration_and_the_model_stays_as_it_is(model, tmp_path):
    before = {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}
    save_template(tiny_training.template(), tmp_path / OWN_TEMPLATE)
    copy_weights(model, tmp_path)
    assert json.loads(before["manifest.json"])["calibration"] and "calibration" not in read_manifest(tmp_path)
    assert before == {path.name: path.read_bytes() for path in model.iterdir() if path.is_file()}


def test_of_one_person_nothing_is_left(average, tmp_path):
    alone = PeopleAverage(average.affine, {"A": average.people["A"]}, False)
    with pytest.raises(FAError, match="without its only person is empty") as caught:
        write_folds(alone, subjects(tmp_path)[:1], tmp_path / "folds")
    assert caught.value.code == "bad-request" and not (tmp_path / "folds").exists()
    with pytest.raises(ValueError, match="at least one person"):
        alone.template(without=("A",))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "default"], "--model is of use with --cross only. Give --cross FOLDER, or leave it out"),
        (["--rounds", "0"], "--rounds 0 makes no template. Give 1 or more"),
        (["--rounds", "-1", "--cross", "folds"], "--rounds -1 makes no template"),
        (["--cross", "folds", "--model", "no such model"], "There is no model 'no such model'"),
    ],
)
def test_the_command_refuses_before_it_begins(words, told, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    status = cli.main(["template", "data", "-o", "out", "--target", "absent.nii.gz", *words])
    error = capsys.readouterr().err
    assert status == (5 if "no such" in told else 2) and told in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists() and not (tmp_path / "folds").exists()
