"""Tables of the experiment ``tracts`` as Markdown and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from ...training.tract_norms_fit import tract_threshold
from .experiment import TractResults

MAX_CONFUSIONS = 15


def markdown(results: TractResults) -> str:
    """All tables for readers."""
    parts = [_names(results.names), _confusions(results.names), _healthy(results), _changes(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def csv_text(rows: Sequence[dict]) -> str:
    """Rows as CSV, columns in the order of the first row; lists joined by semicolons."""
    out = io.StringIO()
    if rows:
        table = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({key: "; ".join(v) if isinstance(v, (list, tuple)) else v for key, v in row.items()})
    return out.getvalue()


def _names(rows: list[dict]) -> str:
    if not rows:
        return ""
    lines = [
        "## Names of spheres",
        "",
        "| placed by | sphere | spheres | named first | among the first three | other side first |",
        "|---|---|---|---|---|---|",
    ]
    for key in dict.fromkeys((row["placed_by"], row["diameter_mm"]) for row in rows):
        own = [row for row in rows if (row["placed_by"], row["diameter_mm"]) == key]
        shares = " | ".join(f"{np.mean([row[name] for row in own]):.0%}" for name in ("first", "among_three"))
        wrong = sum(row["other_side"] for row in own)
        lines.append(f"| {key[0]} | {key[1]:g} mm | {len(own)} | {shares} | {wrong} |")
    return "\n".join(lines)


def _confusions(rows: list[dict]) -> str:
    """Tracts that are named in place of others, both sides together."""
    wrong = Counter(
        (_bare(row["tract"]), _bare(row["named"][0]) if row["named"] else "none") for row in rows if not row["first"]
    )
    placed = Counter(_bare(row["tract"]) for row in rows)
    if not wrong:
        return ""
    lines = ["## Confusions", "", "| placed in | named first | share of its spheres |", "|---|---|---|"]
    for (tract, named), count in wrong.most_common(MAX_CONFUSIONS):
        lines.append(f"| {tract} | {named} | {count / placed[tract]:.0%} |")
    return "\n".join(lines)


def _bare(name: str) -> str:
    return name.removeprefix("left ").removeprefix("right ")


def _healthy(results: TractResults) -> str:
    """z of everybody's tracts against the other people, and who has a tract beyond the threshold of the others."""
    z = results.z
    beyond = 0
    for number in range(len(z)):
        up, down = tract_threshold(np.delete(z, number, axis=0))
        beyond += bool(np.nanmax(z[number]) > up or np.nanmin(z[number]) < -down)
    lines = [
        "## Tracts of healthy people, each against the others",
        "",
        "| people | z SD | beyond 2 | beyond 3 | people with any tract beyond the threshold of the others |",
        "|---|---|---|---|---|",
        f"| {len(z)} | {np.nanstd(z):.2f} | {_share(np.abs(z[np.isfinite(z)]) > 2)} | "
        f"{_share(np.abs(z[np.isfinite(z)]) > 3)} | {beyond} |",
    ]
    if results.untouched:
        tracts = np.mean([len(row["tracts"]) for row in results.untouched])
        regions = np.mean([row["regions"] for row in results.untouched])
        lines += ["", f"Untouched brains in the detector: {tracts:.2f} tracts and {regions:.2f} regions a brain."]
    return "\n".join(lines)


def _share(values: np.ndarray) -> str:
    return f"{values.mean():.1%}"


def _changes(results: TractResults) -> str:
    rows = results.changes
    if not rows:
        return ""
    lines = [
        "## Changes of tracts",
        "",
        "| share of the tract | change | cases | found by the table | by regions | by both | by any | z of the tract |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key in sorted({(row["share"], abs(row["change"])) for row in rows}):
        own = [row for row in rows if (row["share"], abs(row["change"])) == key]

        def found(rule: Callable[[dict], bool], own: list[dict] = own) -> str:
            return f"{np.mean([rule(row) for row in own]):.0%}"

        shares = [
            found(lambda row: row["by_table"]),
            found(lambda row: row["by_regions"]),
            found(lambda row: row["by_table"] and row["by_regions"]),
            found(lambda row: row["by_table"] or row["by_regions"]),
        ]
        z = [abs(row["z"]) for row in own if row["z"] is not None]
        median = f"{np.median(z):.1f}" if z else ""
        lines.append(f"| {key[0]:.0%} | ±{key[1]:g} | {len(own)} | {' | '.join(shares)} | {median} |")
    return "\n".join(lines)
