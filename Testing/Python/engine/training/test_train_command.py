"""``faanomaly train``: what it writes, refuses and resumes, in one process and in two."""

import json
import socket
import subprocess
from dataclasses import asdict, replace

import pytest
import torch

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.models import checkpoints
from FAAnomalyLib.training.recipes import RECIPES
from FAAnomalyLib.training.template_building import save_template
from support.phantoms import tiny_training

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with two people's FA maps and a template."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "data").mkdir()
    for seed, name in enumerate(("one_FA.nii.gz", "two_FA.nii.gz"), 1):
        tiny_training.write_head(folder / "data" / name, seed)
    tiny_training.write_mask(folder / "data" / "one_FA.nii.gz")
    save_template(tiny_training.template(), folder / "template")
    return folder


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(RECIPES, "tiny", tiny_training.TINY)


def arguments(site, run, *more):
    return [
        str(site / "data"),
        "-o",
        str(run),
        "--recipe",
        "tiny",
        "--template",
        str(site / "template"),
        "--device",
        "cpu",
        *more,
    ]


def test_the_command_trains_judges_exports_and_resumes(site, tiny, tmp_path, capsys):
    run = tmp_path / "deep" / "run"
    command = [
        "train",
        *arguments(site, run, "--steps", "2", "--batch", "1", "--judge-every", "1", "--hold-out", "two"),
    ]
    assert cli.main(command) == 0
    assert {p.name for p in run.iterdir()} == {"checkpoint.pt", "log.csv", "model", "prepared"}
    assert "step 2/2" in capsys.readouterr().err
    rows = [line.split(",") for line in (run / "log.csv").read_text().splitlines()[1:]]
    assert [row[0] for row in rows] == ["1", "2"]
    assert all(float(row[1]) > 0 and 0.01 < float(row[3]) < 1.0 for row in rows)

    model = checkpoints.load_model(run / "model")
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    for name, value in model.network.state_dict().items():
        assert torch.equal(value, state["average"][name].half().float()), name
    recipe = replace(tiny_training.TINY, steps=2, batch=1)
    # No version and no path of this machine: a model travels.
    assert set(model.manifest) == {"format", "network", "schedule", "grid", "template_sha256", "training", "sha256"}
    assert model.manifest["grid"] == tiny_training.GRID and model.manifest["schedule"] == recipe.schedule
    assert model.manifest["template_sha256"] == state["data"]["template"]
    assert model.manifest["training"] == json.loads(
        json.dumps(
            {
                "people": 1,
                "volumes": ["one_FA.nii.gz"],
                "held_out": ["two_FA.nii.gz"],
                "seed": 0,
                "steps": 2,
                "recipe": asdict(recipe),
            }
        )
    )

    assert "Held out" in (run / "model" / "MODEL_CARD.md").read_text()
    weights = (run / "model" / "weights.pt").read_bytes()
    assert cli.main(command) == 0
    assert "resumed at step 2" in capsys.readouterr().err
    again = checkpoints.load_model(run / "model").network.state_dict()
    assert all(torch.equal(again[n], v) for n, v in model.network.state_dict().items()) and weights
    for more in (["--seed", "1"], ["--hold-out", "one"]):
        assert cli.main([*command[:-2], *more]) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert "holds a run" in error


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--hold-out", "tow"], "nobody called tow"),
        (["--hold-out", "one", "--hold-out", "two"], "Nobody is left"),
        (["--steps", "0"], "--steps must be"),
        (["--batch", "-1"], "--batch must be"),
        (["--save-every", "0"], "--save-every must be"),
        (["--judge-every", "0"], "--judge-every must be"),
        (["--people", "nowhere.csv"], "cannot be read"),
    ],
)
def test_senseless_options_are_refused_before_any_work(site, tiny, tmp_path, capsys, more, words):
    assert cli.main(["train", *arguments(site, tmp_path / "run", *more)]) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_a_run_folder_that_is_a_file(site, tiny, tmp_path, capsys):
    (tmp_path / "run").write_text("")
    assert cli.main(["train", *arguments(site, tmp_path / "run")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="torch was built without gloo",
)
def test_two_processes_learn_one_network_and_one_writes(site, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = []
    try:
        for rank in range(2):
            place = {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
            command = [
                *tiny_training.PROGRAM,
                "rank",
                str(tmp_path / f"{rank}.pt"),
                *arguments(site, tmp_path / f"run{rank}", "--steps", "2", "--batch", "1"),
            ]
            started.append(
                subprocess.Popen(command, env=tiny_training.environment(**place), stderr=subprocess.PIPE, text=True)
            )
        errors = [process.communicate(timeout=900)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], errors
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert (first.pop("rank"), second.pop("rank")) == (0, 1)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(value.abs().max() > 0 for name, value in first.items() if name.startswith("head"))
    # Each has a run folder of its own here, so that what each of them writes can be told.
    assert {p.name for p in (tmp_path / "run0").iterdir()} == {"checkpoint.pt", "log.csv", "model", "prepared"}
    assert {p.name for p in (tmp_path / "run1").iterdir()} == {"prepared"}
    assert "step 2/2" in errors[0] and "step" not in errors[1]
