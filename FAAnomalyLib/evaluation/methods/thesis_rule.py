"""The thesis' decision rule on a difference map."""

from __future__ import annotations

import numpy as np

MARGIN = 0.02
"""FA by which the threshold lies below the planted change."""


def thesis_rule(difference: np.ndarray, white_matter: np.ndarray, change: float) -> np.ndarray:
    """Voxels that the thesis calls anomalous: white matter with |difference| above the planted change - 0.02.

    Parameters
    ----------
    difference
        Input minus expected, FA, any shape. Its sign is ignored.
    white_matter
        bool of that shape.
    change
        Planted change of FA. The threshold is an oracle's: nobody knows the change beforehand.

    Returns
    -------
    bool array of that shape

    Examples
    --------
    >>> thesis_rule(np.array([0.19, -0.19, 0.15, 0.5]), np.array([True, True, True, False]), -0.2)
    array([ True,  True, False, False])
    """
    return white_matter & (np.abs(difference) > max(abs(change) - MARGIN, 0.0))
