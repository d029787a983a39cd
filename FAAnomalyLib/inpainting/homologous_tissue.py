"""Tissue of the other hemisphere that would fit into a region: the brain mirrored on itself, moved by some voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import Box

SEARCH_MM = 10.0
"""How far from the straight mirror image a fitting place is looked for: no brain is its own mirror image."""
MODEL_MM = 4.5
"""Edge of the voxels whose resolution the model sees."""
MAX_MISSING = 0.1
"""Share of the region whose partner may be no healthy tissue."""
NEARLY_AS_GOOD = 1.05
"""Places that fit as well as the best but for this factor are drawn from."""


@dataclass(frozen=True)
class Surroundings:
    """A region and what is known about it, on one box of the native grid.

    Attributes
    ----------
    fa, expected
        FA (X, Y, Z), and the model's mean of it.
    region, shell
        bool: what is to be filled, and the healthy tissue round it.
    """

    fa: np.ndarray
    expected: np.ndarray
    region: np.ndarray
    shell: np.ndarray


@dataclass(frozen=True)
class MirroredBrain:
    """One brain seen in the mirror of its registration.

    Attributes
    ----------
    fa
        FA (X, Y, Z) of the whole brain.
    healthy
        bool (X, Y, Z): tissue that may be shown elsewhere.
    mirror
        4x4 from voxel indices to those of the place opposite.
    spacing
        Edges of a voxel, mm.
    """

    fa: np.ndarray
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
        fa, usable = self._seen(box, reach)
        smooth = without_detail(fa, usable, self.spacing)
        misfit = _misfit(fa, around.shell, around.fa) + _misfit(smooth, around.region, around.expected)
        missing = _correlation(1.0 - usable, around.region.astype(np.float64))
        misfit[missing > MAX_MISSING * around.region.sum()] = np.inf
        best = misfit.min()
        if not np.isfinite(best):
            return None
        chosen = generator.choice(np.flatnonzero(misfit <= NEARLY_AS_GOOD * best))
        shift = np.unravel_index(chosen, misfit.shape)
        there = tuple(slice(s, s + n) for s, n in zip(shift, around.fa.shape, strict=True))
        return np.where(usable[there], fa[there], np.nan)

    def _seen(self, box: Box, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """FA and what of it is healthy, in the mirror, on *box* widened by *reach* voxels; 0 beyond the grid."""
        start = np.array([s.start for s in box]) - reach
        shape = tuple(int(s.stop - s.start + 2 * r) for s, r in zip(box, reach, strict=True))
        matrix = self.mirror[:3, :3]
        offset = matrix @ start + self.mirror[:3, 3]
        source = _reached(matrix, offset, shape, self.fa.shape)
        offset = offset - [s.start for s in source]
        fa = ndimage.affine_transform(self.fa[source], matrix, offset, shape, order=3)
        healthy = ndimage.affine_transform(self.healthy[source].astype(np.float32), matrix, offset, shape, order=1)
        return np.clip(fa, 0.0, 1.0), healthy > 0.99


def _reached(matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, ...], grid: tuple[int, ...]) -> Box:
    """The part of a grid that an image of *shape* is interpolated from, with what a cubic spline feels beyond it."""
    corners = matrix @ np.stack(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1) + offset[:, None]
    x, y, z = (
        slice(int(np.clip(low - 6, 0, n - 1)), int(np.clip(high + 7, 1, n)))
        for low, high, n in zip(corners.min(axis=1), corners.max(axis=1), grid, strict=True)
    )
    return x, y, z


def without_detail(fa: np.ndarray, known: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """FA at the resolution that the model sees, from the *known* voxels alone; float32, 0 far from all of them."""
    sigma = np.sqrt(np.maximum(MODEL_MM**2 - spacing**2, 0.0) / 12.0) / spacing
    weight = ndimage.gaussian_filter(known.astype(np.float32), sigma, truncate=3.0)
    total = ndimage.gaussian_filter(np.where(known, fa, 0.0).astype(np.float32), sigma, truncate=3.0)
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-3)


def _misfit(image: np.ndarray, where: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Sum over *where* of (image moved - wanted) squared, for every move that stays inside the image."""
    weight = where.astype(np.float64)
    wanted = np.where(where, wanted, 0.0)
    squares = _correlation(image.astype(np.float64) ** 2, weight)
    products = _correlation(image.astype(np.float64), wanted)
    return np.maximum(squares - 2.0 * products + (wanted**2).sum(), 0.0)


def _correlation(image: np.ndarray, part: np.ndarray) -> np.ndarray:
    """Of *part* with every piece of *image* of its shape."""
    from scipy import signal  # a second's import, which every start of the engine would wait for

    return signal.correlate(image, part, "valid", "fft")
