"""Training runs: resumed to the bit, refused where they do not fit, and damaged checkpoints."""

import pickle
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.preprocessing.template import on_grid
from FAAnomalyLib.runtime.progress import CancelToken
from support.phantoms import tiny_training

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def assert_same(one, other):
    a, b = tiny_training.states(one), tiny_training.states(other)
    assert list(a) == list(b)
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert not different


def log_of(folder):
    """The log without its seconds."""
    rows = [line.split(",") for line in (folder / "log.csv").read_text().splitlines()]
    return [(row[0], row[1], row[3]) for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A whole run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    one = tiny_training.trainer(folder)
    before = {name: value.clone() for name, value in tiny_training.states(one).items()}
    one.train(save_every=2)
    torch.set_num_threads(threads)
    after = tiny_training.states(one)
    assert one.state.step == 5 and all(not torch.equal(before[name], after[name]) for name in before)
    return one


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no SIGKILL")
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path, undisturbed):
    folder = tmp_path / "run"
    done = subprocess.run(
        [*tiny_training.PROGRAM, "dies", str(folder), "3"],
        env=tiny_training.environment(),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    (folder / "checkpoint.pt.partial").write_bytes(b"half")
    (folder / "log.csv").write_text("step,squared_error,seconds_per_step,held_out_rmse_fa\n3,9.9,1,\n")
    one = tiny_training.trainer(folder)
    one.resume()
    assert one.state.step == 2
    one.train(save_every=2)
    assert_same(one, undisturbed)
    assert log_of(folder) == log_of(undisturbed.run.folder) and len(log_of(folder)) == 2


@pytest.mark.parametrize("recipe", [tiny_training.TINY, tiny_training.TINY_THESIS], ids=["inpainter", "thesis"])
def test_every_step_can_be_the_one_to_resume_at(tmp_path, undisturbed, recipe):
    thesis = recipe is tiny_training.TINY_THESIS
    recipe, folder = replace(recipe, steps=2) if thesis else recipe, tmp_path / "run"
    known = on_grid(tiny_training.template(), tuple(recipe.grid["shape"]), recipe.grid["spacing_mm"])
    while True:
        one = tiny_training.trainer(folder, recipe, known=known)
        one.resume()
        if one.state.step == recipe.steps:
            break
        error, one.state.running = one._one_step(), 0.5
        assert error > 0.0
        one.state.step += 1
        one.save()
    assert one.state.running == 0.5
    if not thesis:
        assert_same(one, undisturbed)
        return
    whole = tiny_training.trainer(tmp_path / "whole", recipe, known=known)
    whole.train(save_every=100)
    assert_same(one, whole)
    # The thesis has no average: what is exported are the weights themselves.
    assert all(
        torch.equal(whole.state.average[name], value) for name, value in whole.state.network.state_dict().items()
    )


@pytest.mark.parametrize("done", [0, 2])
def test_a_cancelled_run_keeps_its_steps_and_goes_on(tmp_path, undisturbed, done):
    """Cancelled in the middle of a step, *done* of which are finished."""
    looks, token = 0, CancelToken()
    one, path = tiny_training.trainer(tmp_path / "run"), tmp_path / "run" / "checkpoint.pt"

    def check():
        nonlocal looks
        looks += one.state.step == done
        if looks > 5:
            token.cancel()
        token.check()

    with pytest.raises(FAError) as caught:
        one.train(save_every=100, check=check)
    assert caught.value.code == "cancelled" and "Run the same command again" in str(caught.value)
    assert one.state.step == done and path.exists() == bool(done)
    assert (f"{done} of 5 steps are kept in {path}" in str(caught.value)) == bool(done)
    again = tiny_training.trainer(tmp_path / "run")
    again.resume()
    assert again.state.step == done
    if done:
        again.train(save_every=2)
        assert_same(again, undisturbed)


def test_a_finished_run_stays_as_it_is(tmp_path, undisturbed):
    one = tiny_training.trainer(undisturbed.run.folder)
    one.resume()
    one.train(save_every=2)
    assert_same(one, undisturbed)
    assert len(log_of(undisturbed.run.folder)) == 2


def test_seed_and_data_decide_what_is_learned(tmp_path, undisturbed):
    first = undisturbed.state.network.stem.weight
    for name, other in (("seed", {"seed": 10**12}), ("people", {"people": ("A", "B", "C", "C")})):
        one = tiny_training.trainer(tmp_path / name, **other)
        one.train(save_every=100)
        assert not torch.equal(one.state.network.stem.weight, first), name


def test_every_step_example_and_process_sees_something_else(tmp_path):
    seen = []
    for rank in range(2):
        one = tiny_training.trainer(tmp_path, rank=rank)
        loss = one.objective.loss
        one.objective.loss = lambda network, batch, loss=loss: seen.append(batch) or loss(network, batch)
        one.train(save_every=100)
    noise, content = (torch.cat([batch[key] for batch in seen]).flatten(1) for key in ("noise", "x"))
    assert len(noise) == 2 * 5 * 2
    for drawn in (noise, content):
        assert len({example.numpy().tobytes() for example in drawn}) == len(drawn)


@pytest.mark.fast
def test_every_person_has_the_same_share(tmp_path):
    one = tiny_training.trainer(tmp_path, people=("A", "B", "B", "B", "C"))
    assert one.run.sampling_weights().tolist() == pytest.approx([1.0, 1 / 3, 1 / 3, 1 / 3, 1.0])


def test_the_number_format_is_kept(tmp_path):
    tiny_training.trainer(tmp_path, dtype=torch.bfloat16).save()
    one = tiny_training.trainer(tmp_path, dtype=torch.float32)
    one.resume()
    assert one.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe": replace(tiny_training.TINY, learning_rate=2e-3)}, "other settings"),
        ({"seed": 1}, "other settings"),
        ({"people": ("A", "B", "C")}, "other people"),
        ({"held_out": [tiny_training.subject("x", "X", 9)]}, "other people"),
        ({"known": on_grid(tiny_training.template(), (24, 28, 24), 4.1)}, None),
    ],
)
def test_a_run_of_something_else_is_refused(undisturbed, change, words):
    one = tiny_training.trainer(undisturbed.run.folder, **change)
    if words is None:
        return one.resume()
    with pytest.raises(FAError, match=words) as caught:
        one.resume()
    assert caught.value.code == "bad-request"


