"""The same place in the other hemisphere, found by way of the template.

A brain is no mirror image of itself: a place and its straight mirror image lie in different tissue by some
millimetres.  The template bent to the brain knows which place of the template each voxel is; its mirror
image in the (left-right symmetric) grid of the template, brought back to the brain, is the partner.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

ITERATIONS = 3
"""Of the fixed-point inversion (Chen et al., Medical Physics 35:81, 2008): the deformation is smooth, each takes away
most of what is left."""


def contralateral_coordinates(shape: tuple[int, int, int], displacement: np.ndarray | None = None) -> np.ndarray:
    """Voxel coordinates of every voxel's partner, (3, X, Y, Z) float32.

    Parameters
    ----------
    shape
        Of a grid whose first axis is left-right symmetric about the array centre.
    displacement
        See :class:`~FAAnomalyLib.preprocessing.template.TemplatePriors`; None for the straight mirror image.
    """
    here = np.indices(shape, dtype=np.float32)
    if displacement is None:
        here[0] = shape[0] - 1 - here[0]
        return here
    goal = here + displacement
    goal[0] = shape[0] - 1 - goal[0]
    found = goal.copy()
    for _ in range(ITERATIONS):
        found = goal - np.stack([_at(part, found, "nearest") for part in displacement])
    return found


def contralateral_difference(values: np.ndarray, analysed: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """*values* minus those of the partner, float32 (X, Y, Z); 0 where either is not judged."""
    there = _at(np.where(analysed, values, 0.0).astype(np.float32), partner, "constant")
    both = analysed & (_at(analysed.astype(np.float32), partner, "constant") > 0.5)
    return np.where(both, values - there, 0.0).astype(np.float32)


def _at(values: np.ndarray, places: np.ndarray, mode: str) -> np.ndarray:
    return ndimage.map_coordinates(values, places, order=1, mode=mode, prefilter=False)
