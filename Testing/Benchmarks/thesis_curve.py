"""Learning curve of a thesis network, and what it says of the full training: 360,000 steps.

    faanomaly train DATA -o RUN --recipe thesis-conditional --grid 64 --widths 8 16 32 64 --attention 0 0 0 1
        --learning-rate 1e-3 --split split.csv --epochs 400
    python Testing/Benchmarks/thesis_curve.py RUN [-o curve.png]

The loss is the mean square of the predicted noise against the noise that was added, over all timesteps (listing A.19);
1 says that nothing was learned. It is read from RUN/epochs.csv, which a run that was stopped has, too. A power of the
step is fitted to the second half of the held-out losses and continued to the thesis' number of steps: a guess, called
extrapolated. So are the hours, from the seconds of a step in the epoch that was disturbed least.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from chart import COLOURS, Chart

from FAAnomalyLib.training.recipes import RECIPES

FULL_STEPS = RECIPES["thesis-conditional"].steps
ROWS = 10
"""Of the printed table, at about equal ratios of steps."""


class Point(NamedTuple):
    """The end of an epoch."""

    step: int
    training: float
    held_out: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("-o", "--output", type=Path, metavar="PNG")
    args = parser.parse_args()
    points = read(args.run / "epochs.csv")
    if len(points) < 4:
        parser.error(f"{args.run} has {len(points)} epochs; a curve takes 4")
    factor, power = fitted(points)
    print("| step | loss in training | loss of the held-out map |\n|---|---|---|")
    for point in spaced(points):
        print(f"| {point.step:,} | {point.training:.4f} | {point.held_out:.4f} |")
    far = factor * FULL_STEPS**power
    print(f"| {FULL_STEPS:,}, extrapolated | | {far:.4f} |")
    seconds = min(point.seconds for point in points)
    hours = FULL_STEPS * seconds / 3600
    print(f"\nA step takes {seconds:.2f} s: {FULL_STEPS:,} steps would take {hours:,.0f} hours, {hours / 24:,.0f} days")
    print(f"(extrapolated). {points[-1].step / FULL_STEPS:.2%} of them were made.")
    if args.output:
        drawn(points, factor, power).save(args.output)


def read(path: Path) -> list[Point]:
    """The ends of all epochs."""
    with open(path, newline="") as handle:
        return [
            Point(
                int(row["step"]),
                float(row["training_loss"]),
                float(row["held_out_loss"]),
                float(row["seconds_per_step"]),
            )
            for row in csv.DictReader(handle)
        ]


def fitted(points: list[Point]) -> tuple[float, float]:
    """(a, b) of ``loss = a step^b`` over the second half of the run."""
    late = [point for point in points if point.step >= points[-1].step / 2]
    power, logarithm = np.polyfit(np.log([p.step for p in late]), np.log([p.held_out for p in late]), 1)
    return math.exp(logarithm), float(power)


def spaced(points: list[Point]) -> list[Point]:
    """At most :data:`ROWS` of them, the last among them."""
    wanted = np.geomspace(points[0].step, points[-1].step, ROWS)
    chosen = {min(range(len(points)), key=lambda i: abs(points[i].step - step)) for step in wanted}
    return [points[i] for i in sorted(chosen)]


def drawn(points: list[Point], factor: float, power: float):
    """Both losses and the continuation, on logarithmic axes."""
    losses = [point.training for point in points] + [point.held_out for point in points] + [factor * FULL_STEPS**power]
    low = math.floor(math.log10(min(losses)) * 2) / 2
    decades = range(1, 7)
    chart = Chart(
        "Learning curve of the thesis' conditional network, scaled down",
        f"training steps (the thesis: {FULL_STEPS:,})",
        "mean square error of the predicted noise",
        [(n, f"{10**n:,}") for n in decades],
        [(low + n * (0.25 - low) / 5, f"{10 ** (low + n * (0.25 - low) / 5):.3g}") for n in range(6)],
    )
    first = points[len(points) // 2].step
    for number, (words, line) in enumerate(
        {
            "training": [(p.step, p.training) for p in points],
            "held-out map": [(p.step, p.held_out) for p in points],
            "extrapolated": [(step, factor * step**power) for step in np.geomspace(first, FULL_STEPS, 12)],
        }.items()
    ):
        chart.line([(math.log10(x), math.log10(y)) for x, y in line], COLOURS[number], words)
    return chart.finished()


if __name__ == "__main__":
    main()
