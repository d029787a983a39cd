"""The outline of a suspect: sharper than the evidence that found it.

The evidence is the strongest of several scales, and the widest finds a change at the cost of its outline.
Inside a suspect the mean of the evidence and of a finer map of predictions that know nothing of the change
therefore replaces it where it is less: halos go, and nothing stands out more than before.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .calibration import UNIT
from .regions import NEIGHBOURS
from .scoring import SUSPECT_SHARE

SURELY = 0.95
"""Quantile by which heights are compared: no single voxel's."""


def outlined(statistic: np.ndarray, finer: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """The statistic with its suspects' halos taken away, float32 (X, Y, Z).

    Parameters
    ----------
    statistic
        Signed, in units of :data:`~FAAnomalyLib.calibration.UNIT`.
    finer
        Signed, any unit: each suspect's is brought to the height of its statistic.
    hidden
        bool: the suspects with their slopes; nothing changes elsewhere.
    """
    clusters, signs = _clusters(statistic, hidden)
    out = statistic.copy()
    if not signs:
        return out
    # Every voxel belongs to one suspect, whatever the signs: else a weak one would rescale a strong one.
    nearest = ndimage.distance_transform_edt(clusters == 0, return_distances=False, return_indices=True)
    owner = np.where(hidden, clusters[tuple(nearest)], 0)
    for number, sign in enumerate(signs, 1):
        core, mine = clusters == number, owner == number
        height = float(np.quantile((sign * finer)[core], SURELY))
        if height > 0.0:
            here = sign * statistic[mine]
            scale = float(np.quantile((sign * statistic)[core], SURELY)) / height
            # It only takes away: no voxel may stand out more than the evidence says, of whichever sign.
            shaped = np.clip((here + sign * finer[mine] * scale) / 2.0, np.minimum(here, 0.0), np.maximum(here, 0.0))
            out[mine] = sign * shaped
    return out


def _clusters(statistic: np.ndarray, hidden: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Suspects numbered from 1, and the sign of each."""
    clusters, signs = np.zeros(hidden.shape, np.int32), []
    for sign in (1, -1):
        labels, count = ndimage.label((sign * statistic > SUSPECT_SHARE * UNIT) & hidden, NEIGHBOURS)
        clusters[labels > 0] = labels[labels > 0] + len(signs)
        signs += [sign] * count
    return clusters, signs
