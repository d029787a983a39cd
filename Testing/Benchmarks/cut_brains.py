"""Does z stay calibrated whatever is cut off a healthy brain?

    python Testing/Benchmarks/cut_brains.py FA [FA ...] [--model NAME|DIR] [--cuts NAME ...]

From each map a hemisphere, all but slabs of 60 mm, the cerebellum and brainstem, a block of the cortex (a resection
that opens to the outside) and a ball of deep white matter are taken away (set to 0, as skull stripping does). The rest
is scored without a brain mask as ``detect`` does, but without the network, which leaves z as it is. Printed are
the largest z of each sign, what is still judged, and the regions at the automatic threshold; "new" are those that the
whole brain does not show within 10 mm, "at the cut" those of them within 15 mm of what is missing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.anomaly.scoring import search_brain
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.loaded_model import LoadedModel, open_model
from FAAnomalyLib.preprocessing.fa_validation import validate_fa
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.result import Region
from FAAnomalyLib.volume import Volume

CUTS = ("left half", "upper slab", "lower slab", "no cerebellum", "resection", "deep hole")
SAME_PLACE_MM, AT_THE_CUT_MM = 10.0, 15.0
MAX_Z = 30.0
"""Beyond it no healthy brain lies, cut or not: 30 is five times the automatic threshold."""


def main() -> int:
    """Print the table; 1 when a cut brain gives a z beyond :data:`MAX_Z` or a region at the cut."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fa", type=Path, nargs="+")
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    parser.add_argument("--cuts", nargs="+", choices=CUTS, default=CUTS)
    args = parser.parse_args()
    loaded = open_model(args.model)
    print(f"{'map':22}{'cut':16}{'judged ml':>10}{'z from':>8}{'to':>7}{'regions':>9}{'new':>5}{'at the cut':>12}")
    wrong = 0
    for path in args.fa:
        volume, _ = validate_fa(load_volume(path)[0])
        prepared, z, regions = scored(volume, loaded)
        print_line(path, "none", z, [], [], [], regions)
        places = in_template(prepared)
        for name in args.cuts:
            missing = taken_away(name, places) & (volume.data > 0)
            try:
                cut, z_cut, found = scored(volume.with_data(np.where(missing, 0.0, volume.data).astype("f4")), loaded)
            except FAError as error:
                print(f"{path.name[:21]:22}{name:16}{error}", flush=True)
                continue
            new = [r for r in found if not any(near(r, known) for known in regions)]
            close = ndimage.distance_transform_edt(~missing, sampling=volume.spacing) <= AT_THE_CUT_MM
            at_cut = [r for r in new if close[voxel_of(volume, r)]]
            wrong += bool(at_cut) or bool(np.abs(z_cut.data).max() > MAX_Z)
            print_line(path, name, z_cut, new, at_cut, cut.remarks, found)
    print(f"{wrong} wrong")
    return int(wrong > 0)


def scored(volume: Volume, loaded: LoadedModel) -> tuple[PreparedSubject, Volume, list[Region]]:
    """The subject, its z-map on the native grid, and its regions at the automatic threshold."""
    prepared = prepare(volume, loaded.template)
    shown = prepared.whole_brain_z(search_brain(prepared, loaded.calibration).z)
    return prepared, shown, find_regions(shown, shown, loaded.calibration.threshold)[1]


def in_template(prepared: PreparedSubject) -> np.ndarray:
    """(3, X, Y, Z): where in the template's RAS mm each voxel of the native grid lies."""
    grid = prepared.grid
    step = np.linalg.inv(grid.alignment.matrix) @ grid.native.affine
    index = np.indices(grid.native.shape).reshape(3, -1)
    return (step[:3, :3] @ index + step[:3, 3:]).reshape(3, *grid.native.shape)


def taken_away(cut: str, places: np.ndarray) -> np.ndarray:
    """Voxels that *cut* removes, bool (X, Y, Z)."""
    x, y, z = places
    return {
        "left half": x < 0.0,
        "upper slab": (z < 10.0) | (z > 70.0),
        "lower slab": (z < -35.0) | (z > 25.0),
        "no cerebellum": (z < -14.0) & (y < -32.0 - 0.4 * (z + 14.0)) | (z < -35.0) & (y < -5.0),
        "resection": (x < -18.0) & (np.abs(y - 8.0) < 17.0) & (z > 28.0),
        "deep hole": (x + 26.0) ** 2 + (y + 24.0) ** 2 + (z - 28.0) ** 2 < 15.0**2,
    }[cut]


def near(one: Region, other: Region) -> bool:
    return one.sign == other.sign and float(np.linalg.norm(np.subtract(one.peak_ras, other.peak_ras))) <= SAME_PLACE_MM


def voxel_of(volume: Volume, region: Region) -> tuple[int, ...]:
    voxel = np.rint((np.linalg.inv(volume.affine) @ [*region.peak_ras, 1.0])[:3]).astype(int)
    return tuple(np.clip(voxel, 0, np.array(volume.shape) - 1))


def print_line(
    path: Path, cut: str, z: Volume, new: list[Region], at_cut: list[Region], remarks: list[str], found: list[Region]
) -> None:
    judged = np.count_nonzero(z.data) * z.voxel_ml
    told = "; ".join(f"{r.sign} {r.volume_ml:.1f} ml, z {r.peak_z:+.1f}" for r in new)
    print(
        f"{path.name[:21]:22}{cut:16}{judged:10.0f}{z.data.min():8.1f}{z.data.max():7.1f}{len(found):9d}{len(new):5d}"
        f"{len(at_cut):12d}  {told}",
        flush=True,
    )
    for remark in remarks:
        print(f"{'':38}- {remark}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
