"""Runs the passes over a volume, one after the other, and keeps what is finished."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..io.pass_cache import PassStore
from ..preprocessing.template import Prior
from .fusion import Filled, _Sum, combine
from .masks import Pass
from .volume_inpainter import Filler, Sampling


def roam(filler: Filler, fa: np.ndarray, passes: list[Pass], sampling: Sampling,
         on_progress: Callable[[float], None] | None = None, store: PassStore | None = None,
         prior: Prior | None = None) -> Filled:
    """Fill every pass and :func:`combine` them."""
    return combine(roam_by_size(filler, fa, passes, sampling, on_progress, store, prior).values(), fa.shape)


def roam_by_size(filler: Filler, fa: np.ndarray, passes: list[Pass], sampling: Sampling,
                 on_progress: Callable[[float], None] | None = None, store: PassStore | None = None,
                 prior: Prior | None = None) -> dict[int, Filled]:
    """Fill every pass; what holes of one size gave is combined, and kept apart from other sizes by mask size.

    Means by inverse variance, variances by their harmonic mean: errors of several passes at one
    voxel are nearly the same error (the voxel's own noise), so averaging does not shrink the variance.
    """
    filler.check(sampling)
    sums: dict[int, _Sum] = {}
    for number, one in enumerate(passes):
        def on_step(done: int, total: int, number: int = number) -> None:
            if on_progress is not None:
                on_progress((number + done / total) / len(passes))

        total = sums.setdefault(one.mask_size, _Sum(fa.shape))
        found = store.read(number) if store is not None else None
        if found is None:
            seeded = Sampling(sampling.sampler, sampling.steps, sampling.samples, sampling.seed + number)
            mean, variance, calls = filler.fill(fa, one.hole, seeded, on_step, prior)
            total.evaluations += calls
            if store is not None:
                store.write(number, mean, variance)
        else:
            mean, variance = found
        total.add(one.hole, mean, variance)
    return {size: total.filled() for size, total in sums.items()}
