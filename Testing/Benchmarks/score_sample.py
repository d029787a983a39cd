"""Overlap of a result folder's segmentation with a planted anomaly, and its nearest region.

Usage: python score_sample.py RESULT_FOLDER TRUTH [--at-least IOU]
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.metrics.voxelwise import overlap
from FAAnomalyLib.io.volumes import load_volume


def main(argv: list[str] | None = None) -> int:
    """Print the scores; 1 when the IoU is below ``--at-least``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--at-least", type=float, default=0.0, metavar="IOU")
    args = parser.parse_args(argv)
    try:
        segmentation, _ = load_volume(args.folder / "segmentation.nii.gz")
        truth, _ = load_volume(args.truth)
    except FAError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    if not segmentation.same_geometry(truth):
        print("The truth lies on another grid than the segmentation", file=sys.stderr)
        return 2
    planted = truth.data > 0.5
    if not planted.any():
        print("The truth is empty", file=sys.stderr)
        return 2
    scores = {name: value or 0.0 for name, value in overlap(segmentation.data > 0.5, 1, planted).items()}
    ml = truth.voxel_ml
    centre = truth.affine @ [*np.argwhere(planted).mean(axis=0), 1]
    print(
        f"Planted anomaly: {np.count_nonzero(planted) * ml:.2f} ml at R {centre[0]:.0f}, A {centre[1]:.0f}, "
        f"S {centre[2]:.0f} mm"
    )
    print(
        "Segmentation against truth: IoU {iou:.3f}, Dice {dice:.3f}, sensitivity {sensitivity:.3f}, "
        "precision {precision:.3f}".format(**scores)
    )
    print_nearest_region(args.folder / "regions.csv", centre[:3])
    return 0 if scores["iou"] >= args.at_least else 1


def print_nearest_region(table: Path, centre: np.ndarray) -> None:
    """Say which region of the table lies nearest to the planted centre."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        print("No region was found.")
        return
    away = [float(np.linalg.norm([float(row[f"centroid_{axis}"]) for axis in "ras"] - centre)) for row in rows]
    nearest = int(np.argmin(away))
    print(
        f"Nearest of {len(rows)} regions: number {rows[nearest]['label']}, {rows[nearest]['sign']}, "
        f"{away[nearest]:.1f} mm from the planted centre"
    )


if __name__ == "__main__":
    sys.exit(main())
