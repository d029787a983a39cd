"""From rows to cells, and from cells to a table that a person reads."""

from __future__ import annotations

import csv
import io

from ..cases import LESION
from ..methods.comparators import COMPARATORS
from ..metrics.bootstrap import mean_over_people
from ..metrics.froc import curve, found_at_price
from ..metrics.healthy import NORMAL
from ..rows import ALL_POSITIVE, FAANOMALY, ONE_SIDED, SENSITIVE, THESIS_RULE

METHODS = (FAANOMALY, SENSITIVE, *ONE_SIDED.values(), *COMPARATORS, THESIS_RULE, ALL_POSITIVE)
SCORES = {
    "dice": "Dice",
    "iou": "IoU",
    "auprc": "AUPRC",
    "prevalence": "prevalence",
    "dice_best": "best Dice (oracle)",
    "found": "found",
    "found_untouched": "found untouched",
    "false_regions": "false regions",
    "found_one_false": "found at 1 false region",
    "leak": "leak",
}
"""Columns of the table, in its order."""
MORE = ("sensitivity", "precision", "judged_share", "effective_change", "truth_ml", "seconds", "evaluations")
"""Averaged as well, for JSON and CSV."""
HEALTHY = (
    "any_region",
    "regions",
    "z_mean",
    "z_sd",
    "z_beyond_2",
    "z_beyond_3",
    "z_above_3",
    "z_below_3",
    "z_highest",
    "z_lowest",
    "judged_share",
    "seconds",
    "evaluations",
)
SHARES = {
    "found",
    "found_untouched",
    "found_one_false",
    "any_region",
    "z_beyond_2",
    "z_beyond_3",
    "z_above_3",
    "z_below_3",
}


def cells(rows: list[dict], seed: int = 0) -> list[dict]:
    """Means over people for every method and kind of anomaly, each sign by itself and both together.

    Returns dicts with ``method``, ``kind``, ``diameter`` (voxels of 1.25 mm, 0 for lesion shapes), ``change``
    (absolute where both signs are together), ``signs`` (``+``, ``-`` or ``both``) and, for every name in
    :data:`SCORES` and :data:`MORE`, what :func:`~.bootstrap.mean_over_people` gives; ``free_response`` as
    :func:`.froc.curve`.
    """
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        sign = "+" if row["change"] > 0 else "-"
        groups.setdefault((row["method"], row["kind"], row["diameter"], row["change"], sign), []).append(row)
        groups.setdefault((row["method"], row["kind"], row["diameter"], abs(row["change"]), "both"), []).append(row)
    found = []
    for (method, kind, diameter, change, signs), members in groups.items():
        if signs == "both" and len({row["change"] for row in members}) < 2:
            continue
        cell = {"method": method, "kind": kind, "diameter": diameter, "change": change, "signs": signs}
        for name in (*SCORES, *MORE):
            cell[name] = mean_over_people([(row["person"], row.get(name)) for row in members], seed)
        cell["free_response"] = curve(members, seed)
        cell["found_one_false"] = found_at_price(members, cell["free_response"], seed)
        found.append(cell)
    order = {method: number for number, method in enumerate(METHODS)}
    found.sort(
        key=lambda c: (
            order[c["method"]],
            c["kind"] == LESION,
            -abs(c["change"]),
            c["diameter"],
            ("both", "+", "-").index(c["signs"]),
        )
    )
    return found


def healthy_cells(rows: list[dict], seed: int = 0) -> list[dict]:
    """Means over people of what each method shows in untouched brains."""
    return [
        {
            "method": method,
            **{
                name: mean_over_people(
                    [(row["person"], row.get(name)) for row in rows if row["method"] == method], seed
                )
                for name in HEALTHY
            },
        }
        for method in METHODS
        if any(row["method"] == method for row in rows)
    ]


def markdown(found: list[dict], healthy: list[dict]) -> str:
    """Both tables as Markdown: the detector with each sign, the others with both signs together."""
    lines = [
        "## Planted anomalies",
        "",
        f"| method | anomaly | change | {' | '.join(SCORES.values())} |",
        "|" + "---|" * (len(SCORES) + 3),
    ]
    for cell in found:
        # The comparators' single signs stand in the CSV.
        single = cell["method"] in (FAANOMALY, *ONE_SIDED.values())
        if single or cell["signs"] == "both" or cell["kind"] == LESION:
            scores = " | ".join(_text(cell[name], name) for name in SCORES)
            lines.append(f"| {cell['method']} | {anomaly_words(cell)} | {change_words(cell)} | {scores} |")
    lines += [
        "",
        "## Untouched brains",
        "",
        "| method | brains with a region | regions a brain | z mean | z SD | beyond 2 | beyond 3 | seconds | "
        "network evaluations |",
        "|" + "---|" * 9,
    ]
    shown = ("any_region", "regions", "z_mean", "z_sd", "z_beyond_2", "z_beyond_3", "seconds", "evaluations")
    for cell in healthy:
        lines.append(f"| {cell['method']} | " + " | ".join(_text(cell[name], name) for name in shown) + " |")
    normal = (
        f"{NORMAL['z_mean']:.2f} | {NORMAL['z_sd']:.2f} | {100 * NORMAL['z_beyond_2']:.1f} % | "
        f"{100 * NORMAL['z_beyond_3']:.1f} %"
    )
    lines.append(f"| *standard normal* | | | {normal} | | |")
    return "\n".join(lines) + "\n"


def csv_text(found: list[dict]) -> str:
    """Every cell as CSV: mean, low and high of each score, full precision."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    names = (*SCORES, *MORE)
    rows.writerow(
        [
            "method",
            "kind",
            "diameter_voxels",
            "change",
            "signs",
            "people",
            "cases",
            *(f"{name}{end}" for name in names for end in ("", "_low", "_high")),
        ]
    )
    for cell in found:
        values = [cell[name][part] if cell[name] else None for name in names for part in ("mean", "low", "high")]
        rows.writerow(
            [
                cell["method"],
                cell["kind"],
                cell["diameter"],
                cell["change"],
                cell["signs"],
                cell["dice"]["people"],
                cell["dice"]["cases"],
                *("" if value is None else f"{value:.6g}" for value in values),
            ]
        )
    return out.getvalue()


def anomaly_words(cell: dict) -> str:
    """``sphere 16 (20 mm)`` or ``lesion shapes``."""
    if cell["kind"] == LESION:
        return "lesion shapes"
    return f"sphere {cell['diameter']} ({cell['diameter'] * 1.25:g} mm)"


def change_words(cell: dict) -> str:
    """``+0.2``, ``-40 %``, or ``±0.2`` for both signs."""
    if cell["kind"] == LESION:
        return f"{100 * cell['change']:+.0f} %"
    return f"±{cell['change']:g}" if cell["signs"] == "both" else f"{cell['change']:+g}"


def _text(value: dict | None, name: str) -> str:
    if value is None:
        return "–"
    scale, form = (100.0, "{:.1f}") if name in SHARES else (1.0, "{:.2f}")
    if name == "prevalence":
        form = "{:.4f}"
    if name in ("seconds", "evaluations"):
        form = "{:.1f}"
    text = form.format(scale * value["mean"])
    if value["low"] is not None and name not in ("prevalence", "evaluations"):
        text += f" [{form.format(scale * value['low'])}, {form.format(scale * value['high'])}]"
    return text + (" %" if name in SHARES else "")
