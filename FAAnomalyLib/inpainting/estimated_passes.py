"""Passes over a whole brain by the linear estimate that the network corrects, without running the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..preprocessing.model_grid import PreparedSubject
from .error_spread import error_variance
from .fusion import Inpainted, PassSum
from .masks import Pass
from .volume_inpainter import VolumeInpainter
from .window import BACKGROUND_VARIANCE


def estimate_passes(
    inpainter: VolumeInpainter,
    prepared: PreparedSubject,
    passes: list[Pass],
    on_progress: Callable[[float], None] | None = None,
) -> Inpainted:
    """:func:`estimated_means`, with a variance: that of this brain's own errors about each place.

    Parameters as there; see :func:`~.error_spread.error_variance`.
    """
    filled, grid = estimated_means(inpainter, prepared, passes, on_progress), prepared.grid
    inside = filled.covered & prepared.brain
    variance = error_variance(prepared.fa - filled.mean, inside, grid.priors.white_matter, grid.spacing_mm)
    variance[filled.covered & ~inside] = BACKGROUND_VARIANCE
    return replace(filled, variance=variance)


def estimated_means(
    inpainter: VolumeInpainter,
    prepared: PreparedSubject,
    passes: list[Pass],
    on_progress: Callable[[float], None] | None = None,
) -> Inpainted:
    """Fill every pass with :meth:`~.volume_inpainter.VolumeInpainter.estimate` and fuse all of them; no variance.

    Parameters
    ----------
    inpainter
        A model whose kind of network has an estimate.
    prepared
        The subject on the model grid.
    passes
        Holes on that grid.
    on_progress
        Called with the finished share, 0 to 1, before every pass; an exception that it raises ends the run.
    """
    fused = PassSum(prepared.fa.shape)
    for number, one in enumerate(passes):
        if on_progress is not None:
            on_progress(number / len(passes))
        mean = inpainter.estimate(prepared.fa, one.hole, prepared.grid.priors)
        fused.add(one.hole, mean, np.full_like(mean, np.nan))
    return fused.fused()
