"""Are lesions in three tracts named by these tracts, in a turned, a left-handed and a partial brain?

    python Testing/Benchmarks/tract_places.py DATA [--turned stanford_hardi] [--left-handed xa30] [--slab philips_slab]

In each map a sphere of lowered FA is planted in the left corticospinal tract, the forceps major and the right cingulum,
at a place that is most the tract's own, where an affine registration alone puts it.  The file is then turned by 20
degrees about two axes (in its header), stored with its first axis to the left, or is a slab as it is.  `detect` runs on
the file, and the names of the region at each place are printed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np

import FAAnomalyLib as fa
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.evaluation.planting.lesions import plant, sphere
from FAAnomalyLib.evaluation.tracts.naming import most_own_places
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.anatomy import open_atlas
from FAAnomalyLib.preprocessing.template import load_template
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.training.tract_norms_fit import prepared_map

TRACTS = ("left corticospinal tract", "forceps major", "right cingulum, frontal to parietal")
DIAMETER_MM, CHANGE, TURN_DEGREES = 20.0, -0.3, 20.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--turned", default="stanford_hardi")
    parser.add_argument("--left-handed", default="xa30")
    parser.add_argument("--slab", default="philips_slab")
    args = parser.parse_args()
    print("| map | stored | planted in | named | at, mm off |\n|---|---|---|---|---|")
    for name, how in ((args.turned, "turned"), (args.left_handed, "left-handed"), (args.slab, "slab")):
        planted_and_named(CohortSubject.from_file(args.data / f"{name}_FA.nii.gz"), how)


def planted_and_named(subject: CohortSubject, how: str) -> None:
    template = load_template(resources_dir() / "Template")
    loaded = open_atlas("default", template.sha256)
    prepared = prepared_map(subject, template)
    volume, _ = load_volume(subject.path)
    places = {}
    for tract in TRACTS:
        voxels = most_own_places(loaded.atlas.tract(tract), loaded.atlas, template.priors.white_matter)
        to_scan = prepared.grid.alignment.matrix @ template.fa.affine
        points = voxels @ to_scan[:3, :3].T + to_scan[:3, 3]
        # In the middle of the brain's own white matter rather than at its edge.
        within = prepared.grid.native.with_data(prepared.native_brain.astype(np.float32))
        inside = [np.mean(within.data[sphere(volume, tuple(p), DIAMETER_MM)]) for p in points]
        places[tract] = points[int(np.argmax(inside))]
        volume = plant(volume, sphere(volume, tuple(places[tract]), DIAMETER_MM), CHANGE)
    with tempfile.TemporaryDirectory() as folder:
        path, moved = store(volume, how, Path(folder) / "brain_FA.nii.gz")
        result = fa.detect(str(path), threshold="sensitive", signs="decreased")
    for tract, place in places.items():
        place = moved @ [*place, 1.0]
        distances = [float(np.linalg.norm(np.array(r.centroid_ras) - place[:3])) for r in result.regions]
        if not distances:
            print(f"| {subject.name} | {how} | {tract} | no region | |")
            continue
        region = result.regions[int(np.argmin(distances))]
        named = ", ".join(share.tract for share in region.anatomy.tracts[:3]) or "none"
        print(f"| {subject.name} | {how} | {tract} | {named} | {min(distances):.0f} |", flush=True)


def store(volume: fa.Volume, how: str, path: Path) -> tuple[Path, np.ndarray]:
    """The file of a brain, and the 4x4 matrix from its old place in the world to its new one."""
    data, affine, moved = volume.data, volume.affine, np.eye(4)
    if how == "turned":
        a = np.radians(TURN_DEGREES)
        about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        moved[:3, :3] = about_z @ about_x
        affine = moved @ affine
    elif how == "left-handed":
        data = data[::-1]
        affine = affine @ np.array([[-1, 0, 0, data.shape[0] - 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(np.ascontiguousarray(data), affine), path)
    return path, moved


if __name__ == "__main__":
    main()
