"""From a z-map to regions, and which threshold is meant.

3D Slicer searches again whenever its threshold moves, in its own process: neither torch nor scikit-image is imported
here, connected components are SciPy's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
from scipy import ndimage

from ..request import SIGNS
from ..result import DECREASED, INCREASED, Region
from ..volume import Volume

MIN_REGION_ML = 0.1
HALF = 0.5
"""Of a region's own height: where its edge lies."""
MIN_LEVEL = 0.4
"""Of the threshold: below this is noise, whatever the region's own height."""
NEIGHBOURS = ndimage.generate_binary_structure(3, 3)
"""26-connectivity."""

Box = tuple[slice, ...]
T = TypeVar("T")


class _Cluster(NamedTuple):
    """Voxels of one region (bool) within their box of the grid, and its sign in words."""

    box: Box
    voxels: np.ndarray
    sign: str

    def indices(self) -> np.ndarray:
        """Of its voxels in the whole grid, int (N, 3)."""
        return np.argwhere(self.voxels) + np.array([s.start for s in self.box])


def find_regions(z: Volume, difference: Volume, threshold: float | tuple[float, float]) -> tuple[Volume, list[Region]]:
    """Connected clusters beyond a threshold, grown or cut to the half height of their own signal.

    Each sign is searched by itself. A smoothed map passes half of a change's height at its true edge. That lies above
    the threshold for a strong change (which would get too wide a rim) and below it for a weak one (which would lose
    its rim). The height is the 90 % quantile of the seed, the voxels beyond the threshold; the region is what is
    connected with the seed beyond half of that, and never below 0.4 of the threshold. Regions below 0.1 ml are left
    out.

    Parameters
    ----------
    z, difference
        Volumes of one shape and affine: z, 0 where nothing was analysed, and the change of FA.
    threshold
        Positive z, for both signs or one for each (increased, decreased); infinity searches nothing.

    Returns
    -------
    (Volume, list of Region)
        uint8 segmentation (1 increased, 2 decreased) and its regions, numbered from 1 by decreasing absolute peak z.

    Examples
    --------
    >>> data = np.zeros((9, 9, 9), np.float32)
    >>> data[2:6, 2:6, 2:6] = -5.0
    >>> z = Volume(data, np.diag([2.0, 2.0, 2.0, 1.0]))
    >>> segmentation, regions = find_regions(z, z.with_data(0.02 * data), 4.0)
    >>> [(region.sign, region.voxels, round(region.volume_ml, 3)) for region in regions]
    [('decreased', 64, 0.512)]
    >>> int((segmentation.data == 2).sum())
    64
    """
    segmentation, found = find_regions_and_voxels(z, difference, threshold)
    return segmentation, [region for region, _ in found]


def find_regions_and_voxels(
    z: Volume, difference: Volume, threshold: float | tuple[float, float]
) -> tuple[Volume, list[tuple[Region, np.ndarray]]]:
    """The same as :func:`find_regions`, with the voxels of each region, int (N, 3)."""
    limits = threshold if isinstance(threshold, tuple) else (threshold, threshold)
    segmentation, voxel_ml = np.zeros(z.shape, np.uint8), z.voxel_ml
    clusters = []
    for label, sign, word, limit in zip(
        (INCREASED, DECREASED), (1, -1), ("increased", "decreased"), limits, strict=True
    ):
        for box, voxels in _grown(sign * z.data, limit):
            if voxels.sum() * voxel_ml < MIN_REGION_ML:
                continue
            segmentation[box][voxels] = label
            clusters.append(_Cluster(box, voxels, word))
    regions = [(_describe(z, difference, cluster), cluster.indices()) for cluster in clusters]
    regions.sort(key=lambda pair: -abs(pair[0].peak_z))
    numbered = [(replace(region, label=n), voxels) for n, (region, voxels) in enumerate(regions, 1)]
    return z.with_data(segmentation), numbered


def choose_threshold(threshold: str | float | T, signs: str, *, auto: T, sensitive: T, one_sided: T) -> str | float | T:
    """The threshold that ``auto`` or ``sensitive`` stands for; any other is returned as it is.

    Parameters
    ----------
    threshold
        What was asked for, see :data:`FAAnomalyLib.request.THRESHOLDS`.
    signs
        Which signs are searched, of :data:`FAAnomalyLib.request.SIGNS`.
    auto, sensitive, one_sided
        The calibration's thresholds, in whatever form the caller keeps them.

    Examples
    --------
    >>> known = {"auto": (7.0, 7.5), "sensitive": (6.0, 6.5), "one_sided": (5.0, 5.5)}
    >>> choose_threshold("sensitive", "both", **known), choose_threshold("sensitive", "increased", **known)
    ((6.0, 6.5), (5.0, 5.5))
    >>> choose_threshold((4.0, 4.0), "both", **known)
    (4.0, 4.0)
    """
    if threshold == "auto":
        return auto
    if threshold == "sensitive":
        return sensitive if signs == "both" else one_sided
    return threshold


def restrict_to_signs(threshold: tuple[float, float], signs: str) -> tuple[float, float]:
    """A threshold (increased, decreased) with infinity for the sign that is not searched.

    Raises
    ------
    ValueError
        When *signs* is none of :data:`FAAnomalyLib.request.SIGNS`.

    Examples
    --------
    >>> restrict_to_signs((6.0, 6.5), "decreased")
    (inf, 6.5)
    """
    if signs not in SIGNS:
        raise ValueError(f"signs {signs!r} is none of {', '.join(SIGNS)}")
    up, down = threshold
    return math.inf if signs == "decreased" else up, math.inf if signs == "increased" else down


def _grown(signed: np.ndarray, limit: float) -> Iterator[tuple[Box, np.ndarray]]:
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
            # The slopes that a stronger neighbour left over are no part of this one either.
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


def _reach(labels: np.ndarray, box: Box, number: int) -> tuple[Box, np.ndarray]:
    """The cluster's box widened by its own size, which bounds the growth, and the cluster in it."""
    wide = tuple(
        slice(max(2 * s.start - s.stop - 2, 0), min(2 * s.stop - s.start + 2, n))
        for s, n in zip(box, labels.shape, strict=True)
    )
    return wide, labels[wide] == number


def _describe(z: Volume, difference: Volume, cluster: _Cluster) -> Region:
    box, inside, sign = cluster
    voxels = cluster.indices()
    values = z.data[box][inside]
    change, mean_z = float(difference.data[box][inside].mean()), float(values.mean())
    peak = int(np.argmax(np.abs(values)))
    return Region(
        label=0,
        sign=sign,
        voxels=len(voxels),
        volume_ml=float(len(voxels) * z.voxel_ml),
        peak_z=float(values[peak]),
        mean_z=mean_z,
        mean_difference=change,
        mean_difference_sd=abs(change / mean_z),
        centroid_ras=_world(z.affine, voxels.mean(0)),
        peak_ras=_world(z.affine, voxels[peak]),
    )


def _world(affine: np.ndarray, voxel: np.ndarray) -> tuple[float, float, float]:
    """RAS position of a voxel in mm."""
    x, y, z = (float(c) for c in (affine @ [*voxel, 1.0])[:3])
    return x, y, z
