"""Region by region: was the anomaly found, and what else was reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from ...anomaly.regions import MIN_REGION_ML, NEIGHBOURS, find_regions
from ...result import DECREASED, INCREASED, Result

SIGNS = {"increased": INCREASED, "decreased": DECREASED}


def cut_at(result: Result, threshold: float | tuple[float, float]) -> Result:
    """The same z-map with the regions of another threshold, as :func:`~FAAnomalyLib.anomaly.regions.find_regions`."""
    segmentation, regions = find_regions(result.z_map, result.difference, threshold)
    return replace(result, segmentation=segmentation, regions=regions)


def found_and_false(result: Result, truth: np.ndarray, sign: str) -> tuple[bool, int]:
    """Whether a region of *sign* shares a voxel with the truth, and how many regions do not hit it so.

    A region of the other sign is false wherever it lies. A region's voxels are the connected parts of its
    label that hold its peak; a part without a peak (cut off from its region) belongs to the nearest one.
    """
    hits = 0
    regions = [region for region in result.regions if region.sign == sign]
    if regions:
        parts, count = ndimage.label(result.segmentation.data == SIGNS[sign], NEIGHBOURS)
        peaks = _voxels(result, [region.peak_ras for region in regions])
        owned = parts[tuple(peaks.T)]
        touched = set(np.unique(parts[truth & (parts > 0)]).tolist())
        orphans = touched - set(owned.tolist())
        owners = {_nearest(parts == part, peaks, result.segmentation.spacing) for part in orphans}
        hits = sum(part in touched or number in owners for number, part in enumerate(owned.tolist()))
    return hits > 0, len(result.regions) - hits


def parts_beside(predicted: np.ndarray, truth: np.ndarray, voxel_ml: float) -> int:
    """Connected parts of a boolean array that share no voxel with the truth, specks below 0.1 ml left out."""
    parts, count = ndimage.label(predicted, NEIGHBOURS)
    large = np.bincount(parts.ravel(), minlength=count + 1) * voxel_ml >= MIN_REGION_ML
    large[0] = False
    large[np.unique(parts[truth])] = False
    return int(large.sum())


def _voxels(result: Result, places: list[tuple[float, float, float]]) -> np.ndarray:
    inverse = np.linalg.inv(result.segmentation.affine)
    voxels = np.rint(np.array(places) @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    return np.clip(voxels, 0, np.array(result.segmentation.shape) - 1)


def _nearest(part: np.ndarray, peaks: np.ndarray, spacing: np.ndarray) -> int:
    offsets = (np.argwhere(part)[:, None] - peaks[None]) * spacing
    return int(np.argmin(np.linalg.norm(offsets, axis=2).min(axis=0)))
