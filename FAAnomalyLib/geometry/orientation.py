"""Voxel axes and world axes: the change from LPS to RAS, and volumes turned to the nearest RAS order."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from ..volume import Volume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""Left-posterior-superior millimetres (ITK, DICOM) to right-anterior-superior ones (nibabel, Slicer), and back."""


def nearest_canonical(volume: Volume) -> Volume:
    """Permute and flip the axes of a volume to the nearest right-anterior-superior order, without resampling.

    Among the six permutations, the one whose axes run closest to R, A and S together is chosen. The result equals
    that of :func:`nibabel.as_closest_canonical`, which needs an image instead of an array.

    Parameters
    ----------
    volume
        Scalar volume, (X, Y, Z), any axis order, handedness and obliqueness.

    Returns
    -------
    Volume
        The same voxels in the same places; the diagonal of the affine is positive where no axis runs at a right
        angle to its world axis. The data are contiguous.

    Examples
    --------
    >>> left_handed = Volume(np.arange(3.0).reshape(3, 1, 1), np.diag([-2.0, 2.0, 2.0, 1.0]))
    >>> canonical = nearest_canonical(left_handed)
    >>> canonical.data.ravel().tolist(), canonical.affine[0].tolist()
    ([2.0, 1.0, 0.0], [2.0, 0.0, 0.0, -4.0])
    """
    order, signs = _nearest_axes(volume.affine[:3, :3] / volume.spacing)
    data = volume.data.transpose(order)
    change = np.zeros((4, 4))
    change[3, 3] = 1.0
    for new, old in enumerate(order):
        change[old, new] = signs[new]
        if signs[new] < 0:
            data = np.flip(data, axis=new)
            change[old, 3] = volume.shape[old] - 1
    return Volume(np.ascontiguousarray(data), volume.affine @ change)


def native_order(data: np.ndarray, volume: Volume) -> np.ndarray:
    """Voxels that lie as those of ``nearest_canonical(volume)``, in the axis order of *volume* again; contiguous.

    Examples
    --------
    >>> left_handed = Volume(np.arange(3.0).reshape(3, 1, 1), np.diag([-2.0, 2.0, 2.0, 1.0]))
    >>> native_order(nearest_canonical(left_handed).data, left_handed).ravel().tolist()
    [0.0, 1.0, 2.0]
    """
    order, signs = _nearest_axes(volume.affine[:3, :3] / volume.spacing)
    flipped = [axis for axis, sign in enumerate(signs) if sign < 0]
    return np.ascontiguousarray(np.flip(data, tuple(flipped)).transpose(np.argsort(order)))


def _nearest_axes(directions: np.ndarray) -> tuple[list[int], list[float]]:
    """Voxel axis and sign that run closest to R, A and S; *directions* (3, 3) holds an axis in each column."""
    order = max(permutations(range(3)), key=lambda p: sum(abs(directions[w, v]) for w, v in enumerate(p)))
    return list(order), [float(np.sign(directions[w, v]) or 1.0) for w, v in enumerate(order)]
