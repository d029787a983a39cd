"""``faanomaly preprocess``: published data sets, from the folders as downloaded to what is trained on and evaluated."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import FAError
from ..signals import cancel_on_signals
from ..streams import say

if TYPE_CHECKING:
    from ...public_data.preparation import Outcome

LAYOUTS = ("ixi", "brats21", "mslub")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="hcp|t2")
    _add_t2(kinds.add_parser("t2", help="T2-weighted images of IXI, BraTS 2021 or MSLUB on one grid"))


def _add_t2(parser: argparse.ArgumentParser) -> None:
    _add_folders(parser)
    parser.add_argument("--layout", choices=LAYOUTS, required=True, help="which data set IN holds, as published")
    parser.add_argument(
        "--template",
        type=Path,
        required=True,
        metavar="FILE",
        help="SRI24 atlas, T2-weighted and without skull (from nitrc.org/projects/sri24; not shipped)",
    )
    parser.add_argument(
        "--masks", type=Path, metavar="FOLDER", help="brain masks NAME_mask.nii.gz (default: those beside the images)"
    )
    parser.add_argument(
        "--stripped", action="store_true", help="images without a mask are without skull: 0 outside the brain"
    )
    parser.add_argument(
        "--registered", action="store_true", help="images lie in the template's space already: register nothing"
    )
    parser.add_argument(
        "--validation",
        type=int,
        metavar="N",
        help="patients that choose the threshold (default: the publication's share, 100 of 1251 and 10 of 30)",
    )


def _add_folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="IN", help="folder of the data set as it is published")
    parser.add_argument(
        "output", type=Path, metavar="OUT", help="folder for the result; started again, it goes on where it stopped"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Prepare the data set, print what became of it."""
    from ..progress_bar import ProgressBar

    bar = ProgressBar()

    def report(text: str) -> None:
        bar.close()
        say(text)

    try:
        with cancel_on_signals() as cancel:
            outcome = _run_t2(args, report, bar, cancel)
    finally:
        bar.close()
    print(_summary(outcome, args.output))
    return 0


def _run_t2(args, report, bar, cancel) -> Outcome:
    from ...public_data.t2_cohort import T2Request, prepare_t2_cohort

    if args.validation is not None and args.validation < 1:
        raise FAError("bad-request", "--validation must be at least 1")
    request = T2Request(
        args.layout,
        args.source,
        args.output,
        args.template,
        args.masks,
        args.stripped,
        args.registered,
        args.validation,
        args.seed,
    )
    return prepare_t2_cohort(request, report, bar, cancel)


def _summary(outcome: Outcome, output: Path) -> str:
    text = f"{len(outcome.records)} subjects in {output}"
    if outcome.skipped:
        text += f", {outcome.skipped} of them from before"
    if outcome.left_out:
        text += f"; {len(outcome.left_out)} left out: {', '.join(sorted(outcome.left_out))}"
    return text
