"""A finished run as a model folder that ``--model`` accepts."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from ..models.checkpoints import save_model
from ..pipeline.loaded_model import OWN_TEMPLATE
from .model_card import write_card
from .training_run import TrainingRun, TrainingState

MODEL = "model"
"""The model's folder in the run's."""


def export_model(run: TrainingRun, state: TrainingState, own_template: Path | None = None) -> Path:
    """Write the averaged weights, their manifest and model card, and the template unless it is the bundled one.

    Parameters
    ----------
    run, state
        The run and its weights.
    own_template
        Template folder to copy into the model; None for a run on the bundled template.

    Returns
    -------
    pathlib.Path
        The model's folder.
    """
    folder = run.folder / MODEL
    manifest = {
        "network": run.recipe.network,
        "schedule": run.recipe.schedule,
        "grid": run.recipe.grid,
        "template_sha256": run.template.sha256,
        "training": {
            "people": len({s.person for s in run.training}),
            "volumes": [s.name for s in run.training],
            "held_out": [s.name for s in run.held_out],
            "seed": run.seed,
            **({"started_from": state.ancestor} if state.ancestor else {}),
            "steps": state.step,
            "recipe": asdict(run.recipe),
        },
    }
    save_model(folder, state.average, manifest, half=run.recipe.weights == "half")
    write_card(folder, manifest)
    if own_template is not None:
        shutil.copytree(own_template, folder / OWN_TEMPLATE, dirs_exist_ok=True)
    return folder
