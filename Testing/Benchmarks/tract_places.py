"""Are spheres in three tracts named by these tracts, in a turned, a left-handed and a partial brain?

    python Testing/Benchmarks/tract_places.py DATA [--turned stanford_hardi] [--left-handed xa30] [--slab philips_slab]

In each map spheres are placed in the left corticospinal tract, the forceps major and the right cingulum, at places that
are most the tract's own, where an affine registration alone puts them: one in the middle of these places, and 20 at
random.  The file is then turned by 20 degrees about two axes (in its header), stored with its first axis to the left,
or is a slab as it is.  It is read and registered anew.  Printed are the names of the scored white matter in the sphere
in the middle, and how many of the others are named by their tract first, and among the first three.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from FAAnomalyLib.anatomy.region_anatomy import RegionNamer
from FAAnomalyLib.anomaly.screening import analysed_voxels
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.evaluation.tracts.naming import most_own_places, native_points
from FAAnomalyLib.pipeline.anatomy import mapping_of, open_atlas
from FAAnomalyLib.preprocessing.template import load_template
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.training.tract_norms_fit import prepared_map
from FAAnomalyLib.volume import Volume

TRACTS = ("left corticospinal tract", "forceps major", "right cingulum, frontal to parietal")
DIAMETER_MM, TURN_DEGREES, ELSEWHERE = 16.0, 20.0, 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--turned", default="stanford_hardi")
    parser.add_argument("--left-handed", default="xa30")
    parser.add_argument("--slab", default="philips_slab")
    args = parser.parse_args()
    print("| map | stored | placed in | named in the middle | first elsewhere | among three |\n" + "|---" * 6 + "|")
    for name, how in ((args.turned, "turned"), (args.left_handed, "left-handed"), (args.slab, "slab")):
        placed_and_named(CohortSubject.from_file(args.data / f"{name}_FA.nii.gz"), how)


def placed_and_named(subject: CohortSubject, how: str) -> None:
    template = load_template(resources_dir() / "Template")
    loaded = open_atlas("default", template.sha256)
    assert loaded is not None
    original = prepared_map(subject, template)
    with tempfile.TemporaryDirectory() as folder:
        path, moved = store(original.grid.native, original.native_brain, how, Path(folder))
        stored = prepared_map(CohortSubject.from_file(path), template)
    namer, points = RegionNamer(loaded.atlas, mapping_of(stored)), native_points(stored, analysed_voxels(stored))
    to_file = moved @ original.grid.alignment.matrix @ template.fa.affine

    def named(place: np.ndarray) -> list[str]:
        centre = (to_file @ [*place, 1.0])[:3]
        inside = points[((points - centre) ** 2).sum(axis=1) <= (DIAMETER_MM / 2) ** 2]
        return [share.tract for share in namer.anatomy(inside, stored.grid.native.voxel_ml).tracts]

    for tract in TRACTS:
        places = most_own_places(loaded.atlas.tract(tract), loaded.atlas, template.priors.white_matter)
        seen = places[original.brain[tuple(places.T)]]
        middle = seen[np.argmin(((seen - np.median(seen, axis=0)) ** 2).sum(axis=1))]
        elsewhere = [named(place) for place in np.random.default_rng(0).permutation(seen)[:ELSEWHERE]]
        first = sum(names[:1] == [tract] for names in elsewhere)
        among_three = sum(tract in names[:3] for names in elsewhere)
        words = ", ".join(named(middle)[:3]) or "no tract"
        counts = f"{first} of {len(elsewhere)} | {among_three}"
        print(f"| {subject.name} | {how} | {tract} | {words} | {counts} |", flush=True)


def store(volume: Volume, brain: np.ndarray, how: str, folder: Path) -> tuple[Path, np.ndarray]:
    """The files of map and mask, and the 4x4 matrix from their old place in the world to the new one."""
    affine, moved, turned_round = volume.affine, np.eye(4), slice(None)
    if how == "turned":
        a = np.radians(TURN_DEGREES)
        about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        moved[:3, :3] = about_z @ about_x
        affine = moved @ affine
    elif how == "left-handed":
        turned_round = slice(None, None, -1)
        affine = affine @ np.array([[-1, 0, 0, volume.shape[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    for name, data in (("brain_FA", volume.data), ("brain_mask", brain.astype(np.uint8))):
        nib.save(nib.Nifti1Image(np.ascontiguousarray(data[turned_round]), affine), folder / f"{name}.nii.gz")
    return folder / "brain_FA.nii.gz", moved


if __name__ == "__main__":
    main()
