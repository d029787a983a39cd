"""``faanomaly train``; under ``torchrun`` every process runs it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import FAError
from ...request import DEVICES
from ...training.recipes import RECIPES, Recipe
from ..signals import cancel_on_signals
from ..streams import say

DEFAULT = "inpainter"
METHOD_RECIPES = ("paper", "tiny")
"""Sizes of a comparator: its paper's, or one that two cores train in minutes."""

if TYPE_CHECKING:
    import torch

    from ...datasets.cohort import CohortSubject
    from ...preprocessing.interruptible_itk import Check
    from ...training.distributed import Distributed
    from ...training.training_run import TrainingRun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("data", type=Path, help="folder of healthy FA maps (NAME_FA.nii.gz, NAME_mask.nii.gz)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="RUN",
        help="run folder; started again, it goes on where it stopped",
    )
    _add_recipe_options(parser)
    parser.add_argument("--template", type=Path, help="template folder (default: the bundled one)")
    parser.add_argument(
        "--start-from",
        metavar="MODEL",
        help="begin with the weights of a model (a new run only), for instance to add a site's people",
    )
    parser.add_argument("--people", type=Path, help="CSV with the columns file,person")
    parser.add_argument(
        "--hold-out",
        action="append",
        default=[],
        metavar="PERSON",
        help="keep a person out of training and report the error on them",
    )
    parser.add_argument("--steps", type=int, help="training steps (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="examples a step (default: the recipe's)")
    parser.add_argument(
        "--widths", type=int, nargs="+", metavar="N", help="channels at each resolution (default: the recipe's)"
    )
    parser.add_argument("--device", default="auto", choices=DEVICES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument("--judge-every", type=int, default=500, help="steps between errors on the held-out people")


def _add_recipe_options(parser: argparse.ArgumentParser) -> None:
    """What is trained: the detector's network, a thesis network, or a comparator."""
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="fit a comparator of evaluate instead of the detector's network, with thresholds from healthy people; "
        "--recipe is then paper (default) or tiny",
    )
    parser.add_argument("--recipe", choices=list(dict.fromkeys([*sorted(RECIPES), *METHOD_RECIPES])), default=DEFAULT)


def run(args: argparse.Namespace) -> int:
    """Train, or go on with a run, and write the model."""
    if args.method:
        return _fit_method(args)
    from ...datasets.cohort import find_subjects, split_people
    from ...io.atomic import cannot_write
    from ...training.distributed import join_processes, training_device

    recipe = _recipe(args)
    training, held_out = split_people(find_subjects(args.data, args.people), args.hold_out)
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(args.output, error) from error
    device = training_device(args.device)
    distributed = join_processes(device)
    with cancel_on_signals() as cancel:
        prepared = _prepare_run(args, recipe, training, held_out, distributed, cancel.check)
        _train(args, prepared, device, distributed, cancel.check)
    distributed.leave()
    return 0


def _train(
    args: argparse.Namespace, prepared: TrainingRun, device: torch.device, distributed: Distributed, check: Check
) -> None:
    """Train to the end and write the model."""
    import torch

    from ...networks.registry import build_network
    from ...training.distributed import common_dtype
    from ...training.export import export_model
    from ...training.trainer import Trainer

    report = say if distributed.writes else _print_nothing
    torch.manual_seed(args.seed)
    # PyTorch's type stubs lack this overload of Module.to.
    network = build_network(prepared.recipe.network).to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    trainer = Trainer(prepared, network, device, common_dtype(device, distributed), distributed, report)
    if args.start_from:
        trainer.start_from(args.start_from)
    trainer.resume()
    trainer.train(args.save_every, args.judge_every, check)
    if distributed.writes:
        report(f"model written to {export_model(prepared, trainer.state, args.template)}")


def _fit_method(args: argparse.Namespace) -> int:
    """Fit a comparator and derive its thresholds; prints the folder."""
    from ...datasets.cohort import find_subjects
    from ...evaluation.methods.method_model import fit_method, split_for_thresholds
    from ...evaluation.methods.registry import method_by_option
    from ...evaluation.methods.scoring_method import FitOptions
    from ...io.atomic import cannot_write
    from ...preprocessing.template import load_template
    from ...runtime.resources import resources_dir

    entry = method_by_option(args.method)
    if args.recipe not in (DEFAULT, *METHOD_RECIPES):
        raise FAError("bad-request", f"--recipe {args.recipe} does not fit --method", "", "Choose paper or tiny")
    people, held_out = split_for_thresholds(find_subjects(args.data, args.people), args.hold_out, entry.needs_training)
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(args.output, error) from error
    options = FitOptions(
        args.output, METHOD_RECIPES[0] if args.recipe == DEFAULT else args.recipe, args.device, args.seed, say
    )
    template = load_template(args.template or resources_dir() / "Template")
    record = fit_method(entry, people, held_out, options, template)
    up, down = record.thresholds
    say(f"{entry.name}: thresholds +{up:.3g} and -{down:.3g} from {record.people} people, written to {args.output}")
    return 0


def _recipe(args: argparse.Namespace) -> Recipe:
    """The named recipe with what the options change; raises ``FAError('bad-request')``."""
    for option in ("steps", "batch", "save_every", "judge_every"):
        if getattr(args, option) is not None and getattr(args, option) < 1:
            raise FAError("bad-request", f"--{option.replace('_', '-')} must be at least 1")
    if args.recipe not in RECIPES:
        raise FAError("bad-request", f"The recipe {args.recipe} belongs to --method", "", "Name a method, or no recipe")
    recipe = RECIPES[args.recipe]
    if args.widths and (len(args.widths) != len(recipe.network["widths"]) or min(args.widths) < 1):
        raise FAError("bad-request", f"--widths must be {len(recipe.network['widths'])} positive numbers")
    return replace(
        recipe,
        steps=args.steps or recipe.steps,
        batch=args.batch or recipe.batch,
        network={**recipe.network, "widths": args.widths or recipe.network["widths"]},
    )


def _prepare_run(
    args: argparse.Namespace,
    recipe: Recipe,
    training: list[CohortSubject],
    held_out: list[CohortSubject],
    distributed: Distributed,
    check: Check,
) -> TrainingRun:
    """Register every subject to the template; each process registers its share before all of them read everything."""
    from ...preprocessing.template import load_template, on_grid
    from ...runtime.resources import resources_dir
    from ...training.cohort_cache import prepare_subjects
    from ...training.training_run import TrainingRun

    report = say if distributed.writes else _print_nothing
    stored = load_template(args.template or resources_dir() / "Template")
    template = on_grid(stored, tuple(recipe.grid["shape"]), recipe.grid["spacing_mm"])
    cache = args.output / "prepared"
    if distributed.world > 1:
        prepare_subjects(distributed.share(training + held_out), template, cache, report, check)
        distributed.wait_for_all()
    return TrainingRun(
        recipe,
        prepare_subjects(training, template, cache, report, check),
        prepare_subjects(held_out, template, cache, report, check),
        template,
        args.output,
        args.seed,
    )


def _print_nothing(text: str) -> None:
    pass
