"""Folds: the model that scores each person, so that nobody is scored by a model that was trained on them."""

from __future__ import annotations

from pathlib import Path

from .tables import read_table


def read_folds(table: Path) -> dict[str, Path]:
    """Read the model of each person.

    Parameters
    ----------
    table
        CSV file, separated by commas, semicolons or tabs, with the columns ``person`` and ``model``, a model folder;
        a relative path starts at the table's own folder.

    Returns
    -------
    dict
        Person -> absolute path of the model folder.

    Raises
    ------
    FAError
        ``bad-input`` when the table cannot be used.
    """
    rows = read_table(table, ("person", "model"))
    return {row["person"]: (table.parent / row["model"]).resolve() for row in rows}
