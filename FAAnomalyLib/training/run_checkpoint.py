"""A run's ``checkpoint.pt``: written so that a kill at any moment leaves a whole one, and resumed to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..errors import FAError
from ..io.atomic import atomic_write, cannot_write
from ..models.checkpoints import load_tensors
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
    _check_same_run(run, settings, data)
    try:
        _restore(state, content)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(run.folder, error) from error
    if device_type != device.type:
        return dtype
    return {str(known): known for known in (torch.float32, torch.bfloat16)}.get(dtype_name, dtype)


def _check_same_run(run: TrainingRun, settings: tuple[Any, Any], data: Any) -> None:
    if settings != run.settings:
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
