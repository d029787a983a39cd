"""Draw the README's first picture from the bundled sample: ``python Testing/Benchmarks/screenshots.py [-o PNG]``."""

from __future__ import annotations

import argparse
from pathlib import Path

import FAAnomalyLib
from FAAnomalyLib.reporting.figures import save_montage_png

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the README's first picture from the bundled sample.")
    parser.add_argument("-o", "--output", type=Path, default=RESOURCES / "Screenshots" / "detect.png")
    args = parser.parse_args()
    result = FAAnomalyLib.detect(RESOURCES / "SampleData" / "sample_fa.nii.gz")
    save_montage_png(result, args.output)
    for region in result.regions:
        print(region.sentence())
    print(f"{args.output} written")


if __name__ == "__main__":
    main()
