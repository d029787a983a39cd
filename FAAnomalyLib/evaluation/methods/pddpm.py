"""Comparator: patched diffusion (pDDPM; Behrendt et al. 2023), with simplex or Gaussian noise.

Noise is added in one patch of a slice alone (their eq. 4: ``x~_t = x_t * M + x_0 * (1 - M)``); the network predicts x0
and the L1 error counts in the patch (eq. 5). At test every patch of a fixed grid is noised to t = 500 of 1000, restored
in one evaluation, and the patches are put together. The paper's decision follows from the residual: brain mask eroded,
median filter, one threshold, small components dropped (:mod:`..slicewise.residual_decision`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...result import Result
from ..slicewise.learned_networks import WEIGHTS
from ..slicewise.residual_decision import best_threshold, decide
from ..slicewise.slice_diffusion import DiffusionRecipe, descend, noise_source, schedule_of, unet_of
from ..slicewise.slice_method import Judged, SliceMethod, Training, register_slice_method

PER_AXIS = 2
"""Patches along each edge of a slice: the paper's are 48 squared of 96 squared."""
TEST_TIMESTEP = 499
"""The 500th of 1000."""
HOLD_OUT = 5
"""Of so many people one gives slices for the threshold of the paper's decision."""


@dataclass(frozen=True)
class PddpmRecipe(DiffusionRecipe):
    """Settings.

    Attributes
    ----------
    random_patches
        Whether training takes patches anywhere, or those of the test's grid.
    """

    random_patches: bool = False


class Pddpm(nn.Module):
    """The denoiser, and the threshold of the paper's decision in FA."""

    threshold: Tensor

    def __init__(self, recipe: PddpmRecipe, shape: tuple[int, int]) -> None:
        super().__init__()
        self.unet = unet_of(recipe, shape)
        self.register_buffer("threshold", torch.tensor(float("inf")))


def grid_patches(shape: tuple[int, int]) -> Iterator[Tensor]:
    """The masks, bool (1, 1, X, Y), of the patches that tile a slice of *shape*.

    Examples
    --------
    >>> [int(patch.sum()) for patch in grid_patches((4, 6))]
    [6, 6, 6, 6]
    """
    edges = [-(-size // PER_AXIS) for size in shape]
    for x in range(0, shape[0], edges[0]):
        for y in range(0, shape[1], edges[1]):
            yield _patch(shape, (x, y), edges)


def random_patch(shape: tuple[int, int], generator: torch.Generator, anywhere: bool) -> Tensor:
    """One patch as :func:`grid_patches` gives, of the grid, or *anywhere* within the slice."""
    if not anywhere:
        patches = list(grid_patches(shape))
        return patches[int(torch.randint(len(patches), (), generator=generator))]
    edges = [-(-size // PER_AXIS) for size in shape]
    corner = [
        int(torch.randint(size - edge + 1, (), generator=generator)) for size, edge in zip(shape, edges, strict=True)
    ]
    return _patch(shape, (corner[0], corner[1]), edges)


def _patch(shape: tuple[int, int], corner: tuple[int, int], edges: list[int]) -> Tensor:
    mask = torch.zeros((1, 1, *shape), dtype=torch.bool)
    mask[..., corner[0] : corner[0] + edges[0], corner[1] : corner[1] + edges[1]] = True
    return mask


def train(networks: Pddpm, training: Training[PddpmRecipe]) -> None:
    """L1 error of x0 in a patch of each slice; then the threshold, from people who were kept out where there are."""
    recipe, generator = training.recipe, training.generator
    learned, kept = training.slices.hold_out(HOLD_OUT)
    schedule, draw = schedule_of(recipe), noise_source(recipe.noise, generator)

    def loss(pictures: Tensor, brain: Tensor) -> Tensor:
        shape = pictures.shape[2], pictures.shape[3]
        patches = [random_patch(shape, generator, recipe.random_patches) for _ in pictures]
        patch = torch.cat(patches).to(pictures.device)
        t = torch.randint(schedule.timesteps, (len(pictures),), generator=generator)
        noisy = torch.where(patch, schedule.q_sample(pictures, t, draw(pictures)), pictures)
        error = (networks.unet(noisy, t.to(pictures.device)) - pictures).abs()
        return error[patch].mean()

    descend(networks.unet, replace(training, slices=learned), recipe.average, loss, "patched denoiser")
    networks.eval()

    def restore(pictures: Tensor, brain: Tensor) -> Judged:
        return judge(networks, recipe, pictures.to(training.device), brain.to(training.device), generator)

    networks.threshold.fill_(best_threshold(kept, restore, recipe.batch, generator))
    training.report(f"threshold of the paper's decision: {float(networks.threshold):.3f}")


@torch.inference_mode()
def judge(networks: Pddpm, recipe: PddpmRecipe, pictures: Tensor, brain: Tensor, generator: torch.Generator) -> Judged:
    """Every patch as it was restored from t = 500, with the rest of the slice clean."""
    schedule, draw = schedule_of(recipe), noise_source(recipe.noise, generator)
    noisy = schedule.q_sample(pictures, TEST_TIMESTEP, draw(pictures))
    t = torch.full((len(pictures),), TEST_TIMESTEP, device=pictures.device)
    expected = torch.zeros_like(pictures)
    for mask in grid_patches((pictures.shape[2], pictures.shape[3])):
        patch = mask.to(pictures.device)
        restored = networks.unet(torch.where(patch, noisy, pictures), t)
        expected = torch.where(patch, restored, expected)
    return Judged(expected)


def paper_rule(result: Result, model: Path | None) -> np.ndarray:
    """The paper's decision, bool (X, Y, Z), at the threshold that :func:`train` has stored."""
    if model is None:
        raise ValueError("the decision needs the model's folder")
    with np.load(model / WEIGHTS, allow_pickle=False) as stored:
        threshold = float(stored["threshold"])
    return decide(result.input, result.difference.data, threshold)


PAPER = PddpmRecipe(100_000, 32, 1e-4, (128, 256, 256), 2, "cosine", "simplex", 0.0)
TINY = PddpmRecipe(150, 8, 1e-3, (16, 32, 32), 1, "cosine", "simplex", 0.95)


def _method(name: str, position: int, remark: str, **changed: Any) -> SliceMethod[PddpmRecipe]:
    method = SliceMethod(
        name,
        position,
        "patched diffusion (pDDPM; Behrendt et al. 2023)",
        {"paper": replace(PAPER, **changed), "tiny": replace(TINY, **changed)},
        Pddpm,
        train,
        judge,
        lambda recipe: PER_AXIS**2,
        is_stochastic=True,
        remarks=(remark, "The threshold of the paper's decision is from SYNTHETIC anomalies in healthy people"),
        paper_rule=paper_rule,
    )
    register_slice_method(method)
    return method


PDDPM = _method("pDDPM", 60, "Simplex noise of variance 1, patches of a fixed grid")
PDDPM_GAUSSIAN = _method("pDDPM Gaussian", 61, "Gaussian noise, patches of a fixed grid", noise="gaussian")
PDDPM_RANDOM = _method("pDDPM random patches", 61, "Simplex noise of variance 1, patches anywhere", random_patches=True)
