"""Small tables that people write with a spreadsheet program: separated by commas, semicolons or tabs."""

from __future__ import annotations

import codecs
import csv
from pathlib import Path

from ..errors import FAError

SEPARATORS = (",", ";", "\t")


def read_table(table: Path, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """The rows of a table with a header.

    Parameters
    ----------
    table
        A text file in UTF-8, UTF-16 with a byte order mark, or else in Windows' Western European code.
    columns
        That it must have, in lower case; others are left out. Case and spaces around a name do not matter.

    Returns
    -------
    list of dict
        Column -> text, without spaces around it, for every row that is not empty. Nothing is empty.

    Raises
    ------
    FAError
        ``bad-input`` when the table cannot be read, or a column or a value is absent.
    """
    fix = f"Give a CSV with the columns {','.join(columns)}"
    try:
        lines = _text(table.read_bytes()).splitlines()
        if lines and lines[0].lower().startswith("sep="):  # Excel's own hint
            del lines[0]
        found = [rows for rows in (_rows(lines, separator) for separator in SEPARATORS) if set(columns) <= set(rows[0])]
    except (OSError, ValueError, csv.Error) as error:
        raise FAError(
            "bad-input", f"{table} cannot be read", getattr(error, "strerror", None) or str(error), fix
        ) from error
    if not found:
        raise FAError("bad-input", f"{table} cannot be used", f"it lacks a column {' or '.join(columns)}", fix)
    places = [found[0][0].index(name) for name in columns]
    rows = [[row[place] if place < len(row) else "" for place in places] for row in found[0][1:] if any(row)]
    if not all(all(row) for row in rows):
        raise FAError("bad-input", f"{table} cannot be used", f"a line lacks its {' or its '.join(columns)}", fix)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _rows(lines: list[str], separator: str) -> list[list[str]]:
    """All rows, the first one in lower case; one empty row for an empty file."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator, skipinitialspace=True)]
    return [[name.lower() for name in rows[0]], *rows[1:]] if rows else [[]]


def _text(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252")
