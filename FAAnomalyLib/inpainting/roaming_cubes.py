"""The thesis' roaming: which cubes of a grid are inpainted, one run of the sampler each (listing A.22)."""

from __future__ import annotations

from itertools import product

import numpy as np

from ..errors import FAError
from ..request import CROP_FIELD_MM, MASK_VOXEL_MM

MAX_ZERO_SHARE = 0.3
"""A cube with this share of voxels of FA 0, or more, is left out."""

Origin = tuple[int, int, int]
"""First voxel of a cube."""


def roaming_cubes(fa: np.ndarray, edge: int, max_zero_share: float = MAX_ZERO_SHARE) -> list[Origin]:
    """Origins of the cubes that are inpainted, the last axis running fastest, as in listing A.22.

    Cubes stand side by side from voxel 0. One at the far end may be cut by the border; as in the listing its zeros
    still count against a whole cube's voxels.

    Parameters
    ----------
    fa
        FA in [0, 1], (X, Y, Z); exactly 0 outside the brain.
    edge
        Of a cube in voxels of this grid, at least 1.
    max_zero_share
        Cubes with this share of zeros or more are left out.

    Examples
    --------
    >>> fa = np.ones((4, 2, 2), np.float32)
    >>> fa[2:, 0, 0] = 0.0
    >>> roaming_cubes(fa, 2), roaming_cubes(fa, 2, 0.2)
    ([(0, 0, 0), (2, 0, 0)], [(0, 0, 0)])
    """
    if edge < 1:
        raise ValueError(f"a cube's edge must be at least 1 voxel, not {edge}")
    # The listing tests (x + 1) / 2 of x = 2 FA - 1.
    fa = np.asarray(fa, np.float32)
    zeros = (2.0 * fa - 1.0 + 1.0) / 2.0 == 0
    counts = zeros.astype(np.int64)
    for axis, n in enumerate(fa.shape):
        counts = np.add.reduceat(counts, np.arange(0, n, edge), axis=axis)
    chosen = np.argwhere(counts / edge**3 < max_zero_share) * edge
    return [(int(i), int(j), int(k)) for i, j, k in chosen]


def cube_edge(mask_size: int, voxels: int) -> int:
    """Edge of a cube in voxels of a crop of 160 mm.

    Parameters
    ----------
    mask_size
        In voxels of 1.25 mm.
    voxels
        Along each edge of the crop.

    Raises
    ------
    FAError
        ``bad-request`` where that is no whole number.

    Examples
    --------
    >>> cube_edge(16, 128), cube_edge(16, 64)
    (16, 8)
    """
    spacing_mm = CROP_FIELD_MM / voxels
    edge = mask_size * MASK_VOXEL_MM / spacing_mm
    if edge < 1 or edge != int(edge):
        raise FAError(
            "bad-request",
            f"Cubes of {mask_size} do not fit a grid of {voxels}",
            f"they would be {edge:g} voxels of {spacing_mm:g} mm",
            "Choose a larger mask size or grid",
        )
    return int(edge)


def cube_hole(shape: tuple[int, ...], origin: Origin, edge: int) -> np.ndarray:
    """The cube at *origin*, bool of *shape*, cut at the border."""
    hole = np.zeros(shape, bool)
    hole[cube_box(origin, edge)] = True
    return hole


def cube_box(origin: Origin, edge: int) -> tuple[slice, slice, slice]:
    """Slices of the cube at *origin* along x, y and z."""
    x, y, z = (slice(first, first + edge) for first in origin)
    return x, y, z


def tiles(origin: Origin, edge: int, size: int) -> list[Origin]:
    """Origins of the cubes of *size* that tile a cube of *edge*, a multiple of it.

    Examples
    --------
    >>> len(tiles((0, 0, 0), 16, 8)), tiles((1, 2, 3), 8, 8)
    (8, [(1, 2, 3)])
    """
    x, y, z = origin
    return [(x + i, y + j, z + k) for i, j, k in product(range(0, edge, size), repeat=3)]
