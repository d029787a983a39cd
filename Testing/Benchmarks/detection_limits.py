"""What change of FA must a sphere have to reach the automatic threshold?

    python Testing/Benchmarks/detection_limits.py [--model NAME|DIR]

From a model's calibration alone, for the median healthy person, by
:mod:`FAAnomalyLib.anomaly.detectable_change`.  A dash: not reached by any change.
"""

from __future__ import annotations

import argparse

import numpy as np

from FAAnomalyLib.anomaly.detectable_change import changes_by_combination
from FAAnomalyLib.pipeline.loaded_model import open_model

DIAMETERS_MM = (10.0, 20.0, 30.0, 40.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    known = open_model(parser.parse_args().model).calibration
    needed = [changes_by_combination(known, known.population_scale, known.threshold, d) for d in DIAMETERS_MM]
    print(f"{known.people} people; threshold z +{known.threshold[0]:.2f} -{known.threshold[1]:.2f}")
    print("| map | " + " | ".join(f"{d:g} mm, increase / decrease" for d in DIAMETERS_MM) + " |")
    print("|---|" + "---|" * len(DIAMETERS_MM))
    for name in needed[0]:
        print(f"| {name} | " + " | ".join(both(changes[name]) for changes in needed) + " |")
    print("| least | " + " | ".join(both(np.min(list(changes.values()), axis=0)) for changes in needed) + " |")


def both(changes: tuple[float, float] | np.ndarray) -> str:
    return " / ".join("–" if np.isinf(value) else f"{value:.2f}" for value in changes)


if __name__ == "__main__":
    main()