def test_a_run_from_before_people_were_kept_is_taken(tmp_path, undisturbed):
    state = torch.load(undisturbed.run.folder / "checkpoint.pt", weights_only=True)
    torch.save({k: v for k, v in state.items() if k not in ("data", "computed", "running")}, tmp_path / "checkpoint.pt")
    one = tiny_training.trainer(tmp_path)
    one.resume()
    assert_same(one, undisturbed)


class Intruder:
    """Leaves a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def spoil(path, how, folder):
    whole = path.read_bytes()
    state = torch.load(path, weights_only=True)
    if isinstance(how, float):
        path.write_bytes(whole[: int(how * len(whole))])
    elif how == "flipped":
        path.write_bytes(whole[:2000] + bytes(b ^ 0xFF for b in whole[2000:2400]) + whole[2400:])
    elif how == "text":
        path.write_text("checkpoint\n")
    elif how == "code":
        path.write_bytes(pickle.dumps({"recipe": Intruder(folder / "intruded")}, protocol=2))
    elif how == "code in a checkpoint":
        torch.save({**state, "step": Intruder(folder / "intruded")}, path)
    elif how == "list":
        torch.save([1, 2], path)
    elif how == "foreign":
        torch.save({"state_dict": {}}, path)
    elif how == "lacks a weight":
        state["network"].pop("stem.weight")
        torch.save(state, path)
    elif how == "lacks an average":
        state["average"].pop("stem.weight")
        torch.save(state, path)
    elif how == "no optimiser":
        torch.save({**state, "optimizer": {}}, path)
    elif how == "other shapes":
        state["average"]["stem.weight"] = torch.zeros(3)
        torch.save(state, path)


@pytest.mark.parametrize(
    "how",
    [
        0.0,
        0.001,
        0.5,
        0.999,
        "flipped",
        "text",
        "code",
        "code in a checkpoint",
        "list",
        "foreign",
        "lacks a weight",
        "lacks an average",
        "no optimiser",
        "other shapes",
    ],
)
def test_a_damaged_checkpoint_is_one_clear_error(tmp_path, undisturbed, how):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes((undisturbed.run.folder / "checkpoint.pt").read_bytes())
    spoil(folder / "checkpoint.pt", how, tmp_path)
    with pytest.raises(FAError, match="is damaged") as caught:
        tiny_training.trainer(folder).resume()
    assert caught.value.code == "bad-input" and len(str(caught.value)) < 400
    assert not (tmp_path / "intruded").exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    one = tiny_training.trainer(tmp_path)
    one.save()
    before = (tmp_path / "checkpoint.pt").read_bytes()

    def full(state, handle):
        handle.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(FAError, match="No space left"):
        one.save()
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
