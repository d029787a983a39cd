"""Bounding boxes of masks: what lies outside need not be computed."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

Box = tuple[slice, slice, slice]


def bounding_box(where: np.ndarray, margin: int | tuple[int, int, int] = 0) -> Box:
    """The smallest box that holds a mask, widened by a margin and cut at the grid.

    Parameters
    ----------
    where
        (X, Y, Z), bool or any dtype that is non-zero inside.
    margin
        Voxels on each side, one number or one for each axis.

    Returns
    -------
    tuple of slice
        The whole grid when the mask is empty.

    Examples
    --------
    >>> where = np.zeros((9, 8, 7), bool)
    >>> where[2:6, 3, 4] = True
    >>> bounding_box(where, 1)
    (slice(1, 7, None), slice(2, 5, None), slice(3, 6, None))
    """
    boxes = ndimage.find_objects(where.view(np.uint8) if where.dtype == bool else (where != 0).astype(np.uint8))
    if not boxes:
        return whole_box(where.shape)
    x, y, z = (
        slice(max(s.start - int(m), 0), min(s.stop + int(m), n))
        for s, m, n in zip(boxes[0], np.broadcast_to(margin, 3), where.shape, strict=True)
    )
    return x, y, z


def whole_box(shape: tuple[int, ...]) -> Box:
    """The box of a whole grid of *shape*, which has three axes.

    >>> whole_box((9, 8, 7))
    (slice(0, 9, None), slice(0, 8, None), slice(0, 7, None))
    """
    x, y, z = (slice(0, n) for n in shape)
    return x, y, z
