"""Draw a synthetic FA brain: a deformed template, which the model redraws one half after the other.

The result is nobody's brain. Its anatomy begins as a randomly deformed template. Every part is then hidden and drawn
anew from the model's posterior given the rest, so that it gets an individual's texture. This is one sweep of a Gibbs
sampler over blocks; in further sweeps the anatomy drifts away.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import ndimage

from ..errors import FAError
from ..inpainting.sampling import Sampling
from ..inpainting.volume_inpainter import VolumeInpainter
from ..preprocessing.template import BRAIN_PROBABILITY, Template
from ..runtime.arrays import as_array, as_tensor
from ..training.augmentation import Augmented, augment
from ..volume import Volume

BLOCK_VOXELS = 10
"""Edge of the chessboard's blocks."""
DEFORMATION_SCALE = 0.5
"""Of the deformation that training uses, which is larger than people differ by. Brains drawn with all of it showed 4
and 2 regions at the automatic threshold (seeds 5 and 6), with half of it 0 and 2 (seeds 4 and 7: 1 and 0)."""
TEXTURE_VOXELS = 0.7
"""Standard deviation of the Gaussian that removes what is finer than the model's resolution."""
HEAD_TURN_DEGREES = 6.0
HEAD_SHIFT_MM = 8.0
"""Largest rotation about, and shift along, each axis of the head in the scanner."""


def sample_brain(
    inpainter: VolumeInpainter,
    template: Template,
    seed: int = 0,
    sampler: str = "dpm++",
    steps: int = 12,
    on_progress: Callable[[float], None] | None = None,
) -> Volume:
    """Draw a synthetic FA map.

    Parameters
    ----------
    inpainter
        Of a hole-trained model.
    template
        The model's, on its grid.
    seed
        Of every random draw: another seed, another brain.
    sampler, steps
        A sampler that draws from the posterior, not ``mean``, and its number of steps.
    on_progress
        Called with the finished share, 0 to 1.

    Returns
    -------
    Volume
        FA in [0, 1], float32 (X, Y, Z) on the model grid, 0 outside the brain. The affine puts the head into a random
        position.

    Raises
    ------
    FAError
        ``bad-request`` for a model that is not hole-trained, or a sampler that does not fit it.
    """
    if not inpainter.kind.told_hole:
        raise FAError(
            "bad-request",
            f"The model {inpainter.model.name} cannot draw a brain",
            "it is not hole-trained",
            "Choose the bundled model",
        )
    start = _deformed_template(template, seed)
    brain = _largest_component(as_array(start.weight) > BRAIN_PROBABILITY)
    fa = np.where(brain, as_array(start.fa), 0.0).astype(np.float32)
    halves = _chessboard(fa.shape)
    for number, half in enumerate(halves):

        def on_step(done: int, total: int, number: int = number) -> None:
            if on_progress is not None:
                on_progress((number + done / total) / len(halves))

        hole = half & brain
        drawn, _, _ = inpainter.fill(fa, hole, Sampling(sampler, steps, 1, seed * 1000 + number), on_step)
        fa[hole] = drawn
        fa[hole] = _at_model_resolution(fa, brain)[hole]
    fa = np.where(brain, np.clip(fa, 0.0, 1.0), 0.0).astype(np.float32)
    return Volume(fa, _random_head_position(template.fa.affine, seed))


def _deformed_template(template: Template, seed: int) -> Augmented:
    """A random relative of the template; its ``weight`` is the brain."""
    priors = template.priors
    return augment(
        as_tensor(priors.fa),
        as_tensor(priors.brain),
        as_tensor(priors.fa),
        as_tensor(priors.white_matter),
        torch.Generator().manual_seed(seed),
        population_average=True,
        deformation_scale=DEFORMATION_SCALE,
    )


def _largest_component(brain: np.ndarray) -> np.ndarray:
    """The brain without the fragments that an average of many brain masks has at its edge."""
    labels, count = ndimage.label(ndimage.binary_opening(brain, iterations=2))
    sizes = ndimage.sum_labels(labels > 0, labels, np.arange(1, count + 1))
    return labels == 1 + int(np.argmax(sizes))


def _at_model_resolution(fa: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """*fa* as smooth as the maps that the model was trained on; 0 outside the *brain*.

    The samplers leave some noise from voxel to voxel that no map on this grid has. As context of the next half it
    would grow from half to half.
    """
    total = ndimage.gaussian_filter(np.where(brain, fa, 0.0), TEXTURE_VOXELS)
    weight = ndimage.gaussian_filter(brain.astype(np.float32), TEXTURE_VOXELS)
    return np.divide(total, weight, out=np.zeros_like(total), where=brain)


def _chessboard(shape: tuple[int, ...]) -> list[np.ndarray]:
    """The blocks of a 3D chessboard of one colour, and those of the other; bool (X, Y, Z)."""
    x, y, z = np.ix_(*[np.arange(n) // BLOCK_VOXELS for n in shape])
    parity = (x + y + z) % 2
    return [parity == 0, parity == 1]


def _random_head_position(affine: np.ndarray, seed: int) -> np.ndarray:
    """The affine of a head that lies a little turned and shifted in the scanner; no voxel is resampled."""
    generator = np.random.default_rng(seed)
    position = np.eye(4)
    for axis, degrees in enumerate(generator.uniform(-HEAD_TURN_DEGREES, HEAD_TURN_DEGREES, 3)):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        rotation = np.eye(4)
        i, j = [a for a in range(3) if a != axis]
        rotation[[i, i, j, j], [i, j, i, j]] = c, -s, s, c
        position = position @ rotation
    position[:3, 3] = generator.uniform(-HEAD_SHIFT_MM, HEAD_SHIFT_MM, 3)
    return position @ affine
