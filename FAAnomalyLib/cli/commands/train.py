"""``faanomaly train``; under ``torchrun`` every process runs it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import FAError
from ...request import DEVICES
from ..method_fitting import add_method_option, fit_method_in_terminal, refuse_network_options
from ..signals import cancel_on_signals
from ..streams import say
from ..training_options import add_recipe_options, recipe_from

if TYPE_CHECKING:
    import torch

    from ...datasets.cohort import CohortSubject
    from ...preprocessing.interruptible_itk import Check
    from ...preprocessing.template import Template
    from ...training.distributed import Distributed
    from ...training.recipes import Recipe
    from ...training.training_run import TrainingRun
    from ...training.volume_pairs import VolumePair

    Subjects = Sequence[CohortSubject] | Sequence[VolumePair]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "data",
        type=Path,
        help="folder of healthy FA maps (NAME_FA.nii.gz, NAME_mask.nii.gz); for recipes of the thesis also one with "
        "input/NAME.npy and condition/NAME.npy",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="RUN",
        help="run folder; started again, it goes on where it stopped",
    )
    parser.add_argument("--template", type=Path, help="template folder (default: the bundled one)")
    parser.add_argument(
        "--start-from",
        metavar="MODEL",
        help="begin with the weights of a model (a new run only), for instance to add a site's people",
    )
    parser.add_argument(
        "--from-checkpoint",
        type=Path,
        metavar="FILE",
        help="begin with weights, optimiser and step of another run's checkpoint (a new run only)",
    )
    _add_people_options(parser)
    add_method_option(parser)
    add_recipe_options(parser)
    parser.add_argument("--device", default="auto", choices=DEVICES)
    parser.add_argument("--seed", type=int, default=0)
    _add_saving_options(parser)


def _add_people_options(parser: argparse.ArgumentParser) -> None:
    """Who is trained on, and who is held out."""
    parser.add_argument("--people", type=Path, help="CSV with the columns file,person")
    parser.add_argument(
        "--split", type=Path, help="CSV with the columns file,set (train or test), in place of --hold-out"
    )
    parser.add_argument(
        "--hold-out",
        action="append",
        default=[],
        metavar="PERSON",
        help="keep a person out of training and report the error on them",
    )


def _add_saving_options(parser: argparse.ArgumentParser) -> None:
    """When checkpoints are written and errors measured."""
    parser.add_argument("--save-every", type=int, default=500, help="steps between checkpoints")
    parser.add_argument("--judge-every", type=int, default=500, help="steps between errors on the held-out people")
    parser.add_argument(
        "--checkpoint-epochs",
        type=int,
        default=5,
        metavar="N",
        help="epochs between checkpoints that are kept; 0: none",
    )
    parser.add_argument(
        "--keep-checkpoints", type=int, default=5, metavar="N", help="how many of them are kept; 0: all"
    )


def run(args: argparse.Namespace) -> int:
    """Train, or go on with a run, and write the model."""
    if args.method:
        options = argparse.ArgumentParser()
        add_arguments(options)
        refuse_network_options(args, options)
        return fit_method_in_terminal(args)
    from ...io.atomic import cannot_write
    from ...training.distributed import join_processes, training_device
    from ...training.epochs import EpochOrder

    recipe = recipe_from(args)
    if args.start_from and args.from_checkpoint:
        raise FAError("bad-request", "A run begins with a model or with a checkpoint", "", "Give one of them")
    training, held_out = _split(args, recipe)
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(args.output, error) from error
    device = training_device(args.device)
    distributed = join_processes(device)
    if args.epochs:
        order = EpochOrder(len(training), recipe.batch * distributed.world, args.seed)
        recipe = replace(recipe, steps=order.steps(args.epochs))
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
    from ...training.epochs import History
    from ...training.export import export_model
    from ...training.trainer import Trainer

    report = say if distributed.writes else _print_nothing
    torch.manual_seed(args.seed)
    recipe = prepared.recipe
    # PyTorch's type stubs lack this overload of Module.to.
    network = build_network(recipe.network).to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    dtype = torch.float32 if recipe.precision == "float32" else common_dtype(device, distributed)
    trainer = Trainer(prepared, network, device, dtype, distributed, report)
    if args.start_from:
        trainer.start_from(args.start_from)
    if args.from_checkpoint:
        trainer.start_from_checkpoint(args.from_checkpoint)
    trainer.resume()
    history = History(args.checkpoint_epochs, args.keep_checkpoints)
    trainer.train(args.save_every, args.judge_every, check, history)
    if distributed.writes:
        report(f"model written to {export_model(prepared, trainer.state, args.template)}")


def _prepare_run(
    args: argparse.Namespace,
    recipe: Recipe,
    training: Subjects,
    held_out: Subjects,
    distributed: Distributed,
    check: Check,
) -> TrainingRun:
    """Bring every subject onto the recipe's grid; each process does its share before all of them read everything."""
    from ...preprocessing.template import load_template, on_grid
    from ...runtime.resources import resources_dir
    from ...training.training_run import TrainingRun

    report = say if distributed.writes else _print_nothing
    stored = load_template(args.template or resources_dir() / "Template")
    template = on_grid(stored, tuple(recipe.grid["shape"]), recipe.grid["spacing_mm"])
    prepare = _preparation(args, recipe, template, report, check)
    if distributed.world > 1:
        prepare(distributed.share([*training, *held_out]))
        distributed.wait_for_all()
    return TrainingRun(recipe, prepare(training), prepare(held_out), template, args.output, args.seed)


def _preparation(
    args: argparse.Namespace, recipe: Recipe, template: Template, report: Callable[[str], None], check: Check
) -> Callable[[Any], Any]:
    """What makes training subjects of FA maps: registration, the native crop, or nothing for pairs of volumes."""
    from ...training.cohort_cache import prepare_subjects
    from ...training.volume_pairs import VolumePair, prepare_pairs

    cache = args.output / "prepared"

    def prepare(subjects: Any) -> Any:
        if recipe.space == "template":
            return prepare_subjects(subjects, template, cache, report, check)
        if all(isinstance(subject, VolumePair) for subject in subjects):
            return subjects
        return prepare_pairs(subjects, recipe.grid["shape"][0], args.crop, cache, report, check)

    return prepare


def _split(args: argparse.Namespace, recipe: Recipe) -> tuple[Subjects, Subjects]:
    """Subjects that are trained on, and those that are held out."""
    from ...datasets.cohort import find_subjects, split_people
    from ...datasets.split_table import split_by_table
    from ...training.volume_pairs import find_pairs

    if args.split and args.hold_out:
        raise FAError("bad-request", "--split names who is held out already", "", "Leave --hold-out out")
    native = recipe.space == "native"
    pairs = find_pairs(args.data, tuple(recipe.grid["shape"])) if native and args.data.is_dir() else []
    if pairs and args.people:
        raise FAError("bad-request", "--people is for FA maps", f"{args.data} holds pairs of volumes", "Leave it out")
    subjects: Any = pairs or find_subjects(args.data, args.people)
    return split_by_table(subjects, args.split) if args.split else split_people(subjects, args.hold_out)


def _print_nothing(text: str) -> None:
    pass
