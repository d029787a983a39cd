"""Lesion-wise metrics: was the anomaly detected, and how many false-positive regions were reported."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage import measure

from ...anomaly.regions import MIN_REGION_ML, NEIGHBOURS, find_regions
from ...result import DECREASED, INCREASED, Result

LABELS = {"increased": INCREASED, "decreased": DECREASED}


def apply_threshold(result: Result, threshold: float | tuple[float, float]) -> Result:
    """The same z-map with the regions of another threshold, see :func:`~FAAnomalyLib.anomaly.regions.find_regions`."""
    segmentation, regions = find_regions(result.z_map, result.difference, threshold)
    return replace(result, segmentation=segmentation, regions=regions)


def detected_and_false_positives(result: Result, truth: np.ndarray, sign: str) -> tuple[bool, int]:
    """Whether the anomaly is detected, and the number of false-positive regions.

    The anomaly is detected when a region of its sign shares a voxel with the truth. All other regions are false
    positives, those of the other sign wherever they lie. A region consists of the connected components of its
    label that hold its peak; a component without a peak (cut off from its region) belongs to the nearest peak.

    Parameters
    ----------
    result
        A scored volume.
    truth
        bool (X, Y, Z) on its grid.
    sign
        ``increased`` or ``decreased``: the planted sign.
    """
    true_positives = 0
    regions = [region for region in result.regions if region.sign == sign]
    if regions:
        components, _ = ndimage.label(result.segmentation.data == LABELS[sign], NEIGHBOURS)
        peaks = _voxels(result, [region.peak_ras for region in regions])
        of_region = components[tuple(peaks.T)].tolist()
        touched = set(np.unique(components[truth & (components > 0)]).tolist())
        without_peak = touched - set(of_region)
        owners = {_nearest(components == one, peaks, result.segmentation.spacing) for one in without_peak}
        true_positives = sum(one in touched or number in owners for number, one in enumerate(of_region))
    return true_positives > 0, len(result.regions) - true_positives


def false_positive_components(predicted: np.ndarray, truth: np.ndarray, voxel_ml: float) -> int:
    """Number of connected components of at least 0.1 ml that share no voxel with the truth.

    Parameters
    ----------
    predicted, truth
        bool (X, Y, Z) on one grid; voxels are connected by faces, edges and corners.
    voxel_ml
        Volume of a voxel in ml.

    Examples
    --------
    >>> predicted = np.array([True, True, False, True, False, True]).reshape(6, 1, 1)
    >>> truth = np.array([True, False, False, False, False, False]).reshape(6, 1, 1)
    >>> false_positive_components(predicted, truth, voxel_ml=0.2)
    2
    """
    components = measure.regionprops(measure.label(predicted, connectivity=3), truth)
    return sum(one.area * voxel_ml >= MIN_REGION_ML and not one.intensity_max for one in components)


def _voxels(result: Result, places: list[tuple[float, float, float]]) -> np.ndarray:
    """Indices (N, 3) of the voxels at places in RAS mm."""
    inverse = np.linalg.inv(result.segmentation.affine)
    voxels = np.rint(np.array(places) @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    return np.clip(voxels, 0, np.array(result.segmentation.shape) - 1)


def _nearest(component: np.ndarray, peaks: np.ndarray, spacing: np.ndarray) -> int:
    """Number of the peak that is nearest to a component, bool (X, Y, Z)."""
    return int(cdist(np.argwhere(component) * spacing, peaks * spacing).min(axis=0).argmin())
