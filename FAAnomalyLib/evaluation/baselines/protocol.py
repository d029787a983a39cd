"""What every simple way of filling a hole looks like, and what all of them need.

A baseline plays by the network's rules: it sees the FA map outside the hole and a registered
prior, never the hidden voxels. A method that cannot beat these is not worth its weights.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np

from ...errors import FAError
from ...preprocessing.template import BRAIN_PROBABILITY, WHITE_MATTER_PROBABILITY


class FillPriors(Protocol):
    """What is known about every brain, registered to this one: arrays of shape (X, Y, Z)."""

    @property
    def fa(self) -> np.ndarray:
        """FA of the template, in [0, 1]."""

    @property
    def white_matter(self) -> np.ndarray:
        """Probability of white matter, 0 to 1."""

    @property
    def brain(self) -> np.ndarray:
        """Probability of brain, 0 to 1."""


@runtime_checkable
class Baseline(Protocol):
    """One way of filling holes.

    Attributes
    ----------
    name
        Name in tables and options.
    """

    name: str

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: FillPriors) -> np.ndarray:
        """FA with the hole filled.

        Parameters
        ----------
        fa
            FA in [0, 1], float32, shape (X, Y, Z) on the model grid. What stands in the hole is
            never looked at and may be anything.
        hole
            Boolean array of that shape, true where hidden.
        prior
            The registered prior on that grid.

        Returns
        -------
        float32 array of that shape
            In [0, 1] inside the hole, bit-identical to *fa* outside.

        Raises
        ------
        FAError
            ``bad-request`` when the hole leaves no context to fill it from.
        ValueError
            When shapes differ.
        """


def check_shapes(fa: np.ndarray, hole: np.ndarray, *others: np.ndarray) -> None:
    """Raise ``ValueError`` unless all arrays are 3D and of one shape and *hole* is boolean."""
    shapes = {np.shape(array) for array in (fa, hole, *others)}
    if len(shapes) != 1 or fa.ndim != 3:
        raise ValueError(f"one 3D shape is needed, these are {sorted(shapes)}")
    if hole.dtype != np.bool_:
        raise ValueError(f"the hole is {hole.dtype}, not boolean")


def filled(fa: np.ndarray, hole: np.ndarray, values: np.ndarray | float) -> np.ndarray:
    """A copy of *fa* with *values* (one, or one for each hidden voxel), clipped to [0, 1], in the hole."""
    result = fa.astype(np.float32)
    result[hole] = np.clip(values, 0.0, 1.0)
    return result


def context_white_matter(hole: np.ndarray, priors: FillPriors) -> np.ndarray:
    """Boolean array, true at the visible voxels that are white matter for the prior (above 0.5).

    Where the hole covers all white matter it is the visible brain instead; raises
    ``FAError('bad-request')`` when that is hidden too.
    """
    white_matter, brain = priors.white_matter > WHITE_MATTER_PROBABILITY, priors.brain > BRAIN_PROBABILITY
    for tissue in (white_matter, brain):
        context = tissue & ~hole
        if context.any():
            return context
    raise FAError("bad-request", "The hole leaves no context", "it covers the whole brain", "Choose a smaller region")
