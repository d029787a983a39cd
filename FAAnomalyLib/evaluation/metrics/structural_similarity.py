"""Structural similarity (SSIM) of a filled hole: scikit-image's, averaged over generated voxels."""

from __future__ import annotations

import numpy as np
from skimage import metrics

from ...geometry.bounding_box import bounding_box

WINDOWS = (7, 3)
"""Edge of the sliding window in voxels: the largest that fits into the hole's box."""


def structural_similarity(original: np.ndarray, filled: np.ndarray, generated: np.ndarray) -> float | None:
    """SSIM of Wang et al. 2004 (IEEE Trans. Image Process. 13:600) on the hole's cube, data range 1.

    The image is the box round the generated voxels, with uniform windows of 7 voxels (of 3 in a box that holds no 7,
    such as a cube of 4). The SSIM of every window that lies in the box is averaged over windows whose centre was
    generated. For a whole cube that is :func:`skimage.metrics.structural_similarity` itself. For a hole cut to white
    matter the voxels of the box that were not generated, equal in both images, are seen by the windows but are no
    centres.

    Parameters
    ----------
    original, filled
        FA in [0, 1], (X, Y, Z), before the hole was cut and after it was filled.
    generated
        bool (X, Y, Z).

    Returns
    -------
    float or None
        At most 1; 1 for equal images. None where the box is smaller than 3 voxels or no generated voxel is the centre
        of a window.

    Raises
    ------
    ValueError
        When nothing was generated.

    Examples
    --------
    >>> cube = np.linspace(0.0, 1.0, 64).reshape(4, 4, 4)
    >>> structural_similarity(cube, cube, np.ones((4, 4, 4), bool))
    1.0
    >>> structural_similarity(cube, cube, np.arange(64).reshape(4, 4, 4) < 1) is None
    True
    """
    if not generated.any():
        raise ValueError("no voxel was generated")
    box = bounding_box(generated)
    first, second, inside = (array[box] for array in (original, filled, generated))
    window = next((size for size in WINDOWS if size <= min(first.shape)), None)
    if window is None:
        return None
    _, similarity = metrics.structural_similarity(
        first.astype(np.float64), second.astype(np.float64), win_size=window, data_range=1.0, full=True
    )
    whole = tuple(slice(window // 2, n - window // 2) for n in first.shape)
    centres = inside[whole]
    return float(similarity[whole][centres].mean()) if centres.any() else None
