"""Baseline fill with the harmonic function: every hidden voxel is the mean of its six neighbours."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LaplacianNd, cg

from ...errors import FAError
from ...geometry.bounding_box import bounding_box
from ...preprocessing.template import TemplatePriors
from .baseline_fill import check_shapes, with_hole_filled


class HarmonicFill:
    """Solution of Laplace's equation in each hole with the visible neighbours as boundary values.

    All visible voxels count, background (FA 0) beside the brain included, as for the network. The fill knows only
    the rim of the hole, so it shows how much of a prediction comes from there, and it never leaves the range of
    the rim (maximum principle). The priors are not used. See :class:`~.baseline_fill.BaselineFill`.
    """

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: TemplatePriors | None = None) -> np.ndarray:
        """FA with the harmonic function in the hole; accurate to 1e-4 or better."""
        check_shapes(fa, hole)
        if hole.all():
            raise FAError(
                "bad-request", "The hole leaves no context", "it covers the whole volume", "Choose a smaller region"
            )
        if not hole.any():
            return with_hole_filled(fa, hole, 0.0)
        return with_hole_filled(fa, hole, solve_laplace(fa, hole))


def solve_laplace(fa: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Solve Laplace's equation in a hole.

    Seven-point Laplacian on a grid of cubic voxels, Dirichlet conditions at the visible neighbours and no flux
    through the border of the array. Holes that do not touch do not influence each other.
    (:func:`skimage.restoration.inpaint_biharmonic` solves the biharmonic equation, which leaves the range of the rim.)

    Parameters
    ----------
    fa
        FA (X, Y, Z); values inside the hole are ignored.
    hole
        bool (X, Y, Z), neither empty nor everything.

    Returns
    -------
    float64 array (N,)
        The harmonic function at the hidden voxels in C order.

    Examples
    --------
    >>> fa = np.array([0.2, np.nan, np.nan, 0.8]).reshape(4, 1, 1)
    >>> solve_laplace(fa, np.isnan(fa)).round(6)
    array([0.4, 0.6])
    """
    # One visible voxel around the hole: within the box no flux is lost that the whole array has.
    box = bounding_box(hole, 1)
    fa, hole = fa[box], hole[box]
    hidden = np.flatnonzero(hole)
    # SciPy counts a flux along an axis of one voxel; without that axis the order of the voxels is the same.
    shape = tuple(n for n in hole.shape if n > 1)
    laplacian = LaplacianNd(shape, boundary_conditions="neumann", dtype=np.float64).tosparse().tocsr()[hidden]
    rim = laplacian @ np.where(hole, 0.0, fa).ravel().astype(np.float64)
    # Symmetric and positive definite with a small condition number in holes of this size:
    # conjugate gradients need some dozen steps, where a factorisation would fill in.
    solution, unfinished = cg(-laplacian[:, hidden], rim, rtol=1e-9, maxiter=20000)
    if unfinished:
        raise FAError("bug", "The harmonic fill did not converge", f"{len(hidden)} hidden voxels", "Report it")
    return solution
