"""The second look: every suspect hidden whole and filled again, so that a lesion is not its own context.

The first look alone lets a third of a planted change and more leak into the prediction; with a hole that
covers the change nothing of it is left there.  Repeated until the suspects no longer change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from .calibration import UNIT, Calibration, again_name
from .deformation import bend
from .evidence import AGAIN, Residual, again_evidence
from .holes import from_mask
from .inpainting import Filled, Filler, Sampling, roam
from .regions import NEIGHBOURS
from .scoring import SUSPECT_SHARE, FirstLook, suspects
from .space import Prepared

MOST_LOOKS = 2
SAME = 0.95
"""Suspects whose overlap with those of the look before (intersection over union) is this are the same."""
CLEAR_Z = 4.0
"""The finest scale at which a change is this clear shows its outline."""


@dataclass(frozen=True)
class SecondLook:
    """What hiding the suspects whole showed.

    Attributes
    ----------
    hole
        Everything that was hidden, bool (X, Y, Z); may be empty.
    filled
        Its content; None when nothing was hidden.
    maps
        z of the second look's maps by name; empty when nothing was hidden.
    looks
        How often suspects were hidden.
    """

    hole: np.ndarray
    filled: Filled | None
    maps: dict[str, np.ndarray]
    looks: int


def look_again(filler: Filler, prepared: Prepared, first: FirstLook, large: Residual, calibration: Calibration,
               sampling: Sampling, on_progress: Callable[[float], None] | None = None) -> SecondLook:
    """Hide the suspects, fill them, ask who is suspect now, until nothing changes.

    Parameters
    ----------
    large
        First-look residual outside the suspects.
    """
    hole = suspects(calibration.strongest(first.maps), prepared.space.spacing_mm, first.judged) & prepared.brain
    found = SecondLook(np.zeros_like(hole), None, {}, 0)
    prior = prepared.space.prior
    evaluations = 0
    for look in range(MOST_LOOKS):
        if not hole.any() or _same(hole, found.hole):
            break
        tell = [_part(on_progress, 2 * look + half, 2 * MOST_LOOKS) for half in (0, 1)]
        guess = roam(filler, prepared.fa, [from_mask(hole)], sampling, tell[0], prior=prior)
        # The suspects must not bend the template either.
        healthy = np.where(hole, guess.mean, prepared.fa)
        prior = bend(prepared.space.template.prior, healthy, prepared.space.spacing_mm)
        filled = roam(filler, prepared.fa, [from_mask(hole)], sampling, tell[1], prior=prior)
        evaluations += guess.evaluations + filled.evaluations
        residual = (np.where(hole, prepared.fa - filled.mean, large[0]), np.where(hole, filled.variance, large[1]))
        maps = again_evidence(residual, first.judged, prepared.space.spacing_mm)
        found = SecondLook(hole, filled, calibration.again(maps, first.judged, first.yardstick), look + 1)
        hole = suspects(calibration.strongest({**first.maps, **found.maps}), prepared.space.spacing_mm,
                        first.judged) & prepared.brain
    if found.filled is not None:
        found.filled.evaluations = evaluations
    return found


def _part(on_progress: Callable[[float], None] | None, number: int, count: int) -> Callable[[float], None] | None:
    """Progress of one of *count* equal parts."""
    return None if on_progress is None else lambda share: on_progress((number + share) / count)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return (a & b).sum() >= SAME * max((a | b).sum(), 1)


def statistic(first: FirstLook, second: SecondLook, calibration: Calibration) -> np.ndarray:
    """The strongest evidence at each place, in units of :data:`~FAAnomalyLib.calibration.UNIT`.

    Both looks count, each against its own limits: a suspect that is hidden whole stands out more in
    healthy people, too.  A cluster takes its height from the scale at which it is strongest and its
    shape from the finest scale that shows it clearly: a wide Gaussian finds a change and blurs its outline.
    """
    strongest = calibration.strongest({**first.maps, **second.maps})
    if not second.maps:
        return strongest
    clusters, signs = _clusters(strongest, second.hole)
    if not signs:
        return strongest
    out = strongest.copy()
    # Of a hole, every voxel belongs to one cluster, whatever the signs: else a weak change would rescale a
    # strong one of the other sign.
    nearest = ndimage.distance_transform_edt(clusters == 0, return_distances=False, return_indices=True)
    owner = np.where(second.hole, clusters[tuple(nearest)], 0)
    for number, sign in enumerate(signs, 1):
        core, mine = clusters == number, owner == number
        shape = _clear_shape(second, core, sign)
        if shape is not None:
            peak = float((sign * strongest)[core].max())
            height = float(np.quantile((sign * shape)[core], 0.95))
            out[mine] = np.clip(shape[mine] * (peak / height), -peak, peak)
    return out


def _clusters(strongest: np.ndarray, hole: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Suspicious clusters in the hole, numbered from 1, and the sign of each."""
    clusters, signs = np.zeros(hole.shape, np.int32), []
    for sign in (1, -1):
        labels, count = ndimage.label((sign * strongest > SUSPECT_SHARE * UNIT) & hole, NEIGHBOURS)
        clusters[labels > 0] = labels[labels > 0] + len(signs)
        signs += [sign] * count
    return clusters, signs


def _clear_shape(second: SecondLook, core: np.ndarray, sign: int) -> np.ndarray | None:
    """The finest second-look map in which the cluster stands out, None where none does."""
    for _, sigma in AGAIN:
        shape = second.maps[again_name(sigma)]
        if np.quantile(sign * shape[core], 0.9) >= CLEAR_Z:
            return shape
    return None
