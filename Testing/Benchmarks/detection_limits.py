"""What change of FA must a sphere have to reach the automatic threshold?

    python Testing/Benchmarks/detection_limits.py [--model NAME|DIR]

From a model's calibration alone: each map that is searched has a limit in healthy people; over the median
spread of the places it stands for a change of FA that fills the smoothing kernel.  A sphere fills it in part
(the peak of a ball smoothed by a Gaussian), so the smaller it is the stronger it must be.  Counted are the
template and the other hemisphere, which do not follow a change; the inpainter's part is left out, as if it
followed the change entirely.  Smoothing includes that every map is brought to voxels of 4.5 mm first.
"""

from __future__ import annotations

import argparse
from math import erf, exp, pi, sqrt

import numpy as np

from FAAnomalyLib.calibration import COMBINATIONS, UNIT, Calibration, calibrated_voxels
from FAAnomalyLib.engine import load_engine
from FAAnomalyLib.evidence import OTHER_SIDE, TEMPLATE
from FAAnomalyLib.space import RESOLUTION_MM

DIAMETERS_MM = (10.0, 20.0, 30.0, 40.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    args = parser.parse_args()
    calibration = load_engine(args.model).calibration
    statistics = [reached(calibration, sign) for sign in (1, -1)]
    print(f"{calibration.people} people; threshold z +{calibration.threshold[0]:.2f} -{calibration.threshold[1]:.2f}")
    print("| map | " + " | ".join(f"{d:g} mm, increase / decrease" for d in DIAMETERS_MM) + " |")
    print("|---|" + "---|" * len(DIAMETERS_MM))
    best = np.full((len(DIAMETERS_MM), 2), np.inf)
    for name in COMBINATIONS:
        sigma = max(scale for _, scale in COMBINATIONS[name])
        filled = [[change(calibration, name, tail, statistics[tail]) / ball(d / 2, sigma) for tail in (0, 1)]
                  for d in DIAMETERS_MM]
        best = np.minimum(best, filled)
        print(f"| {name} | " + " | ".join(f"{up:.2f} / {down:.2f}" for up, down in filled) + " |")
    print("| least | " + " | ".join(f"{up:.2f} / {down:.2f}" for up, down in best) + " |")


def reached(calibration: Calibration, sign: int) -> float:
    """The statistic in units of a map's limit at which the automatic threshold is reached."""
    grid = np.linspace(0.0, 10.0 * UNIT, 6001)
    z = sign * calibration.to_normal((sign * grid).astype(np.float32))
    return float(np.interp(calibration.threshold[0 if sign > 0 else 1], z, grid)) / UNIT


def change(calibration: Calibration, name: str, tail: int, statistic: float) -> float:
    """FA over the whole kernel, at the median place, at which this map alone reaches the threshold."""
    where = calibrated_voxels(calibration)
    per_fa = sum(weight / (calibration.subject[key] * float(np.median(calibration.spread[key][where])))
                 for key, weight in COMBINATIONS[name].items() if key[0] in (TEMPLATE, OTHER_SIDE))
    return calibration.limits[name][tail] * statistic / per_fa


def ball(radius: float, sigma: float) -> float:
    """Height in the centre of a ball of height 1 after smoothing with a Gaussian."""
    width = sqrt(sigma**2 + RESOLUTION_MM**2 / 12.0)
    x = radius / width
    return erf(x / sqrt(2)) - sqrt(2 / pi) * x * exp(-(x**2) / 2)


if __name__ == "__main__":
    main()
