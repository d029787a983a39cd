"""The numbers that the thesis prints in its tables 3.1 to 3.9: the rows of those tables, and what is compared with."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("thesis_printed.csv")


@dataclass(frozen=True)
class PrintedRow:
    """One row of a table of the thesis.

    Attributes
    ----------
    table
        For instance ``3.1``.
    mask_size, anomaly_size
        Edge of a hole's cube and diameter of the sphere, in voxels of 1.25 mm.
    change
        FA added, signed.
    iou, f1
        As printed, in [0, 1]; where the thesis swapped them, in their right places.
    note
        What is wrong with the printed row; empty otherwise.
    """

    table: str
    mask_size: int
    anomaly_size: int
    change: float
    iou: float
    f1: float
    note: str = ""


@cache
def printed_rows() -> tuple[PrintedRow, ...]:
    """All rows, in the thesis' order.

    Examples
    --------
    >>> rows = [row for row in printed_rows() if row.note]
    >>> [(row.table, row.anomaly_size, row.change, row.iou, row.f1) for row in rows]
    [('3.2', 8, -0.01, 0.23, 0.37)]
    """
    with open(FILE, newline="", encoding="utf-8") as handle:
        return tuple(
            PrintedRow(
                row["table"],
                int(row["mask_size"]),
                int(row["anomaly_size"]),
                float(row["change"]),
                float(row["iou"]),
                float(row["f1"]),
                row["note"],
            )
            for row in csv.DictReader(handle)
        )
