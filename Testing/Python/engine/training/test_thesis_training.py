"""The thesis' own training: its data, epochs, optimiser, held-out loss, kept checkpoints and selectable laws."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Generator

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.datasets.split_table import split_by_table
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.models.checkpoints import load_model
from FAAnomalyLib.preprocessing.template import on_grid
from FAAnomalyLib.training.epochs import History
from FAAnomalyLib.training.objective import objective_of
from FAAnomalyLib.training.recipes import RECIPES, learning_rate
from FAAnomalyLib.training.template_building import save_template
from FAAnomalyLib.training.volume_pairs import find_pairs, prepare_pairs
from FAAnomalyLib.volume import Volume
from support.phantoms import tiny_training

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPE = replace(
    RECIPES["tiny"],
    steps=6,
    grid={"shape": [8, 8, 8], "spacing_mm": 20.0},
    network={"kind": "thesis", "conditional": True, "widths": [8, 8]},
    crop=None,
)


@pytest.fixture(scope="module")
def known():
    return on_grid(tiny_training.template(), (8, 8, 8), 20.0)


def trainer(folder, known, **options):
    return tiny_training.trainer(folder, **{"recipe": RECIPE, "known": known, "people": ("A", "B", "C"), **options})


def epochs_of(folder):
    with open(folder / "epochs.csv", newline="") as lines:
        return list(csv.DictReader(lines))


def weights_of(one):
    return {name: value.clone() for name, value in one.state.network.state_dict().items()}


# --- epochs ------------------------------------------------------------------------------------------------------


def test_each_subject_has_its_turn_once_in_every_epoch(tmp_path, known):
    one = trainer(tmp_path, known, people=tuple("ABCDE"), recipe=replace(RECIPE, batch=2, steps=20))
    taken = []
    for step in range(20):
        one.state.step = step
        taken += [one._chosen(number, torch.Generator()) for number in range(2)]
    epochs = [taken[first : first + 5] for first in range(0, 40, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 3, "the order is the same again and again"


def test_two_processes_share_an_epoch(tmp_path, known):
    both = [trainer(tmp_path / str(rank), known, people=tuple("ABCDEF"), rank=rank) for rank in range(2)]
    taken = []
    for step in range(3):
        for one in both:
            object.__setattr__(one.distributed, "world", 2)
            one.state.step = step
            taken.append(one._chosen(0, torch.Generator()))
    assert sorted(taken) == [0, 1, 2, 3, 4, 5]


def test_every_epoch_has_its_line_and_its_held_out_loss(tmp_path, known):
    held_out = [tiny_training.subject("x", "X", 9, known), tiny_training.subject("y", "Y", 8, known)]
    one = trainer(tmp_path, known, held_out=held_out)
    one.train(save_every=100, history=History(every=1, keep=1))
    first, second = epochs_of(tmp_path)
    assert [row["step"] for row in (first, second)] == ["3", "6"] and [first["epoch"], second["epoch"]] == ["1", "2"]
    # Listing A.19: mean squared error of the noise at a random step, of the network as it is at the end.
    errors = []
    for number, subject in enumerate(held_out):
        generator = torch.Generator().manual_seed(number)
        t = torch.randint(1000, (), generator=generator)
        noise = torch.randn(1, 1, 8, 8, 8, generator=generator)
        x = 2 * subject.fa[None, None] - 1
        cumprod = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))[int(t)]
        with torch.no_grad():
            predicted = one.state.network(cumprod**0.5 * x + (1 - cumprod) ** 0.5 * noise, t[None], (x > -0.6).float())
        errors.append(float(((predicted - noise) ** 2).mean()))
    assert float(second["held_out_loss"]) == pytest.approx(np.mean(errors), rel=1e-4)
    assert float(second["learning_rate"]) == pytest.approx(1e-3)
    assert 0 < float(second["training_loss"]) < 3
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["epoch-0002.pt"]


@pytest.mark.slow
def test_a_run_that_stops_within_an_epoch_goes_on_to_the_same_line(tmp_path, known):
    whole = trainer(tmp_path / "whole", known)
    whole.train(save_every=100)
    short = trainer(tmp_path / "run", known, recipe=replace(RECIPE, steps=4))
    short.train(save_every=100)
    # Longer runs are allowed where the rate of the first part stays as it was.
    longer = trainer(tmp_path / "run", known)
    longer.resume()
    assert longer.state.step == 4
    longer.train(save_every=100)
    tiny = {name: torch.equal(value, weights_of(whole)[name]) for name, value in weights_of(longer).items()}
    assert all(tiny.values())
    for row, other in zip(epochs_of(tmp_path / "whole"), epochs_of(tmp_path / "run"), strict=True):
        assert {**row, "seconds_per_step": ""} == {**other, "seconds_per_step": ""}
    with pytest.raises(FAError, match="other settings"):
        trainer(tmp_path / "run", known, recipe=replace(RECIPE, learning_rate=2e-3)).resume()
    cosine = trainer(tmp_path / "cosine", known, recipe=replace(RECIPE, steps=1, decay="cosine"))
    cosine.train(save_every=1)
    with pytest.raises(FAError, match="other settings"):
        trainer(tmp_path / "cosine", known, recipe=replace(RECIPE, steps=2, decay="cosine")).resume()


def test_a_checkpoint_of_before_these_settings_counts_as_their_defaults(tmp_path):
    one = tiny_training.trainer(tmp_path)
    one.save()
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    recipe = json.loads(state["recipe"])
    for name in ("constant_steps", "sampling", "space", "precision", "weights", "adam_epsilon"):
        del recipe[name]
    del state["epoch_errors"]
    torch.save({**state, "recipe": json.dumps(recipe)}, tmp_path / "checkpoint.pt")
    tiny_training.trainer(tmp_path).resume()


@pytest.mark.slow
def test_a_run_begins_with_another_runs_checkpoint(tmp_path, known):
    first = trainer(tmp_path / "first", known, recipe=replace(RECIPE, steps=3))
    first.train(save_every=100, history=History(every=1))
    kept = tmp_path / "first" / "checkpoints" / "epoch-0001.pt"
    second = trainer(tmp_path / "second", known, people=("D", "E"))
    second.start_from_checkpoint(kept)
    assert second.state.step == 3 and second.state.ancestor["training"]["volumes"] == [
        "0_FA.nii.gz",
        "1_FA.nii.gz",
        "2_FA.nii.gz",
    ]
    assert all(torch.equal(value, weights_of(first)[name]) for name, value in weights_of(second).items())
    moments = second.state.optimizer.state_dict()["state"]
    assert moments and all(float(entry["step"]) == 3 for entry in moments.values())
    second.train(save_every=100)
    other = trainer(tmp_path / "other", known, recipe=replace(RECIPE, network={**RECIPE.network, "widths": [8, 16]}))
    with pytest.raises(FAError, match="is of another network"):
        other.start_from_checkpoint(kept)
    with pytest.raises(FAError, match="There is no checkpoint"):
        other.start_from_checkpoint(tmp_path / "absent.pt")


def test_the_tiny_recipe_trains_on_crops_of_the_thesis_grid(known):
    for name in ("tiny", "tiny-unconditional"):
        assert RECIPES[name].grid == RECIPES["thesis-conditional"].grid and RECIPES[name].crop == (24, 24, 24)
    assert RECIPES["thesis-conditional"].crop is None and RECIPES["thesis-unconditional"].crop is None
    subject = tiny_training.subject("x", "X", 9)
    objective = objective_of(replace(RECIPE, crop=(8, 12, 16)))
    examples = [objective.example(subject, Generator().manual_seed(number)) for number in range(8)]
    whole = 2.0 * subject.fa - 1.0
    places = {tuple(x.shape) for x in (one["x"] for one in examples)}
    assert places == {(1, 8, 12, 16)}
    for one in examples:
        # The crop is a part of the map, and the condition is that of the crop.
        found = (whole.unfold(0, 8, 1).unfold(1, 12, 1).unfold(2, 16, 1) == one["x"][0]).all(dim=(3, 4, 5))
        assert found.any() and torch.equal(one["white_matter"], (one["x"] > -0.6).float())
    assert torch.equal(objective_of(RECIPE).example(subject, Generator().manual_seed(0))["x"][0], whole)


# --- optimiser and rate ------------------------------------------------------------------------------------------


def test_adam_has_the_epsilon_of_keras(tmp_path, known):
    """One step of Keras' Adam (its formula: epsilon added outside the root of the uncorrected second moment)."""
    for recipe in (RECIPES["thesis-conditional"], RECIPES["thesis-unconditional"]):
        assert recipe.adam_epsilon == 1e-7 and recipe.learning_rate == 1e-4
    one = trainer(tmp_path, known, recipe=replace(RECIPE, adam_epsilon=0.5))
    before = weights_of(one)
    one._one_step()
    for name, parameter in one.state.network.named_parameters():
        # After one step the corrected moments are the gradient and its square.
        step = 1e-3 * parameter.grad / (parameter.grad.abs() + 0.5)
        torch.testing.assert_close(parameter.detach(), before[name] - step, atol=1e-7, rtol=1e-4)


