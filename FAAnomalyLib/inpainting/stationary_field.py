"""Random fields with a covariance that was measured on part of a grid, and their conditioning on known voxels.

All covariances are circulant: they live on a grid that is padded by their own range, so that its far ends do not feel
each other, and are kept as power spectra, which are cut at 0. A product with a covariance matrix is then two fast
Fourier transforms, whatever the voxels' edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.sparse.linalg import LinearOperator, cg

RANGE_MM = 10.0
"""Distance at which a covariance has been tapered to 0: far enough to join a region to what lies around it, and near
enough to be told by the tissue within two centimetres."""
MIN_PAIRS = 0.02
"""Of the measured voxels: a distance that fewer pairs have is taken as uncorrelated."""
NUGGET = 0.02
"""Of the variance: what a known voxel need not bind, so that the equations stay well conditioned."""
TOLERANCE, MAX_ITERATIONS = 1e-2, 150
"""Of the conjugate gradients: relative residual, far below what noise hides."""


@dataclass(frozen=True)
class StationaryField:
    """A stationary Gaussian field of mean 0 on a grid.

    Attributes
    ----------
    shape
        (X, Y, Z) of the grid.
    padded
        Shape on which the spectrum lives.
    spectrum
        Power spectrum, real and not negative, in the layout of :func:`scipy.fft.rfftn` of *padded*; its inverse
        transform is the covariance, in the squared unit of the field.
    """

    shape: tuple[int, ...]
    padded: tuple[int, ...]
    spectrum: np.ndarray

    @classmethod
    def measured(cls, values: np.ndarray, known: np.ndarray, spacing: np.ndarray) -> StationaryField:
        """The field whose covariance is that of the known voxels, tapered to 0 at :data:`RANGE_MM`.

        The covariance at a distance is the mean product of all pairs of known voxels that far apart, by the
        autocorrelations of the masked values and of the mask.

        Parameters
        ----------
        values
            (X, Y, Z), of mean 0.
        known
            bool (X, Y, Z), not empty.
        spacing
            Edges of a voxel, mm.

        References
        ----------
        Marcotte, Fast variogram computation with FFT, Computers & Geosciences 22:1175, 1996.
        """
        padded = tuple(
            fft.next_fast_len(int(n + np.ceil(RANGE_MM / edge)), real=True)
            for n, edge in zip(values.shape, spacing, strict=True)
        )
        products = fft.irfftn(np.abs(fft.rfftn(np.where(known, values, 0.0), padded)) ** 2, padded)
        pairs = fft.irfftn(np.abs(fft.rfftn(known.astype(np.float64), padded)) ** 2, padded)
        covariance = np.where(pairs > MIN_PAIRS * known.sum(), products / np.maximum(pairs, 1.0), 0.0)
        spectrum = fft.rfftn(covariance * _taper(padded, spacing)).real
        return cls(values.shape, padded, np.maximum(spectrum, 0.0))

    @property
    def variance(self) -> float:
        """Of one voxel."""
        return float(fft.irfftn(self.spectrum, self.padded).flat[0])

    def without(self, other: StationaryField) -> StationaryField:
        """The field that *other* lacks: its spectrum is the difference, where that is positive."""
        return StationaryField(self.shape, self.padded, np.maximum(self.spectrum - other.spectrum, 0.0))

    def sample(self, generator: np.random.Generator) -> np.ndarray:
        """One draw, float64 (X, Y, Z)."""
        white = fft.rfftn(generator.standard_normal(self.padded))
        return self._cut(fft.irfftn(np.sqrt(self.spectrum) * white, self.padded))

    def continued(self, values: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Simple kriging: the field's mean everywhere, given its values at the known voxels.

        Solves ``(K + 0.02 v I) a = values`` over the known voxels, with K their covariance and v the variance, by
        conjugate gradients; the mean is the covariance with the known voxels times a.

        Parameters
        ----------
        values
            (X, Y, Z); used where *known*.
        known
            bool (X, Y, Z).

        References
        ----------
        Journel, Geostatistics for conditional simulation of ore bodies, Economic Geology 69:673, 1974.
        """
        at, nugget = np.flatnonzero(known), NUGGET * max(self.variance, 1e-12)
        operator = LinearOperator(
            (len(at), len(at)), matvec=lambda a: self._spread(a, at).flat[at] + nugget * a, dtype=np.float64
        )
        weights, _ = cg(operator, values.flat[at].astype(np.float64), rtol=TOLERANCE, maxiter=MAX_ITERATIONS)
        return self._spread(weights, at)

    def _spread(self, weights: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Covariance matrix times weights that lie at some voxels, (X, Y, Z)."""
        whole = np.zeros(self.shape)
        whole.flat[at] = weights
        return self._cut(fft.irfftn(self.spectrum * fft.rfftn(whole, self.padded), self.padded))

    def _cut(self, padded: np.ndarray) -> np.ndarray:
        return padded[tuple(slice(n) for n in self.shape)]


def _taper(shape: tuple[int, ...], spacing: np.ndarray) -> np.ndarray:
    """Over the distance in mm from the first voxel of a periodic grid: 1 to half the range, then a cosine down to 0."""
    squared = np.zeros(())
    for n, edge in zip(shape, spacing, strict=True):
        squared = squared[..., None] + (fft.fftfreq(n, 1.0 / n) * edge) ** 2
    beyond = np.clip(2.0 * np.sqrt(squared) / RANGE_MM - 1.0, 0.0, 1.0)
    return np.cos(np.pi / 2 * beyond) ** 2
