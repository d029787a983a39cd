"""Search for regions beyond a threshold in the parts of the map that can contain some.

The result equals that of ``find_regions`` on the whole map. For a cluster beyond the threshold, ``find_regions`` reads
no farther than the cluster's bounding box widened by its own size. So parts of the map that contain such boxes whole,
and do not overlap, can be searched one by one, and the rest of the map is skipped. The extremes of blocks of voxels
show where these parts are.

Without a scene, safe in a thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from FAAnomalyLib.anomaly.regions import MIN_LEVEL, NEIGHBOURS, find_regions_and_voxels
from FAAnomalyLib.result import Region
from FAAnomalyLib.tracts import RegionAnatomy
from FAAnomalyLib.volume import Volume

BLOCK = 4
"""Voxels along the edge of a block."""


@dataclass(frozen=True, eq=False)
class FoundRegions:
    """The regions that a search has found.

    Attributes
    ----------
    labels
        uint8 (k, j, i), contiguous: 0, 1 increased, 2 decreased; the part of the grid that contains the regions.
    corner
        First voxel (i, j, k) of that part in the grid.
    regions
        Strongest first, positions in the volume's local frame.
    """

    labels: np.ndarray
    corner: tuple[int, int, int]
    regions: list[Region]


def search_regions(
    z: np.ndarray,
    difference: np.ndarray,
    ijk_to_ras: np.ndarray,
    up: float,
    down: float,
    anatomy: Callable[[np.ndarray, float], RegionAnatomy] | None = None,
) -> FoundRegions:
    """Find the regions of a z-map beyond a threshold, each sign in a thread of its own.

    Parameters
    ----------
    z, difference
        float32 (k, j, i): z-scores and differences of FA.
    ijk_to_ras
        float64 (4, 4) to RAS mm.
    up, down
        Positive thresholds of z: regions have z above *up* or below minus *down*. Infinity leaves a sign out.
    anatomy
        Names the tracts of a region, as :meth:`.atlas_place.PlacedAtlas.anatomy`; None names none.
    """

    def tail(limits: tuple[float, float]) -> list:
        sign, limit = (1, limits[0]) if math.isfinite(limits[0]) else (-1, limits[1])
        return [
            (box, *find_regions_and_voxels(_part(z, box, ijk_to_ras), _part(difference, box, ijk_to_ras), limits))
            for box in parts_to_search(z, sign, limit)
        ]

    tails = [limits for limits in ((up, math.inf), (math.inf, down)) if min(limits) < math.inf]
    with ThreadPoolExecutor(2) as threads:
        parts = [part for parts_of_tail in threads.map(tail, tails) for part in parts_of_tail]
    found = ((region, voxels, box) for box, _, some in parts for region, voxels in some)
    regions = sorted(found, key=lambda one: -abs(one[0].peak_z))
    if anatomy is not None:
        named = [replace(region, anatomy=_named(anatomy, voxels, box, ijk_to_ras)) for region, voxels, box in regions]
    else:
        named = [region for region, *_ in regions]
    box = _enclosing_box([box for box, _, some in parts if some])
    labels = np.zeros([s.stop - s.start for s in box], np.uint8)
    for part, segmentation, some in parts:
        if some:
            place = tuple(slice(p.start - s.start, p.stop - s.start) for p, s in zip(part, box, strict=True))
            labels[place] |= segmentation.data  # no voxel is beyond both thresholds
    k, j, i = box
    return FoundRegions(
        labels,
        (i.start, j.start, k.start),
        [replace(region, label=number) for number, region in enumerate(named, 1)],
    )


def _named(
    anatomy: Callable[[np.ndarray, float], RegionAnatomy], voxels: np.ndarray, box, ijk_to_ras: np.ndarray
) -> RegionAnatomy:
    """The tracts of a region with these voxels (k, j, i) in *box*."""
    ijk = (voxels + [s.start for s in box])[:, ::-1]
    voxel_ml = float(abs(np.linalg.det(ijk_to_ras[:3, :3])) / 1000.0)
    return anatomy(ijk @ ijk_to_ras[:3, :3].T + ijk_to_ras[:3, 3], voxel_ml)


def parts_to_search(z: np.ndarray, sign: int, limit: float) -> Iterator[tuple[slice, ...]]:
    """Disjoint boxes that contain every region of one sign and all voxels that determine it."""
    height = sign * _block_heights(z, sign)
    seeds = ndimage.find_objects(ndimage.label(height > limit, NEIGHBOURS)[0])
    boxes = [_blocks_of(near) for blocks in seeds for near in _search_boxes(z, _voxels_of(blocks), sign, limit)]
    count = -1
    while count != len(boxes):
        count, covered = len(boxes), np.zeros(height.shape, bool)
        for box in boxes:
            covered[box] = True
        boxes = ndimage.find_objects(ndimage.label(covered, NEIGHBOURS)[0])
    # No region reaches below this.
    low = ndimage.find_objects((height > MIN_LEVEL * limit).astype(np.uint8))
    for box in boxes:
        yield tuple(
            slice(BLOCK * max(s.start, most.start), min(BLOCK * min(s.stop, most.stop), n))
            for s, most, n in zip(box, low[0], z.shape, strict=True)
        )


def _block_heights(z: np.ndarray, sign: int) -> np.ndarray:
    """The highest (lowest for *sign* -1) value of each block."""
    extreme = np.maximum if sign > 0 else np.minimum
    for axis in range(3):  # the longest stride first: little is left for the other passes
        z = np.stack(
            [
                extreme.reduce(z[(slice(None),) * axis + (slice(begin, begin + BLOCK),)], axis=axis)
                for begin in range(0, z.shape[axis], BLOCK)
            ],
            axis=axis,
        )
    return z


def _search_boxes(z: np.ndarray, box: tuple[slice, ...], sign: int, limit: float) -> Iterator[tuple[slice, ...]]:
    """The voxels that ``find_regions`` reads for each cluster in *box*, which contains whole clusters."""
    for cluster in ndimage.find_objects(ndimage.label(sign * z[box] > limit, NEIGHBOURS)[0]):
        yield tuple(
            slice(max(b.start + 2 * c.start - c.stop - 2, 0), b.start + 2 * c.stop - c.start + 2)
            for b, c in zip(box, cluster, strict=True)
        )


def _voxels_of(blocks: tuple[slice, ...]) -> tuple[slice, ...]:
    return tuple(slice(BLOCK * s.start, BLOCK * s.stop) for s in blocks)


def _blocks_of(voxels: tuple[slice, ...]) -> tuple[slice, ...]:
    return tuple(slice(s.start // BLOCK, -(-s.stop // BLOCK)) for s in voxels)


def _part(array: np.ndarray, box: tuple[slice, ...], ijk_to_ras: np.ndarray) -> Volume:
    # Indexed (k, j, i) as in memory, with the columns of the affine in that order: no copy, same places.
    affine = ijk_to_ras.copy()
    affine[:3, 3] += affine[:3, :3] @ [s.start for s in box[::-1]]
    return Volume(array[box], affine[:, [2, 1, 0, 3]])


def _enclosing_box(boxes: list) -> tuple[slice, ...]:
    if not boxes:
        return (slice(0, 0),) * 3
    return tuple(slice(min(s.start for s in along), max(s.stop for s in along)) for along in zip(*boxes, strict=True))
