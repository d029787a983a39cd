"""Folds: the model that scores each person, so that nobody is scored by a model that was trained on them."""

from __future__ import annotations

import csv
from pathlib import Path

from ..errors import FAError


def read_folds(table: Path) -> dict[str, Path]:
    """Read the model of each person.

    Parameters
    ----------
    table
        CSV file with the columns ``person`` and ``model``, a model folder; a relative path starts at the table's own
        folder.

    Returns
    -------
    dict
        Person -> absolute path of the model folder.

    Raises
    ------
    FAError
        ``bad-input`` when the table cannot be used.
    """
    try:
        # Spreadsheet programs put a byte order mark in front.
        with open(table, newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
        return {row["person"]: (table.parent / row["model"]).resolve() for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FAError(
            "bad-input",
            f"{table} cannot be used",
            getattr(error, "strerror", None) or str(error),
            "Give a CSV with the columns person,model",
        ) from error