def test_the_laws_of_the_rate():
    recipe = replace(RECIPES["thesis-conditional"], constant_steps=100, learning_rate=1.0)
    expected = {"thesis": 0.25, "inverse-sqrt": 0.5, "exponential": 2.0**-3, "constant": 1.0}
    for decay, at_400 in expected.items():
        law = replace(recipe, decay=decay)
        assert [learning_rate(law, step) for step in (0, 50, 100)] == [1.0] * 3
        assert learning_rate(law, 400) == pytest.approx(at_400)


# --- data --------------------------------------------------------------------------------------------------------


@pytest.fixture
def maps(tmp_path):
    """Two maps of 20 mm voxels and one brain mask."""
    folder = tmp_path / "maps"
    folder.mkdir()
    for seed, name in enumerate(("ann", "bob")):
        fa = np.random.default_rng(seed).uniform(0.05, 0.6, (30, 36, 30)).astype(np.float32)
        fa[[0, -1]] = fa[:, [0, -1]] = fa[:, :, [0, -1]] = 0.0
        save_volume(Volume(fa, np.diag([5.0, 5.0, 5.0, 1.0])), folder / f"{name}_FA.nii.gz")
    mask = np.zeros((30, 36, 30), np.uint8)
    mask[5:25, 5:30, 5:25] = 1
    save_volume(Volume(mask, np.diag([5.0, 5.0, 5.0, 1.0])), folder / "ann_mask.nii.gz")
    return folder


