"""What change of FA must a sphere have to reach the automatic threshold?

    python Testing/Benchmarks/detection_limits.py [--model NAME|DIR]

From a model's calibration alone: each map that is searched has a limit in healthy people; over the median
spread of the places it stands for a mean residual.  A sphere fills the smoothing kernel in part (the peak of a
ball smoothed by a Gaussian), and of its change, in white matter of even FA, every voxel shows what noise, the
bound of the residuals and the smaller of deviation and asymmetry leave.  Counted are the maps of the template,
which do not follow a change; the inpainter's part is left out, as if it followed the change entirely.  Smoothing
includes that every map is brought to voxels of 4.5 mm first.  A dash: not reached by any change.
"""

from __future__ import annotations

import argparse
from math import erf, exp, pi, sqrt

import numpy as np

from FAAnomalyLib.anomaly.calibration import COMBINATIONS, UNIT, Calibration, calibrated_voxels
from FAAnomalyLib.anomaly.residual_maps import (
    MAX_DEVIATION,
    TEMPLATE,
    TEMPLATE_MINMOD,
    TEMPLATE_MINMOD_IN_TRACTS,
    minmod,
)
from FAAnomalyLib.pipeline.loaded_model import open_model
from FAAnomalyLib.preprocessing.model_grid import RESOLUTION_MM

DIAMETERS_MM = (10.0, 20.0, 30.0, 40.0)
CHANGES = np.linspace(0.0, 0.6, 121)
VOXEL_NOISE = 0.11
"""FA, robust standard deviation of the bent template's residual in a voxel of healthy white matter: median of six
people (0.10 to 0.14), each held out."""
DRAWS = 20000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    args = parser.parse_args()
    calibration = open_model(args.model).calibration
    statistics = [reached(calibration, sign) for sign in (1, -1)]
    shown = residual_left()
    print(f"{calibration.people} people; threshold z +{calibration.threshold[0]:.2f} -{calibration.threshold[1]:.2f}")
    print("| map | " + " | ".join(f"{d:g} mm, increase / decrease" for d in DIAMETERS_MM) + " |")
    print("|---|" + "---|" * len(DIAMETERS_MM))
    best = np.full((len(DIAMETERS_MM), 2), np.inf)
    for name in COMBINATIONS:
        needed = [
            [change(calibration, name, tail, statistics[tail], shown, d) for tail in (0, 1)] for d in DIAMETERS_MM
        ]
        best = np.minimum(best, needed)
        print(f"| {name} | " + " | ".join(map(both, needed)) + " |")
    print("| least | " + " | ".join(map(both, best)) + " |")


def both(needed: tuple[float, float]) -> str:
    return " / ".join("–" if np.isinf(value) else f"{value:.2f}" for value in needed)


def reached(calibration: Calibration, sign: int) -> float:
    """The statistic in units of a map's limit at which the automatic threshold is reached."""
    grid = np.linspace(0.0, 10.0 * UNIT, 6001)
    z = sign * calibration.to_normal((sign * grid).astype(np.float32))
    return float(np.interp(calibration.threshold[0 if sign > 0 else 1], z, grid)) / UNIT


def residual_left() -> dict[str, np.ndarray]:
    """For each of :data:`CHANGES` the mean residual that is left of it, by the map's source."""
    here, there = VOXEL_NOISE * np.random.default_rng(0).standard_normal((2, DRAWS))
    deviation = CHANGES[:, None] + here
    bounded = np.clip(deviation, -MAX_DEVIATION, MAX_DEVIATION)
    agreed = minmod(bounded, deviation - there).mean(1)
    return {TEMPLATE: bounded.mean(1), TEMPLATE_MINMOD: agreed, TEMPLATE_MINMOD_IN_TRACTS: agreed}


def change(
    calibration: Calibration, name: str, tail: int, statistic: float, shown: dict[str, np.ndarray], diameter_mm: float
) -> float:
    """FA in a sphere at which this map alone, at the median place, reaches *statistic* (of its limit); infinite where
    none does."""
    where = calibrated_voxels(calibration)
    height = sum(
        weight
        * ball(diameter_mm / 2, key[1])
        * shown[key[0]]
        / (calibration.population_scale[key] * float(np.median(calibration.spread[key][where])))
        for key, weight in COMBINATIONS[name].items()
        if key[0] in shown
    )
    wanted = calibration.limits[name][tail] * statistic
    return float(np.interp(wanted, height, CHANGES)) if wanted <= height[-1] else np.inf


def ball(radius: float, sigma: float) -> float:
    """Height in the centre of a ball of height 1 after smoothing with a Gaussian."""
    width = sqrt(sigma**2 + RESOLUTION_MM**2 / 12.0)
    x = radius / width
    return erf(x / sqrt(2)) - sqrt(2 / pi) * x * exp(-(x**2) / 2)


if __name__ == "__main__":
    main()
