"""``faanomaly calibrate``."""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ...request import DEVICES
from ...runtime.progress import CancelToken, told_what_is_kept
from ..signals import cancel_on_signals, stopped_at_once
from ..streams import say

if TYPE_CHECKING:
    from ...training.healthy_maps import HealthySubject


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("data", type=Path, help="folder of healthy FA maps (NAME_FA.nii.gz, NAME_mask.nii.gz)")
    parser.add_argument(
        "--folds",
        type=Path,
        required=True,
        help="CSV with the columns person,model: a model that was not trained on the person",
    )
    parser.add_argument("--people", type=Path, help="CSV with the columns file,person")
    parser.add_argument(
        "-o",
        "--model",
        type=Path,
        required=True,
        metavar="MODEL",
        help="model folder that the calibration is written into",
    )
    parser.add_argument(
        "--cross",
        type=Path,
        metavar="FOLDER",
        help="also write every person's own model with a calibration that knows nothing of them, for evaluate --folds",
    )
    parser.add_argument("--work", type=Path, help="folder for finished passes (default: beside the model)")
    parser.add_argument("--device", default="auto", choices=DEVICES)


def run(args: argparse.Namespace) -> int:
    """Inpaint every healthy subject, fit the calibration and write it into the model."""
    from ...datasets.cohort import find_subjects
    from ...datasets.folds import read_folds
    from ...training.calibration_fit import fit, install
    from ...training.healthy_maps import screen_cohort

    folds = read_folds(args.folds)
    subjects = [subject for subject in find_subjects(args.data, args.people) if subject.person in folds]
    work = args.work or args.model.parent / "calibration-passes"
    with cancel_on_signals() as cancel, told_what_is_kept(lambda: f"finished passes are kept in {work}"):
        with stopped_at_once(cancel):
            people = screen_cohort(subjects, folds, work, args.device, say, cancel.check)
        if args.cross is not None:
            _write_cross_models(people, folds, args.cross, cancel)
        with stopped_at_once(cancel):
            calibration = fit(people, say)
        install(calibration, args.model, people)
    values = "auto +{:.2f} and -{:.2f}, sensitive +{:.2f} and -{:.2f}, for one sign only +{:.2f} or -{:.2f}".format(
        *calibration.threshold, *calibration.sensitive, *calibration.one_sided
    )
    print(f"calibrated {args.model} with {calibration.people} people: thresholds {values}")
    return 0


def _write_cross_models(
    people: list[HealthySubject], folds: dict[str, Path], folder: Path, cancel: CancelToken
) -> None:
    """A copy of each person's model, calibrated on everybody else, and ``folds.csv`` that names them."""
    from ...training.calibration_fit import fit, install

    folder.mkdir(parents=True, exist_ok=True)
    names = sorted({one.person for one in people})
    for name in names:
        shutil.copytree(folds[name], folder / name, dirs_exist_ok=True)
        say(f"without {name}")
        others = [one for one in people if one.person != name]
        with stopped_at_once(cancel):
            calibration = fit(others, say)
        install(calibration, folder / name, others)
    with open(folder / "folds.csv", "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("person", "model"), *((name, name) for name in names)])
