"""Pseudo-healthy brains and anomaly maps from fractional anisotropy volumes.

>>> import FAAnomalyLib as fa
>>> result = fa.detect("fa.nii.gz")
>>> result.regions

Importing the package imports neither torch nor nibabel: they come with the first detection.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from ._version import __version__
from .errors import FAError
from .request import DetectRequest

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from .result import Result
    from .runtime.progress import CancelToken, ProgressCallback
    from .volume import Volume

__all__ = ["DetectRequest", "FAError", "__version__", "detect", "inpaint"]

IN_MEMORY = "(in memory)"
"""Stands for the path of a volume that was handed over as an array."""


def detect(
    volume: Volume | str | Path,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options,
) -> Result:
    """Find where a brain's FA deviates from a healthy one.

    Parameters
    ----------
    volume
        Path of an FA map, or a :class:`~FAAnomalyLib.volume.Volume`.
    progress
        Called with ``(fraction, stage, eta_seconds)``.
    cancel
        Token that stops the run from another thread.
    options
        Fields of :class:`~FAAnomalyLib.request.DetectRequest`. With ``output`` the result files
        are written into that folder as well.
    """
    return _run("detect", volume, None, progress, cancel, options)


def inpaint(
    volume: Volume | str | Path,
    hole: np.ndarray | str | Path | None = None,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options,
) -> Result:
    """Fill one region with healthy tissue and judge what was there.

    *hole* is a boolean array on the volume's own grid or the path of a mask; it may be left out
    when ``region`` or ``roi`` is among the options. The rest is as in :func:`detect`.
    """
    if hole is not None and not hasattr(hole, "shape"):
        options["region"], hole = str(hole), None
    return _run("inpaint", volume, hole, progress, cancel, options)


def _run(method, volume, hole, progress, cancel, options):
    from .pipeline.jobs import run_job
    from .volume import Volume

    in_memory = isinstance(volume, Volume)
    request = DetectRequest.from_dict({**options, "input": IN_MEMORY if in_memory else str(volume)})
    return run_job(
        method,
        request,
        _warm_detector,
        volume=volume if in_memory else None,
        hole=hole,
        progress=progress,
        cancel=cancel,
    )


@lru_cache(maxsize=1)
def _warm_detector():
    # One detector for the whole process: a loop over a cohort loads the model once.
    from .pipeline.detector import Detector

    return Detector()
