"""Named training configurations: the shipped model's and the thesis' own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

LINEAR: dict[str, Any] = {
    "kind": "linear",
    "timesteps": 1000,
    "parameters": {"beta_start": 1e-4, "beta_end": 0.02, "zero_terminal_snr": False},
}
COSINE: dict[str, Any] = {"kind": "cosine", "timesteps": 1000, "parameters": {"zero_terminal_snr": True}}
MODEL_GRID: dict[str, Any] = {"shape": [80, 96, 80], "spacing_mm": 2.0}
THESIS_GRID: dict[str, Any] = {"shape": [128, 128, 128], "spacing_mm": 1.25}
DECAYS = ("cosine", "thesis", "inverse-sqrt", "exponential", "constant")
"""Laws by which the learning rate falls; see :func:`learning_rate`."""
SAMPLINGS = ("draws", "epochs")
"""How subjects are chosen: drawn with replacement, or each once in every epoch, in a new order each time."""
SPACES = ("template", "native")
"""Registered to the template's grid, or the thesis' crop of the map's own voxels."""
PRECISIONS = ("fastest", "float32")
"""Number format of the convolutions: the one that is measured to be fastest on the device, or float32."""
STORED_WEIGHTS = ("half", "float32")
"""Number format of the exported weights."""


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
    learning_rate, warmup, decay, constant_steps
        Largest learning rate, steps until it is reached, how it falls afterwards (:data:`DECAYS`), and for the laws
        that do so the steps before it falls; see :func:`learning_rate`.
    crop
        Training crop in voxels, None for whole volumes.
    average
        Decay of the exponential moving average of the weights, 0 for none.
    clip
        Largest norm of the gradient, 0 for no limit.
    sampling, space, precision, weights
        See :data:`SAMPLINGS`, :data:`SPACES`, :data:`PRECISIONS` and :data:`STORED_WEIGHTS`.
    adam_epsilon
        Added to the root of Adam's second moment; Keras' is 1e-7, PyTorch's 1e-8.
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
    constant_steps: int = 15_000
    sampling: str = "draws"
    space: str = "template"
    precision: str = "fastest"
    weights: str = "half"
    adam_epsilon: float = 1e-8

    @property
    def rate_depends_on_steps(self) -> bool:
        """Whether a longer run has another learning rate from the beginning."""
        return self.decay == "cosine"


def learning_rate(recipe: Recipe, step: int) -> float:
    """Learning rate of a step, counted from 0.

    It rises linearly for ``recipe.warmup`` steps. ``cosine`` falls along half a cosine to 0 at ``recipe.steps``. The
    others stay for ``recipe.constant_steps`` (n) steps and then fall with the step s: ``thesis`` as n / s,
    ``inverse-sqrt`` as the root of that, ``exponential`` as ``2 ** (1 - s / n)``; ``constant`` never falls.

    The thesis says that the rate falls "gradually after 15,000 steps" and names a ``LearningRateStepScheduler`` with
    ``step_warmup=15000`` (section 2.4, listing A.21); the law is not printed. 1 / s is this project's choice.

    Examples
    --------
    >>> rates = [learning_rate(RECIPES["inpainter"], step) for step in (0, 49, 2025, 4000)]
    >>> [round(rate, 7) for rate in rates]
    [2e-05, 0.001, 0.0005, 0.0]
    """
    if recipe.warmup and step < recipe.warmup:
        return recipe.learning_rate * (step + 1) / recipe.warmup
    if recipe.decay != "cosine":
        ratio = max(step, recipe.constant_steps) / max(recipe.constant_steps, 1)
        return recipe.learning_rate * _FALL[recipe.decay](ratio)
    share = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))


_FALL: dict[str, Callable[[float], float]] = {
    "thesis": lambda ratio: 1.0 / ratio,
    "inverse-sqrt": lambda ratio: ratio**-0.5,
    "exponential": lambda ratio: 2.0 ** (1.0 - ratio),
    "constant": lambda ratio: 1.0,
}


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
        sampling="epochs",
        space="native",
        precision="float32",
        weights="float32",
        adam_epsilon=1e-7,
    )


def _tiny(conditional: bool) -> Recipe:
    """The thesis' training at a scale that two processor cores finish in two minutes: for trials, not for results.

    On the thesis' own grid, but on crops of it: such a network is run on a window round each hole.
    """
    whole = _thesis(conditional)
    smaller = {"widths": [8, 16, 32], "has_attention": [False, False, True], "num_res_blocks": 1}
    network = {**whole.network, **smaller}
    return replace(whole, network=network, steps=220, learning_rate=1e-3, constant_steps=120, crop=(24, 24, 24))


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
    "tiny": _tiny(True),
    "tiny-unconditional": _tiny(False),
}
"""Recipes by the name that ``faanomaly train --recipe`` takes."""
