"""Files of an evaluation: ``evaluation.json``, ``table.md`` and ``table.csv``."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict
from pathlib import Path

from ..._version import __version__
from ...anomaly.screening import ANALYSED_PROBABILITY, DEPTH_MM
from ...io.atomic import atomic_write, cannot_write
from ...preprocessing.template import WHITE_MATTER_PROBABILITY
from ..best_settings import rows_of_best_settings, settings_of_people
from ..cases import LESION_CHANGE, EvaluationProtocol
from ..experiment import Rows
from ..methods.residual_zmap import SMOOTHING_MM
from ..planting.truth import MIN_TRUTH_ML
from ..rows import FAANOMALY
from .formats import csv_text, markdown
from .summary import summarise, summarise_healthy

FILES = ("table.md", "table.csv", "evaluation.json")
"""In the order in which they are written; when the last one exists, all do."""

DEFINITIONS = {
    "white matter": f"registered prior above {WHITE_MATTER_PROBABILITY}, inside the brain, of the untouched map; the "
    "same for every method",
    "truth": "the shape within the white matter of the untouched map; it is planted before any method sees the "
    "volume, FA clipped to [0, 1]",
    "lesion shapes": f"FA changed by {LESION_CHANGE:.0%} of itself; a shape with less than {MIN_TRUTH_ML} ml in a "
    "subject's white matter is left out for that subject",
    "Dice, IoU": "whole volume, at the method's own threshold; predicted is every segmented voxel of either sign, "
    "true positives are those in the truth with the planted sign's label",
    "AUPRC, best Dice": "voxels of the white matter ranked by z times the planted sign; prevalence is the truth's "
    "share of the white matter; the best Dice is an oracle's, its threshold needs the truth",
    "found": "a region of the planted sign shares a voxel with the truth (lesion-wise sensitivity)",
    "found untouched": "the same in the brain before the anomaly was planted: detection by chance",
    "false regions": "all other regions of that brain (false positives), those of the other sign included",
    "found at 1 false region": "found at the |z| at which a brain has one false region on average, interpolated "
    "linearly between two points of the free-response (FROC) curve; the whole curve is in evaluation.json",
    "leak": "shift of the expected FA inside the truth, against the untouched brain's, per unit of effective "
    "change (1: the prediction repeats the anomaly)",
    "z": "of untouched brains, over analysed white matter (z not 0)",
    "sensitive threshold": "the same z-map cut where the calibration's healthy brains show one region on average; "
    "increases or decreases alone: one region of that sign, the other sign not reported",
    "template z-map, harmonic fill, and others without a network": f"residual smoothed (SD {SMOOTHING_MM:g} mm unless "
    f"the name says another) within registered white matter above {ANALYSED_PROBABILITY:g}, {DEPTH_MM:g} mm inside the "
    "brain's edge, standardised by the brain's own median and MAD; threshold, one a tail: 95th percentile of the "
    "largest z of untouched brains of the other people (of the same brain where there is nobody else)",
    "best setting": "for each person the setting with the highest mean Dice over all anomalies of the other people",
    "raw difference, thesis' rule": "|input - expected| above the planted change - 0.02 in white matter: the "
    "threshold is an oracle's by construction, and the sign is ignored",
    "all positive": "all white matter is called anomalous",
    "intervals": "mean over people of each person's mean [95 % BCa bootstrap over people]",
}


def evaluation_report(rows: Rows, protocol: EvaluationProtocol, facts: dict, warnings: list[str]) -> dict:
    """Content of ``evaluation.json``: tables, rows and definitions, fit for strict JSON.

    Parameters
    ----------
    rows
        From :func:`~.experiment.evaluate`.
    protocol
        What was planted.
    facts
        Further entries (models, lesion shapes).
    warnings
        For the reader of the table.
    """
    best_planted, best_healthy = rows_of_best_settings(rows.planted, rows.healthy)
    seconds = [row["seconds"] for row in rows.planted or rows.healthy if row["method"] == FAANOMALY]
    return {
        "faanomaly": __version__,
        "protocol": asdict(protocol),
        **facts,
        "warnings": warnings,
        "definitions": DEFINITIONS,
        "median_seconds": statistics.median(seconds),
        "planted": summarise([*rows.planted, *best_planted]),
        "untouched": summarise_healthy([*rows.healthy, *best_healthy]),
        "best_settings": settings_of_people(best_healthy),
        "left_out": rows.left_out,
        "planted_rows": rows.planted,
        "untouched_rows": rows.healthy,
    }


def report_text(report: dict) -> str:
    """The report as Markdown: warnings, tables, and the definitions of their words."""
    lines = [f"# Evaluation, FAAnomaly {report['faanomaly']}", ""]
    lines += [f"> **{warning}**" for warning in report["warnings"]]
    people, volumes = (len({row[key] for row in report["untouched_rows"]}) for key in ("person", "subject"))
    anomalies = sum(row["method"] == FAANOMALY for row in report["planted_rows"])
    lines += [
        "",
        f"{people} people, {volumes} volumes, {anomalies} planted anomalies; "
        f"median {report['median_seconds']:.1f} s a brain.",
        "",
    ]
    lines += [markdown(report["planted"], report["untouched"]), "## What the words mean", ""]
    return "\n".join(lines + [f"- **{word}**: {meaning}." for word, meaning in report["definitions"].items()]) + "\n"


def write_report(report: dict, folder: Path) -> None:
    """Write :data:`FILES`, each complete or not at all; raises ``FAError('bad-input')`` when that fails."""
    contents = {
        "table.md": report_text(report),
        "table.csv": csv_text(report["planted"]),
        "evaluation.json": json.dumps(report, indent=1, allow_nan=False, default=float) + "\n",
    }
    for name in FILES:
        try:
            with atomic_write(folder / name) as temporary:
                temporary.write_text(contents[name], encoding="utf-8")
        except OSError as error:
            raise cannot_write(folder / name, error) from error
