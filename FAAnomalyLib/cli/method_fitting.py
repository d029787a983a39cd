"""``train --method``: a comparator fitted to healthy people, with its thresholds."""

from __future__ import annotations

import argparse

from ..errors import FAError
from .streams import say
from .training_options import DEFAULT_RECIPE, PAPER

METHOD_RECIPES = (PAPER, "tiny")
"""Sizes of a comparator: its paper's, or one that two cores train in minutes."""
TAKEN = ("data", "output", "template", "people", "hold_out", "method", "recipe", "device", "seed")
"""Options of ``train`` that a method takes; the others belong to the detector's and the thesis' networks."""


def add_method_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--method``."""
    parser.add_argument(
        "--method",
        metavar="NAME",
        help="fit a comparator of evaluate instead of the detector's network, with thresholds from healthy people; "
        "--recipe is then paper (default) or tiny",
    )


def refuse_network_options(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Raise ``FAError('bad-request')`` where an option is given that a method would not heed.

    Parameters
    ----------
    args
        What was given to ``train``.
    parser
        With the arguments of ``train``; what differs from its defaults was given.
    """
    defaults = vars(parser.parse_args(["DATA", "-o", "RUN"]))
    given = [name for name, default in defaults.items() if name not in TAKEN and getattr(args, name) != default]
    if given:
        words = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise FAError(
            "bad-request",
            f"{words} cannot be used with --method",
            "a method begins anew and is trained by its own recipe",
            "Leave it out, or leave --method out to train the detector's or a thesis network",
        )


def fit_method_in_terminal(args: argparse.Namespace) -> int:
    """Fit a comparator and derive its thresholds; prints the folder."""
    from ..datasets.cohort import find_subjects
    from ..evaluation.methods.method_model import fit_method, split_for_thresholds
    from ..evaluation.methods.registry import method_by_option
    from ..evaluation.methods.scoring_method import FitOptions
    from ..io.atomic import cannot_write
    from ..preprocessing.template import load_template
    from ..runtime.resources import resources_dir

    entry = method_by_option(args.method)
    if args.recipe not in (DEFAULT_RECIPE, *METHOD_RECIPES):
        raise FAError("bad-request", f"--recipe {args.recipe} does not fit --method", "", "Choose paper or tiny")
    people, held_out = split_for_thresholds(find_subjects(args.data, args.people), args.hold_out, entry.needs_training)
    try:
        args.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(args.output, error) from error
    options = FitOptions(
        args.output, METHOD_RECIPES[0] if args.recipe == DEFAULT_RECIPE else args.recipe, args.device, args.seed, say
    )
    template = load_template(args.template or resources_dir() / "Template")
    record = fit_method(entry, people, held_out, options, template)
    up, down = record.thresholds
    say(f"{entry.name}: thresholds +{up:.3g} and -{down:.3g} from {record.people} people, written to {args.output}")
    return 0
