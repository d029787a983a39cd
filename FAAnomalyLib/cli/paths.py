"""Paths as a command line has them."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..request import expand_user


def expand_home(args: argparse.Namespace) -> None:
    """Replace ``~`` at the beginning of every path among the options, which a shell leaves in ``--output=~/results``.

    Raises
    ------
    FAError
        ``bad-request`` for the home of somebody who is not known here.
    """
    for name, value in vars(args).items():
        if isinstance(value, Path):
            setattr(args, name, Path(expand_user(str(value))))
