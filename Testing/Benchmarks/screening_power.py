"""What the whole-brain search finds of planted anomalies, everybody held out of template and calibration.

    python Testing/Benchmarks/screening_power.py DATA --people people.csv --folds FOLDS/folds.csv --rows rows.jsonl
    python Testing/Benchmarks/screening_power.py ... --without level      (or: other-side, rim)
    python Testing/Benchmarks/screening_power.py DATA --model default --rows rows.jsonl      people whom it has not seen

FOLDS is what ``faanomaly template DATA --cross FOLDS`` wrote. Every person is judged by the template without them and
by a calibration of the other people; with ``--model`` by that model as it is. One sphere of each kind and sign is
planted into one map of each person, and lesion shapes (``--lesions``), on two truths: "registered" is the white matter
of the warped template, as in ``faanomaly evaluate``; "thesis" is FA above 0.2 at least 4 mm inside the brain of the
untouched map, which no registration decides. Edges are hard, or soft (the change fades over a Gaussian of 2 mm). The
affine alignment is that of the untouched map; the template is warped anew to every planted one. The network is not run:
it has no part in z.

With ``--scanners`` (CSV with the columns person,scanner) only people are judged who share their scanner with somebody,
and by a calibration without everybody of it; FOLDS must then name for each of them a template without all of these
(``faanomaly template --hold-out`` for each).

Dice and found are at the automatic threshold, and found at the sensitive one. By chance: the untouched map has a region
of the sign there already. Rows are kept in ROWS; a later run measures what is missing. Last come the limits that
:data:`FAAnomalyLib.anomaly.calibration.UNCALIBRATED` is a fifth beyond.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from FAAnomalyLib.anomaly import residual_maps, screening
from FAAnomalyLib.anomaly.calibration import COMBINATIONS, Calibration
from FAAnomalyLib.anomaly.calibration_file import load_calibration
from FAAnomalyLib.anomaly.regions import find_regions, restrict_to_signs
from FAAnomalyLib.anomaly.scoring import search_brain
from FAAnomalyLib.datasets.cohort import CohortSubject, find_subjects
from FAAnomalyLib.datasets.folds import read_folds
from FAAnomalyLib.datasets.tables import read_table
from FAAnomalyLib.evaluation.metrics.bootstrap import mean_over_people
from FAAnomalyLib.evaluation.planting.lesions import sphere, white_matter_centre
from FAAnomalyLib.evaluation.planting.shapes import find_shapes, resample_to_subject
from FAAnomalyLib.models.manifest import read_manifest
from FAAnomalyLib.models.registry import find_model
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject, with_other_fa
from FAAnomalyLib.training.calibration_fit import fit, volume_weights
from FAAnomalyLib.training.healthy_limits import limits_of
from FAAnomalyLib.training.healthy_maps import HealthySubject, screen_cohort
from FAAnomalyLib.training.template_building import MODEL_SHAPE, MODEL_SPACING_MM
from FAAnomalyLib.volume import Volume

REGISTERED, THESIS = "registered", "thesis"
CELLS = (
    (REGISTERED, 40, 0.2, False),
    (REGISTERED, 40, 0.1, False),
    (REGISTERED, 20, 0.3, False),
    (REGISTERED, 20, 0.2, False),
    (REGISTERED, 20, 0.2, True),
    (REGISTERED, 10, 0.3, False),
    (THESIS, 40, 0.2, False),
    (THESIS, 40, 0.1, False),
    (THESIS, 20, 0.3, False),
    (THESIS, 20, 0.2, False),
)
"""Truth, diameter in mm, change of FA, soft edge."""
LESION_CHANGE, LEAST_LESION_ML = -0.4, 2.0
SOFT_MM, INSIDE_MM, WHITE_MATTER_FA = 2.0, 4.0, 0.2
UNTOUCHED = {
    "regions": "regions",
    "any": "share with any",
    "sensitive": "at the sensitive threshold",
    "up": "increases alone",
    "down": "decreases alone",
    "largest": "largest z",
    "sd": "SD of z",
    "beyond2": "beyond 2",
    "beyond3": "beyond 3",
}
ABLATIONS = {
    "level": lambda: setattr(residual_maps, "MAX_LEVEL", 0.0),
    "other-side": lambda: setattr(residual_maps, "minmod", lambda deviation, asymmetry: deviation),
    "rim": lambda: (setattr(screening, "ANALYSED_PROBABILITY", 0.5), setattr(screening, "DEPTH_MM", 6.0)),
}


@dataclass(frozen=True)
class Planted:
    """One anomaly: the map with it, where it is, its sign, and the cell that it belongs to."""

    cell: str
    sign: int
    truth: np.ndarray
    volume: Volume


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=Path)
    judge = parser.add_mutually_exclusive_group(required=True)
    judge.add_argument("--folds", type=Path)
    judge.add_argument("--model", metavar="NAME|DIR")
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--lesions", type=Path)
    parser.add_argument("--cells", nargs="+", metavar="TEXT", help="only cells whose name holds one of these")
    parser.add_argument("--without", choices=ABLATIONS)
    parser.add_argument("--scanners", type=Path, help="columns person,scanner: judge across scanners")
    args = parser.parse_args()
    if args.without:
        ABLATIONS[args.without]()
    rows = [json.loads(line) for line in args.rows.read_text().splitlines()] if args.rows.exists() else []
    subjects = find_subjects(args.data, args.people)
    folder = None if args.model is None else find_model(args.model)
    folds = read_folds(args.folds) if folder is None else dict.fromkeys([one.person for one in subjects], folder)
    subjects = [one for one in subjects if one.person in folds]
    everybody = screen_cohort(subjects, folds, (MODEL_SHAPE, MODEL_SPACING_MM), say)
    kin = same_scanner(args.scanners, {one.person for one in everybody})
    for person in dict.fromkeys(one.person for one in everybody if one.person in kin):
        own = [(subject, one) for subject, one in zip(subjects, everybody, strict=True) if one.person == person]
        others = [one for one in everybody if one.person not in kin[person]]
        calibration = fit(others) if folder is None else load_calibration(folder, read_manifest(folder))
        for row in measured(own, calibration, args, {(row["map"], row["cell"], row["sign"]) for row in rows}):
            rows.append(row)
            with open(args.rows, "a", encoding="utf-8") as handle:
                handle.write(json.dumps(row) + "\n")
        say(f"done: {person}")
    show(rows)
    show_uncalibrated(everybody)


def same_scanner(table: Path | None, people: set[str]) -> dict[str, set[str]]:
    """Who is judged -> whose maps have no part in that: of one scanner, or without a table the person alone."""
    if table is None:
        return {person: {person} for person in people}
    scanner = {row["person"]: row["scanner"] for row in read_table(table, ("person", "scanner"))}
    kin = {person: {one for one in people if scanner.get(one) == scanner[person]} for person in people & set(scanner)}
    return {person: them for person, them in kin.items() if len(them) > 1}


def measured(
    own: list[tuple[CohortSubject, HealthySubject]], calibration: Calibration, args: argparse.Namespace, done: set
) -> Iterator[dict]:
    """Rows of one person: each map untouched, the first with every anomaly."""
    for number, (subject, one) in enumerate(own):
        before = z_map(one.prepared, calibration)
        if (one.name, "untouched", 0) not in done:
            told = untouched(before, calibration)
            yield {"map": one.name, "person": one.person, "cell": "untouched", "sign": 0} | told
        if number:
            continue
        for planted in anomalies(subject, one.prepared, args):
            if (one.name, planted.cell, planted.sign) not in done:
                yield {"map": one.name, "person": one.person} | judged(planted, one.prepared, before, calibration)


def untouched(z: Volume, calibration: Calibration) -> dict[str, float]:
    """:data:`UNTOUCHED` of a healthy map."""
    limits = {
        "regions": calibration.threshold,
        "sensitive": calibration.sensitive,
        "up": restrict_to_signs(calibration.one_sided, "increased"),
        "down": restrict_to_signs(calibration.one_sided, "decreased"),
    }
    counts = {name: float(len(find_regions(z, z, limit)[1])) for name, limit in limits.items()}
    inside = np.abs(z.data[z.data != 0])
    shares = {f"beyond{limit}": float((inside > limit).mean()) for limit in (2, 3)}
    return {
        **counts,
        "any": float(counts["regions"] > 0),
        "largest": float(inside.max()),
        "sd": float(np.sqrt((inside**2).mean())),
        **shares,
    }


def anomalies(subject: CohortSubject, healthy: PreparedSubject, args: argparse.Namespace) -> Iterator[Planted]:
    """Every anomaly that is asked for, where it finds a place."""
    volume = healthy.grid.native
    masks = {
        REGISTERED: healthy.native_brain & (healthy.grid.to_native(healthy.grid.priors.white_matter) > 0.5),
        THESIS: healthy.native_brain & (volume.data > WHITE_MATTER_FA) & (depth_mm(healthy) >= INSIDE_MM),
    }
    for truth, diameter, change, soft in CELLS:
        cell = f"{truth}, {diameter} mm, {change:g}{', soft edge' if soft else ''}"
        if args.cells and not any(text in cell for text in args.cells):
            continue
        seed = int.from_bytes(f"{subject.name} {truth} {diameter}".encode(), "big") % 2**32
        ball = sphere(volume, white_matter_centre(volume, masks[truth], diameter, seed), diameter) & masks[truth]
        share = ball.astype(np.float32)
        if soft:
            share = ndimage.gaussian_filter(share, SOFT_MM / volume.spacing) * masks[truth]
        for sign in (1, -1):
            fa = np.clip(volume.data + sign * change * share, 0.0, 1.0).astype(np.float32)
            yield Planted(cell, sign, ball, volume.with_data(fa))
    for shape in find_shapes(args.lesions) if args.lesions else []:
        mask = resample_to_subject(shape, volume, healthy.grid.alignment.matrix) & masks[REGISTERED]
        if mask.sum() * volume.voxel_ml >= LEAST_LESION_ML:
            fa = np.where(mask, volume.data * (1 + LESION_CHANGE), volume.data).astype(np.float32)
            yield Planted(f"stroke shape {shape.name}", -1, mask, volume.with_data(fa))


def depth_mm(healthy: PreparedSubject) -> np.ndarray:
    """How deep each native voxel lies inside the brain; beyond the edge of the grid there is none."""
    brain = np.pad(healthy.native_brain, 1)
    return ndimage.distance_transform_edt(brain, sampling=healthy.grid.native.spacing)[1:-1, 1:-1, 1:-1]


def judged(planted: Planted, healthy: PreparedSubject, before: Volume, calibration: Calibration) -> dict:
    """Metrics of one planted map."""
    z = z_map(with_other_fa(healthy, planted.volume, warps=True), calibration)
    label, truth = 1 if planted.sign > 0 else 2, planted.truth
    found, regions = find_regions(z, z, calibration.threshold)
    more, _ = find_regions(z, z, calibration.sensitive)
    untouched, _ = find_regions(before, before, calibration.threshold)
    hit = found.data == label
    return {
        "cell": planted.cell,
        "sign": planted.sign,
        "dice": float(2 * (hit & truth).sum() / (hit.sum() + truth.sum())),
        "found": float((hit & truth).any()),
        "sensitive": float((more.data[truth] == label).any()),
        "chance": float((untouched.data[truth] == label).any()),
        "false": len(regions) - float((hit & truth).any()),
        "judged": float((z.data[truth] != 0).mean()),
    }


def z_map(prepared: PreparedSubject, calibration: Calibration) -> Volume:
    """z on the native grid, as a detection shows it."""
    return prepared.whole_brain_z(search_brain(prepared, calibration).z)


def show(rows: list[dict]) -> None:
    """Tables of untouched and of planted maps."""
    print("| map | person | " + " | ".join(UNTOUCHED.values()) + " |\n" + "|---" * (len(UNTOUCHED) + 2) + "|")
    healthy = [row for row in rows if row["cell"] == "untouched"]
    for row in healthy:
        print(f"| {row['map']} | {row['person']} | " + " | ".join(f"{row[key]:.3g}" for key in UNTOUCHED) + " |")
    means = [mean_over_people([(row["person"], row[key]) for row in healthy]) for key in UNTOUCHED]
    told = [f"{one['mean']:.3g} [{one['low']:.3g}, {one['high']:.3g}]" for one in means]
    print("| mean over people | | " + " | ".join(told) + " |\n")
    heads = ("anomaly", "cases", "Dice", "+", "-", "found", "sensitive", "by chance", "false regions", "judged")
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|")
    cells: dict[str, list[dict]] = {}
    for row in rows:
        if row["cell"] != "untouched":
            cells.setdefault("stroke shapes" if row["cell"].startswith("stroke") else row["cell"], []).append(row)
    for cell, some in cells.items():
        print(f"| {cell} | {len(some)} | {' | '.join(averages(some))} |")


def averages(rows: list[dict]) -> list[str]:
    """One cell's columns after the number of cases."""
    dice = mean_over_people([(row["person"], row["dice"]) for row in rows])
    signs = [np.mean([row["dice"] for row in rows if row["sign"] == sign] or [np.nan]) for sign in (1, -1)]
    shares = [np.mean([row[key] for row in rows]) for key in ("found", "sensitive", "chance")]
    others = [np.mean([row["false"] for row in rows]), np.mean([row["judged"] for row in rows])]
    return [
        f"{dice['mean']:.2f} [{dice['low']:.2f}, {dice['high']:.2f}]",
        *(f"{value:.2f}" for value in signs),
        *(f"{100 * share:.0f} %" for share in shares),
        f"{others[0]:.1f}",
        f"{others[1]:.2f}",
    ]


def show_uncalibrated(everybody: list[HealthySubject]) -> None:
    """Limits of the combinations where nothing is known of any place."""
    print("\nLimits of an uncalibrated model's sums (increases, decreases):")
    maps = [Calibration().combined(one.maps, one.analysed, one.subject_scale) for one in everybody]
    for name in COMBINATIONS:
        up, down = limits_of([combined[name] for combined in maps], volume_weights(everybody))
        print(f"  {name}: {up:.1f}, {down:.1f}")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
