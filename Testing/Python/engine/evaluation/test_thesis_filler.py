"""The thesis network fills one hole as the listings say; the tiny recipe makes a model that the methods open."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from FAAnomalyLib.cli.application import main
from FAAnomalyLib.cli.commands.evaluate_thesis import thesis_networks
from FAAnomalyLib.diffusion.noise_schedule import linear_schedule
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.experiments.design import chosen_tables
from FAAnomalyLib.evaluation.experiments.laboratory import Equipment, Laboratory
from FAAnomalyLib.evaluation.experiments.results import (
    StoredExperiment,
    experiment_facts,
    read_experiment,
    store_experiment,
    write_figures,
    write_html,
    write_tables,
)
from FAAnomalyLib.evaluation.experiments.thesis_experiment import ExperimentDesign, ThesisExperiment
from FAAnomalyLib.evaluation.experiments.units import UnitStore
from FAAnomalyLib.evaluation.methods.choices import chosen_methods
from FAAnomalyLib.evaluation.methods.method_model import check_model
from FAAnomalyLib.evaluation.methods.score_map import ScoreMap
from FAAnomalyLib.evaluation.methods.thesis_model import SAMPLING, find_thesis_model
from FAAnomalyLib.evaluation.thesis.network import ThesisFiller
from FAAnomalyLib.models.checkpoints import save_model
from FAAnomalyLib.models.registry import find_model
from FAAnomalyLib.networks.registry import build_network
from FAAnomalyLib.training.export import MODEL
from support.fakes.random_nets import randomise

CONFIG = {"kind": "thesis", "conditional": True, "widths": [8, 8, 8, 8, 8]}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thesis")
    network = randomise(build_network(CONFIG), spread=0.5)
    grid = {"shape": [128] * 3, "spacing_mm": 1.25}
    save_model(folder, network.state_dict(), {"network": CONFIG, "schedule": linear_schedule().to_dict(), "grid": grid})
    return folder


@pytest.fixture
def brain():
    return np.random.default_rng(0).random((48, 32, 32), dtype=np.float32)


def cube(at: int, edge: int = 4) -> np.ndarray:
    hole = np.zeros((48, 32, 32), bool)
    hole[at : at + edge, 14 : 14 + edge, 14 : 14 + edge] = True
    return hole


@pytest.mark.slow
def test_a_hole_is_generated_without_a_look_inside_beside_the_condition(model, brain):
    filler, hole = ThesisFiller(model, steps=2, windowed=False, device="cpu"), cube(20)
    filled = filler.fill(brain, hole, seed=1)
    assert np.array_equal(filled[~hole], brain[~hole]) and filled.min() >= 0 and filled.max() <= 1
    assert not np.array_equal(filled[hole], brain[hole])
    hidden = np.where(hole & (brain > 0.2), 0.9, brain).astype(np.float32)  # the same white matter
    assert np.array_equal(filler.fill(hidden, hole, seed=1)[hole], filled[hole])
    assert not np.array_equal(filler.fill(brain, hole, seed=2)[hole], filled[hole])


def test_a_window_holds_the_hole_and_holes_are_filled_apart(model, brain):
    filler, holes = ThesisFiller(model, steps=2, windowed=True, device="cpu"), [cube(4), cube(40)]
    box = filler.window(holes[1])
    assert holes[1][box].sum() == holes[1].sum() and all((s.stop - s.start) % 16 == 0 for s in box)
    both = filler.fill_each(brain, holes, seed=1)
    other = np.where(holes[1], 0.9, brain).astype(np.float32)
    far = filler.fill_each(np.where(holes[1] & (brain > 0.2), other, brain), holes, seed=1)
    assert np.allclose(far[holes[0]], both[holes[0]], atol=1e-6)
    assert torch.is_inference_mode_enabled() is False


@pytest.mark.slow
def test_an_experiment_goes_from_maps_to_tables_and_a_rerun_computes_nothing(model, subjects, tmp_path, monkeypatch):
    networks = tmp_path / "network"
    networks.mkdir()
    shutil.copytree(model, networks / MODEL)
    (networks / SAMPLING).write_text(json.dumps({"steps": 1, "windowed": True}))

    def nothing(laboratory, method, subject, case, thresholds):
        volume = laboratory.bench.planted(subject, case).volume
        empty = np.zeros(volume.shape, np.float32)
        return ScoreMap(volume, empty, volume.data, empty > 0).at((1.0, 1.0))

    monkeypatch.setattr(Laboratory, "_scored", nothing)
    design = ExperimentDesign(
        chosen_tables(["thesis-3.1"]), subjects[:1], subjects[2:], networks={"conditional": networks}, device="cpu"
    )
    rows = ThesisExperiment(design, tmp_path / "out").run()
    assert [row.kind for row in rows].count("hole") == 6 == [row.kind for row in rows].count("brain")
    facts = experiment_facts(design, {}, [], "today")
    stored = StoredExperiment(facts, {"a1": "A"}, ("3.1",), tuple(rows))
    store_experiment(stored, tmp_path / "out")
    assert read_experiment(tmp_path / "out") == stored
    text = write_tables(stored, tmp_path / "out")
    assert text.count("| 1, 1 |") == 6 and "0.00 / 0.00" in text
    drawn = write_figures(stored, tmp_path / "out")
    assert set(drawn) == {"3.18", "3.19", "3.26", "3.27"}
    write_html(stored, tmp_path / "out", drawn)
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").count("<img") == 4

    average = replace(subjects[2], name="average", person="template")
    people = {subject.name: subject for subject in (*subjects, average)}
    units = Laboratory(Equipment(people, {}, (), "default", "cpu", 0), UnitStore(tmp_path)).healthy_units("any")
    assert [unit.subject for unit in units] == ["a1", "b1"], "one map of each person, no population average"

    def forbidden(laboratory, unit):
        raise AssertionError(unit)

    monkeypatch.setattr(Laboratory, "compute", forbidden)
    assert ThesisExperiment(design, tmp_path / "out").run() == rows


def test_networks_of_both_commands_are_taken(model, tmp_path):
    """Of ``train --recipe``: run folder and model folder; of ``train --method``: with steps of its own."""
    run, method = tmp_path / "run", tmp_path / "method"
    for folder in (run, method):
        shutil.copytree(model, folder / MODEL)
    (method / SAMPLING).write_text(json.dumps({"steps": 3, "windowed": True}))
    found = [find_thesis_model(folder) for folder in (model, run, method)]
    assert [(one.steps, one.windowed, one.voxels) for one in found] == [(1000, False, 128)] * 2 + [(3, True, 128)]
    assert thesis_networks([str(run)]) == {"conditional": run} and found[0].sha256 == found[1].sha256
    with pytest.raises(FAError, match="both hold a conditional network"):
        thesis_networks([str(run), str(model)])
    with pytest.raises(FAError, match="network of the kind inpainter"):
        thesis_networks([str(find_model())])
    (choice,) = chosen_methods(f"thesis-conditional-ddpm={run}", {"ann"})
    assert choice.model == run and check_model(run, choice.entry) is None
    with pytest.raises(FAError, match="no fitted method"):
        chosen_methods(f"thesis-unconditional-ddpm={run}", {"ann"})


def test_a_folder_without_a_thesis_network_is_refused_in_one_line(tmp_path, capsys):
    with pytest.raises(FAError, match="no thesis network"):
        thesis_networks([str(tmp_path)])
    for words in (
        ["evaluate", "--experiment", "thesis"],
        ["evaluate", str(tmp_path), "-o", str(tmp_path / "out"), "--quick"],
        ["evaluate", "--experiment", "thesis-3.11", "--data", str(tmp_path)],
        ["figures", "3.1", "-r", str(tmp_path)],
        ["figures", "9.9"],
        ["detect", "x.nii.gz", "-o", str(tmp_path / "out"), "--method", "template-z-map"],
        ["train", str(tmp_path), "-o", str(tmp_path / "m"), "--method", "no-such-method"],
    ):
        assert main(words) in (2, 5)
        error = capsys.readouterr().err
        assert error.startswith("faanomaly: ") and error.count("\n") == 1, (words, error)
