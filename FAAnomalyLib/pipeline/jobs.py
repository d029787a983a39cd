"""One request from its check to its files: what the shell, the worker and Python share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import FAError
from ..io.pass_cache import FOLDER as PASSES
from ..reporting.result_files import check_folder, write_result
from ..request import DetectRequest
from ..result import Result
from ..runtime.progress import CancelToken, ProgressCallback
from ..volume import Volume

if TYPE_CHECKING:
    import numpy as np

METHODS = ("detect", "inpaint")


class DetectorProtocol(Protocol):
    """What a job asks of :class:`FAAnomalyLib.pipeline.detector.Detector`."""

    def detect(
        self,
        request: DetectRequest,
        volume: Volume | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Result: ...

    def inpaint(
        self,
        request: DetectRequest,
        volume: Volume | None = None,
        hole: np.ndarray | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Result: ...


def run_job(
    method: str,
    request: DetectRequest,
    make_detector: Callable[[], DetectorProtocol],
    *,
    volume: Volume | None = None,
    hole: np.ndarray | None = None,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Result:
    """Check *request*, run *method* and write the result when the request names an output.

    Whatever can be known to be wrong is found before *make_detector* is called, which may load
    torch and a model.
    """
    request.check()
    if method == "inpaint" and hole is None and not (request.region or request.roi):
        raise FAError(
            "bad-request",
            "There is nothing to fill",
            "neither a region nor a ROI is given",
            "Give a mask or draw a box",
        )
    if volume is not None and hole is not None and hole.shape != volume.shape:
        raise FAError(
            "bad-input",
            "The hole does not fit the volume",
            f"its shape is {hole.shape}, the volume's {volume.shape}",
            "Give a mask on the volume's grid",
        )
    if request.output:
        check_folder(request.output)
    cancel = cancel or CancelToken()
    detector = make_detector()
    if method == "inpaint":
        result = detector.inpaint(request, volume=volume, hole=hole, progress=progress, cancel=cancel)
    else:
        result = detector.detect(request, volume=volume, progress=progress, cancel=cancel)
    cancel.check()
    if request.output:
        write_result(result, request.output, None if request.report else _no_report)
        # Only now: until the results stand, the finished passes are what --resume goes on from.
        shutil.rmtree(Path(request.output) / PASSES, ignore_errors=True)
    return result


def _no_report(result: Result) -> str:
    return "<!DOCTYPE html><title>FAAnomaly</title><p>No report was asked for.</p>\n"
