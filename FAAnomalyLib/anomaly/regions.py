"""From a z-map to regions: what 3D Slicer asks again whenever its threshold moves, so without torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy import ndimage

from ..request import SIGNS
from ..result import DECREASED, INCREASED, Region
from ..volume import Volume

MIN_REGION_ML = 0.1
HALF = 0.5
MIN_LEVEL = 0.4
"""Of the threshold: lower is noise, whatever the region's own height."""
NEIGHBOURS = ndimage.generate_binary_structure(3, 3)


def find_regions(z: Volume, difference: Volume, threshold: float | tuple[float, float]) -> tuple[Volume, list[Region]]:
    """Clusters beyond *threshold*, each tail by itself, with their edges at the half height of their own signal.

    Between healthy and changed tissue a smoothed map passes half of its height at the true edge, be
    that above the threshold (a strong change: the rim is cut off) or below (a weak one: it is grown).

    Parameters
    ----------
    z, difference
        On one grid; z is 0 where nothing was judged.
    threshold
        Positive z, for both tails or one for each (increased, decreased).

    Returns
    -------
    (Volume, list of Region)
        uint8 segmentation (1 increased, 2 decreased) and its regions, strongest first.
    """
    voxel_ml = z.voxel_ml
    limits = threshold if isinstance(threshold, tuple) else (threshold, threshold)
    segmentation = np.zeros(z.shape, np.uint8)
    found = []
    for label_value, sign, word, limit in zip(
        (INCREASED, DECREASED), (1, -1), ("increased", "decreased"), limits, strict=True
    ):
        signed = sign * z.data
        for box, strong in _grown(signed, limit):
            if strong.sum() * voxel_ml < MIN_REGION_ML:
                continue
            segmentation[box][strong] = label_value
            found.append((box, strong, word))
    regions = [_describe(z, difference, box, strong, word, voxel_ml) for box, strong, word in found]
    regions.sort(key=lambda r: -abs(r.peak_z))
    numbered = [replace(r, label=n) for n, r in enumerate(regions, 1)]
    return z.with_data(segmentation), numbered


def restrict_to_signs(threshold: tuple[float, float], signs: str) -> tuple[float, float]:
    """*threshold* (increased, decreased) with infinity for the sign that *signs* leaves out.

    *signs* is one of :data:`FAAnomalyLib.request.SIGNS`; raises ``ValueError`` for anything else.
    """
    if signs not in SIGNS:
        raise ValueError(f"signs {signs!r} is none of {', '.join(SIGNS)}")
    up, down = threshold
    return math.inf if signs == "decreased" else up, math.inf if signs == "increased" else down


def _grown(signed: np.ndarray, limit: float) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
    """Box and voxels of every cluster beyond *limit*, strongest first; a cluster that took in others stands for all."""
    seeds = signed > limit
    if not seeds.any():
        return
    taken = np.zeros(signed.shape, bool)
    labels, count = ndimage.label(seeds, NEIGHBOURS)
    grown = np.zeros(count + 1, bool)
    peaks = ndimage.labeled_comprehension(signed, labels, np.arange(1, count + 1), _height, float, 0.0)
    boxes = ndimage.find_objects(labels)
    for number in np.argsort(-peaks) + 1:
        level = max(HALF * peaks[number - 1], MIN_LEVEL * limit)
        near, core = _reach(labels, boxes[number - 1], number)
        beside, grown[number] = grown[labels[near]], True
        if taken[near][core].any():
            continue
        free = (signed[near] > level) & ~taken[near]
        if beside.any():
            # What a stronger neighbour left of its own slopes is still no part of this one.
            free &= ~beside[_nearest(labels[near])]
        pieces, _ = ndimage.label(free, NEIGHBOURS)
        own = np.unique(pieces[core])
        strong = np.isin(pieces, own[own > 0])
        taken[near] |= strong
        yield near, strong


def _height(values: np.ndarray) -> float:
    """Height of a cluster: nearly its maximum, but no single voxel's."""
    return float(np.quantile(values, 0.9))


def _nearest(labels: np.ndarray) -> tuple[np.ndarray, ...]:
    """The voxel of a cluster that is nearest to each voxel, as an index."""
    return tuple(ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True))


def _reach(labels: np.ndarray, box: tuple[slice, ...], number: int) -> tuple[tuple[slice, ...], np.ndarray]:
    """The cluster's box, widened by its own size (a region is grown so far at most), and the cluster in it."""
    wide = tuple(
        slice(max(2 * s.start - s.stop - 2, 0), min(2 * s.stop - s.start + 2, n))
        for s, n in zip(box, labels.shape, strict=True)
    )
    return wide, labels[wide] == number


def _describe(z: Volume, difference: Volume, box, strong: np.ndarray, word: str, voxel_ml: float) -> Region:
    corner = np.array([s.start for s in box])
    voxels = np.argwhere(strong) + corner
    values = z.data[box][strong]
    change, mean_z = float(difference.data[box][strong].mean()), float(values.mean())
    peak = voxels[np.argmax(np.abs(values))]

    def world(voxel) -> tuple[float, float, float]:
        return tuple(float(c) for c in (z.affine @ [*voxel, 1.0])[:3])

    return Region(
        label=0,
        sign=word,
        voxels=len(voxels),
        volume_ml=float(len(voxels) * voxel_ml),
        peak_z=float(values[np.argmax(np.abs(values))]),
        mean_z=mean_z,
        mean_difference=change,
        mean_difference_sd=abs(change / mean_z),
        centroid_ras=world(voxels.mean(0)),
        peak_ras=world(peak),
    )
