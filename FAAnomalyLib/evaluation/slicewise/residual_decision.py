"""From a residual to a decision as Behrendt et al. 2023 do: erosion, median filter, one threshold, no small components.

Their threshold is the best on a validation set of patients, found by bisection. Here patients are none, so that it is
found on healthy slices with synthetic anomalies; :func:`best_threshold`. Sizes are in millimetres, from 2 mm voxels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ...runtime.arrays import as_array
from ...volume import Volume
from .slice_method import Judged
from .slices import SliceStack

EROSION_MM = 6.0
"""3 pixels of 2 mm, as 96 // 25."""
MEDIAN_MM = 10.0
"""5 voxels of 2 mm."""
LARGEST_DROPPED_MM3 = 56.0
"""7 voxels of 2 mm."""
STEPS = 10
CHANGE, RADIUS = 0.2, (3, 8)
"""FA and radius in pixels of a synthetic anomaly."""
SLICES = 64
"""At most so many get one."""

Restore = Callable[[Tensor, Tensor], Judged]


def decide(fa: Volume, difference: np.ndarray, threshold: float) -> np.ndarray:
    """What the paper calls anomalous, bool (X, Y, Z).

    Parameters
    ----------
    fa
        The input, 0 outside the brain.
    difference
        Input minus expected, FA, (X, Y, Z).
    threshold
        Of the filtered magnitude, FA.
    """
    brain = ndimage.binary_fill_holes(fa.data > 0)
    deep = ndimage.distance_transform_edt(np.pad(brain, 1), sampling=fa.spacing)[1:-1, 1:-1, 1:-1] > EROSION_MM
    size = [2 * max(round((MEDIAN_MM / step - 1) / 2), 0) + 1 for step in fa.spacing]
    found = (ndimage.median_filter(np.where(deep, np.abs(difference), 0.0), size) > threshold) & deep
    labels, count = ndimage.label(found)
    volumes = np.bincount(labels.ravel(), minlength=count + 1) * fa.voxel_ml * 1000.0
    keep = volumes > LARGEST_DROPPED_MM3
    keep[0] = False
    return keep[labels]


def bisected_threshold(score: np.ndarray, truth: np.ndarray, steps: int = STEPS) -> float:
    """The threshold of *score* with the best Dice of *truth*, bool of its shape, by bisection.

    In each of *steps* the half of the interval stays whose middle has the larger Dice.

    Examples
    --------
    >>> score = np.array([0.0, 0.1, 0.2, 0.8, 0.9])
    >>> 0.2 <= bisected_threshold(score, score > 0.5) < 0.8
    True
    """
    low, high = float(score.min()), float(score.max())
    for _ in range(steps):
        quarter = (high - low) / 4.0
        if dice(score > low + quarter, truth) > dice(score > high - quarter, truth):
            high -= 2.0 * quarter
        else:
            low += 2.0 * quarter
    return (low + high) / 2.0


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|), 1 where both are empty."""
    total = np.count_nonzero(found) + np.count_nonzero(truth)
    return 2.0 * np.count_nonzero(found & truth) / total if total else 1.0


def best_threshold(healthy: SliceStack, restore: Restore, batch: int, generator: torch.Generator) -> float:
    """The best threshold of |residual|, FA, on healthy slices with one disc of changed FA each.

    Parameters
    ----------
    healthy
        Slices that the network has not learned from.
    restore
        ``restore(pictures, brain)`` -> what is expected, of slices on the CPU.
    batch
        Slices at once.
    generator
        Of the discs.
    """
    chosen = torch.randperm(len(healthy), generator=generator)[:SLICES]
    pictures, brain = healthy.pictures[chosen], healthy.brain[chosen]
    truth = torch.cat([_disc(one[None], generator) for one in brain])
    sign = torch.where(torch.rand((len(chosen), 1, 1, 1), generator=generator) < 0.5, -1.0, 1.0)
    changed = torch.where(truth, pictures + 2.0 * CHANGE * sign, pictures).clamp(-1.0, 1.0)
    scores = []
    for part, inside in zip(changed.split(batch), brain.split(batch), strict=True):
        residual = (part - restore(part, inside).expected.cpu()).abs() / 2.0
        scores.append(ndimage.median_filter(as_array(torch.where(inside, residual, 0.0)), (1, 1, 5, 5)))
    inside = as_array(brain)
    return bisected_threshold(np.concatenate(scores)[inside], as_array(truth)[inside])


def _disc(brain: Tensor, generator: torch.Generator) -> Tensor:
    """A disc about a random pixel of *brain*, cut to it; bool (1, 1, X, Y)."""
    pixels = torch.nonzero(brain[0, 0])
    centre = pixels[int(torch.randint(len(pixels), (), generator=generator))]
    radius = int(torch.randint(*RADIUS, (), generator=generator))
    x, y = (torch.arange(size) - int(at) for size, at in zip(brain.shape[2:], centre, strict=True))
    return ((x[:, None] ** 2 + y[None, :] ** 2) <= radius**2)[None, None] & brain
