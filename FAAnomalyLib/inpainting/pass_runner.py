"""Runs the passes over a volume, one after the other, and keeps what is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..io.pass_cache import PassCache
from ..preprocessing.template import TemplatePriors
from .fusion import Inpainted, PassSum, fuse_passes
from .masks import Pass
from .sampling import Sampling
from .volume_inpainter import VolumeInpainter


def inpaint_passes(
    inpainter: VolumeInpainter,
    fa: np.ndarray,
    passes: list[Pass],
    sampling: Sampling,
    on_progress: Callable[[float], None] | None = None,
    store: PassCache | None = None,
    priors: TemplatePriors | None = None,
) -> Inpainted:
    """Fill every pass and fuse all of them; parameters and errors as in :func:`inpaint_passes_by_size`."""
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
    """Fill every pass and fuse those of one mask size.

    Parameters
    ----------
    inpainter
        A model on a device.
    fa
        (X, Y, Z) on the model grid, FA in [0, 1].
    passes
        Holes on that grid.
    sampling
        Pass number n has the seed ``sampling.seed + n``.
    on_progress
        Called with the finished share, 0 to 1, before every network call; an exception that it raises ends the run.
    store
        Finished passes are read from it and written to it; None keeps nothing.
    priors
        Registered to this brain; None for the template as it is.

    Returns
    -------
    dict
        By mask size, in the order in which the sizes appear, as in :func:`~.fusion.fuse_passes`.

    Raises
    ------
    FAError
        ``bad-request`` when the sampler does not fit the model.
    """
    inpainter.check(sampling)
    sums: dict[int, PassSum] = {}
    for number, one in enumerate(passes):

        def on_step(done: int, total: int, number: int = number) -> None:
            if on_progress is not None:
                on_progress((number + done / total) / len(passes))

        size_sum = sums.setdefault(one.mask_size, PassSum(fa.shape))
        stored = store.read(number) if store is not None else None
        if stored is None:
            seeded = replace(sampling, seed=sampling.seed + number)
            mean, variance, calls = inpainter.fill(fa, one.hole, seeded, on_step, priors)
            size_sum.evaluations += calls
            if store is not None:
                store.write(number, mean, variance)
        else:
            mean, variance = stored
        size_sum.add(one.hole, mean, variance)
    return {size: size_sum.fused() for size, size_sum in sums.items()}
