"""``faanomaly evaluate --experiment thesis-3.10`` and ``thesis-3.11``: T2 images, from the options to the files."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from ...errors import FAError


def run_t2_experiment(args: argparse.Namespace, output: Path) -> int:
    """Score the patients, write the table and print it.

    Raises
    ------
    FAError
        ``bad-request`` for options that do not fit, and as what runs raises.
    """
    from ...evaluation.experiments.t2_experiment import T2Experiment
    from ...evaluation.experiments.t2_results import t2_facts, write_t2_results
    from ...evaluation.experiments.t2_tables import table_rows
    from ...evaluation.methods.registry import registered_methods
    from ...inpainting.interruptible_network import interruptible_networks
    from ..progress_bar import ProgressBar
    from ..signals import cancel_on_signals

    design = _design(args)
    bar = ProgressBar()
    try:
        with cancel_on_signals() as cancel, interruptible_networks(cancel.check):
            results = T2Experiment(design, output, bar, cancel).run()
    finally:
        bar.close()
    rows = table_rows(design.table, results, {method.option: method.name for method in registered_methods()})
    date = datetime.datetime.now().astimezone().isoformat(timespec="minutes")
    print(write_t2_results(design, t2_facts(design, date), results, rows, output))
    return 0


def _design(args: argparse.Namespace):
    from ...evaluation.experiments.t2_experiment import T2Design, read_cohort
    from ...evaluation.methods.choices import chosen_methods
    from ...preprocessing.template import load_template

    if len(args.experiment) != 1:
        raise FAError(
            "bad-request",
            "Tables 3.10 and 3.11 are run one at a time",
            "each has a data set of its own",
            "Name one experiment, and its patients with --data",
        )
    if args.quick or args.thesis_model or args.subjects:
        raise FAError(
            "bad-request",
            "--quick, --thesis-model and --subjects do not fit T2 images",
            "",
            "Fit methods with --recipe tiny",
        )
    if args.template is None:
        raise FAError(
            "bad-request",
            "No --template is named",
            "methods score patients on the grid of the healthy people that they learned from",
            "Name the folder template/ that faanomaly preprocess t2 --layout ixi made",
        )
    template = load_template(args.template)
    if not template.aligned:
        raise FAError(
            "bad-request",
            f"{args.template} is an FA template",
            "T2 images are not registered to it",
            "Name the folder template/ that faanomaly preprocess t2 --layout ixi made",
        )
    table = args.experiment[0].removeprefix("thesis-")
    cohort = read_cohort(args.data, table)
    choices = chosen_methods(args.methods, set(cohort.test) | set(cohort.validation))
    if not choices:
        raise FAError("bad-request", "No method is named", "the detector itself is made for FA", "Name one: --methods")
    return T2Design(table, cohort, template, choices, args.device, args.seed)
