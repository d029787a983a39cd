"""What the model expects, brought to the input's own grid, and the input with its regions replaced by a draw of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..geometry.bounding_box import bounding_box
from ..inpainting.fusion import Inpainted
from ..inpainting.posterior_draw import Draw, Tissue, draw_regions
from ..preprocessing.model_grid import PreparedSubject
from ..result import DECREASED, INCREASED


def mean_on_native_grid(subject: PreparedSubject, inpainted: Inpainted, where: np.ndarray) -> np.ndarray:
    """The model's mean, FA in [0, 1], float32 on the native grid; 0 outside the box of *where*."""
    # Outside the holes the input stands in, so that interpolation at their rims meets no zeros.
    whole = np.where(inpainted.covered, inpainted.mean, subject.fa)
    return np.clip(subject.grid.to_native(whole, order=3, box=bounding_box(where)), 0.0, 1.0)


def expected_sd(subject: PreparedSubject, inpainted: Inpainted, judged: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Standard deviation of healthy tissue about the mean on the native grid, and a remark where it is unknown.

    Parameters
    ----------
    subject
        The brain.
    inpainted
        Its healthy content on the model grid.
    judged
        bool on the native grid; elsewhere the result is 0.

    Returns
    -------
    (numpy.ndarray, list of str)
        float32, FA; 0 everywhere where some pass did not know its variance.
    """
    covered, variance = inpainted.covered, inpainted.variance
    if not np.isfinite(variance[covered]).all():
        remark = "the model does not tell how much healthy tissue varies about its mean: expected_sd is 0"
        return np.zeros(judged.shape, np.float32), [remark]
    box = bounding_box(judged)
    total = subject.grid.to_native(np.where(covered, np.sqrt(np.maximum(variance, 0.0)), 0.0), box=box)
    # Over the share of the interpolation that lies in holes, so that their rims are not lowered by what is outside.
    share = subject.grid.to_native(covered, box=box)
    sd = np.divide(total, share, out=np.zeros_like(total), where=judged & (share > 0))
    return sd, []


def filled_brain(
    subject: PreparedSubject,
    predicted: np.ndarray,
    mean: np.ndarray,
    regions: np.ndarray,
    seed: int,
    check: Callable[[], None] | None = None,
    segmentation: np.ndarray | None = None,
) -> Draw:
    """The input with *regions*, bool on the native grid, replaced by one draw from the posterior.

    *predicted*, bool, says where the model's *mean* (:func:`mean_on_native_grid`) is known; *segmentation* tells the
    signs of the regions. See :func:`~FAAnomalyLib.inpainting.posterior_draw.draw_regions`.
    """
    tissue = Tissue(
        subject.grid.native.data,
        mean,
        predicted,
        subject.native_brain,
        subject.grid.native.spacing,
        subject.grid.opposite,
    )
    signs = None
    if segmentation is not None:
        signs = np.where(segmentation == INCREASED, 1, np.where(segmentation == DECREASED, -1, 0))
    return draw_regions(tissue, regions, seed, check, signs)


def fill_remarks(plain: int) -> list[str]:
    """For the user, about regions that got no texture."""
    if not plain:
        return []
    regions = "a region was" if plain == 1 else f"{plain} regions were"
    return [
        f"{regions} filled with the expected FA alone, without texture: too little healthy tissue lies round "
        f"{'it' if plain == 1 else 'them'}"
    ]
