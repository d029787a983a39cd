"""The part of a grid that matters: what lies outside it need not be computed."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

Box = tuple[slice, slice, slice]


def bounding_box(where: np.ndarray, margin: int | tuple[int, int, int] = 0) -> Box:
    """The smallest box that holds *where* (bool, (X, Y, Z)), widened by *margin* voxels and cut at the grid.

    The whole grid where there is nothing.
    """
    found = ndimage.find_objects(where.view(np.uint8) if where.dtype == bool else (where != 0).astype(np.uint8))
    if not found:
        return tuple(slice(0, n) for n in where.shape)
    margins = np.broadcast_to(margin, 3)
    return tuple(
        slice(max(s.start - int(m), 0), min(s.stop + int(m), n))
        for s, m, n in zip(found[0], margins, where.shape, strict=True)
    )
