"""Simplex noise in two and three dimensions: smooth random fields on the vertices of a lattice of simplices.

``noise(x) = sum over the vertices v of max(0, 1/2 - |x - v|^2)^4 (g_v . (x - v))``, where every vertex has a random
gradient g_v of unit length. It is 0 at every vertex, has the gradient ``g_v / 16`` there, and is continuous with its
first three derivatives: the kernel ends within the simplices that meet at its vertex.

References
----------
Perlin 2001, "Noise hardware" (course notes, SIGGRAPH); Gustavson 2005, "Simplex noise demystified", whose radius for
three dimensions (0.6) makes jumps and is not used here. Written from these definitions, not from their code.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np

RADIUS_SQUARED = 0.5
"""Of the kernel of one vertex: the distance from a vertex to the opposite face of its simplices, squared."""
HASH_SIZE = 256
"""Gradients repeat after so many vertices along each axis of the skewed lattice."""


def simplex_noise(points: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """Simplex noise at points of the plane or of space.

    Parameters
    ----------
    points
        Coordinates along the first axis, (2, ...) or (3, ...); a lattice edge is about 1 long.
    permutation
        The numbers 0 to 255 in random order, int (256,): decides every gradient.

    Returns
    -------
    ndarray of float32, shape ``points.shape[1:]``
        Mean 0, variance :func:`variance`; never beyond ±0.011.

    Raises
    ------
    ValueError
        For other than two or three dimensions.

    Examples
    --------
    >>> permutation = np.random.default_rng(0).permutation(256)
    >>> simplex_noise(np.zeros((3, 1)), permutation).tolist()
    [0.0]
    """
    dimensions = len(points)
    gradients, unskew = gradient_table(dimensions), unskew_factor(dimensions)
    skew = (math.sqrt(dimensions + 1.0) - 1.0) / dimensions
    cell = np.floor(points + skew * points.sum(axis=0))
    from_cell = (points - cell + unskew * cell.sum(axis=0)).astype(np.float32)
    cell = cell.astype(np.int32)
    rank = _ranks(from_cell)
    total = np.zeros(points.shape[1:], np.float32)
    for corner in range(dimensions + 1):
        # The corners of a simplex are reached by one step along each axis, the longest coordinate first.
        step = rank >= dimensions - corner
        distance = from_cell - step + np.float32(corner * unskew)
        weight = np.maximum(np.float32(RADIUS_SQUARED) - (distance * distance).sum(axis=0), 0.0)
        weight *= weight
        gradient = gradients[_hash(cell + step, permutation) % len(gradients)]
        total += weight * weight * sum(gradient[..., axis] * distance[axis] for axis in range(dimensions))
    return total


@cache
def variance(dimensions: int) -> float:
    """Variance of :func:`simplex_noise` at a random point, in closed form.

    Gradients of different vertices are independent, so that it is the density of the vertices times the integral of
    ``(1/2 - r^2)^8 r^2 / n`` over a ball: ``|g . d|^2`` is ``r^2 / n`` on average.

    Examples
    --------
    >>> round(variance(2) ** 0.5, 5), round(variance(3) ** 0.5, 5)
    (0.00543, 0.00361)
    """
    half = dimensions / 2.0
    beta = math.gamma(half + 1.0) * math.gamma(9.0) / math.gamma(half + 10.0)
    sphere = 2.0 * math.pi**half / math.gamma(half)
    integral = sphere / 2.0 * RADIUS_SQUARED ** (half + 9.0) * beta
    density = 1.0 / (1.0 - dimensions * unskew_factor(dimensions))
    return density * integral / dimensions


@cache
def unskew_factor(dimensions: int) -> float:
    """G with which ``i - G (i_1 + ... + i_n)`` is the place of the vertex of whole numbers i.

    Examples
    --------
    >>> round(unskew_factor(2), 4), round(unskew_factor(3), 4)
    (0.2113, 0.1667)
    """
    return (1.0 - 1.0 / math.sqrt(dimensions + 1.0)) / dimensions


@cache
def gradient_table(dimensions: int) -> np.ndarray:
    """Unit vectors whose mean is 0 and whose second moment is the same along all axes, float32 (N, *dimensions*).

    In the plane 16 directions of equal angles, in space the 12 edges of a cube seen from its centre (Perlin 2001).
    """
    if dimensions == 2:
        angles = 2.0 * np.pi * (np.arange(16) + 0.5) / 16.0
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    if dimensions != 3:
        raise ValueError(f"simplex noise has 2 or 3 dimensions here, not {dimensions}")
    corners = np.array([[a, b] for a in (-1.0, 1.0) for b in (-1.0, 1.0)])
    edges = [np.insert(corners, axis, 0.0, axis=1) for axis in range(3)]
    return (np.concatenate(edges) / math.sqrt(2.0)).astype(np.float32)


def _ranks(coordinates: np.ndarray) -> np.ndarray:
    """For each coordinate, how many of its point's coordinates are smaller; of equal ones the first is the smaller."""
    ranks = np.zeros(coordinates.shape, np.int8)
    for axis in range(len(coordinates)):
        for other in range(axis):
            larger = coordinates[axis] >= coordinates[other]
            ranks[axis] += larger
            ranks[other] += ~larger
    return ranks


def _hash(vertex: np.ndarray, permutation: np.ndarray) -> np.ndarray:
    """A number from 0 to 255 for each vertex, (D, ...) -> (...)."""
    number = permutation[vertex[-1] & (HASH_SIZE - 1)]
    for axis in reversed(range(len(vertex) - 1)):
        number = permutation[(vertex[axis] + number) & (HASH_SIZE - 1)]
    return number
