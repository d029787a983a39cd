"""``faanomaly template``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import FAError
from ..signals import cancel_on_signals, stopped_at_once


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("data", type=Path, help="folder of healthy FA maps (NAME_FA.nii.gz, NAME_mask.nii.gz)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the template")
    parser.add_argument("--target", type=Path, required=True, help="first registration target, an FA map in MNI space")
    parser.add_argument("--people", type=Path, help="CSV with the columns file,person")
    parser.add_argument("--hold-out", action="append", default=[], metavar="PERSON", help="leave a person out")
    parser.add_argument("--rounds", type=int, default=3, help="registration rounds (default 3)")
    parser.add_argument(
        "--cross",
        type=Path,
        metavar="FOLDER",
        help="also write, for every person, the template without them, and folds.csv for calibrate --folds",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|DIR",
        help="with --cross: put the weights of this model beside the template of everybody whom they have not seen",
    )


def run(args: argparse.Namespace) -> int:
    """Make the template and write it."""
    from ...datasets.cohort import find_subjects, split_people
    from ...io.volumes import load_volume
    from ...models.registry import find_model
    from ...training.fold_folders import write_folds
    from ...training.template_building import average_people, save_template

    if args.model is not None and args.cross is None:
        raise FAError("bad-request", "--model is of use with --cross only", "", "Give --cross FOLDER, or leave it out")
    if args.rounds < 1:
        raise FAError("bad-request", f"--rounds {args.rounds} makes no template", "", "Give 1 or more")
    model = None if args.model is None else find_model(args.model)
    subjects, _ = split_people(find_subjects(args.data, args.people), args.hold_out)
    with cancel_on_signals() as cancel:
        with stopped_at_once(cancel):
            average = average_people(subjects, load_volume(args.target)[0], args.rounds, check=cancel.check)
        template = average.template()
        save_template(template, args.output)
        table = None if args.cross is None else write_folds(average, subjects, args.cross, model)
    print(f"template of {len(average.people)} people in {args.output}, sha256 {template.sha256[:12]}")
    if table is not None:
        print(f"templates without each of them: {table}")
    return 0
