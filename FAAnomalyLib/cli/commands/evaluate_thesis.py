"""``faanomaly evaluate --experiment``: the thesis' experiments, from the options to the files."""

from __future__ import annotations

import argparse
import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import FAError
from .evaluate_t2 import run_t2_experiment

if TYPE_CHECKING:
    from ...datasets.cohort import CohortSubject
    from ...evaluation.experiments.thesis_experiment import ExperimentDesign

OUTPUT = Path("thesis-results")
"""Folder of the results where none is named."""


def add_experiment_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only experiments have."""
    parser.add_argument(
        "--experiment",
        nargs="+",
        metavar="NAME",
        help="run the thesis' experiments: thesis-3.1 to thesis-3.9, or thesis for these; thesis-3.10 or thesis-3.11 "
        "on T2 images that preprocess t2 has prepared; or tracts (names of regions, changes of tracts); a rerun goes "
        "on, and several processes may share OUT",
    )
    parser.add_argument(
        "--template",
        type=Path,
        metavar="FOLDER",
        help="with thesis-3.10 and thesis-3.11: the healthy people's template, which preprocess t2 has made",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="with --experiment: a trial of minutes: tiny thesis networks, five sampling steps, one person",
    )
    parser.add_argument(
        "--thesis-model",
        action="append",
        default=[],
        metavar="FOLDER",
        help="with --experiment: a thesis network, of train --recipe or train --method; without it one is trained",
    )


def run_experiment(args: argparse.Namespace) -> int:
    """Run the experiments, write tables, figures and report, print the tables."""
    from ...evaluation.experiments.design import is_of_t2

    if any(map(is_of_t2, args.experiment)):
        return run_t2_experiment(args, args.output or OUTPUT)
    if args.template is not None:
        raise FAError("bad-request", "--template belongs to thesis-3.10 and thesis-3.11", "", "Leave it out")
    return _run_on_fa(args)


def _run_on_fa(args: argparse.Namespace) -> int:
    from ...evaluation.experiments.results import (
        StoredExperiment,
        experiment_facts,
        store_experiment,
        write_figures,
        write_html,
        write_tables,
    )
    from ...evaluation.experiments.thesis_experiment import ThesisExperiment
    from ...inpainting.interruptible_network import interruptible_networks
    from ..progress_bar import ProgressBar
    from ..signals import cancel_on_signals

    design, cohort = experiment_design(args)
    output = args.output or OUTPUT
    bar = ProgressBar()
    try:
        with cancel_on_signals() as cancel, interruptible_networks(cancel.check):
            experiment = ThesisExperiment(design, output, bar, cancel)
            rows = experiment.run()
    finally:
        bar.close()
    date = datetime.datetime.now().astimezone().isoformat(timespec="minutes")
    warnings = [*_warnings(design, cohort, args), *_about_networks(design, cohort, experiment.networks)]
    facts = experiment_facts(design, _networks(design, experiment.networks), warnings, date)
    people = {subject.name: subject.person for subject in design.subjects}
    stored = StoredExperiment(facts, people, tuple(table.name for table in design.tables), tuple(rows))
    store_experiment(stored, output)
    text = write_tables(stored, output)
    write_html(stored, output, write_figures(stored, output))
    print(text)
    return 0


def experiment_design(args: argparse.Namespace) -> tuple[ExperimentDesign, list[CohortSubject]]:
    """The design that the options ask for, and the whole cohort; raises ``FAError``."""
    from ...datasets.cohort import find_subjects, one_map_each, people_table
    from ...evaluation.experiments.design import FULL_SUBJECTS, QUICK_LEARNING, QUICK_SUBJECTS, chosen_tables
    from ...evaluation.experiments.thesis_experiment import ExperimentDesign
    from ...evaluation.methods.choices import chosen_methods, every_method

    tables = chosen_tables(args.experiment)
    cohort = find_subjects(args.data, people_table(args.data, args.people))
    everything = args.quick and args.methods is None
    named = chosen_methods(args.methods, {subject.person for subject in cohort})
    choices, tried = every_method() if everything else (named, ())
    chosen = _planted_in(cohort, args, QUICK_SUBJECTS if args.quick else FULL_SUBJECTS)
    held_out = {subject.person for subject in chosen}
    learning = [subject for subject in cohort if subject.person not in held_out]
    if not learning:
        raise FAError(
            "bad-request",
            "Nobody is left to learn from",
            f"all {len(held_out)} people are tested",
            "Name fewer with --subjects",
        )
    networks = thesis_networks(args.thesis_model)
    design = ExperimentDesign(
        tables,
        chosen,
        one_map_each(learning)[:QUICK_LEARNING] if args.quick else learning,
        choices,
        args.quick,
        tried,
        networks,
        args.model,
        args.device,
        args.seed,
    )
    return design, cohort


def thesis_networks(folders: list[str]) -> dict[str, Path]:
    """Folders of trained thesis networks by what they are; raises ``FAError`` for others, and for two of one kind."""
    from ...evaluation.methods.thesis_model import find_thesis_model

    found: dict[str, Path] = {}
    for folder in map(Path, folders):
        name = "conditional" if find_thesis_model(folder).conditional else "unconditional"
        if name in found:
            raise FAError("bad-request", f"{found[name]} and {folder} both hold a {name} network", "", "Name one")
        found[name] = folder
    return found


def _planted_in(cohort: list[CohortSubject], args: argparse.Namespace, count: int) -> list[CohortSubject]:
    """One map of each person under test: those named, else people whom the detector has not seen before others."""
    from ...datasets.cohort import one_map_each
    from ...evaluation.methods.detector import seen_in_training
    from ...models.registry import find_model
    from ...training.objective import TEMPLATE_PERSON

    if args.subjects:
        missing = sorted(set(args.subjects) - {subject.name for subject in cohort})
        if missing:
            raise FAError("bad-request", f"There is no subject {', '.join(missing)}", "", f"Look into {args.data}")
        return one_map_each([subject for subject in cohort if subject.name in args.subjects])
    people = [subject for subject in one_map_each(cohort) if subject.person != TEMPLATE_PERSON]
    model = find_model(args.model)
    seen = {subject.name for subject in seen_in_training(people, cohort, lambda subject: model)}
    people.sort(key=lambda subject: (subject.name in seen, subject.name))
    # Half of the people at most: the thesis' networks need somebody to learn from.
    return people[: max(1, min(count, len(people) // 2))]


def _networks(design: ExperimentDesign, folders: dict[str, Path]) -> dict[str, dict]:
    """What the report says of the thesis networks."""
    from ...evaluation.experiments.laboratory import QUICK_STEPS
    from ...evaluation.methods.thesis_model import find_thesis_model

    facts = {}
    for name, model in ((name, find_thesis_model(folder)) for name, folder in folders.items()):
        facts[name] = {
            "widths": list(model.widths),
            "steps": model.training_steps,
            "grid": model.voxels,
            "sampler_steps": min(model.steps, QUICK_STEPS) if design.quick else model.steps,
            "windowed": model.windowed,
            "sha256": model.sha256,
        }
    return facts


def _warnings(design: ExperimentDesign, cohort: list[CohortSubject], args: argparse.Namespace) -> list[str]:
    """What limits the numbers."""
    from ...datasets.cohort import people_table
    from ...evaluation.methods.detector import seen_in_training
    from ...models.registry import find_model

    warnings = [_quick_words(design)] if design.quick else []
    model = find_model(args.model)
    seen = [one.name for one in seen_in_training(list(design.subjects), cohort, lambda subject: model)]
    if seen:
        warnings.append(f"The detector was trained or calibrated on {', '.join(seen)}; its scores there are too good.")
    if people_table(args.data, args.people) is None:
        warnings.append("Every map was taken as another person: name the people with --people file.csv (file,person).")
    return warnings


def _quick_words(design: ExperimentDesign) -> str:
    """What a trial is."""
    from ...evaluation.experiments.laboratory import QUICK_STEPS
    from ...evaluation.experiments.thesis_experiment import QUICK_CHANGE, QUICK_DIAMETER, TRIAL_PEOPLE

    words = (
        f"Quick: maps tested {len(design.subjects)}, learned from {len(design.learning)}; thesis networks of few "
        f"channels, trained briefly on crops, that see a window round each hole; at most {QUICK_STEPS} sampling steps; "
        f"whole-brain methods on changes of ±{QUICK_CHANGE:g} in {QUICK_DIAMETER} voxels and more alone, with one "
        "registration of a brain for all comparators. "
    )
    if design.trained_in_trial:
        words += (
            f"Comparators that learn are trained for a moment on {TRIAL_PEOPLE} people and run on ±0.2 in 16 alone. "
        )
    return words + "The rows show that everything runs; they say nothing of these networks at full size."


def _always(model: Path, subject: CohortSubject) -> Path:
    return model


def _about_networks(design: ExperimentDesign, cohort: list[CohortSubject], folders: dict[str, Path]) -> list[str]:
    """Who the networks have seen, and what their grid leaves out."""
    from ...datasets.cohort import load_stripped
    from ...evaluation.experiments.laboratory import grid_of
    from ...evaluation.methods.detector import seen_in_training
    from ...evaluation.methods.thesis_model import find_thesis_model
    from ...preprocessing.native_crop import native_crop

    warnings, subjects = [], list(design.subjects)
    for name, model in ((name, find_thesis_model(folder).folder) for name, folder in folders.items()):
        seen = [one.name for one in seen_in_training(subjects, cohort, partial(_always, model))]
        if seen:
            warnings.append(f"The {name} network was trained on {', '.join(seen)}; its scores there are too good.")
    crops = [native_crop(load_stripped(subject), grid_of(folders)) for subject in subjects]
    clipped = [crop.clipped_ml for crop in crops if crop.clipped_ml > 0]
    if clipped:
        warnings.append(
            f"The crop of 160 mm cuts {len(clipped)} of {len(crops)} maps, by {max(clipped):.0f} ml at most; what lies "
            "outside it is not looked at."
        )
    return warnings
