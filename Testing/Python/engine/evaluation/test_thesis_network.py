"""A thesis network in methods and experiments: one hole and many, networks of both commands, maps to tables."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from FAAnomalyLib.cli.application import main
from FAAnomalyLib.cli.commands.evaluate_thesis import thesis_networks
from FAAnomalyLib.diffusion.noise_schedule import linear_schedule
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.experiments import thesis_experiment
from FAAnomalyLib.evaluation.experiments.design import MASK_FIGURES, chosen_tables
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
from FAAnomalyLib.evaluation.methods import thesis_ddpm
from FAAnomalyLib.evaluation.methods.choices import chosen_methods
from FAAnomalyLib.evaluation.methods.method_model import check_model
from FAAnomalyLib.evaluation.methods.registry import RegisteredMethod
from FAAnomalyLib.evaluation.methods.score_map import ScoreMap
from FAAnomalyLib.evaluation.methods.thesis_model import find_thesis_model, write_sampling
from FAAnomalyLib.evaluation.methods.thesis_network import ThesisNetwork
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.models.checkpoints import save_model
from FAAnomalyLib.models.registry import find_model
from FAAnomalyLib.networks.registry import build_network
from FAAnomalyLib.training.export import MODEL
from FAAnomalyLib.training.recipes import RECIPES
from support.fakes.random_nets import randomise

CONFIG = {"kind": "thesis", "conditional": True, "widths": [8, 8, 8], "has_attention": [False, False, True]}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thesis")
    return saved(folder)


@pytest.fixture(scope="module")
def windowed(tmp_path_factory):
    """Of a method that was trained on crops."""
    folder = tmp_path_factory.mktemp("windowed")
    saved(folder / MODEL, training={"steps": 7, "volumes": ["a1_FA.nii.gz"], "recipe": {"crop": [32, 32, 32]}})
    write_sampling(folder, steps=2)
    return folder


def saved(folder, **more):
    network = randomise(build_network(CONFIG), spread=0.5)
    grid = {"shape": [128] * 3, "spacing_mm": 1.25}
    manifest = {"network": CONFIG, "schedule": linear_schedule().to_dict(), "grid": grid, **more}
    save_model(folder, network.state_dict(), manifest)
    return folder


@pytest.fixture
def brain():
    return np.random.default_rng(0).random((48, 32, 32), dtype=np.float32)


@pytest.mark.slow
def test_a_hole_is_generated_without_a_look_inside_beside_the_condition(model, brain):
    network = ThesisNetwork(model, "cpu", most_steps=2)
    scan = network.scan(brain)
    cube = scan.cube((20, 14, 14), 4, "cubic")
    filled = network.filled(scan, [cube], seed=1)
    assert np.array_equal(filled[~cube.hole], brain[~cube.hole]) and filled.min() >= 0 and filled.max() <= 1
    assert not np.array_equal(filled[cube.hole], brain[cube.hole])
    hidden = np.where(cube.hole & (brain > 0.2), 0.9, brain).astype(np.float32)  # the same white matter
    assert np.array_equal(network.filled(network.scan(hidden), [cube], seed=1)[cube.hole], filled[cube.hole])
    assert not np.array_equal(network.filled(scan, [cube], seed=2)[cube.hole], filled[cube.hole])
    box = scan.window(cube.hole)
    assert all(one == slice(None) for one in box), "the thesis shows the whole grid"


def test_a_network_of_crops_sees_a_window_and_holes_are_filled_apart(windowed, brain):
    network = ThesisNetwork(windowed, "cpu")
    scan = network.scan(brain)
    cubes = [scan.cube((at, 14, 14), 4, "wm") for at in (4, 40)]
    box = scan.window(cubes[1].hole)
    assert cubes[1].hole[box].sum() == cubes[1].hole.sum() > 0 and all((s.stop - s.start) % 4 == 0 for s in box)
    both = network.filled(scan, cubes, seed=1)
    other = np.where(cubes[1].hole, 0.9, brain).astype(np.float32)
    assert np.array_equal(network.filled(network.scan(other), cubes[:1], seed=1)[cubes[0].hole], both[cubes[0].hole])
    # The draws of a cube do not depend on what was filled before it.
    assert np.array_equal(network.filled(scan, cubes[1:], seed=1)[cubes[1].hole], both[cubes[1].hole])
    assert torch.is_inference_mode_enabled() is False


@pytest.mark.slow
def test_an_experiment_goes_from_maps_to_tables_and_a_rerun_computes_nothing(windowed, subjects, tmp_path, monkeypatch):
    fitted = []

    def nothing(laboratory, method, subject, case, thresholds):
        bench = laboratory.bench
        volume = bench.healthy(subject).volume if case is None else bench.planted(subject, case).volume
        empty = np.zeros(volume.shape, np.float32)
        return ScoreMap(volume, empty, volume.data, empty > 0).at((1.0, 1.0))

    def learn(people, options):
        fitted.append((len(people), options.recipe, options.effort))

    monkeypatch.setattr(Laboratory, "_scored", nothing)
    learner = RegisteredMethod("learner", lambda context: None, fit=learn)
    design = ExperimentDesign(
        chosen_tables(["thesis-3.1"]),
        subjects[:1],
        subjects[1:],
        quick=True,
        trained_in_trial=[learner],
        networks={"conditional": windowed},
        device="cpu",
    )
    rows = ThesisExperiment(design, tmp_path / "out").run()
    assert fitted == [(2, "tiny", 0.1)], "trained for a moment, and once"
    assert [row.kind for row in rows].count("hole") == 6 and [row.kind for row in rows].count("mask") == 4
    brains = [(row.method, row.setting["diameter"], row.setting["change"]) for row in rows if row.kind == "brain"]
    assert sorted(brains) == [("FAAnomaly", 16, 0.2), ("learner", 16, 0.2)], "not in 8, nor smaller changes"
    facts = experiment_facts(design, {}, [], "today")
    stored = StoredExperiment(facts, {"a1": "A"}, ("3.1",), tuple(rows))
    store_experiment(stored, tmp_path / "out")
    assert read_experiment(tmp_path / "out") == stored
    text = write_tables(stored, tmp_path / "out")
    assert text.count("| 1, 1 |") == 6 and "0.00 / 0.00" in text and "| learner |" in text
    drawn = write_figures(stored, tmp_path / "out")
    assert set(drawn) == {*MASK_FIGURES, "3.18", "3.19", "3.26", "3.27"}
    write_html(stored, tmp_path / "out", drawn)
    assert (tmp_path / "out" / "report.html").read_text(encoding="utf-8").count("<img") == 8

    average = replace(subjects[2], name="average", person="template")
    people = {subject.name: subject for subject in (*subjects, average)}
    units = Laboratory(Equipment(people, {}, (), "default", "cpu", 0), UnitStore(tmp_path)).healthy_units("any")
    assert [unit.subject for unit in units] == ["a1", "b1"], "one map of each person, no population average"

    def forbidden(laboratory, unit):
        raise AssertionError(unit)

    monkeypatch.setattr(Laboratory, "compute", forbidden)
    assert ThesisExperiment(design, tmp_path / "out").run() == rows


@pytest.mark.parametrize(("quick", "trained"), [(True, ("tiny", 0.5)), (False, ("paper", 1.0))])
def test_a_trial_alone_trains_small_networks_for_half_their_steps(quick, trained, subjects, tmp_path, monkeypatch):
    seen = []

    def enough(people, options, conditional):
        seen.append((options.recipe, options.effort, conditional))
        raise FAError("bad-input", "Enough")

    monkeypatch.setattr(thesis_experiment, "fit", enough)
    design = ExperimentDesign(chosen_tables(["thesis-3.9"]), subjects[:1], subjects[1:], quick=quick, device="cpu")
    with pytest.raises(FAError, match="Enough"):
        ThesisExperiment(design, tmp_path).run()
    assert seen == [(*trained, True)]


def test_networks_of_both_commands_are_taken(model, windowed, tmp_path):
    """Of ``train --recipe``: run folder and model folder; of ``train --method``: with steps of its own."""
    run = tmp_path / "run"
    shutil.copytree(model, run / MODEL)
    found = [find_thesis_model(folder) for folder in (model, run, windowed)]
    assert [(one.steps, one.windowed, one.voxels) for one in found] == [(1000, False, 128)] * 2 + [(2, True, 128)]
    assert thesis_networks([str(run)]) == {"conditional": run} and found[0].sha256 == found[1].sha256
    with pytest.raises(FAError, match="both hold a conditional network"):
        thesis_networks([str(run), str(model)])
    with pytest.raises(FAError, match="network of the kind inpainter"):
        thesis_networks([str(find_model())])
    (choice,) = chosen_methods(f"thesis-conditional-ddpm={run}", {"ann"})
    assert choice.model == run and check_model(run, choice.entry) is None
    with pytest.raises(FAError, match="no fitted method"):
        chosen_methods(f"thesis-unconditional-ddpm={run}", {"ann"})


def test_networks_of_two_grids_are_refused_before_anything_is_trained(subjects, tmp_path):
    saved(tmp_path / "coarse", grid={"shape": [64] * 3, "spacing_mm": 2.5})
    networks = thesis_networks([str(tmp_path / "coarse")])
    design = ExperimentDesign(
        chosen_tables(["thesis-3.1", "thesis-3.2"]), subjects[:1], subjects[2:], networks=networks, device="cpu"
    )
    with pytest.raises(FAError, match="grid of 64 voxels: the other network would be trained on 128"):
        ThesisExperiment(design, tmp_path / "out").run()
    assert not (tmp_path / "out" / "networks").exists()


@pytest.mark.slow
def test_a_recipe_is_one_for_both_commands(subjects, tmp_path, monkeypatch, capsys):
    """``train --recipe`` and ``train --method`` make the same network; ``detect --method`` runs both."""
    monkeypatch.setattr(thesis_ddpm, "MASK_SIZE", 64)  # eight cubes
    small = replace(RECIPES["tiny"], steps=3, crop=(8, 8, 8), grid={"shape": [16] * 3, "spacing_mm": 10.0})
    monkeypatch.setitem(RECIPES, "tiny", replace(small, network={**small.network, "widths": [8, 8, 8]}))
    data, option = subjects[0].path.parent, "thesis-conditional-ddpm"
    run, method = tmp_path / "run", tmp_path / "method"
    words = ["train", str(data), "--recipe", "tiny", "--device", "cpu", "--hold-out", "b1"]
    assert main([*words, "-o", str(run)]) == 0
    assert main([*words, "-o", str(method), "--method", option]) == 0
    first, second = (torch.load(folder / MODEL / "weights.pt", weights_only=True) for folder in (run, method))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    assert not list(method.rglob("*.npy")), "a method's folder holds nobody's brain"
    told = find_thesis_model(method)
    assert (told.steps, told.windowed, told.voxels, told.training_steps) == (5, True, 16, 3)

    scan = ["detect", str(subjects[2].path), "--method", option, "--no-report", "--device", "cpu", "--model"]
    assert main([*scan, str(run), "-o", str(tmp_path / "no")]) == 5
    assert "has no thresholds" in capsys.readouterr().err
    write_sampling(run, steps=5)  # or it would take the thesis' 1000
    for folder, more in ((run, ["--threshold", "0.18"]), (method, [])):
        assert main([*scan, str(folder), "-o", str(tmp_path / folder.name / "out"), *more]) == 0
    one, other = (load_volume(f / "out" / "expected.nii.gz")[0].data for f in (run, method))
    assert np.array_equal(one, other) and not np.array_equal(one, load_volume(subjects[2].path)[0].data)


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
