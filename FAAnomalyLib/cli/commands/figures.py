"""``faanomaly figures``: the thesis' figures from the stored results of an experiment."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...errors import FAError
from ..streams import say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "figures", nargs="*", metavar="FIGURE", help="2.5 to 2.8, 3.1 to 3.43, or A-B for a range; default all"
    )
    parser.add_argument(
        "-r",
        "--results",
        type=Path,
        default=Path("thesis-results"),
        metavar="FOLDER",
        help="folder of evaluate --experiment (default %(default)s); pictures go to its figures/",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the figures and print the names of their files."""
    from ...evaluation.experiments.results import read_experiment, write_figures

    names = chosen_figures(args.figures)
    drawn = write_figures(read_experiment(args.results), args.results, names)
    for path in drawn.values():
        print(path)
    missing = [name for name in names if name not in drawn]
    if not drawn:
        raise FAError(
            "bad-request", f"{args.results} has no results for figure {', '.join(missing)}", "", "Run more experiments"
        )
    if missing and args.figures:
        say(f"no results for figure {', '.join(missing)}")
    return 0


def chosen_figures(words: list[str]) -> list[str]:
    """Figures by name, ranges spelt out; all without words.

    Raises ``FAError('bad-request')`` for a figure that is neither of masks nor of results.

    Examples
    --------
    >>> chosen_figures(["3.9-3.11", "3.17"])
    ['3.9', '3.10', '3.11', '3.17']
    """
    from ...evaluation.experiments.design import FIGURES
    from ...evaluation.experiments.thesis_figures import CHOICE

    if not words:
        return list(FIGURES)
    chosen: list[str] = []
    for word in words:
        first, _, last = word.partition("-")
        if first not in FIGURES or (last or first) not in FIGURES:
            raise FAError("bad-request", f"The thesis has no figure {word!r} of masks or results", "", CHOICE)
        start, end = FIGURES.index(first), FIGURES.index(last or first)
        chosen += FIGURES[start : end + 1]
    return list(dict.fromkeys(chosen))
