"""Tables 3.1 to 3.9 from the rows of an experiment: the thesis' number beside ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..metrics.bootstrap import MeanOverPeople, mean_over_people
from ..rows import FAANOMALY
from .design import ThesisTable
from .laboratory import ALL_POSITIVE, SIGNED_RULE, THESIS_RULE
from .printed import PrintedRow
from .thesis_experiment import UnitRow

PRINTED = "thesis, printed"
RULES = (THESIS_RULE, SIGNED_RULE, ALL_POSITIVE)
MEASURES = ("iou", "f1")
OWN = (*RULES, FAANOMALY)
"""Methods with columns of their own; the others are comparators."""
COMPARATORS = "Other methods on the same maps"


@dataclass(frozen=True)
class TableCell:
    """IoU and F1 of one method in one row of a table; a mean over people with its interval, or None."""

    iou: MeanOverPeople | None
    f1: MeanOverPeople | None


@dataclass(frozen=True)
class MeasuredRow:
    """One row of a table: what the thesis prints, and what was measured, by the method's name."""

    printed: PrintedRow
    cells: Mapping[str, TableCell]


def measured_rows(table: ThesisTable, rows: Sequence[UnitRow], person_of: Mapping[str, str]) -> list[MeasuredRow]:
    """The rows of a table.

    Parameters
    ----------
    table
        Which one.
    rows
        Of the experiment's units.
    person_of
        Name of a map -> person.
    """
    return [MeasuredRow(printed, _cells(table, printed, rows, person_of)) for printed in table.rows]


def _cells(
    table: ThesisTable, printed: PrintedRow, rows: Sequence[UnitRow], person_of: Mapping[str, str]
) -> dict[str, TableCell]:
    case = {"diameter": printed.anomaly_size, "change": printed.change}
    kind = "roaming" if table.roaming else "hole"
    hole = {} if table.roaming else {"mask_type": table.mask_type, "mask_size": printed.mask_size}
    own = [row for row in rows if row.kind == kind and row.setting == {**hole, **case} and "scores" in row.row]
    cells = {
        rule: _cell((person_of[row.subject], row.row["scores"][rule]) for row in own)
        for rule in (THESIS_RULE, SIGNED_RULE)
    }
    domain = "roaming" if table.roaming else table.mask_type
    scored = {row.subject for row in own}
    brains = [
        row
        for row in rows
        if row.kind == "brain" and row.setting == case and row.subject in scored and "scores" in row.row
    ]
    for method in dict.fromkeys(row.method for row in brains):
        cells[method] = _cell((person_of[r.subject], r.row["scores"][domain]) for r in brains if r.method == method)
    cells[ALL_POSITIVE] = _cell((person_of[row.subject], row.row["scores"][ALL_POSITIVE]) for row in own)
    return cells


def _cell(scores: Iterable[tuple[str, dict]]) -> TableCell:
    scores = list(scores)
    iou, f1 = (mean_over_people((person, one[measure]) for person, one in scores) for measure in MEASURES)
    return TableCell(iou, f1)


def methods_of(rows: Sequence[MeasuredRow]) -> list[str]:
    """Methods of a table in its order: the thesis', the detector, the comparators, all positive."""
    return list(dict.fromkeys(name for row in rows for name in row.cells))


def own_methods(rows: Sequence[MeasuredRow]) -> list[str]:
    """The methods with a column of their own: the thesis', the detector, all positive."""
    return [name for name in methods_of(rows) if name in OWN]


