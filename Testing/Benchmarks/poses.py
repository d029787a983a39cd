"""One person scanned in several head poses: do the z-maps and the regions agree?

    python Testing/Benchmarks/poses.py POSE_FA.nii.gz POSE_FA.nii.gz ... [--model NAME|DIR] [--change -0.3]

Every map is scored from its file.  The z-maps are brought to the template's space by each map's own
registration and correlated over the white matter that was analysed in both; a region counts as seen in
another pose when that pose has a region of the same sign within 10 mm of its peak.  With ``--change`` a
sphere is planted at the same place of every pose first.  Brain masks are found beside the maps
(NAME_mask.nii.gz).
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import ndimage

import FAAnomalyLib as fa
from FAAnomalyLib.datasets.cohort import CohortSubject, load_subject
from FAAnomalyLib.evaluation.planting.lesions import plant, sphere, white_matter_centre
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.pipeline.loaded_model import open_model
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.preprocessing.template import Template
from FAAnomalyLib.result import Region, Result
from FAAnomalyLib.volume import Volume

SAME_PLACE_MM = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fa", type=Path, nargs="+")
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    parser.add_argument("--change", type=float, default=0.0, help="of FA in a planted sphere (default: none)")
    parser.add_argument("--diameter", type=float, default=20.0, metavar="MM")
    parser.add_argument("--seed", type=int, default=0, help="of the sphere's place")
    args = parser.parse_args()

    template = open_model(args.model).template
    centre = white_matter_centre(template.fa, template.priors.white_matter > 0.5, args.diameter, args.seed)
    maps, regions = {}, {}
    for path in args.fa:
        result = detect(path, template, args, centre)
        matrix = np.array(result.provenance["registration"]["template_to_input_ras"])
        maps[path.name] = on_template(result.z_map, matrix, template)
        regions[path.name] = [
            (region, (np.linalg.inv(matrix) @ [*region.peak_ras, 1.0])[:3]) for region in result.regions
        ]
        print(
            f"{path.name}: {len(result.regions)} regions, z from {result.z_map.data.min():.2f} to "
            f"{result.z_map.data.max():.2f}"
        )
    white = template.priors.white_matter > 0.5
    agreement = []
    for one, other in combinations(maps, 2):
        both = white & (maps[one] != 0) & (maps[other] != 0)
        agreement.append(float(np.corrcoef(maps[one][both], maps[other][both])[0, 1]))
        print(f"r {agreement[-1]:.3f}  {one}  {other}")
    print(
        f"correlation of z over white matter: median {np.median(agreement):.3f}, {min(agreement):.3f} to "
        f"{max(agreement):.3f}"
    )
    unconfirmed = 0
    for name, seen_here in regions.items():
        for region, place in seen_here:
            others = sum(seen(region, place, regions[other]) for other in regions if other != name)
            unconfirmed += others == 0
            print(f"{name}: {region.sentence()} Seen in {others} of {len(regions) - 1} other poses.")
    print(f"regions seen in one pose alone: {unconfirmed}")


def detect(path: Path, template: Template, args: argparse.Namespace, centre: np.ndarray) -> Result:
    """Result of a map read from its file, with the sphere planted where ``--change`` asks for one."""
    volume, brain = load_subject(CohortSubject.from_file(path))
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.nii.gz"
        save_volume(volume.with_data(brain.astype(np.uint8)), mask)
        if args.change:
            matrix = prepare(volume, template, brain).grid.alignment.matrix
            where = sphere(volume, tuple((matrix @ [*centre, 1.0])[:3]), args.diameter) & brain
            volume = plant(volume, where, args.change)
        planted = Path(folder) / "fa.nii.gz"
        save_volume(volume, planted)
        return fa.detect(planted, model=args.model, brain_mask=mask)


def on_template(z: Volume, template_to_input: np.ndarray, template: Template) -> np.ndarray:
    """z on the template's grid, 0 where nothing was analysed."""
    step = np.linalg.inv(z.affine) @ template_to_input @ template.fa.affine
    return ndimage.affine_transform(z.data, step[:3, :3], step[:3, 3], output_shape=template.fa.shape, order=1)


def seen(region: Region, place: np.ndarray, others: list[tuple[Region, np.ndarray]]) -> bool:
    return any(other.sign == region.sign and np.linalg.norm(there - place) <= SAME_PLACE_MM for other, there in others)


if __name__ == "__main__":
    main()
