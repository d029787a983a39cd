"""One request from its check to its files: what the shell, the worker and Python share."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import FAError
from ..io.pass_cache import FOLDER as PASSES
from ..io.pass_cache import told_all_is_kept
from ..io.run_lock import only_run_in
from ..io.volumes import save_volume
from ..reporting.result_files import check_folder, check_place, finish_interrupted, write_result
from ..request import DetectRequest
from ..result import Result
from ..runtime.progress import CancelToken, ProgressCallback
from ..volume import Volume

if TYPE_CHECKING:
    import numpy as np

PREVIEW_FILE = "expected.nii.gz"
"""All that a preview writes."""


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

    def preview(
        self, request: DetectRequest, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> Volume: ...


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
    """Check a request, run it, and write the result files when the request names an output folder.

    Parameters
    ----------
    method
        ``detect``, or ``inpaint`` for one hole.
    request
        What to do.
    make_detector
        Called once everything that needs no model is checked: it may import torch and load a model.
    volume
        The FA map, instead of the request's ``input``.
    hole
        bool array on the volume's grid, for ``inpaint`` instead of the request's region or ROI.
    progress, cancel
        See :mod:`FAAnomalyLib.runtime.progress`.

    Raises
    ------
    FAError
        Of any code. After an error nothing new is written, except finished passes that ``--resume`` goes on from.
    """
    _check(method, request, volume, hole)
    cancel = cancel or CancelToken()

    def run() -> Result:
        detector = make_detector()
        if method == "inpaint":
            return detector.inpaint(request, volume=volume, hole=hole, progress=progress, cancel=cancel)
        return detector.detect(request, volume=volume, progress=progress, cancel=cancel)

    if not request.output:
        result = run()
        cancel.check()
        return result
    folder = Path(request.output)
    whole = hole is None and not (request.region or request.roi)
    with only_run_in(folder):
        finish_interrupted(folder)
        check_folder(folder, _paths_read(request))
        result = run()
        with told_all_is_kept(folder) if whole else nullcontext():
            write_result(result, folder, None if request.report else _no_report, cancel.check)
        # Not before the results are written: until then --resume goes on from the finished passes.
        if whole:
            shutil.rmtree(folder / PASSES, ignore_errors=True)
    return result


def run_preview(
    request: DetectRequest,
    folder: Path,
    make_detector: Callable[[], DetectorProtocol],
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Path:
    """What is expected in the request's region or ROI, as :data:`PREVIEW_FILE` in *folder*.

    Parameters and errors are those of :func:`run_job`; no other file is written, and none replaced.

    Returns
    -------
    pathlib.Path
        The file: expected FA in the region, the input elsewhere, on the input's grid.
    """
    _check("inpaint", request, None, None)
    cancel = cancel or CancelToken()
    with only_run_in(folder):
        check_folder(folder, _paths_read(request))
        expected = make_detector().preview(request, progress=progress, cancel=cancel)
        cancel.check()
        save_volume(expected, folder / PREVIEW_FILE)
    return folder / PREVIEW_FILE


def _paths_read(request: DetectRequest) -> list[str]:
    return [path for path in (request.input, request.region, request.roi, request.brain_mask) if path]


def _check(method: str, request: DetectRequest, volume: Volume | None, hole: np.ndarray | None) -> None:
    """Raise ``FAError`` for a request that cannot run."""
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
        check_place(request.output)


def _no_report(result: Result) -> str:
    return "<!DOCTYPE html><title>FAAnomaly</title><p>No report was asked for.</p>\n"
