"""Results table as Markdown for readers and as CSV for programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ...request import MASK_VOXEL_MM
from ..cases import LESION
from ..metrics.healthy import STANDARD_NORMAL
from ..rows import FAANOMALY, ONE_SIDED
from .summary import FURTHER_SCORES, SCORES

PERCENTAGES = {
    "found",
    "found_untouched",
    "found_one_false",
    "any_region",
    "z_beyond_2",
    "z_beyond_3",
    "z_above_3",
    "z_below_3",
}
HEALTHY_COLUMNS = {
    "any_region": "brains with a region",
    "regions": "regions a brain",
    "z_mean": "z mean",
    "z_sd": "z SD",
    "z_beyond_2": "beyond 2",
    "z_beyond_3": "beyond 3",
    "seconds": "seconds",
    "evaluations": "network evaluations",
}


def markdown(planted: Sequence[dict], healthy: Sequence[dict]) -> str:
    """Both tables as Markdown: the detector with each sign, the other methods with both signs together.

    Parameters
    ----------
    planted, healthy
        From :func:`~.summary.summarise` and :func:`~.summary.summarise_healthy`.
    """
    lines = [
        "## Planted anomalies",
        "",
        f"| method | anomaly | change | {' | '.join(SCORES.values())} |",
        "|" + "---|" * (len(SCORES) + 3),
    ]
    for entry in planted:
        # The single signs of the other methods are in the CSV.
        each_sign = entry["method"] in (FAANOMALY, *ONE_SIDED.values())
        if each_sign or entry["signs"] == "both" or entry["kind"] == LESION:
            scores = " | ".join(_format(entry[name], name) for name in SCORES)
            lines.append(f"| {entry['method']} | {describe_anomaly(entry)} | {describe_change(entry)} | {scores} |")
    lines += [
        "",
        "## Untouched brains",
        "",
        f"| method | {' | '.join(HEALTHY_COLUMNS.values())} |",
        "|" + "---|" * (len(HEALTHY_COLUMNS) + 1),
    ]
    for entry in healthy:
        scores = " | ".join(_format(entry[name], name) for name in HEALTHY_COLUMNS)
        lines.append(f"| {entry['method']} | {scores} |")
    normal = (
        f"{STANDARD_NORMAL['z_mean']:.2f} | {STANDARD_NORMAL['z_sd']:.2f} | "
        f"{100 * STANDARD_NORMAL['z_beyond_2']:.1f} % | {100 * STANDARD_NORMAL['z_beyond_3']:.1f} %"
    )
    lines.append(f"| *standard normal* | | | {normal} | | |")
    return "\n".join(lines) + "\n"


def csv_text(planted: Sequence[dict]) -> str:
    """The table of planted anomalies as CSV: mean, low and high of each score with six digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = (*SCORES, *FURTHER_SCORES)
    numbers = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    writer.writerow(["method", "kind", "diameter_voxels", "change", "signs", "people", "cases", *numbers])
    for entry in planted:
        values = [entry[name][part] if entry[name] else None for name in names for part in ("mean", "low", "high")]
        writer.writerow(
            [
                *(entry[name] for name in ("method", "kind", "diameter", "change", "signs")),
                entry["dice"]["people"],
                entry["dice"]["cases"],
                *("" if value is None else f"{value:.6g}" for value in values),
            ]
        )
    return out.getvalue()


def describe_anomaly(entry: dict) -> str:
    """``sphere 16 (20 mm)`` or ``lesion shapes``.

    Examples
    --------
    >>> describe_anomaly({"kind": "sphere", "diameter": 16})
    'sphere 16 (20 mm)'
    """
    if entry["kind"] == LESION:
        return "lesion shapes"
    return f"sphere {entry['diameter']} ({entry['diameter'] * MASK_VOXEL_MM:g} mm)"


def describe_change(entry: dict) -> str:
    """``+0.2``, ``-40 %``, or ``±0.2`` for both signs.

    Examples
    --------
    >>> describe_change({"kind": "sphere", "change": 0.2, "signs": "both"})
    '±0.2'
    >>> describe_change({"kind": "lesion", "change": -0.4, "signs": "-"})
    '-40 %'
    """
    if entry["kind"] == LESION:
        return f"{100 * entry['change']:+.0f} %"
    return f"±{entry['change']:g}" if entry["signs"] == "both" else f"{entry['change']:+g}"


def _format(value: dict | None, name: str) -> str:
    if value is None:
        return "–"
    scale, form = (100.0, "{:.1f}") if name in PERCENTAGES else (1.0, "{:.2f}")
    if name == "prevalence":
        form = "{:.4f}"
    if name in ("seconds", "evaluations"):
        form = "{:.1f}"
    text = form.format(scale * value["mean"])
    if value["low"] is not None and name not in ("prevalence", "evaluations"):
        text += f" [{form.format(scale * value['low'])}, {form.format(scale * value['high'])}]"
    return text + (" %" if name in PERCENTAGES else "")