@dataclass(frozen=True)
class ComparatorTable:
    """Comparators down, anomalies across: there are too many of them for columns.

    Attributes
    ----------
    head
        Words of the columns.
    rows
        Of each comparator its name, and its cell or None for every anomaly.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, tuple[TableCell | None, ...]], ...]


def comparator_table(rows: Sequence[MeasuredRow]) -> ComparatorTable | None:
    """The comparators of a table, on the anomalies that any of them was run on; None where there are none."""
    names = [name for name in methods_of(rows) if name not in OWN]
    if not names:
        return None
    shown = [row for row in rows if any(row.cells[name].iou is not None for name in names if name in row.cells)]
    head = ["method", *(f"anomaly {row.printed.anomaly_size}, {row.printed.change:+g}" for row in shown)]
    return ComparatorTable(tuple(head), tuple((name, tuple(row.cells.get(name) for row in shown)) for name in names))


def title_of(method: str) -> str:
    """A method's name as a column.

    Examples
    --------
    >>> title_of("thesis' rule"), title_of("FAAnomaly")
    ("ours, thesis' method", 'ours, detector')
    """
    names = {
        THESIS_RULE: "ours, thesis' method",
        SIGNED_RULE: "the same, signed rule",
        FAANOMALY: "ours, detector",
    }
    return names.get(method, method)


def markdown_table(table: ThesisTable, rows: Sequence[MeasuredRow]) -> str:
    """A table as Markdown; every cell is IoU / F1 with 95 % intervals where there are two people or more."""
    methods = own_methods(rows)
    head = ["mask", "anomaly", "change", PRINTED, *map(title_of, methods), "people, cases"]
    lines = [f"### Table {table.name}. {table.title}", "", _line(head), "|" + "---|" * len(head)]
    for row in rows:
        printed = row.printed
        note = " *" if printed.note else ""
        cells = [f"{cell_text(row.cells[name])}" if name in row.cells else "–" for name in methods]
        lines.append(
            _line(
                [
                    str(printed.mask_size),
                    str(printed.anomaly_size),
                    f"{printed.change:+g}",
                    f"{printed.iou:g} / {printed.f1:g}{note}",
                    *cells,
                    count_text(row),
                ]
            )
        )
    lines += [f"\n\\* {row.printed.note}." for row in rows if row.printed.note]
    return "\n".join([*lines, *_markdown_comparators(rows)]) + "\n"


def _markdown_comparators(rows: Sequence[MeasuredRow]) -> list[str]:
    table = comparator_table(rows)
    if table is None:
        return []
    lines = ["", f"{COMPARATORS}:", "", _line(table.head), "|" + "---|" * len(table.head)]
    return lines + [_line([name, *map(optional_cell_text, cells)]) for name, cells in table.rows]


def latex_table(table: ThesisTable, rows: Sequence[MeasuredRow]) -> str:
    """A table as a LaTeX ``tabular`` with IoU and F1 of every method; a second one for the comparators."""
    methods = own_methods(rows)
    lines = [
        f"% Table {table.name}. {table.title}",
        f"\\begin{{tabular}}{{rrr{'rr' * (len(methods) + 1)}}}",
        "\\hline",
        " & ".join(
            ["Mask", "Anomaly", "Change", *(f"\\multicolumn{{2}}{{c}}{{{title_of(n)}}}" for n in (PRINTED, *methods))]
        )
        + r" \\",
        " & ".join(["", "", "", *(["IoU", "F1"] * (len(methods) + 1))]) + r" \\",
        "\\hline",
    ]
    for row in rows:
        printed = row.printed
        numbers = [f"{printed.iou:g}", f"{printed.f1:g}"]
        for name in methods:
            cell = row.cells.get(name, TableCell(None, None))
            numbers += ["--" if one is None else f"{one['mean']:.3f}" for one in (cell.iou, cell.f1)]
        lines.append(
            " & ".join([str(printed.mask_size), str(printed.anomaly_size), f"{printed.change:+g}", *numbers]) + r" \\"
        )
    return "\n".join([*lines, "\\hline", "\\end{tabular}", *_latex_comparators(table, rows)]) + "\n"


def _latex_comparators(table: ThesisTable, rows: Sequence[MeasuredRow]) -> list[str]:
    others = comparator_table(rows)
    if others is None:
        return []
    lines = [f"% Table {table.name}. {COMPARATORS}, IoU / F1", f"\\begin{{tabular}}{{l{'r' * (len(others.head) - 1)}}}"]
    lines += ["\\hline", " & ".join(others.head).capitalize() + r" \\", "\\hline"]
    for name, cells in others.rows:
        lines.append(" & ".join([name, *(optional_cell_text(cell).replace("–", "--") for cell in cells)]) + r" \\")
    return [*lines, "\\hline", "\\end{tabular}"]


def tables_csv(tables: Sequence[tuple[ThesisTable, Sequence[MeasuredRow]]]) -> str:
    """All tables as one CSV: a line for each row and method."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = [f"{measure}{end}" for measure in MEASURES for end in ("", "_low", "_high")]
    writer.writerow(["table", "mask_size", "anomaly_size", "change", "method", *ends, "people", "cases"])
    for table, rows in tables:
        for row in rows:
            printed = row.printed
            where = [table.name, printed.mask_size, printed.anomaly_size, f"{printed.change:g}"]
            writer.writerow([*where, PRINTED, printed.iou, "", "", printed.f1, "", "", "", ""])
            for name, cell in row.cells.items():
                if cell.iou is None or cell.f1 is None:
                    continue
                values = [one[part] for one in (cell.iou, cell.f1) for part in ("mean", "low", "high")]
                numbers = ["" if value is None else f"{value:.6g}" for value in values]
                writer.writerow([*where, title_of(name), *numbers, cell.iou["people"], cell.iou["cases"]])
    return out.getvalue()


def cell_text(cell: TableCell) -> str:
    """``0.61 [0.50, 0.70] / 0.76 [...]``."""
    return " / ".join(_measure_text(one) for one in (cell.iou, cell.f1))


def optional_cell_text(cell: TableCell | None) -> str:
    """:func:`cell_text`, or a dash where there is nothing."""
    return "–" if cell is None or cell.iou is None else cell_text(cell)


def count_text(row: MeasuredRow) -> str:
    """``2, 2``: people and cases behind the row's own numbers."""
    cell = next((cell for cell in row.cells.values() if cell.iou is not None), None)
    return "–" if cell is None or cell.iou is None else f"{cell.iou['people']}, {cell.iou['cases']}"


def _measure_text(one: MeanOverPeople | None) -> str:
    if one is None:
        return "–"
    low, high = one["low"], one["high"]
    return f"{one['mean']:.2f}" + ("" if low is None else f" [{low:.2f}, {high:.2f}]")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
