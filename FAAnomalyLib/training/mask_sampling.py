"""Random holes for training, of many shapes: from a few voxels to half of the brain."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

LATTICE_EDGES = (3, 4, 5, 6, 8, 10, 12, 16, 20)
"""Edges of the interleaved cubes in voxels of the model grid."""
LATTICE_SHARE, BOXES_SHARE = 0.55, 0.15
"""Shares of lattices and of scattered boxes among the holes; the others are blobs."""
MIRROR_SAFE_SHARE = 0.5
"""Share of the lattices whose mirror image is visible everywhere."""


def random_hole(brain: Tensor, generator: Generator) -> Tensor:
    """Draw the holes of one training example.

    They are interleaved cubes, as a whole-brain pass hides them, scattered boxes, or blobs like the candidates of the
    refinement.

    Parameters
    ----------
    brain
        Brain mask, bool (X, Y, Z), not empty; X is left-right symmetric about the array centre.
    generator
        The only source of randomness.

    Returns
    -------
    Tensor of bool, shape (X, Y, Z)
        True where hidden; at least one voxel of the brain is.

    Examples
    --------
    >>> brain = torch.ones(20, 24, 20, dtype=torch.bool)
    >>> hole = random_hole(brain, Generator().manual_seed(0))
    >>> hole.shape, bool(hole.any())
    (torch.Size([20, 24, 20]), True)
    """
    hole = _draw(brain, generator)
    while not (hole & brain).any():
        hole = _draw(brain, generator)
    return hole


def _draw(brain: Tensor, generator: Generator) -> Tensor:
    kind = _uniform(generator)
    if kind < LATTICE_SHARE:
        return _lattice(tuple(brain.shape), generator)
    if kind < LATTICE_SHARE + BOXES_SHARE:
        return _boxes(brain, generator)
    return _blobs(brain, generator)


def _lattice(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Cubes of one edge, as far apart as they are wide along each axis."""
    edge = LATTICE_EDGES[_integer(len(LATTICE_EDGES), generator)]
    mirror_safe = _uniform(generator) < MIRROR_SAFE_SHARE
    hole = torch.ones(shape, dtype=torch.bool)
    for axis, n in enumerate(shape):
        offset = _integer(2 * edge, generator)
        if axis == 0 and mirror_safe:
            offset = n // 2 % (2 * edge) + edge * _integer(2, generator)
        hidden = (torch.arange(n) - offset) % (2 * edge) < edge
        hole &= hidden.view([-1 if a == axis else 1 for a in range(3)])
    return hole


def _boxes(brain: Tensor, generator: Generator) -> Tensor:
    """Up to six boxes about voxels of the brain."""
    hole = torch.zeros_like(brain)
    for _ in range(1 + _integer(6, generator)):
        centre = _brain_voxel(brain, generator)
        spans = []
        for axis in range(3):
            half = 2 + _integer(10, generator)
            spans.append(slice(max(int(centre[axis]) - half, 0), int(centre[axis]) + half))
        hole[tuple(spans)] = True
    return hole


def _blobs(brain: Tensor, generator: Generator) -> Tensor:
    """Level sets of a smooth random field inside up to eight balls: round, ragged, elongated."""
    distance = 4 + _integer(6, generator)
    coarse = [n // distance + 2 for n in brain.shape]
    field = F.interpolate(
        torch.randn((1, 1, *coarse), generator=generator), size=tuple(brain.shape), mode="trilinear", align_corners=True
    )[0, 0]
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in brain.shape], indexing="ij")
    hole = torch.zeros_like(brain)
    for _ in range(1 + _integer(8, generator)):
        centre = _brain_voxel(brain, generator)
        radius = 2.5 + 11.0 * _uniform(generator)
        from_centre = torch.stack([(a - float(c)) ** 2 for a, c in zip(axes, centre, strict=True)]).sum(0).sqrt()
        hole |= from_centre + field * radius * 0.4 * _uniform(generator) < radius
    return hole


def _brain_voxel(brain: Tensor, generator: Generator) -> Tensor:
    """Indices of a random voxel of the brain, (3,)."""
    voxels = brain.nonzero()
    return voxels[_integer(len(voxels), generator)]


def _integer(count: int, generator: Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def _uniform(generator: Generator) -> float:
    return float(torch.rand((), generator=generator))
