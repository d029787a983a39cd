"""The smoothest fill: every hidden voxel is the mean of its six neighbours."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import cg

from ...errors import FAError
from .protocol import FillPriors, check_shapes, filled


class Harmonic:
    """Solution of Laplace's equation in each hole, its visible surroundings as the boundary values.

    The surroundings are all visible voxels, background (FA 0) beside the brain included, as for the
    network. It knows nothing but the rim of the hole, so it tells how much of a prediction comes
    from there, and never leaves the range of the rim (maximum principle). The prior is not used.
    See :class:`~.protocol.Baseline`.
    """

    name = "harmonic"

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: FillPriors | None = None) -> np.ndarray:
        """FA with the harmonic function in the hole; accurate to 1e-4 or better."""
        check_shapes(fa, hole)
        if hole.all():
            raise FAError(
                "bad-request", "The hole leaves no context", "it covers the whole volume", "Choose a smaller region"
            )
        if not hole.any():
            return filled(fa, hole, 0.0)
        return filled(fa, hole, solve_laplace(fa, hole))


def solve_laplace(fa: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The harmonic function in the hole, at its voxels in C order, shape (N,), float64.

    Seven-point Laplacian on a grid of cubic voxels, no flux through the border of the array. Holes
    that do not touch do not influence each other. *hole* is neither empty nor everything.
    """
    count = int(np.count_nonzero(hole))
    number = np.full(hole.shape, -1)
    number[hole] = np.arange(count)
    degree = np.zeros(count)
    rim = np.zeros(count)
    rows, columns = [], []
    for axis in range(3):
        lower = [slice(None)] * 3
        upper = [slice(None)] * 3
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        for here, there in ((tuple(lower), tuple(upper)), (tuple(upper), tuple(lower))):
            hidden = hole[here]
            mine, neighbour = number[here][hidden], number[there][hidden]
            degree[mine] += 1
            inner = neighbour >= 0
            rows.append(mine[inner])
            columns.append(neighbour[inner])
            rim[mine[~inner]] += fa[there][hidden][~inner]
    rows, columns = np.concatenate([*rows, np.arange(count)]), np.concatenate([*columns, np.arange(count)])
    values = np.concatenate([np.full(len(rows) - count, -1.0), degree])
    laplacian = csr_array((values, (rows, columns)), shape=(count, count))
    # Symmetric and positive definite with a small condition number in holes of this size:
    # conjugate gradients need some dozen steps, where a factorisation would fill in.
    solution, unfinished = cg(laplacian, rim, rtol=1e-9, maxiter=20000)
    if unfinished:
        raise FAError("bug", "The harmonic fill did not converge", f"{count} hidden voxels", "Report it")
    return solution
