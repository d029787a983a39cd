"""Named training configurations: the shipped model's and the thesis' own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LINEAR = {
    "kind": "linear",
    "timesteps": 1000,
    "parameters": {"beta_start": 1e-4, "beta_end": 0.02, "zero_terminal_snr": False},
}
COSINE = {"kind": "cosine", "timesteps": 1000, "parameters": {"zero_terminal_snr": True}}


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run but the data.

    Attributes
    ----------
    network, schedule
        As in a model's manifest.
    grid
        ``shape`` and ``spacing_mm`` of the model grid.
    steps, batch, learning_rate, warmup
        AdamW; after the warm-up the rate falls along a cosine, or, with ``decay`` ``thesis``, stays
        for 15,000 steps and then falls (section 2.4).
    crop
        Training crop in voxels, None for whole volumes.
    average
        Decay of the exponential moving average of the weights, 0 for none.
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


MODEL_GRID = {"shape": [80, 96, 80], "spacing_mm": 2.0}
THESIS_GRID = {"shape": [128, 128, 128], "spacing_mm": 1.25}


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
