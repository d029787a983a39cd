"""Pseudo-healthy brains and anomaly maps from fractional anisotropy (FA) volumes.

This module is the public contract; everything else may move between versions. Importing it imports neither NumPy
nor torch: they come with the first use of a volume and with the first detection.

Examples
--------
::

    import FAAnomalyLib as fa

    result = fa.detect("fa.nii.gz", output="results")
    for region in result.regions:
        print(region.sentence())
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
from .errors import FAError
from .request import DetectRequest

if TYPE_CHECKING:
    from os import PathLike

    import numpy as np
    from typing_extensions import Unpack

    from .pipeline.detector import Detector
    from .request import DetectOptions
    from .result import Region, Result
    from .runtime.progress import CancelToken, ProgressCallback
    from .volume import Volume

__all__ = ["DetectRequest", "FAError", "Region", "Result", "Volume", "__version__", "detect", "inpaint"]

_NEED_NUMPY = {"Region": "result", "Result": "result", "Volume": "volume"}
"""Public name -> the module that holds it, imported when the name is first used (PEP 562)."""

IN_MEMORY = "(in memory)"
"""Stands for the path of a volume that was handed over as an array."""


def __getattr__(name: str) -> Any:
    if name not in _NEED_NUMPY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_NEED_NUMPY[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def detect(
    volume: Volume | str | PathLike[str],
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options: Unpack[DetectOptions],
) -> Result:
    """Find where the FA of a brain deviates from that of healthy ones.

    Parameters
    ----------
    volume
        Path of an FA map (NIfTI, NRRD or MetaImage), or a :class:`Volume` with an array (X, Y, Z) and its affine to
        RAS mm.
    progress
        Called with ``(fraction, stage, seconds_left)``; the fraction runs from 0 to 1.
    cancel
        Token that stops the run from another thread.
    **options
        Fields of :class:`DetectRequest`. With ``output`` the result files are written into that folder as well.

    Returns
    -------
    Result
        Volumes in the input's own geometry, the regions beyond the threshold, and the provenance. ``expected`` is the
        model's mean, by which the input is judged; ``pseudo_healthy`` the input with its regions replaced by healthy
        tissue of its own resolution and noise, for programs that come next.

    Raises
    ------
    FAError
        ``bad-request`` for options that cannot be, ``bad-input`` for a volume that is no FA map of a brain or files
        that cannot be read or written, ``missing`` for an absent model or package, ``out-of-memory``, ``cancelled``.

    Examples
    --------
    ::

        result = fa.detect("fa.nii.gz", threshold="sensitive", signs="decreased")
        result.regions[0].volume_ml
    """
    return _run("detect", volume, None, progress, cancel, {**options})


def inpaint(
    volume: Volume | str | PathLike[str],
    hole: np.ndarray | str | PathLike[str] | None = None,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    **options: Unpack[DetectOptions],
) -> Result:
    """Fill one region with healthy tissue, and tell how far what was there deviates from it.

    Parameters
    ----------
    volume
        As in :func:`detect`.
    hole
        The region: a boolean array (X, Y, Z) on the volume's own grid, or the path of a mask. It may be left out when
        ``region`` or ``roi`` is among the options.
    progress, cancel, **options
        As in :func:`detect`.

    Returns
    -------
    Result
        As from :func:`detect`; outside the region nothing is changed and nothing analysed, and ``pseudo_healthy`` is
        filled in the whole region, whether it deviates or not.

    Raises
    ------
    FAError
        As :func:`detect`; ``bad-input`` also when the region holds no voxel of the brain.
    """
    values: dict[str, Any] = {**options}
    if hole is not None and not hasattr(hole, "shape"):
        values["region"], hole = str(hole), None
    return _run("inpaint", volume, hole, progress, cancel, values)


def _run(
    method: str,
    volume: Volume | str | PathLike[str],
    hole: Any,
    progress: ProgressCallback | None,
    cancel: CancelToken | None,
    options: dict[str, Any],
) -> Result:
    from .pipeline.jobs import run_job
    from .volume import Volume

    in_memory = volume if isinstance(volume, Volume) else None
    request = DetectRequest.from_dict({**options, "input": str(volume) if in_memory is None else IN_MEMORY})
    return run_job(
        method,
        request,
        _warm_detector,
        volume=in_memory,
        hole=hole,
        progress=progress,
        cancel=cancel,
    )


@lru_cache(maxsize=1)
def _warm_detector() -> Detector:
    # One detector for the whole process: a loop over a cohort loads the model once.
    from .pipeline.detector import Detector

    return Detector()