def subjects_of(maps):
    return [CohortSubject.from_file(path) for path in sorted(maps.glob("*_FA.nii.gz"))]


def test_pairs_are_those_that_listings_a2_and_a3_read(maps, tmp_path):
    from FAAnomalyLib.io.volumes import load_volume

    told = []
    ann, bob = prepare_pairs(subjects_of(maps), 32, "array", tmp_path / "cache", told.append)
    assert [path.relative_to(tmp_path / "cache").as_posix() for path in (ann.input, bob.condition)] == [
        "input/ann.npy",
        "condition/bob.npy",
    ]
    stored, condition = np.load(bob.input), np.load(bob.condition)
    native = load_volume(maps / "bob_FA.nii.gz")[0].data
    np.testing.assert_array_equal(stored[1:31, :, 1:31], native[:, 2:34])
    np.testing.assert_array_equal(condition, stored > np.float32(0.2))
    assert torch.equal(bob.fa, torch.from_numpy(stored)) and bob.white_matter.dtype == torch.bool
    # What lies outside the mask is 0.
    assert 0 < np.count_nonzero(np.load(ann.input)) <= 20 * 25 * 20
    assert len(told) == 2 and "lie outside the crop" in told[1]
    written = ann.input.stat().st_mtime_ns
    prepare_pairs(subjects_of(maps), 32, "array", tmp_path / "cache", told.append)
    assert len(told) == 2 and ann.input.stat().st_mtime_ns == written
    prepare_pairs(subjects_of(maps), 32, "brain", tmp_path / "cache", told.append)
    assert len(told) == 4
    # The folder can be trained on by itself.
    found = find_pairs(tmp_path / "cache", (32, 32, 32))
    assert [pair.name for pair in found] == ["ann.npy", "bob.npy"] and torch.equal(found[0].fa, ann.fa)


def test_pairs_that_cannot_be_trained_on_are_refused(tmp_path):
    for folder in ("input", "condition"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "a.npy", np.full((8, 8, 8), 0.5, np.float32))
    assert find_pairs(tmp_path / "input", (8, 8, 8)) == []
    with pytest.raises(FAError, match=r"its shape is \(8, 8, 8\), not \(4, 4, 4\)"):
        find_pairs(tmp_path, (4, 4, 4))
    np.save(tmp_path / "input" / "a.npy", np.full((8, 8, 8), -1.0, np.float32))
    with pytest.raises(FAError, match="from -1 to -1, not from 0 to 1"):
        _ = find_pairs(tmp_path, (8, 8, 8))[0].fa
    (tmp_path / "condition" / "a.npy").unlink()
    with pytest.raises(FAError, match="absent"):
        find_pairs(tmp_path, (8, 8, 8))


