"""Interface of the baseline fills, which predict the FA inside a hole without a trained network.

A baseline works under the network's conditions: it sees the FA map outside the hole and the registered template
priors, never the hidden voxels. It shows how much of a prediction needs no training at all.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ...errors import FAError
from ...preprocessing.template import BRAIN_PROBABILITY, WHITE_MATTER_PROBABILITY, TemplatePriors


class BaselineFill(Protocol):
    """One way of filling holes."""

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: TemplatePriors) -> np.ndarray:
        """Fill a hole.

        Parameters
        ----------
        fa
            FA in [0, 1], float32, shape (X, Y, Z), on the model grid. Values inside the hole are ignored and may
            be anything, NaN included.
        hole
            bool (X, Y, Z), true where FA is hidden.
        priors
            Template priors on the same grid.

        Returns
        -------
        float32 array (X, Y, Z)
            In [0, 1] inside the hole, bit-identical to *fa* outside.

        Raises
        ------
        FAError
            ``bad-request`` when the hole leaves no context to fill it from.
        ValueError
            When the shapes differ or *hole* is not boolean.
        """


def check_shapes(fa: np.ndarray, hole: np.ndarray, *others: np.ndarray) -> None:
    """Raise ``ValueError`` unless all arrays are 3D and of one shape and *hole* is boolean."""
    shapes = {np.shape(array) for array in (fa, hole, *others)}
    if len(shapes) != 1 or fa.ndim != 3:
        raise ValueError(f"one 3D shape is needed, these are {sorted(shapes)}")
    if hole.dtype != np.bool_:
        raise ValueError(f"the hole is {hole.dtype}, not boolean")


def with_hole_filled(fa: np.ndarray, hole: np.ndarray, values: np.ndarray | float) -> np.ndarray:
    """A float32 copy of *fa* with *values*, clipped to [0, 1], in the hole.

    Parameters
    ----------
    fa
        FA (X, Y, Z).
    hole
        bool (X, Y, Z).
    values
        One number for all hidden voxels, or one for each in C order, shape (N,).

    Examples
    --------
    >>> fa = np.full((1, 1, 3), 0.5)
    >>> with_hole_filled(fa, np.array([[[False, True, True]]]), np.array([0.25, 1.5]))
    array([[[0.5 , 0.25, 1.  ]]], dtype=float32)
    """
    result = fa.astype(np.float32)
    result[hole] = np.clip(values, 0.0, 1.0)
    return result


def context_white_matter(hole: np.ndarray, priors: TemplatePriors) -> np.ndarray:
    """Visible voxels of white matter, bool (X, Y, Z): the prior says so, outside the hole.

    The visible brain stands in where the hole covers all white matter. Raises ``FAError('bad-request')`` when the
    hole covers the whole brain.
    """
    white_matter, brain = priors.white_matter > WHITE_MATTER_PROBABILITY, priors.brain > BRAIN_PROBABILITY
    for tissue in (white_matter, brain):
        context = tissue & ~hole
        if context.any():
            return context
    raise FAError("bad-request", "The hole leaves no context", "it covers the whole brain", "Choose a smaller region")
