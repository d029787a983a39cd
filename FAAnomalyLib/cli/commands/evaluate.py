"""``faanomaly evaluate``: planted anomalies in healthy brains, scored by the detector and by comparators."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import FAError
from ...request import DEVICES
from ..hole_options import add_hole_options, hole_request
from .evaluate_thesis import OUTPUT, add_experiment_options, run_experiment
from .evaluate_tracts import NAME as TRACTS
from .evaluate_tracts import run_tracts

if TYPE_CHECKING:
    from ...datasets.cohort import CohortSubject

SUBJECTS_SHOWN = 10
"""At most so many names of subjects are listed in an error message."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    _add_folders_and_methods(parser)
    parser.add_argument("--model", metavar="NAME|DIR", default="default", help="bundled model, or a model folder")
    parser.add_argument(
        "--folds",
        type=Path,
        metavar="CSV",
        help="columns person,model: everybody is scored by the model that has not seen them",
    )
    parser.add_argument("--people", type=Path, metavar="CSV", help="columns file,person; means are over people")
    parser.add_argument("--subjects", nargs="+", metavar="NAME", help="score only these (file names without _FA)")
    _add_protocol_options(parser)
    add_hole_options(parser)
    add_experiment_options(parser)
    parser.add_argument("--device", choices=DEVICES, default="auto", help="of the networks; default %(default)s")
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="keep finished passes there (20 MB a scored volume): the same anomalies are scored again, for instance "
        "after a new calibration, without the network (seconds and network evaluations then count only the "
        "remaining work); an untouched brain's passes are those of calibrate --work",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="reuse what earlier runs in the same folder have finished, also to add to it: the other "
        "anomalies that they planted in the same subjects are in the table, too",
    )


def run(args: argparse.Namespace) -> int:
    """Score everything, write and print the table."""
    _check(args)
    if args.experiment == [TRACTS]:
        return run_tracts(args)
    if args.experiment:
        return run_experiment(args)
    return _evaluate(args)


def _evaluate(args: argparse.Namespace) -> int:
    holes = hole_request(args)
    from ...datasets.cohort import find_subjects
    from ...evaluation.cases import EvaluationDesign, EvaluationProtocol
    from ...evaluation.experiment import evaluate
    from ...evaluation.methods.choices import chosen_methods
    from ...evaluation.methods.detector import DetectorMethods, folds_for
    from ...evaluation.planting.shapes import find_shapes
    from ...evaluation.records import RecordStore
    from ...evaluation.tables.evaluation_report import evaluation_report, report_text, write_report
    from ...inpainting.interruptible_network import interruptible_networks
    from ...models.manifest import read_manifest
    from ..progress_bar import ProgressBar
    from ..signals import cancel_on_signals

    everybody = find_subjects(args.data, args.people)
    subjects = _chosen(everybody, args.subjects)
    folds = folds_for(args.folds, {s.person for s in subjects}) if args.folds else None
    shapes = find_shapes(args.lesions) if args.lesions else []
    methods = chosen_methods(args.methods, {s.person for s in subjects}, args.settings)
    protocol = EvaluationProtocol(tuple(args.diameters), tuple(args.changes), args.places, args.seed)
    bar = ProgressBar()
    try:
        with cancel_on_signals() as cancel, interruptible_networks(cancel.check):
            provider = DetectorMethods(args.model, folds, args.device, cancel, args.work, holes)
            warnings = _warnings(subjects, everybody, provider.model_of, args)
            _make(args.output)
            design = EvaluationDesign(subjects, protocol, shapes, methods, args.device)
            rows = evaluate(design, provider, RecordStore(args.output, args.resume), bar, cancel)
    finally:
        bar.close()
    models = {subject.name: read_manifest(provider.model_of(subject))["sha256"] for subject in subjects}
    facts = {"model_sha256": models, "shapes": [shape.name for shape in shapes]}
    report = evaluation_report(rows, protocol, facts, warnings)
    write_report(report, args.output)
    print(report_text(report))
    return 0


