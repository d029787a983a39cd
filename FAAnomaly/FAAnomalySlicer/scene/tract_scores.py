"""How each tract compares with healthy people: the engine's ``tracts.csv`` as a table node, and back."""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path

import vtk
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.tracts import TractScore

WORDS = ("tract", "abbreviation", "side", "group", "verdict")
NUMBERS = tuple(one.name for one in fields(TractScore) if one.name not in (*WORDS, "profile"))
ALWAYS = ("coverage", "share_increased", "share_decreased")
"""Numbers that no tract lacks."""


def read_tracts(path: str) -> list[TractScore]:
    """The rows of ``tracts.csv``, without profiles; safe in a thread.

    Raises
    ------
    FAError
        ``bad-input`` for a file that is absent or not such a table.
    """
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            return [_score(row) for row in csv.DictReader(handle)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
        raise FAError(
            "bad-input",
            _("The result file {name} cannot be used").format(name=Path(path).name),
            why,
            _("Run again"),
        ) from None


def fill_tract_table(tableNode, scores: list[TractScore]) -> None:
    """Replace the rows by *scores*; a number that is not known is an empty cell, which is why all cells are text."""
    table = vtk.vtkTable()
    for name in (one.name for one in fields(TractScore) if one.name != "profile"):
        column = vtk.vtkStringArray()
        column.SetName(name)
        for score in scores:
            value = getattr(score, name)
            column.InsertNextValue("" if value is None else f"{value:.4g}" if name in NUMBERS else value)
        table.AddColumn(column)
    was = tableNode.StartModify()
    try:
        tableNode.SetAndObserveTable(table)
        tableNode.SetUseColumnTitleAsColumnHeader(True)
        for name, title in _titles().items():
            tableNode.SetColumnTitle(name, title)
        tableNode.SetLocked(True)
    finally:
        tableNode.EndModify(was)


def tracts_of(tableNode) -> list[TractScore]:
    """The rows of a table of tracts, as it shows them; none of a table that was edited into something else."""
    table = tableNode.GetTable()
    columns = {name: table.GetColumnByName(name) for name in (*WORDS, *NUMBERS)} if table is not None else {}
    if not columns or not all(columns.values()):
        return []
    try:
        return [
            _score({name: str(column.GetValue(row)) for name, column in columns.items()})
            for row in range(table.GetNumberOfRows())
        ]
    except ValueError:
        return []


def by_strength(scores: list[TractScore]) -> list[TractScore]:
    """Largest \\|z\\| first; those without a z last, in the atlas's order."""
    return sorted(scores, key=lambda score: -abs(score.z) if score.z is not None else 1.0)


def _score(row: dict[str, str]) -> TractScore:
    numbers = {name: float(row[name]) if row[name] not in ("", "nan") else None for name in NUMBERS}
    known = {name: number if number is not None else 0.0 for name, number in numbers.items() if name in ALWAYS}
    return TractScore(**{name: row[name] for name in WORDS}, **{**numbers, **known})  # type: ignore[arg-type]


def _titles() -> dict[str, str]:
    return {
        "tract": _("Tract"),
        "abbreviation": _("Short"),
        "side": _("Side"),
        "group": _("Group"),
        "coverage": _("Share analysed"),
        "mean_fa": _("Mean FA"),
        "expected_fa": _("Expected FA"),
        "expected_se": _("± SE"),
        "difference": _("Difference"),
        "z": _("z"),
        "verdict": _("Verdict"),
        "share_increased": _("Share increased"),
        "share_decreased": _("Share decreased"),
        "asymmetry": _("Left minus right"),
        "asymmetry_z": _("z of asymmetry"),
    }
