"""``faanomaly detect --procedure thesis`` in a terminal: its options, progress on standard error, a short summary."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import FAError
from ..request import CROP_CENTRES, ORDERS, PROCEDURES
from .progress_bar import ProgressBar, format_duration
from .signals import cancel_on_signals, stopped_at_once

if TYPE_CHECKING:
    from ..pipeline.thesis_procedure.options import ThesisOptions
    from ..pipeline.thesis_procedure.outcome import ThesisOutcome

DEFAULT_MASK_SIZE = 16
"""Of listing A.22."""
FAST, THESIS = PROCEDURES


def add_thesis_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--procedure`` and the options that the thesis' procedure alone has."""
    group = parser.add_argument_group("the thesis' own procedure")
    group.add_argument(
        "--procedure",
        choices=PROCEDURES,
        default=FAST,
        help="thesis: every cube of the scan in a run of its own, without registration, hours long (needs a thesis "
        "model); fast: interleaved holes, calibrated z (default %(default)s)",
    )
    group.add_argument(
        "--order",
        choices=tuple(ORDERS),
        default=next(iter(ORDERS)),
        help="of operations in a step: as printed, or the known voxels before the network (default %(default)s)",
    )
    group.add_argument(
        "--grid",
        type=int,
        default=0,
        metavar="N",
        help="voxels along each edge of the crop of 160 mm; 0 is the model's own (128 = 1.25 mm in the thesis)",
    )
    group.add_argument(
        "--crop",
        choices=CROP_CENTRES,
        default=CROP_CENTRES[0],
        help="what the crop is centred on; auto: the array for maps of 145 x 174 x 145 voxels, else the brain",
    )
    group.add_argument(
        "--cube", type=int, nargs=3, metavar=("I", "J", "K"), help="fill only the cube that begins at this voxel"
    )


def refuse_thesis_options(args: argparse.Namespace) -> None:
    """Raise ``FAError('bad-request')`` where an option of the thesis' procedure is given to the fast one."""
    given = [
        word
        for word, is_given in (
            ("--order", args.order != next(iter(ORDERS))),
            ("--grid", args.grid != 0),
            ("--crop", args.crop != CROP_CENTRES[0]),
            ("--cube", args.cube is not None),
        )
        if is_given
    ]
    if given:
        raise FAError(
            "bad-request",
            f"{', '.join(given)} belong to --procedure thesis",
            "",
            "Add --procedure thesis, or leave out",
        )


def run_thesis_in_terminal(args: argparse.Namespace) -> int:
    """Run the thesis' procedure, write its files and print a summary; returns 0, or raises ``FAError``."""
    _refuse_other_options(args)
    from ..io.run_lock import only_run_in
    from ..reporting.result_files import check_folder

    started = time.monotonic()
    folder = Path(args.output)
    check_folder(folder, [args.input])
    bar = ProgressBar()
    try:
        with cancel_on_signals() as cancel, only_run_in(folder):
            with stopped_at_once(cancel):
                from ..datasets.file_names import subject_name
                from ..pipeline.inputs import read_fa
                from ..pipeline.thesis_procedure.outcome import write_outcome
                from ..pipeline.thesis_procedure.procedure import STAGES, Subject, run_thesis_procedure
                from ..request import DetectRequest
                from ..runtime.progress import Progress

            options = _options(args).check()
            progress = Progress(bar, cancel, STAGES)
            progress.step("reading")
            volume, remarks = read_fa(DetectRequest(args.input, scale=args.scale), None)
            subject = Subject(subject_name(Path(args.input)), volume, tuple(remarks))
            outcome = run_thesis_procedure(subject, args.model, args.device, options, folder, progress)
            names = write_outcome(outcome, folder)
    finally:
        bar.close()
    print(outcome.result_json() if args.json else _summary(outcome, folder, names, time.monotonic() - started))
    return 0


def _options(args: argparse.Namespace) -> ThesisOptions:
    from ..pipeline.thesis_procedure.options import ThesisOptions

    # The request's default sampler fits no thesis network; here it stands for the one that the order names.
    unnamed = args.sampler in ("mean", ORDERS["printed"])
    return ThesisOptions(
        mask_type=args.mask_type,
        mask_size=args.mask_size or DEFAULT_MASK_SIZE,
        sampler=ORDERS[args.order] if unnamed else args.sampler,
        steps=args.steps,
        samples=args.samples,
        noise=args.noise,
        seed=args.seed,
        grid=args.grid,
        centre=args.crop,
        threshold=None if args.threshold == "auto" else args.threshold,
        signs=args.signs,
        cube=None if args.cube is None else (args.cube[0], args.cube[1], args.cube[2]),
    )


def _refuse_other_options(args: argparse.Namespace) -> None:
    for word in ("region", "roi", "segment", "brain_mask"):
        if getattr(args, word):
            raise FAError(
                "bad-request",
                f"--{word.replace('_', '-')} is not for --procedure thesis",
                "it fills the cubes of the whole crop, as listing A.22 chooses them",
                "Leave it out, or use --procedure fast",
            )
    if args.threshold == "sensitive":
        raise FAError(
            "bad-request",
            "--threshold sensitive is not for --procedure thesis",
            "it has no calibration",
            "Give a change of FA, for instance 0.18, or leave it out",
        )


def _summary(outcome: ThesisOutcome, folder: Path, names: list[str], seconds: float) -> str:
    told = outcome.provenance
    cubes = told["cubes"]
    lines = [f"Note: {warning}" for warning in told["warnings"]]
    counts = f"{cubes['filled']} cubes filled, {cubes['found_finished']} found finished"
    lines.append(counts + (f", {cubes['empty']} without white matter left out" if cubes["empty"] else "") + ".")
    if told["anomalous_ml"] is not None:
        lines.append(f"{told['anomalous_ml']:.1f} ml are beyond the threshold.")
    lines.append(f"Done in {format_duration(seconds)}. In {folder}: {', '.join(names)}.")
    lines.append("For research; this is not a diagnosis.")
    return "\n".join(lines)
