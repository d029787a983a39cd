"""Tables 3.10 and 3.11: Dice and average precision in percent, the thesis' numbers beside ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..metrics.bootstrap import MeanOverPeople, mean_over_people
from .t2_experiment import T2Result

TITLES = {"3.10": "BraTS 2021, T2-weighted", "3.11": "MSLUB, T2-weighted"}
EVERYWHERE = "all of the brain"
"""Row of no information: every voxel of the eroded brain is called lesion."""
WORDS = (
    "Dice: mean over patients, found where the residual is above one threshold, components of 7 voxels and fewer "
    "dropped. The threshold is chosen on the validation patients by ten bisections of Dice over all their voxels.",
    "AUPRC: average precision of the residual over all voxels of a patient, mean over patients with a lesion.",
    "Residual: |image - expected|, in the brain mask, eroded in each axial slice (3 times at a width of 96), 3D "
    "median over 5 voxels.",
    "Intervals: 95 % BCa bootstrap over patients.",
)


@dataclass(frozen=True)
class PrintedT2Row:
    """A row as the thesis prints it.

    Attributes
    ----------
    table, label
        For instance ``3.10`` and ``pDDPM, simplex noise``.
    dice, auprc
        Percent.
    methods
        Names at the command line under which the method may be registered.
    """

    table: str
    label: str
    dice: float
    auprc: float
    methods: tuple[str, ...]


_PDDPM = ("pddpm",)
_SIMPLEX = ("inpainting-simplex",)
_GAUSSIAN = ("inpainting-gaussian",)
PRINTED_ROWS = (
    PrintedT2Row("3.10", "pDDPM, simplex noise", 50.00, 55.12, _PDDPM),
    PrintedT2Row("3.10", "inpainting in inference only, simplex noise", 39.01, 45.25, _SIMPLEX),
    PrintedT2Row("3.10", "inpainting in inference only, Gaussian noise", 37.33, 40.44, _GAUSSIAN),
    PrintedT2Row("3.11", "pDDPM, simplex noise", 9.95, 7.00, _PDDPM),
    PrintedT2Row("3.11", "inpainting in inference only, simplex noise", 2.52, 4.09, _SIMPLEX),
    PrintedT2Row("3.11", "inpainting in inference only, Gaussian noise", 4.04, 5.19, _GAUSSIAN),
)
"""All rows, in the thesis' order."""


@dataclass(frozen=True)
class T2Row:
    """A row of a table.

    Attributes
    ----------
    label
        What the thesis calls the method, or the method's own name.
    method
        Name of the method that was run; empty where none was.
    printed
        Of the thesis; None for methods that it does not compare.
    dice, auprc
        In [0, 1], means over patients; None where nothing was measured.
    threshold
        On the residual.
    missing
        Why there is no number of ours; empty otherwise.
    """

    label: str
    method: str
    printed: PrintedT2Row | None
    dice: MeanOverPeople | None
    auprc: MeanOverPeople | None
    threshold: float | None = None
    missing: str = ""


def table_rows(table: str, results: Sequence[T2Result], options: Mapping[str, str]) -> list[T2Row]:
    """The rows of a table: those of the thesis first, then the other methods that were run, then no information.

    Parameters
    ----------
    table
        ``3.10`` or ``3.11``.
    results
        Of the methods that were run.
    options
        Name of every registered method at the command line -> its name.
    """
    by_name = {result.method: result for result in results}
    rows, used = [], set()
    for printed in (row for row in PRINTED_ROWS if row.table == table):
        known = [options[option] for option in printed.methods if option in options]
        name = next((one for one in known if one in by_name), None)
        if name is None:
            why = "not run: name its model with --methods" if known else "not in this version"
            rows.append(T2Row(printed.label, "", printed, None, None, missing=why))
            continue
        used.add(name)
        rows.append(_measured(printed.label, by_name[name], printed))
    rows += [_measured(result.method, result, None) for result in results if result.method not in used]
    if results:
        first = results[0]
        dice, auprc = (_mean(first, field) for field in ("dice_of_brain", "prevalence"))
        rows.append(T2Row(EVERYWHERE, "", None, dice, auprc))
    return rows


