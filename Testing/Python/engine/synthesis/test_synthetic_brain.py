"""``faanomaly sample``: nobody's brain, with an anomaly that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.evaluation.planting.truth import healthy_reference
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.loaded_model import open_model
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.synthesis.synthetic_brain import sample_brain
from FAAnomalyLib.volume import Volume
from support.fakes import stand_in

pytestmark = pytest.mark.slow

CHANGE, DIAMETER = -0.2, 24.0


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """On a coarse grid."""
    return str(stand_in.make(tmp_path_factory.mktemp("model") / "coarse", spread=0.02, spacing=4.0))


@pytest.fixture(scope="module")
def planted(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "Probe é"
    assert (
        cli.main(
            [
                "sample",
                "-o",
                str(folder),
                "--model",
                model,
                "--seed",
                "3",
                "--steps",
                "2",
                "--device",
                "cpu",
                "--plant",
                str(CHANGE),
                "--diameter-mm",
                str(DIAMETER),
            ]
        )
        == 0
    )
    return folder


def read(folder: Path, name: str) -> Volume:
    return load_volume(folder / f"sample_{name}.nii.gz")[0]


def test_what_was_planted_is_the_truth_and_nothing_else_differs(planted):
    brain, healthy, truth = (read(planted, name) for name in ("fa", "healthy", "truth"))
    assert brain.same_geometry(healthy) and brain.same_geometry(truth)
    inside = truth.data > 0.5
    np.testing.assert_array_equal(brain.data[~inside], healthy.data[~inside])
    np.testing.assert_allclose(brain.data[inside], np.clip(healthy.data[inside] + CHANGE, 0.0, 1.0), atol=1e-6)
    assert brain.data.min() >= 0.0 and brain.data.max() <= 1.0
    places = np.argwhere(inside) @ brain.affine[:3, :3].T
    assert np.linalg.norm(places - places.mean(axis=0), axis=1).max() <= DIAMETER / 2 + 4.0


def test_the_truth_is_white_matter_of_the_brain_that_was_drawn(planted, model):
    """Not of the template that it began as."""
    white = healthy_reference(prepare(read(planted, "healthy"), open_model(model, "cpu").template)).white_matter
    truth = read(planted, "truth").data > 0.5
    assert truth.sum() >= 10 and not (truth & ~white).any()


def test_a_seed_decides_the_brain(planted, model):
    engine = open_model(model, "cpu")
    again, other = (sample_brain(engine.inpainter, engine.template, seed, steps=2) for seed in (3, 4))
    healthy = read(planted, "healthy")
    np.testing.assert_allclose(again.data, healthy.data, atol=1e-6)
    np.testing.assert_allclose(again.affine, healthy.affine, atol=1e-4)
    both = (other.data > 0) & (again.data > 0)
    assert np.abs(other.data - again.data)[both].mean() > 0.02 and np.abs(other.affine - again.affine).max() > 0.01


def test_without_a_plan_the_brain_stands_alone(model, tmp_path):
    assert cli.main(["sample", "-o", str(tmp_path), "--model", model, "--steps", "1", "--device", "cpu"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["sample_fa.nii.gz"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--plant", "0"], "cannot be planted"),
        (["--plant", "-1.5"], "between 0 and 1"),
        (["--plant", "nan"], "planted"),
        (["--plant", "-0.3", "--diameter-mm", "0"], "at most 80 mm"),
        (["--plant", "-0.3", "--diameter-mm", "nan"], "at most 80 mm"),
        (["--steps", "0"], "from 1 to 1000"),
    ],
)
def test_what_cannot_be_drawn_is_told_before_anything_is(wrong, said, tmp_path, capsys):
    assert cli.main(["sample", "-o", str(tmp_path / "out"), *wrong]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
