"""Draw the pictures of the README from the bundled sample: ``python Testing/Benchmarks/screenshots.py``."""

from __future__ import annotations

from pathlib import Path

import FAAnomalyLib
from FAAnomalyLib.pictures import save_montage_png

RESOURCES = Path(__file__).resolve().parents[2] / "Resources"


def main() -> None:
    result = FAAnomalyLib.detect(RESOURCES / "SampleData" / "sample_fa.nii.gz")
    folder = RESOURCES / "Screenshots"
    folder.mkdir(exist_ok=True)
    save_montage_png(result, folder / "detect.png")
    for region in result.regions:
        print(region.sentence())
    print(f"{folder / 'detect.png'} written")


if __name__ == "__main__":
    main()
