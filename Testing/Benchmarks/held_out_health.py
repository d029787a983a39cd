"""Regions, spread and tails of z in healthy brains that neither model nor calibration has seen.

    python Testing/Benchmarks/held_out_health.py DATA --people people.csv --folds folds.csv --cross CROSS --work WORK

FOLDS, CROSS and WORK are those of ``faanomaly calibrate DATA --folds FOLDS --people people.csv -o MODEL --cross CROSS
--work WORK``: everybody is scored by the calibration without them, from the passes kept in WORK: regions on
the map's own grid, spread and tails of z on the model grid.
Last come the limits that :data:`FAAnomalyLib.anomaly.calibration.UNCALIBRATED` is a fifth beyond.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from FAAnomalyLib.anomaly.calibration import COMBINATIONS, Calibration
from FAAnomalyLib.anomaly.calibration_file import load_calibration
from FAAnomalyLib.anomaly.regions import find_regions, restrict_to_signs
from FAAnomalyLib.datasets.cohort import find_subjects
from FAAnomalyLib.datasets.folds import read_folds
from FAAnomalyLib.evaluation.metrics.bootstrap import mean_over_people
from FAAnomalyLib.models.manifest import read_manifest
from FAAnomalyLib.training.calibration_fit import volume_weights
from FAAnomalyLib.training.healthy_limits import limits_of
from FAAnomalyLib.training.healthy_maps import HealthySubject, screen_cohort

SCORES = {
    "regions": "regions at --threshold auto",
    "any": "share with any",
    "sensitive": "regions at sensitive",
    "any sensitive": "share with any at sensitive",
    "up alone": "increases at sensitive, alone",
    "down alone": "decreases at sensitive, alone",
    "sd": "SD of z",
    "beyond 2": "share beyond 2",
    "beyond 3": "share beyond 3",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=Path)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--cross", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    args = parser.parse_args()
    folds = read_folds(args.folds)
    subjects = [subject for subject in find_subjects(args.data, args.people) if subject.person in folds]
    everybody = screen_cohort(subjects, folds, args.work, "auto", lambda text: print(text, file=sys.stderr, flush=True))
    rows = [(one, scores_of(one, args.cross / one.person)) for one in everybody]
    print("| map | person | " + " | ".join(SCORES.values()) + " |\n" + "|---" * (len(SCORES) + 2) + "|")
    for one, scores in rows:
        print(f"| {one.name} | {one.person} | " + " | ".join(f"{scores[name]:.3g}" for name in SCORES) + " |")
    means = [mean_over_people([(one.person, scores[name]) for one, scores in rows]) for name in SCORES]
    print(
        "| mean over people | | "
        + " | ".join(f"{m['mean']:.3g} [{m['low']:.3g}, {m['high']:.3g}]" for m in means)
        + " |\n\nLimits of an uncalibrated model's sums (increases, decreases):"
    )
    maps = [Calibration().combined(one.maps, one.analysed, one.subject_scale) for one in everybody]
    for name in COMBINATIONS:
        increases, decreases = limits_of([combined[name] for combined in maps], volume_weights(everybody))
        print(f"  {name}: {increases:.1f}, {decreases:.1f}")


def scores_of(one: HealthySubject, folder: Path) -> dict[str, float]:
    """:data:`SCORES` of one map by the calibration in *folder*."""
    calibration = load_calibration(folder, read_manifest(folder))
    statistic = calibration.strongest(calibration.combined(one.maps, one.analysed, one.subject_scale))
    z = calibration.z_of(statistic, one.analysed)
    shown = one.shown(z)
    count, more, up, down = (
        len(find_regions(shown, shown, limits)[1])
        for limits in (
            calibration.threshold,
            calibration.sensitive,
            restrict_to_signs(calibration.one_sided, "increased"),
            restrict_to_signs(calibration.one_sided, "decreased"),
        )
    )
    values = z[one.analysed]
    return {
        "regions": count,
        "any": float(count > 0),
        "sensitive": more,
        "any sensitive": float(more > 0),
        "up alone": up,
        "down alone": down,
        "sd": float(values.std()),
        "beyond 2": float((np.abs(values) > 2).mean()),
        "beyond 3": float((np.abs(values) > 3).mean()),
    }


if __name__ == "__main__":
    main()
