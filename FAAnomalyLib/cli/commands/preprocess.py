"""``faanomaly preprocess``: published data sets, from the folders as downloaded to what is trained on and evaluated."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import FAError
from ...request import CROP_CENTRES
from ..signals import cancel_on_signals
from ..streams import say

if TYPE_CHECKING:
    from ...public_data.preparation import PreparedData
    from ...runtime.progress import CancelToken, ProgressCallback

Report = Callable[[str], None]

LAYOUTS = ("ixi", "brats21", "mslub")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="hcp|t2")
    _add_hcp(kinds.add_parser("hcp", help="FA maps of the Human Connectome Project, cropped as in the thesis"))
    _add_t2(kinds.add_parser("t2", help="T2-weighted images of IXI, BraTS 2021 or MSLUB on one grid"))


def _add_hcp(parser: argparse.ArgumentParser) -> None:
    _add_folders(parser)
    parser.add_argument(
        "--families",
        type=Path,
        metavar="CSV",
        help="HCP's restricted table (Subject, Family_ID): no family is in both sets",
    )
    parser.add_argument(
        "--crop",
        choices=CROP_CENTRES,
        default="auto",
        help="what the crop is centred on: the array, the brain, or by default the array where it has 145 x 174 x 145 "
        "voxels (the thesis' crop begins at 8, 23, 8) and else the brain",
    )
    parser.add_argument(
        "--grid", type=int, default=128, metavar="N", help="edge of the crop of 160 mm in voxels (default %(default)s)"
    )
    parser.add_argument("--test", type=int, metavar="N", help="test subjects (default: the thesis' share, 72 of 972)")


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
            outcome = (_run_hcp if args.kind == "hcp" else _run_t2)(args, report, bar, cancel)
    finally:
        bar.close()
    print(_summary(outcome, args.output))
    return 0


def _run_hcp(args: argparse.Namespace, report: Report, bar: ProgressCallback, cancel: CancelToken) -> PreparedData:
    from ...public_data.hcp import HcpRequest, prepare_hcp

    if args.test is not None and args.test < 1:
        raise FAError("bad-request", "--test must be at least 1")
    if not 8 <= args.grid <= 512:
        raise FAError("bad-request", "--grid must be from 8 to 512 voxels")
    request = HcpRequest(args.source, args.output, args.families, args.crop, args.grid, args.test, args.seed)
    return prepare_hcp(request, report, bar, cancel)


def _run_t2(args: argparse.Namespace, report: Report, bar: ProgressCallback, cancel: CancelToken) -> PreparedData:
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


def _summary(outcome: PreparedData, output: Path) -> str:
    text = f"{len(outcome.records)} subjects in {output}"
    if outcome.skipped:
        text += f", {outcome.skipped} of them from before"
    if outcome.left_out:
        text += f"; {len(outcome.left_out)} left out: {', '.join(sorted(outcome.left_out))}"
    return text
