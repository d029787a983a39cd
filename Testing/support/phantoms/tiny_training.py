"""A training run small enough for a test: a coarse template, a few heads, a narrow network.

As a program it is one process of a run: ``dies RUN STEP`` kills itself in the middle of a step, and
``rank WEIGHTS ARGUMENTS...`` is the shell command, told by the environment which process of how many it is.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.datasets.file_names import mask_of
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.networks.registry import build_network
from FAAnomalyLib.preprocessing.template import Template, TemplatePriors, symmetric_grid
from FAAnomalyLib.runtime.arrays import as_tensor
from FAAnomalyLib.training.cohort_cache import TrainingSubject, error_weight
from FAAnomalyLib.training.distributed import Distributed
from FAAnomalyLib.training.recipes import COSINE, RECIPES, Recipe
from FAAnomalyLib.training.trainer import Trainer
from FAAnomalyLib.training.training_run import TrainingRun
from FAAnomalyLib.volume import Volume
from support.paths import ROOT, TESTING

SHAPE, SPACING_MM, CENTRE = (24, 28, 24), 4.0, (0.0, -16.0, 8.0)
GRID = {"shape": list(SHAPE), "spacing_mm": SPACING_MM}
TINY = Recipe(
    network={"kind": "inpainter", "widths": [8, 16], "blocks": [1, 1]},
    schedule=COSINE,
    grid=GRID,
    steps=5,
    batch=2,
    learning_rate=1e-3,
    warmup=2,
    crop=(16, 16, 16),
)
TINY_THESIS = replace(
    RECIPES["thesis-conditional"],
    steps=5,
    grid={"shape": [16, 16, 16], "spacing_mm": 7.0},
    network={"kind": "thesis", "conditional": True, "widths": [8, 16, 24]},
)


PROGRAM = [sys.executable, __file__]


def environment(**more: str) -> dict[str, str]:
    """Environment of a process of :data:`PROGRAM`."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{TESTING}", **more}


def head(shape, affine, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """FA of an ellipsoid with bright tracts, and its mask; symmetric and smooth for *seed* 0."""
    index = np.indices(shape).reshape(3, -1)
    x, y, z = (affine[:3, :3] @ index + affine[:3, 3:]).reshape(3, *shape)
    y, z = y - CENTRE[1], z - CENTRE[2]
    inside = (x / 40) ** 2 + (y / 48) ** 2 + (z / 40) ** 2 < 1
    arch = np.exp(-((z - 18 * np.cos(x / 22)) ** 2) / 60 - ((y + 6) / 26) ** 2)
    columns = np.exp(-((np.abs(x) - 20) ** 2 + (y + 18) ** 2) / 70)
    front = np.exp(-((np.abs(x) - 12) ** 2 + (z + 4) ** 2) / 60 - ((y - 24) / 14) ** 2)
    fa = 0.12 + 0.6 * arch + 0.5 * columns + 0.4 * front
    if seed:
        fa = fa + 0.04 * np.random.default_rng(seed).standard_normal(shape)
    return np.where(inside, np.clip(fa, 0.01, 1.0), 0.0).astype(np.float32), inside


def template() -> Template:
    """The template of these heads."""
    affine = symmetric_grid(SHAPE, SPACING_MM, CENTRE)
    fa, inside = head(SHAPE, affine)
    return Template(Volume(fa, affine), TemplatePriors(fa, (fa > 0.35).astype(np.float32), inside.astype(np.float32)))


def subject(name: str, person: str, seed: int, known: Template | None = None) -> TrainingSubject:
    """One head on the template's own grid."""
    known = known or template()
    fa, inside = head(known.fa.shape, known.fa.affine, seed)
    weight = error_weight(inside, known.fa.spacing[0])
    return TrainingSubject(name, person, as_tensor(fa), as_tensor(weight), known.priors)


def write_head(path: Path, seed: int) -> None:
    """An FA map as a file, on another grid than the template's."""
    affine = symmetric_grid((30, 34, 28), 3.5, (3.0, -12.0, 10.0))
    save_volume(Volume(head((30, 34, 28), affine, seed)[0], affine), path)


def write_mask(path: Path) -> None:
    """The brain mask of the FA map *path*, beside it."""
    volume, _ = load_volume(path)
    save_volume(volume.with_data((volume.data > 0).astype(np.uint8)), mask_of(path))


def trainer(
    folder: Path,
    recipe: Recipe = TINY,
    seed: int = 0,
    people=("A", "B", "B"),
    held_out=(),
    known: Template | None = None,
    dtype: torch.dtype = torch.float32,
    rank: int = 0,
) -> Trainer:
    """A trainer on the CPU, as the shell command would make it, without files to read."""
    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    known = known or template()
    subjects = [subject(f"{i}_FA.nii.gz", person, i + 1, known) for i, person in enumerate(people)]
    network = build_network(recipe.network).to(memory_format=torch.channels_last_3d)
    run = TrainingRun(recipe, subjects, list(held_out), known, folder, seed)
    return Trainer(run, network, torch.device("cpu"), dtype, Distributed(rank))


def states(one: Trainer) -> dict[str, torch.Tensor]:
    """Weights, average and optimiser state in one dictionary."""
    tensors = {f"weights {name}": value for name, value in one.state.network.state_dict().items()}
    tensors |= {f"average {name}": value for name, value in one.state.average.items()}
    for number, moments in one.state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimiser {number} {name}": value for name, value in moments.items()}
    return tensors


def dies(folder: str, step: str) -> None:
    """Train, and be killed after the gradients of *step* (from 0) were computed, before they are applied."""
    one = trainer(Path(folder))

    def killed():
        if one.state.step == int(step):
            os.kill(os.getpid(), signal.SIGKILL)
        return update()

    update, one.state.optimizer.step = one.state.optimizer.step, killed
    one.train(save_every=2)


def rank(weights: str, *arguments: str) -> int:
    """The shell command with the tiny recipe; leaves what the process ended with in the file *weights*."""
    RECIPES["tiny"] = TINY
    train = Trainer.train

    def train_and_save(one, *how_often):
        train(one, *how_often)
        torch.save(one.state.network.state_dict() | {"rank": torch.tensor(one.distributed.rank)}, weights)

    Trainer.train = train_and_save
    return cli.main(["train", *arguments])


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit({"dies": dies, "rank": rank}[sys.argv[1]](*sys.argv[2:]))
