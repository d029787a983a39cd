"""``faanomaly template``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..signals import cancel_on_signals, stopped_at_once


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("data", type=Path, help="folder of healthy FA maps (NAME_FA.nii.gz, NAME_mask.nii.gz)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the template")
    parser.add_argument("--target", type=Path, required=True, help="first registration target, an FA map in MNI space")
    parser.add_argument("--people", type=Path, help="CSV with the columns file,person")
    parser.add_argument("--hold-out", action="append", default=[], metavar="PERSON", help="leave a person out")
    parser.add_argument("--rounds", type=int, default=3, help="registration rounds (default 3)")


def run(args: argparse.Namespace) -> int:
    """Make the template and write it."""
    from ...datasets.cohort import find_subjects, split_people
    from ...io.volumes import load_volume
    from ...training.template_building import make_template, save_template

    subjects, _ = split_people(find_subjects(args.data, args.people), args.hold_out)
    with cancel_on_signals() as cancel:
        with stopped_at_once(cancel):
            template = make_template(subjects, load_volume(args.target)[0], args.rounds, check=cancel.check)
        save_template(template, args.output)
    people = len({subject.person for subject in subjects})
    print(f"template of {people} people in {args.output}, sha256 {template.sha256[:12]}")
    return 0
