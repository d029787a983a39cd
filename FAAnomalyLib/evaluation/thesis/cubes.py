"""The thesis' roaming cubes (listing A.22)."""

from __future__ import annotations

from itertools import product

import numpy as np

MAX_ZEROS = 0.3
"""A cube with this share of zeros, or more, is skipped."""

Corner = tuple[int, int, int]


def roaming_cubes(fa: np.ndarray, size: int) -> list[Corner]:
    """Lowest corners of the cubes of a lattice that hold less than 30 % zeros, in the order of the listing.

    Parameters
    ----------
    fa
        FA (X, Y, Z), 0 outside the brain; each edge is a multiple of *size*.
    size
        Edge of a cube in voxels.

    Examples
    --------
    >>> fa = np.zeros((4, 2, 2))
    >>> fa[2:] = 0.5
    >>> fa[3, 0, 0] = 0.0
    >>> roaming_cubes(fa, 2)
    [(2, 0, 0)]
    """
    x, y, z = (range(0, n, size) for n in fa.shape)
    return [at for at in product(x, y, z) if float((fa[cube_box(at, size)] == 0).mean()) < MAX_ZEROS]


def cube_box(corner: Corner, size: int) -> tuple[slice, slice, slice]:
    """The box of a cube."""
    x, y, z = (slice(start, start + size) for start in corner)
    return x, y, z


def tiles(corner: Corner, edge: int, size: int) -> list[Corner]:
    """Corners of the cubes of *size* that tile a cube of *edge*, a multiple of it.

    Examples
    --------
    >>> len(tiles((0, 0, 0), 16, 8)), tiles((1, 2, 3), 8, 8)
    (8, [(1, 2, 3)])
    """
    x, y, z = corner
    return [(x + i, y + j, z + k) for i, j, k in product(range(0, edge, size), repeat=3)]
