"""What the anatomy adds to a brain: wall and processor seconds of names, table, profiles, files and report section.

    python Testing/Benchmarks/anatomy_seconds.py FA.nii.gz ... [--regions N] [--runs N]

The map is registered once; no network runs.  Then, as in a detection of the whole brain, N spheres of 20 mm of white
matter are named by their tracts, every tract is measured and scored, the three files of the anatomy are written, and
the report's section is made.  "First": the atlas is opened as well, as for the first brain of a process.  "Further":
the median of the runs.  On a busy machine only the processor's seconds say what the anatomy costs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from FAAnomalyLib.anomaly.regions import find_regions_and_voxels
from FAAnomalyLib.anomaly.screening import analysed_voxels
from FAAnomalyLib.evaluation.planting.lesions import sphere, white_matter_centre
from FAAnomalyLib.geometry.subject_to_atlas import save_mapping
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.anatomy import LoadedAtlas, mapping_of, name_regions, open_atlas, score_all_tracts
from FAAnomalyLib.pipeline.provenance import AtlasProvenance
from FAAnomalyLib.preprocessing.fa_validation import validate_fa
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.preprocessing.template import load_template
from FAAnomalyLib.reporting.tract_section import tract_section
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.tracts import profiles_csv, tracts_csv
from FAAnomalyLib.volume import Volume

PARTS = ("atlas opened", "place in the atlas", "names", "table and profiles", "files", "report section")
DIAMETER_MM, HEIGHT = 20.0, 5.0
MOST = 1.0
"""Seconds of the processor that the anatomy may add to a brain."""


class Clock:
    """Wall and processor seconds by part."""

    def __init__(self) -> None:
        self.seconds = {part: np.zeros(2) for part in PARTS}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        begin = np.array([time.perf_counter(), time.process_time()])
        yield
        self.seconds[name] += np.array([time.perf_counter(), time.process_time()]) - begin

    @property
    def total(self) -> np.ndarray:
        return np.sum(list(self.seconds.values()), axis=0)


def main() -> int:
    """Print the table; 1 when a brain takes more than :data:`MOST`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("maps", type=Path, nargs="+", metavar="FA.nii.gz")
    parser.add_argument("--regions", type=int, default=5, metavar="N")
    parser.add_argument("--runs", type=int, default=5, metavar="N")
    args = parser.parse_args()
    template, slowest = load_template(resources_dir() / "Template"), 0.0
    print(f"| map | brain | {' | '.join(PARTS)} | all: wall | processor |\n" + "|---" * (len(PARTS) + 4) + "|")
    for path in args.maps:
        subject = prepare(validate_fa(load_volume(path)[0], "auto")[0], template)
        found, segmentation = regions_of(subject, args.regions)
        first = Clock()
        with first.part("atlas opened"):
            loaded = open_atlas("default", template.sha256)
        if loaded is None:
            parser.error("no tract atlas is installed")
        anatomy(first, loaded, subject, found, segmentation)
        warm = [anatomy(Clock(), loaded, subject, found, segmentation) for _ in range(args.runs)]
        row(path.name, "first", [first])
        row(path.name, "further", warm)
        slowest = max([slowest, *(clock.total[1] for clock in (first, *warm))])
    print(f"slowest brain: {slowest:.2f} s of the processor")
    return int(slowest > MOST)


def regions_of(subject: PreparedSubject, count: int) -> tuple[list, Volume]:
    """Regions with their voxels, and the segmentation, of spheres of white matter."""
    native = subject.grid.native
    white = subject.native_brain & (subject.grid.to_native(subject.grid.priors.white_matter) > 0.5)
    z = np.zeros(native.shape, np.float32)
    for seed in range(count):
        z[sphere(native, white_matter_centre(native, white, DIAMETER_MM, seed), DIAMETER_MM) & white] = HEIGHT
    segmentation, found = find_regions_and_voxels(native.with_data(z), native.with_data(z / 50), (4.0, 4.0))
    return found, segmentation


def anatomy(clock: Clock, loaded: LoadedAtlas, subject: PreparedSubject, found: list, segmentation: Volume) -> Clock:
    """All that a detection does for the anatomy of one brain."""
    grid = subject.grid
    analysed = analysed_voxels(subject)
    with clock.part("place in the atlas"):
        mapping = mapping_of(subject)
    with clock.part("names"):
        name_regions(loaded, mapping, grid.native, found)
    with clock.part("table and profiles"):
        scores = score_all_tracts(loaded, subject, analysed, segmentation)
    with tempfile.TemporaryDirectory() as folder, clock.part("files"):
        save_mapping(mapping, Path(folder) / "anatomy.npz")
        for name, text in (("tracts.csv", tracts_csv(scores)), ("tract_profiles.csv", profiles_csv(scores))):
            (Path(folder) / name).write_text(text, encoding="utf-8")
    with clock.part("report section"):
        known = AtlasProvenance.of(loaded)
        limits = known.threshold_z and {
            "increased": known.threshold_z.increased,
            "decreased": known.threshold_z.decreased,
        }
        tract_section(scores, limits, known.people)
    return clock


def row(name: str, which: str, clocks: list[Clock]) -> None:
    parts = [statistics.median(clock.seconds[part][0] for clock in clocks) for part in PARTS]
    wall, processor = (statistics.median(clock.total[n] for clock in clocks) for n in range(2))
    print(
        f"| {name} | {which} | {' | '.join(f'{one:.3f}' for one in parts)} | {wall:.2f} | {processor:.2f} |", flush=True
    )


if __name__ == "__main__":
    raise SystemExit(main())