def test_a_split_file_says_who_is_trained_on(maps, tmp_path):
    table = tmp_path / "split.csv"
    table.write_text("file,set\nann_FA.nii.gz,train\nbob,Test\n")
    training, held_out = split_by_table(subjects_of(maps), table)
    assert [s.name for s in training] == ["ann"] and [s.name for s in held_out] == ["bob"]
    for text, words in (
        ("file,set\nann,train\nbob,validation\n", "the set validation"),
        ("file,set\nann,train\ncarl,test\n", "no map carl"),
        ("file,set\nbob,test\n", "Nobody is left"),
    ):
        table.write_text(text)
        with pytest.raises(FAError, match=words):
            split_by_table(subjects_of(maps), table)
    same = [replace(subject, person="ann") for subject in subjects_of(maps)]
    table.write_text("file,set\nann,train\nbob,test\n")
    with pytest.raises(FAError, match="would be trained on and held out"):
        split_by_table(same, table)


# --- command -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_trains_on_native_crops_and_writes_float32(maps, tmp_path, capsys):
    save_template(tiny_training.template(), tmp_path / "template")
    (tmp_path / "split.csv").write_text("file,set\nann,train\nbob,test\n")
    words = ["train", maps, "-o", tmp_path / "run", "--recipe", "tiny", "--split", tmp_path / "split.csv"]
    words += [
        "--template",
        tmp_path / "template",
        "--grid",
        16,
        "--widths",
        8,
        8,
        "--attention",
        0,
        1,
        "--res-blocks",
        1,
    ]
    words += ["--mask-channel", "--device", "cpu", "--decay", "exponential"]
    assert cli.main([*map(str, words), "--epochs", "2", "--checkpoint-epochs", "1"]) == 0
    run = tmp_path / "run"
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoint.pt",
        "checkpoints",
        "epochs.csv",
        "log.csv",
        "model",
        "prepared",
    ]
    assert len(epochs_of(run)) == 2 and epochs_of(run)[0]["held_out_loss"]
    weights = torch.load(run / "model" / "weights.pt", weights_only=True)
    assert {value.dtype for value in weights.values()} == {torch.float32}
    model = load_model(run / "model")
    assert model.manifest["network"] == {
        "kind": "thesis",
        "conditional": True,
        "widths": [8, 8],
        "has_attention": [False, True],
        "num_res_blocks": 1,
        "mask_channel": True,
    }
    assert model.manifest["grid"] == {"shape": [16, 16, 16], "spacing_mm": 10.0}
    recipe = model.manifest["training"]["recipe"]
    assert (recipe["space"], recipe["sampling"], recipe["decay"]) == ("native", "epochs", "exponential")
    # Longer, and then from pairs that were made, as another run.
    assert cli.main([*map(str, words), "--epochs", "3", "--checkpoint-epochs", "1"]) == 0
    assert "resumed at step 2" in capsys.readouterr().err and len(epochs_of(run)) == 3
    words[1], words[3] = run / "prepared", tmp_path / "again"
    begin = ["--from-checkpoint", str(run / "checkpoints" / "epoch-0002.pt"), "--epochs", "3"]
    assert cli.main([*map(str, words), *begin]) == 0
    assert "begun with" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--space", "native"], "for the recipes of the thesis"),
        (["--mask-channel"], "mask_channel is not for the recipe inpainter"),
        (["--grid", "64"], "--grid is not for the recipe inpainter"),
        (["--recipe", "tiny", "--steps", "1", "--epochs", "1"], "say the same"),
        (["--recipe", "tiny", "--learning-rate", "-1"], "--learning-rate must be a positive number"),
        (["--recipe", "tiny", "--keep-checkpoints", "-1"], "--keep-checkpoints must be at least 0"),
        (["--recipe", "tiny", "--split", "a.csv", "--hold-out", "ann"], "Leave --hold-out out"),
        (["--recipe", "tiny", "--start-from", "a", "--from-checkpoint", "b"], "with a model or with a checkpoint"),
        (["--method", "dae", "--start-from", "default"], "--start-from cannot be used with --method"),
        (
            ["--method", "palette", "--from-checkpoint", "a.pt", "--split", "a.csv", "--steps", "2", "--mask-channel"],
            "--from-checkpoint, --split, --steps, --mask-channel cannot be used",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(maps, tmp_path, capsys, more, words):
    assert cli.main(["train", str(maps), "-o", str(tmp_path / "run"), *more]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1 and not (tmp_path / "run").exists()