def _make(folder: Path) -> None:
    from ...io.atomic import cannot_write

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _add_folders_and_methods(parser: argparse.ArgumentParser) -> None:
    """Where the maps are and the results go, and what is compared."""
    parser.add_argument(
        "data",
        type=Path,
        nargs="?",
        metavar="DATA",
        help="folder of healthy FA maps (NAME_FA.nii.gz, NAME_mask.nii.gz)",
    )
    parser.add_argument("--data", dest="data_option", type=Path, metavar="DATA", help="the same folder, as an option")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help=f"folder for the results (with --experiment {OUTPUT} by default)",
    )
    parser.add_argument(
        "--methods",
        metavar="A,B",
        help="comparators beside the detector: names with hyphens, NAME=FOLDER for one that was fitted with train "
        "--method, NAME=folds.csv (person,model) for several; default: the quick ones that need no training",
    )
    parser.add_argument(
        "--settings",
        action="store_true",
        help="try the comparators without a network in further settings (smoothing over 1.5 and 6 mm beside 3 mm), and "
        "report the best of them, chosen for each person by the other people",
    )


def _add_protocol_options(parser: argparse.ArgumentParser) -> None:
    """What is planted, and where."""
    parser.add_argument(
        "--lesions",
        type=Path,
        metavar="FOLDER",
        help="lesion-*.nii.gz in MNI space; those of 2 to 8 ml are planted as well",
    )
    parser.add_argument(
        "--places",
        type=int,
        default=2,
        metavar="N",
        help="places for each diameter in each subject (default %(default)s)",
    )
    parser.add_argument(
        "--diameters",
        type=int,
        nargs="*",
        default=[8, 16, 32],
        metavar="D",
        help="of the spheres, in voxels of 1.25 mm (default 8 16 32)",
    )
    parser.add_argument(
        "--changes",
        type=float,
        nargs="*",
        metavar="FA",
        default=[0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.05, -0.05],
        help="changes of FA in the spheres (default ±0.3 ±0.2 ±0.1 ±0.05)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the places (default %(default)s)")


def _check(args: argparse.Namespace) -> None:
    if args.data and args.data_option:
        raise FAError("bad-request", "Two folders of FA maps are named", f"{args.data}, {args.data_option}", "Give one")
    args.data = args.data or args.data_option
    if args.data is None:
        raise FAError("bad-request", "No folder of healthy FA maps is named", "", "Name it: faanomaly evaluate DATA")
    if args.output is None and not args.experiment:
        raise FAError("bad-request", "No folder for the results is named", "", "Name it with --output OUT")
    if args.experiment is None and (args.quick or args.thesis_model):
        raise FAError("bad-request", "--quick and --thesis-model belong to --experiment", "", "Add --experiment thesis")
    if args.experiment and args.settings:
        raise FAError("bad-request", "--settings does not fit --experiment", "", "Leave it out")
    if args.experiment and args.folds:
        raise FAError("bad-request", "--folds does not fit --experiment", "it has one detector", "Leave it out")
    if args.places < 1:
        raise FAError("bad-request", f"--places {args.places} is below 1")
    if any(not 1 <= diameter <= 100 for diameter in args.diameters):
        raise FAError("bad-request", "A diameter is not from 1 to 100 voxels of 1.25 mm")
    if any(not 0 < abs(change) <= 1 for change in args.changes):
        raise FAError("bad-request", "A change of FA is not from -1 to 1, or is 0")
    if args.folds and args.model != "default":
        raise FAError("bad-request", "--folds names the models already", "--model names another", "Give one of them")


def _chosen(everybody: list[CohortSubject], names: list[str] | None) -> list[CohortSubject]:
    if names is None:
        return everybody
    missing = sorted(set(names) - {subject.name for subject in everybody})
    if missing:
        some = ", ".join(subject.name for subject in everybody[:SUBJECTS_SHOWN])
        raise FAError("bad-request", f"There is no subject {', '.join(missing)}", "", f"Choose among {some}")
    return [subject for subject in everybody if subject.name in names]


def _warnings(
    subjects: list[CohortSubject],
    everybody: list[CohortSubject],
    model_of: Callable[[CohortSubject], Path],
    args: argparse.Namespace,
) -> list[str]:
    """What limits the scores; raises ``FAError('bad-request')`` for folds that do not hold a person out."""
    from ...evaluation.methods.detector import seen_in_training

    seen = [subject.name for subject in seen_in_training(subjects, everybody, model_of)]
    if seen and args.folds:
        raise FAError(
            "bad-request",
            f"The model of {', '.join(seen)} was trained or calibrated on the same person",
            "",
            f"Correct {args.folds}",
        )
    warnings = []
    if seen:
        warnings.append(
            f"Not held out: the model was trained or calibrated on {', '.join(seen)}; their scores are too good."
        )
    if len({subject.person for subject in subjects}) == 1:
        warnings.append("One person: no intervals, and the comparators' thresholds come from the scored brain itself.")
    return warnings
