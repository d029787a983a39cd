"""Runs the passes over a volume, one after the other, and keeps what is finished."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..io.pass_cache import PassCache
from ..preprocessing.template import TemplatePriors
from .fusion import Inpainted, _Sum, fuse_passes
from .masks import Pass
from .volume_inpainter import Sampling, VolumeInpainter


def inpaint_passes(
    inpainter: VolumeInpainter,
    fa: np.ndarray,
    passes: list[Pass],
    sampling: Sampling,
    on_progress: Callable[[float], None] | None = None,
    store: PassCache | None = None,
    priors: TemplatePriors | None = None,
) -> Inpainted:
    """Fill every pass and :func:`fuse_passes` them."""
    return fuse_passes(
        inpaint_passes_by_size(inpainter, fa, passes, sampling, on_progress, store, priors).values(), fa.shape
    )


def inpaint_passes_by_size(
    inpainter: VolumeInpainter,
    fa: np.ndarray,
    passes: list[Pass],
    sampling: Sampling,
    on_progress: Callable[[float], None] | None = None,
    store: PassCache | None = None,
    priors: TemplatePriors | None = None,
) -> dict[int, Inpainted]:
    """Fill every pass; what holes of one size gave is combined, and kept apart from other sizes by mask size.

    Means by inverse variance, variances by their harmonic mean: errors of several passes at one
    voxel are nearly the same error (the voxel's own noise), so averaging does not shrink the variance.
    """
    inpainter.check(sampling)
    sums: dict[int, _Sum] = {}
    for number, one in enumerate(passes):

        def on_step(done: int, total: int, number: int = number) -> None:
            if on_progress is not None:
                on_progress((number + done / total) / len(passes))

        total = sums.setdefault(one.mask_size, _Sum(fa.shape))
        found = store.read(number) if store is not None else None
        if found is None:
            seeded = Sampling(sampling.sampler, sampling.steps, sampling.samples, sampling.seed + number)
            mean, variance, calls = inpainter.fill(fa, one.hole, seeded, on_step, priors)
            total.evaluations += calls
            if store is not None:
                store.write(number, mean, variance)
        else:
            mean, variance = found
        total.add(one.hole, mean, variance)
    return {size: total.filled() for size, total in sums.items()}
