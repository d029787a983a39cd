"""``faanomaly calibrate``."""

from __future__ import annotations

import argparse
import csv
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...request import DEVICES, DetectRequest
from ...runtime.progress import CancelToken, told_what_is_kept
from ..hole_options import add_hole_options, hole_request
from ..signals import cancel_on_signals, stopped_at_once
from ..streams import say

if TYPE_CHECKING:
    from ...datasets.cohort import CohortSubject
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
    parser.add_argument(
        "--regions-only",
        action="store_true",
        help="add the limits of drawn regions to the model's calibration and leave all else in it as it is",
    )
    parser.add_argument("--work", type=Path, help="folder for finished passes (default: beside the model)")
    parser.add_argument("--device", default="auto", choices=DEVICES)
    add_hole_options(parser)


def run(args: argparse.Namespace) -> int:
    """Inpaint every healthy subject, draw regions in each, fit the calibration and write it into the model."""
    from ...datasets.cohort import find_subjects
    from ...datasets.folds import read_folds
    from ...training.calibration_fit import fit, held_out_calibrations, install
    from ...training.drawn_regions import draw_in_cohort, fit_regions, table_of
    from ...training.healthy_maps import screen_cohort

    request = hole_request(args)
    folds = read_folds(args.folds)
    subjects = [subject for subject in find_subjects(args.data, args.people) if subject.person in folds]
    if args.regions_only:
        return _regions_only(args, folds, subjects, request)
    work = args.work or args.model.parent / "calibration-passes"
    with cancel_on_signals() as cancel, told_what_is_kept(lambda: f"finished passes are kept in {work}"):
        with stopped_at_once(cancel):
            people = screen_cohort(subjects, folds, work, args.device, say, cancel.check, request)
        if args.cross is not None:
            _write_cross_models(people, folds, args.cross, request, cancel)
        with stopped_at_once(cancel):
            calibration = fit(people, say)
            held_out = held_out_calibrations(people)
            drawn = draw_in_cohort(subjects, folds, args.device, held_out.__getitem__, say, cancel.check, request)
        calibration = replace(calibration, regions=fit_regions(drawn))
        install(calibration, args.model, [one.name for one in people], request)
    values = "auto +{:.2f} and -{:.2f}, sensitive +{:.2f} and -{:.2f}, for one sign only +{:.2f} or -{:.2f}".format(
        *calibration.threshold, *calibration.sensitive, *calibration.one_sided
    )
    print(f"calibrated {args.model} with {calibration.people} people: thresholds {values}")
    print(f"thresholds of drawn regions: {table_of(calibration.regions)}")
    return 0


def _regions_only(
    args: argparse.Namespace, folds: dict[str, Path], subjects: list[CohortSubject], request: DetectRequest
) -> int:
    from ...anomaly.calibration_file import load_calibration
    from ...models.manifest import read_manifest
    from ...training.calibration_fit import install_regions
    from ...training.drawn_regions import draw_in_cohort, fit_regions, table_of

    manifest = read_manifest(args.model)
    known = load_calibration(args.model, manifest)
    kept = told_what_is_kept(lambda: f"{args.model} is as it was", "Run the same command again to begin anew")
    with cancel_on_signals() as cancel:
        with kept, stopped_at_once(cancel):
            drawn = draw_in_cohort(subjects, folds, args.device, lambda person: known, say, cancel.check, request)
            regions = fit_regions(drawn)
        install_regions(regions, args.model, manifest, [subject.path.name for subject in subjects])
    print(f"added drawn regions of {regions.people} people to {args.model}: thresholds {table_of(regions)}")
    return 0


def _write_cross_models(
    people: list[HealthySubject],
    folds: dict[str, Path],
    folder: Path,
    request: DetectRequest,
    cancel: CancelToken,
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
        install(calibration, folder / name, [one.name for one in others], request)
    with open(folder / "folds.csv", "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("person", "model"), *((name, name) for name in names)])
