"""Named training configurations: the shipped model's and the thesis' own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

LINEAR: dict[str, Any] = {
    "kind": "linear",
    "timesteps": 1000,
    "parameters": {"beta_start": 1e-4, "beta_end": 0.02, "zero_terminal_snr": False},
}
COSINE: dict[str, Any] = {"kind": "cosine", "timesteps": 1000, "parameters": {"zero_terminal_snr": True}}
MODEL_GRID: dict[str, Any] = {"shape": [80, 96, 80], "spacing_mm": 2.0}
THESIS_GRID: dict[str, Any] = {"shape": [128, 128, 128], "spacing_mm": 1.25}
THESIS_CONSTANT_STEPS = 15_000


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run except data and seed.

    Attributes
    ----------
    network, schedule
        As in a model's manifest.
    grid
        ``shape`` and ``spacing_mm`` of the model grid.
    steps, batch
        Training steps, and examples in each of them (of each process).
    learning_rate, warmup, decay
        Largest learning rate, steps until it is reached, and how it falls afterwards; see :func:`learning_rate`.
    crop
        Training crop in voxels, None for whole volumes.
    average
        Decay of the exponential moving average of the weights, 0 for none.
    clip
        Largest norm of the gradient, 0 for no limit.
    """

    network: dict[str, Any]
    schedule: dict[str, Any]
    grid: dict[str, Any]
    steps: int
    batch: int
    learning_rate: float
    warmup: int = 200
    decay: str = "cosine"
    crop: tuple[int, int, int] | None = None
    average: float = 0.999
    clip: float = 1.0


def learning_rate(recipe: Recipe, step: int) -> float:
    """Learning rate of a step, counted from 0.

    It rises linearly for ``recipe.warmup`` steps. Then it falls along half a cosine to 0 at ``recipe.steps``, or, with
    the decay ``thesis``, stays for 15,000 steps and falls as 1 / step (section 2.4: "gradually"; the law is not
    printed).

    Examples
    --------
    >>> rates = [learning_rate(RECIPES["inpainter"], step) for step in (0, 49, 2025, 4000)]
    >>> [round(rate, 7) for rate in rates]
    [2e-05, 0.001, 0.0005, 0.0]
    """
    if recipe.warmup and step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.decay == "thesis":
        return recipe.learning_rate * min(1.0, THESIS_CONSTANT_STEPS / max(step, 1))
    share = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


def _thesis(conditional: bool) -> Recipe:
    return Recipe(
        network={"kind": "thesis", "conditional": conditional, "widths": [16, 32, 64, 128, 256]},
        schedule=LINEAR,
        grid=THESIS_GRID,
        steps=360_000,
        batch=1,
        learning_rate=1e-4,
        warmup=0,
        decay="thesis",
        average=0.0,
        clip=0.0,
    )


RECIPES: dict[str, Recipe] = {
    "inpainter": Recipe(
        network={"kind": "inpainter", "widths": [32, 64, 128], "blocks": [1, 2, 2]},
        schedule=COSINE,
        grid=MODEL_GRID,
        steps=4000,
        batch=2,
        learning_rate=1e-3,
        warmup=50,
        crop=(56, 64, 56),
    ),
    "thesis-conditional": _thesis(True),
    "thesis-unconditional": _thesis(False),
}
"""Recipes by the name that ``faanomaly train --recipe`` takes."""
