"""Does every FA map of a folder align with the template, however the head lies, and is anything wrong taken for right?

    python Testing/Benchmarks/registration_check.py DATA [--wrong N] [--maps NAME ...]

DATA holds NAME_FA.nii.gz; the maps are aligned without a brain mask, as they are, turned by 30 degrees about the
left-right axis (nodding) and rolled by 20 degrees about the front-back axis. The header turns them, so no voxel
changes, and the alignment must turn with it: "off" is how far the places of the template's brain then lie from where
the upright alignment puts them, on average, in mm. With the first N maps things are made that must be refused: the
head upside down, mirrored head to foot, noise in the brain's outline, an ellipsoid with a bright core of the same size,
and a T1-weighted image scaled to 0 to 1 (simulated from the map's tissue: grey matter at 0.7 of white matter).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.preprocessing.affine_registration import Alignment, register_affine
from FAAnomalyLib.preprocessing.background import measured_voxels
from FAAnomalyLib.preprocessing.fa_validation import validate_fa
from FAAnomalyLib.preprocessing.template import BRAIN_PROBABILITY, Template, load_template
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.volume import Volume

TURNS = {"as it is": (0.0, 0.0), "turned by 30": (30.0, 0.0), "rolled by 20": (0.0, 20.0)}
"""Pose -> degrees about the left-right and about the front-back axis."""
MAX_OFF_MM = 4.0
"""Two voxels of the template: the deformation and the calibration allow for more between people."""


def main() -> int:
    """Print the table; 1 when a map is refused or misplaced, or something wrong is taken for right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of FA maps, NAME_FA.nii.gz")
    parser.add_argument(
        "--wrong", type=int, default=4, metavar="N", help="maps that wrong ones are made of (default 4)"
    )
    parser.add_argument("--maps", nargs="+", metavar="NAME", help="only these maps")
    args = parser.parse_args()
    paths = [p for p in sorted(args.data.glob("*_FA.nii.gz")) if not args.maps or p.name[:-10] in args.maps]
    template = load_template(resources_dir() / "Template")
    print(f"{'map':24}{'case':22}{'outcome':40}{'r':>6}{'off, mm':>9}{'s':>7}  right?")
    right = [held for number, path in enumerate(paths) for held in _check(path, template, number < args.wrong)]
    print(f"{sum(right)} of {len(right)} right")
    return int(not all(right))


def _check(path: Path, template: Template, with_wrong: bool) -> Iterator[bool]:
    volume, _ = validate_fa(load_volume(path)[0], "auto")
    name = path.name.removesuffix("_FA.nii.gz")
    upright: np.ndarray | None = None
    for case, degrees in TURNS.items():
        turn = _turn(*degrees)
        found, said, seconds = _aligned(Volume(volume.data, turn @ volume.affine), template)
        off = None
        if found is not None:
            upright = found.matrix if upright is None else upright
            off = _distance(template, found.matrix, turn @ upright)
        held = off is not None and off <= MAX_OFF_MM
        _print(name, case, said, found, off, seconds, held)
        yield held
    for case, wrong in _wrong_ones(volume) if with_wrong else ():
        found, said, seconds = _aligned(wrong, template)
        _print(name, case, said, found, None, seconds, found is None)
        yield found is None


def _wrong_ones(volume: Volume) -> Iterator[tuple[str, Volume]]:
    """What the engine must refuse, in the place and with the outline of *volume*."""
    draw = np.random.default_rng(0)
    brain = ndimage.binary_fill_holes(measured_voxels(volume.data))
    middle = np.array(ndimage.center_of_mass(brain))
    half_turn = np.diag([-1.0, 1.0, -1.0, 1.0])
    centre = (volume.affine @ [*middle, 1.0])[:3]
    half_turn[:3, 3] = centre - half_turn[:3, :3] @ centre
    yield "upside down", Volume(volume.data, half_turn @ volume.affine)
    mirror = np.diag([1.0, 1.0, -1.0, 1.0])
    mirror[2, 3] = 2.0 * centre[2]
    yield "mirrored head to foot", Volume(volume.data, mirror @ volume.affine)
    yield "noise", volume.with_data(np.where(brain, draw.uniform(0.05, 0.6, volume.shape), 0.0).astype(np.float32))
    radius = np.array([(np.ptp(where) + 1) / 2 for where in np.nonzero(brain)])
    off = np.sqrt(sum(((np.arange(n) - m) / r).reshape([-1 if a == axis else 1 for a in range(3)]) ** 2
                      for axis, (n, m, r) in enumerate(zip(volume.shape, middle, radius, strict=True))))  # fmt: skip
    yield "ellipsoid", volume.with_data(np.where(off < 1.0, np.clip(0.7 - 0.6 * off, 0.05, 1.0), 0).astype(np.float32))
    white = np.clip((ndimage.gaussian_filter(volume.data, 1.0 / volume.spacing) - 0.1) / 0.2, 0.0, 1.0)
    grain = draw.normal(0.0, 0.02, volume.shape)
    yield "T1 scaled to 0-1", volume.with_data(np.where(brain, 0.6 + 0.26 * white + grain, 0.0).astype(np.float32))


def _aligned(volume: Volume, template: Template) -> tuple[Alignment | None, str, float]:
    begin = time.monotonic()
    masked = volume.with_data(np.where(measured_voxels(volume.data), volume.data, 0.0).astype(np.float32))
    try:
        found = register_affine(template.fa, masked, template.priors.brain > BRAIN_PROBABILITY)
        return found, found.method, time.monotonic() - begin
    except FAError as error:
        return None, f"refused: {error.what}", time.monotonic() - begin


def _turn(nod: float, roll: float) -> np.ndarray:
    """4x4 rotation, RAS: degrees about the left-right axis, then about the front-back axis."""
    a, b = np.radians([nod, roll])
    about_x = [[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]
    about_y = [[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]]
    turn = np.eye(4)
    turn[:3, :3] = np.array(about_y) @ about_x
    return turn


def _distance(template: Template, one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance in mm between the places to which two matrices carry the template's brain."""
    inside = np.argwhere(template.priors.brain > BRAIN_PROBABILITY)[::50]
    world = np.column_stack([inside, np.ones(len(inside))]) @ template.fa.affine.T
    return float(np.linalg.norm(world @ (one - other).T, axis=1).mean())


def _print(
    name: str, case: str, said: str, found: Alignment | None, off: float | None, seconds: float, held: bool
) -> None:
    r = "" if found is None else f"{found.correlation:.2f}"
    print(
        f"{name:24}{case:22}{said[:39]:40}{r:>6}{'' if off is None else f'{off:.1f}':>9}{seconds:7.1f}  "
        f"{'yes' if held else 'NO'}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
