"""``detect --method``: one volume scored by a comparator, with the detector's files as result."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from ..errors import FAError
from ..request import DetectRequest
from .request_options import request_from
from .text_summary import text_summary

UNUSED = ("region", "roi", "segment", "resume")
"""Options of ``detect`` that a comparator has no use for."""


def detect_with_method(args: argparse.Namespace) -> int:
    """Score the volume with ``--method``, write the result files and print a summary.

    Raises
    ------
    FAError
        ``bad-request`` for options that do not fit, ``missing`` where the method has no thresholds.
    """
    from ..evaluation.methods.registry import method_by_option
    from ..io.run_lock import only_run_in
    from ..reporting.result_files import check_folder, write_result

    request, started = request_from(args).check(), time.monotonic()
    given = [f"--{name}" for name in UNUSED if getattr(args, name)]
    if given:
        raise FAError(
            "bad-request", f"{', '.join(given)} does not fit --method", "it scores whole brains", "Leave it out"
        )
    entry = method_by_option(args.method)
    folder = check_folder(args.output, [args.input])
    with only_run_in(Path(folder)):
        result = _result(entry, request)
        write_result(result, folder, None if request.report else lambda _: "<p>No report was asked for.</p>\n")
    print(result.result_json() if args.json else text_summary(result, str(folder), time.monotonic() - started))
    return 0


def _result(entry, request: DetectRequest):
    """The method's result with the provenance that ``result.json`` needs."""
    from .._version import __version__
    from ..anomaly.regions import restrict_to_signs
    from ..datasets.cohort import CohortSubject
    from ..evaluation.methods.registry import MethodContext
    from ..pipeline.inputs import read_brain_mask, read_fa
    from ..pipeline.provenance import voxels_sha256
    from ..preprocessing.preparation import prepare
    from ..preprocessing.template import load_template
    from ..runtime.resources import resources_dir

    model, thresholds = _model(entry, request)
    volume, remarks = read_fa(request, None)
    brain, more = read_brain_mask(request, volume)
    template = load_template(resources_dir() / "Template")
    subject = CohortSubject.from_file(Path(request.input))
    context = MethodContext(
        subject,
        lambda scan: prepare(scan, template, brain),
        restrict_to_signs(thresholds, request.signs),
        request.seed if entry.is_stochastic else None,
        model,
        request.device,
    )
    result = entry.create(context).score(volume)
    result.provenance = {
        "faanomaly": __version__,
        "method": entry.name,
        "input_sha256": voxels_sha256(volume.data),
        "request": {"input": Path(request.input).name, "signs": request.signs, "seed": request.seed},
        "threshold_z": {"increased": thresholds[0], "decreased": thresholds[1]},
        "network_evaluations": result.provenance.get("network_evaluations", 0),
        "warnings": [*remarks, *more],
    }
    return result


def _model(entry, request: DetectRequest) -> tuple[Path | None, tuple[float, float]]:
    """The method's model folder, and the thresholds: its own, or the number that was asked for."""
    from ..evaluation.methods.method_model import check_model

    number = isinstance(request.threshold, (int, float))
    if request.model == DetectRequest().model:
        if entry.needs_training or not number:
            raise FAError(
                "missing",
                f"{entry.name} has no {'model' if entry.needs_training else 'thresholds'} yet",
                "they come from healthy people",
                f"Run faanomaly train DATA --method {entry.option} -o FOLDER, then add --model FOLDER",
            )
        return None, (float(request.threshold), float(request.threshold))
    folder = Path(request.model)
    record = check_model(folder, entry)
    if number:
        return folder, (float(request.threshold), float(request.threshold))
    if request.threshold != "auto":
        raise FAError(
            "bad-request", f"--threshold {request.threshold} does not fit --method", "", "Choose auto or a number"
        )
    if record is None:
        raise FAError(
            "missing",
            f"The model in {folder} has no thresholds for {entry.name}",
            "it was trained without --method, and they come from healthy people",
            "Name a threshold, for instance --threshold 0.18",
        )
    return folder, record.thresholds
