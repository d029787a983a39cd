"""Holes of many shapes for training: from a few voxels to half of the brain."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

GRID_EDGES = (3, 4, 5, 6, 8, 10, 12, 16, 20)
"""Edges of interleaved cubes in voxels of the model grid."""


def random_hole(brain: Tensor, generator: Generator) -> Tensor:
    """A boolean tensor of *brain*'s shape (X, Y, Z), True where hidden.

    55 % interleaved cubes as roaming uses them (half of these mirror-safe: the image of a hole is
    visible), 15 % scattered boxes, 30 % blobs such as suspects leave.  Some of the brain is hidden
    always.
    """
    hole = _draw(brain, generator)
    while not (hole & brain).any():
        hole = _draw(brain, generator)
    return hole


def _draw(brain: Tensor, generator: Generator) -> Tensor:
    draw = _uniform(generator)
    if draw < 0.55:
        return _interleaved(tuple(brain.shape), generator)
    if draw < 0.70:
        return _boxes(brain, generator)
    return _blobs(brain, generator)


def _interleaved(shape: tuple[int, ...], generator: Generator) -> Tensor:
    edge = GRID_EDGES[_integer(len(GRID_EDGES), generator)]
    mirror_safe = _uniform(generator) < 0.5
    hole = torch.ones(shape, dtype=torch.bool)
    for axis, n in enumerate(shape):
        offset = _integer(2 * edge, generator)
        if axis == 0 and mirror_safe:
            offset = n // 2 % (2 * edge) + edge * _integer(2, generator)
        hidden = (torch.arange(n) - offset) % (2 * edge) < edge
        hole &= hidden.view([-1 if a == axis else 1 for a in range(3)])
    return hole


def _boxes(brain: Tensor, generator: Generator) -> Tensor:
    hole = torch.zeros_like(brain)
    for _ in range(1 + _integer(6, generator)):
        corner = _brain_voxel(brain, generator)
        spans = []
        for axis in range(3):
            half = 2 + _integer(10, generator)
            spans.append(slice(max(int(corner[axis]) - half, 0), int(corner[axis]) + half))
        hole[tuple(spans)] = True
    return hole


def _blobs(brain: Tensor, generator: Generator) -> Tensor:
    """Level sets of a smooth random field inside a few balls: round, ragged, elongated."""
    knots = 4 + _integer(6, generator)
    coarse = [n // knots + 2 for n in brain.shape]
    field = F.interpolate(
        torch.randn((1, 1, *coarse), generator=generator), size=tuple(brain.shape), mode="trilinear", align_corners=True
    )[0, 0]
    axes = torch.meshgrid(*[torch.arange(n, dtype=torch.float32) for n in brain.shape], indexing="ij")
    hole = torch.zeros_like(brain)
    for _ in range(1 + _integer(8, generator)):
        centre = _brain_voxel(brain, generator)
        radius = 2.5 + 11.0 * _uniform(generator)
        distance = torch.stack([(a - float(c)) ** 2 for a, c in zip(axes, centre, strict=True)]).sum(0).sqrt()
        hole |= distance + field * radius * 0.4 * _uniform(generator) < radius
    return hole


def _brain_voxel(brain: Tensor, generator: Generator) -> Tensor:
    voxels = brain.nonzero()
    return voxels[_integer(len(voxels), generator)]


def _integer(count: int, generator: Generator) -> int:
    return int(torch.randint(count, (), generator=generator))


def _uniform(generator: Generator) -> float:
    return float(torch.rand((), generator=generator))
