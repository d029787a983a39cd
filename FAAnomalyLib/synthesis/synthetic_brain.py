"""Draw a synthetic FA brain: the template, of which the model redraws one half after the other.

What comes out is nobody's brain.  Its anatomy begins as a randomly deformed template; every part is
then hidden and drawn anew from the model's posterior given the rest, so that it gets an individual's
texture (one sweep of a Gibbs sampler over blocks; in further sweeps the anatomy drifts away).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage

from ..errors import FAError
from ..inpainting.volume_inpainter import Sampling, VolumeInpainter
from ..preprocessing.template import BRAIN_PROBABILITY, Template
from ..training.augmentation import augment
from ..volume import Volume

BLOCK_VOXELS = 10
UNLIKE = 0.5
"""Of the deformation that training uses, which is larger than people differ: brains drawn with all of it showed 4 and 2
regions at the automatic threshold (seeds 5 and 6), with half of it none and 2 (seeds 4 and 7: 1 and none)."""
TEXTURE_VOXELS = 0.7
"""Standard deviation of the Gaussian that removes what is finer than the model's resolution."""


def sample_brain(
    inpainter: VolumeInpainter,
    template: Template,
    seed: int = 0,
    sampler: str = "dpm++",
    steps: int = 12,
    on_progress: Callable[[float], None] | None = None,
) -> Volume:
    """A synthetic FA map on the model grid, in a random head position.

    Parameters
    ----------
    filler
        A :class:`~FAAnomalyLib.inpainting.volume_inpainter.VolumeInpainter` of a hole-trained model.
    template
        Its template.
    seed
        Another seed, another brain.
    sampler, steps
        A stochastic view needs a sampler, not the mean.
    """
    if inpainter.model.kind != "inpainter":
        raise FAError(
            "bad-request",
            f"The model {inpainter.model.name} cannot draw a brain",
            "it is not hole-trained",
            "Choose the bundled model",
        )
    priors = template.priors
    given = (torch.from_numpy(part) for part in (priors.fa, priors.brain, priors.fa, priors.white_matter))
    start = augment(*given, torch.Generator().manual_seed(seed), smooth=True, unlike=UNLIKE)
    brain = _one_piece(start.weight.numpy() > BRAIN_PROBABILITY)
    fa = np.where(brain, start.fa.numpy(), 0.0).astype(np.float32)
    halves = _halves(fa.shape)
    for number, half in enumerate(halves):

        def on_step(done: int, total: int, number: int = number) -> None:
            if on_progress is not None:
                on_progress((number + done / total) / len(halves))

        hole = half & brain
        drawn, _, _ = inpainter.fill(fa, hole, Sampling(sampler, steps, 1, seed * 1000 + number), on_step)
        fa[hole] = drawn
        fa[hole] = _at_resolution(fa, brain)[hole]
    return Volume(
        np.where(brain, np.clip(fa, 0.0, 1.0), 0.0).astype(np.float32), _head_position(template.fa.affine, seed)
    )


def _one_piece(brain: np.ndarray) -> np.ndarray:
    """Without the shreds that an average of many brain masks has at its edge."""
    labels, count = ndimage.label(ndimage.binary_opening(brain, iterations=2))
    sizes = ndimage.sum_labels(labels > 0, labels, np.arange(1, count + 1))
    return labels == 1 + int(np.argmax(sizes))


def _at_resolution(fa: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """*fa* as smooth as the maps that the model knows, whose neighbouring voxels are alike.

    The samplers leave some noise from voxel to voxel that no map on this grid has; as context of
    the next half it would grow from turn to turn.
    """
    total = ndimage.gaussian_filter(np.where(brain, fa, 0.0), TEXTURE_VOXELS)
    weight = ndimage.gaussian_filter(brain.astype(np.float32), TEXTURE_VOXELS)
    return np.divide(total, weight, out=np.zeros_like(total), where=brain)


def _halves(shape: tuple[int, ...]) -> list[np.ndarray]:
    """A 3D chessboard of blocks and its complement."""
    parity = sum(np.ix_(*[np.arange(n) // BLOCK_VOXELS for n in shape])) % 2
    return [parity == 0, parity == 1]


def _head_position(affine: np.ndarray, seed: int) -> np.ndarray:
    """The head a little turned and shifted in the scanner: the header says so, no voxel is resampled."""
    generator = np.random.default_rng(seed)
    turn = np.eye(4)
    for axis, degrees in enumerate(generator.uniform(-6.0, 6.0, 3)):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        one = np.eye(4)
        i, j = [a for a in range(3) if a != axis]
        one[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
        turn = turn @ one
    turn[:3, 3] = generator.uniform(-8.0, 8.0, 3)
    return turn @ affine
