"""What an evaluation leaves behind: ``evaluation.json``, ``table.md`` and ``table.csv``."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict
from pathlib import Path

from ..._version import __version__
from ...io.atomic import atomic_write, cannot_write
from ...preprocessing.template import WHITE_MATTER_PROBABILITY
from ..cases import LESION_CHANGE, EvaluationProtocol
from ..experiment import Rows
from ..planting.truth import MIN_TRUTH_ML
from ..rows import FAANOMALY
from .cells import cells, csv_text, healthy_cells, markdown

FILES = ("table.md", "table.csv", "evaluation.json")
"""In the order in which they appear; the last one means that all are there."""

DEFINITIONS = {
    "white matter": f"registered prior above {WHITE_MATTER_PROBABILITY}, inside the brain, of the untouched map; the "
    "same for every method",
    "truth": "the shape within the white matter of the untouched map; it is planted before anything else sees the "
    "volume, FA clipped to [0, 1]",
    "lesion shapes": f"FA changed by {LESION_CHANGE:.0%} of itself; a shape with less than {MIN_TRUTH_ML} ml in a "
    "subject's white matter is left out for that subject",
    "Dice, IoU": "whole volume, at the method's own threshold; predicted is every segmented voxel of either sign, "
    "right are those in the truth with the planted sign's label",
    "AUPRC, best Dice": "voxels of the white matter ranked by z times the planted sign; prevalence is the truth's "
    "share of the white matter; only who knows the truth could choose the best Dice's threshold",
    "found": "a region of the planted sign shares a voxel with the truth",
    "found untouched": "the same in the brain before the anomaly was planted: what is found by chance",
    "false regions": "all other regions of that brain, those of the other sign included",
    "found at 1 false region": "found at the |z| at which a brain has one false region on average, on a straight line "
    "between two points of a free-response curve; all of it stands in evaluation.json",
    "leak": "shift of the pseudo-healthy map inside the truth, against the untouched brain's, per unit of effective "
    "change (1: the prediction repeats the anomaly)",
    "z": "of untouched brains, over white matter that was judged (z not 0)",
    "sensitive threshold": "the same z-map cut where the calibration's healthy brains show one region on average; "
    "increases or decreases alone: one region of that sign, the other sign not looked for",
    "template z-map, harmonic fill": "residual smoothed (SD 3 mm) within white matter 6 mm inside the brain's edge, "
    "standardised by the brain's own median and MAD; threshold, one a tail: 95th "
    "percentile of the largest z of untouched brains of the other people (of the "
    "same brain where there is nobody else)",
    "raw difference, thesis' rule": "|input - pseudo-healthy| above the planted change - 0.02 in white matter: the "
    "threshold is an oracle's by construction, and the sign is not asked for",
    "all positive": "all white matter is called anomalous",
    "intervals": "mean over people of each person's mean [95 % percentile bootstrap over people]",
}


def outcome(rows: Rows, protocol: EvaluationProtocol, facts: dict, warnings: list[str]) -> dict:
    """Everything that was found, fit for strict JSON.

    *facts* are further entries (models, data set); *warnings* concern whoever reads the table.
    """
    seconds = [row["seconds"] for row in rows.planted or rows.healthy if row["method"] == FAANOMALY]
    return {
        "faanomaly": __version__,
        "protocol": asdict(protocol),
        **facts,
        "warnings": warnings,
        "definitions": DEFINITIONS,
        "median_seconds": statistics.median(seconds),
        "planted": cells(rows.planted),
        "untouched": healthy_cells(rows.healthy),
        "left_out": rows.left_out,
        "planted_rows": rows.planted,
        "untouched_rows": rows.healthy,
    }


def text_of(found: dict) -> str:
    """The outcome as Markdown: warnings, tables, and what the words in them mean."""
    lines = [f"# Evaluation, FAAnomaly {found['faanomaly']}", ""]
    lines += [f"> **{warning}**" for warning in found["warnings"]]
    people, volumes = (len({row[key] for row in found["untouched_rows"]}) for key in ("person", "subject"))
    anomalies = sum(row["method"] == FAANOMALY for row in found["planted_rows"])
    lines += [
        "",
        f"{people} people, {volumes} volumes, {anomalies} planted anomalies; "
        f"median {found['median_seconds']:.1f} s a brain.",
        "",
    ]
    lines += [markdown(found["planted"], found["untouched"]), "## What the words mean", ""]
    return "\n".join(lines + [f"- **{word}**: {meaning}." for word, meaning in found["definitions"].items()]) + "\n"


def write(found: dict, folder: Path) -> None:
    """Write :data:`FILES`; each appears whole. Raises ``FAError('bad-input')`` when the folder cannot be written."""
    contents = {
        "table.md": text_of(found),
        "table.csv": csv_text(found["planted"]),
        "evaluation.json": json.dumps(found, indent=1, allow_nan=False, default=float) + "\n",
    }
    for name in FILES:
        try:
            with atomic_write(folder / name) as temporary:
                temporary.write_text(contents[name], encoding="utf-8")
        except OSError as error:
            raise cannot_write(folder / name, error) from error
