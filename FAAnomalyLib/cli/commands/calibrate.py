"""``faanomaly calibrate``."""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...request import DEVICES, DetectRequest
from ...runtime.progress import told_what_is_kept
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
        help="CSV with the columns person,model: folder of a model that was not trained on the person, or of a "
        "template without them (template --cross)",
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
        help="also write, for every person, a model with a template and a calibration that know nothing of them, for "
        "evaluate --folds (weights of this model where the fold has none)",
    )
    parser.add_argument(
        "--regions-only",
        action="store_true",
        help="add the limits of drawn regions to the model's calibration and leave all else in it as it is",
    )
    parser.add_argument("--work", type=Path, help="of version 0.1.0; nothing is kept any more")
    parser.add_argument("--device", default="auto", choices=DEVICES)
    add_hole_options(parser)


def run(args: argparse.Namespace) -> int:
    """Screen every healthy subject, draw regions in each, fit the calibration and write it into the model."""
    from ...datasets.cohort import find_subjects
    from ...datasets.folds import read_folds
    from ...models.manifest import read_manifest
    from ...training.calibration_fit import fit, held_out_calibrations, install
    from ...training.drawn_regions import draw_in_cohort, fit_regions, table_of
    from ...training.fold_folders import has_weights
    from ...training.healthy_maps import enough_people, screen_cohort

    request, folds = hole_request(args), read_folds(args.folds)
    subjects = [subject for subject in find_subjects(args.data, args.people) if subject.person in folds]
    manifest = read_manifest(args.model)
    drawn_in = [subject for subject in subjects if has_weights(folds[subject.person])]
    if args.regions_only:
        return _regions_only(args, folds, drawn_in, request, manifest)
    enough_people({subject.person for subject in drawn_in})
    grid = tuple(manifest["grid"]["shape"]), manifest["grid"]["spacing_mm"]
    with cancel_on_signals() as cancel, stopped_at_once(cancel):
        people = screen_cohort(subjects, folds, grid, say, cancel.check)
        if args.cross is not None:
            _write_cross_models(people, folds, args)
        calibration = fit(people, say)
        held_out = held_out_calibrations(people)
        drawn = draw_in_cohort(drawn_in, folds, args.device, held_out.__getitem__, say, cancel.check, request)
    calibration = replace(calibration, regions=fit_regions(drawn))
    install(calibration, args.model, [one.name for one in people], request)
    values = "auto +{:.2f} and -{:.2f}, sensitive +{:.2f} and -{:.2f}, for one sign only +{:.2f} or -{:.2f}".format(
        *calibration.threshold, *calibration.sensitive, *calibration.one_sided
    )
    print(f"calibrated {args.model} with {calibration.people} people: thresholds {values}")
    print(f"thresholds of regions drawn in {calibration.regions.people} people: {table_of(calibration.regions)}")
    return 0


def _regions_only(
    args: argparse.Namespace,
    folds: dict[str, Path],
    subjects: list[CohortSubject],
    request: DetectRequest,
    manifest: dict[str, Any],
) -> int:
    from ...anomaly.calibration_file import load_calibration
    from ...training.calibration_fit import install_regions
    from ...training.drawn_regions import draw_in_cohort, fit_regions, table_of

    known = load_calibration(args.model, manifest)
    kept = told_what_is_kept(lambda: f"{args.model} is as it was", "Run the same command again to begin anew")
    with cancel_on_signals() as cancel:
        with kept, stopped_at_once(cancel):
            drawn = draw_in_cohort(subjects, folds, args.device, lambda person: known, say, cancel.check, request)
            regions = fit_regions(drawn)
        install_regions(regions, args.model, manifest, [subject.path.name for subject in subjects])
    print(f"added drawn regions of {regions.people} people to {args.model}: thresholds {table_of(regions)}")
    return 0


def _write_cross_models(people: list[HealthySubject], folds: dict[str, Path], args: argparse.Namespace) -> None:
    """A copy of each person's fold, calibrated on everybody else, and ``folds.csv`` that names them."""
    from ...training.calibration_fit import fit, install
    from ...training.fold_folders import copy_weights, has_weights, write_table

    names = sorted({one.person for one in people})
    for name in names:
        own = args.cross / name
        shutil.copytree(folds[name], own, dirs_exist_ok=True)
        if not has_weights(own):
            copy_weights(args.model, own)
        say(f"without {name}")
        others = [one for one in people if one.person != name]
        install(fit(others, say), own, [one.name for one in others])
    write_table(args.cross, names)