def t2_markdown(table: str, rows: Sequence[T2Row]) -> str:
    """A table as Markdown."""
    head = ["method", "thesis, Dice / AUPRC", "ours, Dice", "ours, AUPRC", "threshold", "patients"]
    lines = [f"### Table {table}. {TITLES[table]}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        printed = "–" if row.printed is None else f"{row.printed.dice:.2f} / {row.printed.auprc:.2f}"
        threshold = "–" if row.threshold is None else f"{row.threshold:.3f}"
        count = "–" if row.dice is None else str(row.dice["people"])
        ours = [row.missing, "–"] if row.missing else [_text(row.dice), _text(row.auprc)]
        label = row.label if row.method in ("", row.label) else f"{row.label} ({row.method})"
        lines.append("| " + " | ".join([label, printed, *ours, threshold, count]) + " |")
    return "\n".join(lines) + "\n"


def t2_latex(table: str, rows: Sequence[T2Row]) -> str:
    """A table as a LaTeX ``tabular``, percent."""
    lines = [
        f"% Table {table}. {TITLES[table]}",
        r"\begin{tabular}{lrrrr}",
        r"\hline",
        r" & \multicolumn{2}{c}{Thesis} & \multicolumn{2}{c}{Ours} \\",
        r"Method & Dice & AUPRC & Dice & AUPRC \\",
        r"\hline",
    ]
    for row in rows:
        printed = ["--", "--"] if row.printed is None else [f"{row.printed.dice:.2f}", f"{row.printed.auprc:.2f}"]
        ours = ["--" if one is None else f"{100 * one['mean']:.2f}" for one in (row.dice, row.auprc)]
        lines.append(" & ".join([row.label, *printed, *ours]) + r" \\")
    return "\n".join([*lines, r"\hline", r"\end{tabular}"]) + "\n"


def t2_csv(table: str, rows: Sequence[T2Row]) -> str:
    """A table as CSV, percent; ``missing`` says why a row has no number of ours."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ends = [f"{measure}{end}" for measure in ("dice", "auprc") for end in ("", "_low", "_high")]
    writer.writerow(
        ["table", "row", "method", "thesis_dice", "thesis_auprc", *ends, "threshold", "patients", "missing"]
    )
    for row in rows:
        printed = ["", ""] if row.printed is None else [f"{row.printed.dice:.2f}", f"{row.printed.auprc:.2f}"]
        numbers = [_number(one, part) for one in (row.dice, row.auprc) for part in ("mean", "low", "high")]
        threshold = "" if row.threshold is None else f"{row.threshold:.6g}"
        count = "" if row.dice is None else row.dice["people"]
        writer.writerow([table, row.label, row.method, *printed, *numbers, threshold, count, row.missing])
    return out.getvalue()


def _measured(label: str, result: T2Result, printed: PrintedT2Row | None) -> T2Row:
    dice, auprc = (_mean(result, field) for field in ("dice", "average_precision"))
    missing = "" if dice is not None else "every patient was left out"
    return T2Row(label, result.method, printed, dice, auprc, result.threshold, missing)


def _mean(result: T2Result, field: str) -> MeanOverPeople | None:
    return mean_over_people((name, row[field]) for name, row in result.rows.items() if "left_out" not in row)


def _text(one: MeanOverPeople | None) -> str:
    if one is None:
        return "–"
    low, high = one["low"], one["high"]
    return f"{100 * one['mean']:.2f}" + ("" if low is None or high is None else f" [{100 * low:.2f}, {100 * high:.2f}]")


def _number(one: MeanOverPeople | None, part: str) -> str:
    value = None if one is None else {"mean": one["mean"], "low": one["low"], "high": one["high"]}[part]
    return "" if value is None else f"{100 * value:.4f}"
