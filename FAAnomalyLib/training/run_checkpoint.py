"""A run's ``checkpoint.pt``: written so that a kill at any moment leaves a whole one, and resumed to the bit."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import torch

from ..errors import FAError
from ..io.atomic import atomic_write, cannot_write
from ..models.checkpoints import load_tensors
from ..models.manifest import sha256_of
from .recipes import Recipe
from .training_run import TrainingRun, TrainingState

CHECKPOINT = "checkpoint.pt"


def save_checkpoint(run: TrainingRun, state: TrainingState, device: torch.device, dtype: torch.dtype) -> None:
    """Write *state*, and what *run* is of, under a temporary name and rename it.

    Raises
    ------
    FAError
        ``bad-input`` when the folder cannot be written; the earlier checkpoint stays.
    """
    recipe, seed = run.settings
    content = {
        "recipe": recipe,
        "seed": seed,
        "step": state.step,
        "data": run.data,
        "ancestor": state.ancestor,
        "running": state.running,
        "epoch_errors": list(state.epoch_errors),
        "computed": [device.type, str(dtype)],
        "network": state.network.state_dict(),
        "average": state.average,
        "optimizer": state.optimizer.state_dict(),
    }
    path = run.folder / CHECKPOINT
    try:
        with atomic_write(path, sync=True) as temporary, open(temporary, "wb") as handle:
            torch.save(content, handle)
    except OSError as error:
        raise cannot_write(path, error) from error


def resume(run: TrainingRun, state: TrainingState, device: torch.device, dtype: torch.dtype) -> torch.dtype | None:
    """Set *state* to the checkpoint's, where there is one.

    Parameters
    ----------
    run
        What the checkpoint must be of.
    state
        Changed in place.
    device, dtype
        Where this process computes, and the number format that it would choose.

    Returns
    -------
    torch.dtype or None
        The number format to go on with: which one is faster is measured, and may come out the other way today, so the
        checkpoint's is kept on the same kind of device. None when there is no checkpoint.

    Raises
    ------
    FAError
        ``bad-request`` when the checkpoint is of another recipe, seed, template or other people; ``bad-input`` when it
        is damaged.
    """
    path = run.folder / CHECKPOINT
    if not path.is_file():
        return None
    try:
        content = load_tensors(path)
        settings = content["recipe"], content["seed"]
        # The first checkpoints of the project lack these two.
        data = content.get("data", run.data)
        device_type, dtype_name = content.get("computed", (device.type, str(dtype)))
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(run.folder, error) from error
    try:
        _check_same_run(run, settings, data)
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(run.folder, error) from error
    try:
        _restore(state, content)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(run.folder, error) from error
    if device_type != device.type:
        return dtype
    return {str(known): known for known in (torch.float32, torch.bfloat16)}.get(dtype_name, dtype)


def start_from_checkpoint(path: Path, run: TrainingRun, state: TrainingState) -> None:
    """Set *state* to that of another run's checkpoint: weights, optimiser and step; the data may be others.

    Parameters
    ----------
    path
        A ``checkpoint.pt``, or one of the kept ``checkpoints/epoch-NNNN.pt``.
    run
        Of the same network.
    state
        Changed in place; its ancestor is that run.

    Raises
    ------
    FAError
        ``bad-input`` when the file is absent or damaged, ``bad-request`` when it is of another network.
    """
    if not path.is_file():
        raise FAError(
            "bad-input", f"There is no checkpoint {path}", "", "Name a checkpoint.pt or checkpoints/epoch-*.pt"
        )
    try:
        content = load_tensors(path)
        network = json.loads(content["recipe"])["network"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path.parent, error) from error
    if network != json.loads(json.dumps(run.recipe.network)):
        raise FAError(
            "bad-request",
            f"The checkpoint {path} is of another network",
            f"it is {network}",
            "Give the options of its network, or another checkpoint",
        )
    try:
        _restore(state, content)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path.parent, error) from error
    names = [name for _, name in (content.get("data") or {}).get("training", [])]
    training = {"volumes": names, "steps": state.step}
    if state.ancestor:
        training["started_from"] = state.ancestor
    state.ancestor = {"sha256": sha256_of(path), "training": training}
    state.epoch_errors = (0.0, 0)


def _same_settings(stored: tuple[Any, Any], run: TrainingRun) -> bool:
    """Whether a checkpoint's recipe and seed are the run's.

    Settings that a checkpoint of an earlier version does not have count as their defaults. A run may be made longer
    where that leaves the learning rate of its first part as it was.
    """
    recipe_text, seed = stored
    known = {field.name for field in fields(Recipe)}
    values = json.loads(recipe_text)
    if seed != run.seed or not values.keys() <= known:
        return False
    recipe = Recipe(**values)
    if not recipe.rate_depends_on_steps:
        recipe = replace(recipe, steps=run.recipe.steps)
    return json.loads(json.dumps(asdict(recipe))) == json.loads(json.dumps(asdict(run.recipe)))


def _check_same_run(run: TrainingRun, settings: tuple[Any, Any], data: Any) -> None:
    if not _same_settings(settings, run):
        raise FAError(
            "bad-request",
            f"{run.folder} holds a run with other settings",
            "",
            "Give the same options, or another run folder",
        )
    if data != run.data:
        raise FAError(
            "bad-request",
            f"{run.folder} holds a run of other people",
            "its volumes, held-out people or template are not these",
            "Give the same data, or another run folder",
        )


def _restore(state: TrainingState, content: dict[str, Any]) -> None:
    state.network.load_state_dict(content["network"])
    state.optimizer.load_state_dict(content["optimizer"])
    for name, value in state.average.items():
        stored = content["average"][name]
        if stored.shape != value.shape:
            raise ValueError(f"the average of {name} has the shape {tuple(stored.shape)}")
        value.copy_(stored)
    state.step, state.running = int(content["step"]), content.get("running")
    total, count = content.get("epoch_errors", (0.0, 0))
    state.epoch_errors = float(total), int(count)
    # The model that the run began with, whichever one the options name today.
    state.ancestor = content.get("ancestor", state.ancestor)


def _damaged(folder: Path, error: Exception) -> FAError:
    reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error).strip().splitlines()[0]
    return FAError(
        "bad-input",
        f"The checkpoint in {folder} is damaged",
        reason,
        "Delete checkpoint.pt there to begin anew, or put back a copy",
    )
