"""Octaves of simplex noise, as AnoDDPM adds it to a picture in place of Gaussian noise (Wyatt et al. 2022).

A field is the sum of *octaves* fields: the first has lattice edges of *frequency* voxels, each next one half of that
and *persistence* times the amplitude. With 6, 0.8 and 64 the edges are 64 to 2 voxels long and the power falls with
frequency, as it does in pictures.

Two things are done that the published code does not do:

- Every octave has gradients and an origin of its own. With one origin for all, every octave is 0 in the first voxel and
  the octaves agree near it, so that the noise would depend on the place.
- A field is divided by its standard deviation over all draws, known in closed form: the schedule mixes picture and
  noise as ``alpha x0 + sigma noise`` and means noise of variance 1. The published amplitudes give less (0.87 in the
  plane and 0.63 in space with this noise), so that the network sees less noise than t says; ``standardised=False``
  keeps them. The mean and spread of *one* field still differ from 0 and 1, since few of the longest waves fit into a
  volume; dividing that out would take away the very waves for which simplex noise is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .simplex_noise import HASH_SIZE, simplex_noise, variance

PEAK = {2: 0.010080, 3: 0.009289}
"""Largest value of one octave, with all gradients towards it, by dimensions: published amplitudes count from it."""
SLAB_VOXELS = 1 << 19
"""A field is made in slabs of about so many voxels, which bounds the memory."""


@dataclass(frozen=True)
class Octaves:
    """Which octaves a field is made of.

    Attributes
    ----------
    octaves
        Number of fields that are added, at least 1.
    persistence
        Amplitude of an octave relative to the one before.
    frequency
        Lattice edge of the first octave in voxels.
    standardised
        Whether the variance over all draws is 1; else one octave reaches ±1 at most.

    Examples
    --------
    >>> round(Octaves(standardised=False).deviation(3), 3)
    0.625
    """

    octaves: int = 6
    persistence: float = 0.8
    frequency: float = 64.0
    standardised: bool = True

    def __post_init__(self) -> None:
        if self.octaves < 1 or not self.persistence > 0.0 or not self.frequency > 0.0:
            raise ValueError(f"no octaves of simplex noise: {self}")

    def deviation(self, dimensions: int) -> float:
        """Standard deviation over all draws."""
        return 1.0 if self.standardised else self._amplitude() * math.sqrt(variance(dimensions)) / PEAK[dimensions]

    def field(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        """One random field, float32 of *shape* (X, Y) or (X, Y, Z); *generator* is the only source of randomness."""
        total = np.zeros(shape, np.float32)
        for octave in range(self.octaves):
            permutation = generator.permutation(HASH_SIZE).astype(np.int32)
            origin = generator.uniform(0.0, HASH_SIZE, len(shape))
            scale = 2.0**octave / self.frequency
            total += np.float32(self.persistence**octave) * _on_grid(shape, scale, origin, permutation)
        own = self._amplitude() * math.sqrt(variance(len(shape)))
        return total * np.float32(self.deviation(len(shape)) / own)

    def _amplitude(self) -> float:
        """Of independent octaves together, one octave counting 1."""
        return math.sqrt(sum(self.persistence ** (2 * octave) for octave in range(self.octaves)))


class SimplexSource:
    """Draws simplex noise for a sampler, in place of a :class:`torch.Generator`.

    Parameters
    ----------
    seed
        Of all draws, from 0.
    octaves
        What a field is made of.

    Examples
    --------
    >>> SimplexSource(0).draw((2, 1, 8, 8, 8)).shape
    (2, 1, 8, 8, 8)
    """

    def __init__(self, seed: int, octaves: Octaves = Octaves()) -> None:  # noqa: B008 - frozen
        self._generator, self.octaves = np.random.default_rng(seed), octaves

    def draw(self, shape: tuple[int, ...]) -> np.ndarray:
        """The next noise, float32 (B, C, X, Y[, Z]): a field of its own for every member and channel."""
        fields = [self.octaves.field(shape[2:], self._generator) for _ in range(shape[0] * shape[1])]
        return np.stack(fields).reshape(shape)


def _on_grid(shape: tuple[int, ...], scale: float, origin: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """One octave on a grid of voxels that are *scale* lattice edges apart."""
    axes = [start + scale * np.arange(n) for n, start in zip(shape, origin, strict=True)]
    rows = max(1, SLAB_VOXELS // math.prod(shape[1:]))
    slabs = []
    for first in range(0, shape[0], rows):
        grid = np.meshgrid(axes[0][first : first + rows], *axes[1:], indexing="ij")
        slabs.append(simplex_noise(np.stack(grid), permutation))
    return np.concatenate(slabs)
