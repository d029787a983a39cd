"""Are spheres in three tracts named by these tracts, in a turned, a left-handed and a partial brain?

    python Testing/Benchmarks/tract_places.py DATA [--turned stanford_hardi] [--left-handed xa30] [--slab philips_slab]

In each map a sphere is placed in the left corticospinal tract, the forceps major and the right cingulum, at a place
that is most the tract's own, where an affine registration alone puts it.  The file is then turned by 20 degrees about
two axes (in its header), stored with its first axis to the left, or is a slab as it is.  It is read and registered
anew, and the names of the sphere's voxels are printed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

from FAAnomalyLib.anatomy.region_anatomy import RegionNamer
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.evaluation.planting.lesions import sphere
from FAAnomalyLib.evaluation.tracts.naming import most_own_places
from FAAnomalyLib.pipeline.anatomy import mapping_of, open_atlas
from FAAnomalyLib.preprocessing.template import load_template
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.training.tract_norms_fit import prepared_map
from FAAnomalyLib.volume import Volume

TRACTS = ("left corticospinal tract", "forceps major", "right cingulum, frontal to parietal")
DIAMETER_MM, TURN_DEGREES = 16.0, 20.0
MIN_VOXELS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--turned", default="stanford_hardi")
    parser.add_argument("--left-handed", default="xa30")
    parser.add_argument("--slab", default="philips_slab")
    args = parser.parse_args()
    print("| map | stored | placed in | named |\n|---|---|---|---|")
    for name, how in ((args.turned, "turned"), (args.left_handed, "left-handed"), (args.slab, "slab")):
        placed_and_named(CohortSubject.from_file(args.data / f"{name}_FA.nii.gz"), how)


def placed_and_named(subject: CohortSubject, how: str) -> None:
    template = load_template(resources_dir() / "Template")
    loaded = open_atlas("default", template.sha256)
    assert loaded is not None
    original = prepared_map(subject, template)
    to_scan = original.grid.alignment.matrix @ template.fa.affine
    brain = original.grid.native.with_data(original.native_brain.astype(np.float32))
    with tempfile.TemporaryDirectory() as folder:
        path, moved = store(original.grid.native, original.native_brain, how, Path(folder))
        stored = prepared_map(CohortSubject.from_file(path), template)
    namer = RegionNamer(loaded.atlas, mapping_of(stored))
    for tract in TRACTS:
        voxels = most_own_places(loaded.atlas.tract(tract), loaded.atlas, template.priors.white_matter)
        points = voxels @ to_scan[:3, :3].T + to_scan[:3, 3]
        inside = [brain.data[sphere(brain, tuple(p), DIAMETER_MM)] for p in points]
        # Well inside the brain's own field of view.
        best = int(np.argmax([values.mean() if values.size > MIN_VOXELS else 0.0 for values in inside]))
        centre = (moved @ [*points[best], 1.0])[:3]
        native = stored.grid.native
        where = np.argwhere(sphere(native, tuple(centre), DIAMETER_MM) & stored.native_brain)
        found = namer.anatomy(where @ native.affine[:3, :3].T + native.affine[:3, 3], native.voxel_ml)
        named = ", ".join(share.tract for share in found.tracts[:3]) or found.words()
        print(f"| {subject.name} | {how} | {tract} | {named} |", flush=True)


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
