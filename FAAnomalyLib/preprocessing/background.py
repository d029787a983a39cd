"""What of a map is background although it is not 0: a constant, or the faint ringing that splines leave."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

FAINT_FA = 0.03
"""Below it a voxel outside the brain may be ringing or rounding; FA of noise lies above 0.05 even in fluid."""
MIN_FAINT_SHARE = 0.2
"""Share of the positive voxels that are faint in a map whose background is not 0 (5 % at most in masked maps)."""
MIN_BORDER_SHARE = 0.5
"""Share of the voxels on the six faces of a volume that a constant background fills."""


def measured_voxels(fa: np.ndarray) -> np.ndarray:
    """Where a map without a mask shows anything, bool (X, Y, Z).

    Parameters
    ----------
    fa
        FA in [0, 1], (X, Y, Z).

    Returns
    -------
    numpy.ndarray
        The positive voxels, without a constant and without a faint background that reach the volume's faces.

    Examples
    --------
    >>> fa = np.full((5, 5, 5), 0.001)
    >>> fa[1:4, 1:4, 1:4] = 0.4
    >>> int(measured_voxels(fa).sum()), int(measured_voxels(np.where(fa == 0.4, fa, 1.0)).sum())
    (27, 27)
    """
    measured = fa > 0
    constant = background_value(fa)
    if constant != 0:
        measured &= ~_reaching_the_faces(fa == constant)
    faint = fa < FAINT_FA
    if (measured & faint).sum() > MIN_FAINT_SHARE * measured.sum():
        measured &= ~_reaching_the_faces(faint | ~measured)
    return measured


def background_value(data: np.ndarray) -> float:
    """The value that fills most of the faces of a volume, (X, Y, Z); 0 where none does.

    >>> data = np.full((5, 5, 5), -1.0)
    >>> data[2, 2, 2] = 0.3
    >>> background_value(data), background_value(np.random.default_rng(0).random((5, 5, 5)))
    (-1.0, 0.0)
    """
    faces = _faces(data)
    values, counts = np.unique(faces, return_counts=True)
    most = int(np.argmax(counts))
    return float(values[most]) if counts[most] > MIN_BORDER_SHARE * faces.size else 0.0


def clear_negative_background(data: np.ndarray) -> None:
    """Set a constant background below 0 to 0, in place: some programs write -1 where nothing was fitted.

    >>> data = np.full((5, 5, 5), -1.0)
    >>> data[2, 2, 2] = 0.3
    >>> clear_negative_background(data)
    >>> float(data.min()), float(data.max())
    (0.0, 0.3)
    """
    value = background_value(data)
    if value < 0:
        data[data == value] = 0.0


def _reaching_the_faces(where: np.ndarray) -> np.ndarray:
    """The connected parts of a mask that touch a face of the volume."""
    labels, _ = ndimage.label(where)
    touching = np.unique(_faces(labels))
    return where & np.isin(labels, touching[touching > 0])


def _faces(array: np.ndarray) -> np.ndarray:
    """The values on the six faces of an array, (N,); those of an edge once for each of its faces."""
    return np.concatenate([np.take(array, end, axis).ravel() for axis in range(3) for end in (0, -1)])
