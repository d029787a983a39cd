"""Tissue of the other hemisphere that would fit into a region: the brain mirrored on itself, moved by some voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

from ..geometry.bounding_box import Box

SEARCH_MM = 10.0
"""How far from the straight mirror image a fitting place is looked for: no brain is its own mirror image."""
MAX_MISSING = 0.1
"""Share of the region whose partner may be no healthy tissue."""
NEARLY_AS_GOOD = 1.05
"""Places that fit as well as the best but for this factor are drawn from."""


@dataclass(frozen=True)
class Surroundings:
    """A region and what is known about it, on one box of the native grid.

    Attributes
    ----------
    fa, smooth
        FA (X, Y, Z) and the same without the detail that the model does not see.
    expected
        The model's mean, FA.
    region, shell
        bool: what is to be filled, and the healthy tissue round it.
    """

    fa: np.ndarray
    smooth: np.ndarray
    expected: np.ndarray
    region: np.ndarray
    shell: np.ndarray


@dataclass(frozen=True)
class MirroredBrain:
    """One brain seen in the mirror of its registration.

    Attributes
    ----------
    fa, smooth
        As in :class:`Surroundings`, of the whole brain.
    healthy
        bool (X, Y, Z): tissue that may be shown elsewhere.
    mirror
        4x4 from voxel indices to those of the place opposite.
    spacing
        Edges of a voxel, mm.
    """

    fa: np.ndarray
    smooth: np.ndarray
    healthy: np.ndarray
    mirror: np.ndarray
    spacing: np.ndarray

    def fitting(self, box: Box, around: Surroundings, generator: np.random.Generator) -> np.ndarray | None:
        """FA of the place opposite that fits the region and its shell best, NaN where it is no healthy tissue.

        The misfit of a place is the sum of squares of its FA minus the FA in the shell, and of its smooth FA minus
        what is expected in the region. Of the places within :data:`SEARCH_MM` that are nearly as good as the best,
        one is drawn.

        Parameters
        ----------
        box
            Where *around* lies on the grid.
        around
            The region.
        generator
            Of the draw.

        Returns
        -------
        numpy.ndarray or None
            (X, Y, Z) of the box; None where no place has healthy tissue for nine tenths of the region.

        References
        ----------
        Efros and Leung, Texture synthesis by non-parametric sampling, ICCV 1999. Mariethoz et al., The direct sampling
        method to perform multiple-point geostatistical simulations, Water Resources Research 46:W11536, 2010.
        """
        reach = np.maximum(np.rint(SEARCH_MM / self.spacing), 1).astype(int)
        fa, smooth, healthy = (self._seen(image, box, reach) for image in (self.fa, self.smooth, self.healthy))
        usable = healthy > 0.99
        misfit = _misfit(fa, around.shell, around.fa) + _misfit(smooth, around.region, around.expected)
        missing = signal.correlate(1.0 - usable, around.region.astype(np.float64), "valid", "fft")
        misfit[missing > MAX_MISSING * around.region.sum()] = np.inf
        best = misfit.min()
        if not np.isfinite(best):
            return None
        chosen = generator.choice(np.flatnonzero(misfit <= NEARLY_AS_GOOD * best))
        shift = np.unravel_index(chosen, misfit.shape)
        there = tuple(slice(s, s + n) for s, n in zip(shift, around.fa.shape, strict=True))
        return np.where(usable[there], fa[there], np.nan)

    def _seen(self, image: np.ndarray, box: Box, reach: np.ndarray) -> np.ndarray:
        """An image in the mirror, on *box* widened by *reach* voxels; 0 beyond the grid."""
        start = np.array([s.start for s in box]) - reach
        shape = tuple(int(s.stop - s.start + 2 * r) for s, r in zip(box, reach, strict=True))
        matrix, offset = self.mirror[:3, :3], self.mirror[:3, 3]
        order = 1 if image.dtype == bool else 3
        return ndimage.affine_transform(
            image.astype(np.float32), matrix, matrix @ start + offset, shape, order=order, mode="constant"
        )


def _misfit(image: np.ndarray, where: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Sum over *where* of (image moved - wanted) squared, for every move that stays inside the image."""
    weight = where.astype(np.float64)
    wanted = np.where(where, wanted, 0.0)
    squares = signal.correlate(image.astype(np.float64) ** 2, weight, "valid", "fft")
    products = signal.correlate(image.astype(np.float64), wanted, "valid", "fft")
    return np.maximum(squares - 2.0 * products + (wanted**2).sum(), 0.0)
