"""Runs the passes over a volume, one after the other, and keeps what is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..io.pass_cache import PassCache
from ..preprocessing.template import TemplatePriors
from .fusion import Inpainted, PassSum
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
    """Fill every pass and fuse all of them, see :class:`~.fusion.PassSum`.

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

    Raises
    ------
    FAError
        ``bad-request`` when the sampler does not fit the model.
    """
    inpainter.check(sampling)
    fused = PassSum(fa.shape)
    for number, one in enumerate(passes):

        def on_step(done: int, total: int, number: int = number) -> None:
            if on_progress is not None:
                on_progress((number + done / total) / len(passes))

        stored = store.read(number) if store is not None else None
        if stored is None:
            seeded = replace(sampling, seed=sampling.seed + number)
            mean, variance, calls = inpainter.fill(fa, one.hole, seeded, on_step, priors)
            fused.evaluations += calls
            if store is not None:
                store.write(number, mean, variance)
        else:
            mean, variance = stored
        fused.add(one.hole, mean, variance)
    return fused.fused()
