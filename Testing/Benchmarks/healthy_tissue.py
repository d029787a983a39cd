"""How real healthy tissue looks in holes of 20 mm, and how near the truth it is: draw, expected mean and simple fills.

    python Testing/Benchmarks/healthy_tissue.py DATA -o HOLES [--maps NAME ...] [--places N] [--model NAME|DIR]

DATA holds NAME_FA.nii.gz and NAME_mask.nii.gz of healthy people whom the model has not seen.  Cubes of 20 mm are hidden
at random places of their white matter, 24 mm apart, as drawn regions are.  HOLES gets one file for each hole, with what
each method fills it with; holes that lie there already are not filled again, and which_is_real.py reads them.

PSNR (of FA in [0, 1]) and SSIM are taken inside the hole, against the tissue that was there.  The other columns are
ratios of the filled tissue to the healthy tissue within 10 mm around it, geometric mean over the holes: gradient energy
(squared steps to the neighbours), and the power in three bands, by differences of Gaussians of 0, 0.7, 1.4 and 2.8
voxels.  "the tissue itself" says how unlike its surroundings real tissue is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage
from skimage.metrics import structural_similarity
from skimage.restoration import inpaint_biharmonic

from FAAnomalyLib.anomaly.drawn_region import drawn_hole
from FAAnomalyLib.anomaly.screening import analysed_voxels
from FAAnomalyLib.evaluation.baselines.harmonic_fill import solve_laplace
from FAAnomalyLib.evaluation.baselines.template_fill import TemplateFill
from FAAnomalyLib.geometry.bounding_box import bounding_box
from FAAnomalyLib.inpainting.masks import pass_from_mask
from FAAnomalyLib.inpainting.pass_runner import inpaint_passes
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.filled_brain import filled_brain, mean_on_native_grid
from FAAnomalyLib.pipeline.loaded_model import LoadedModel, open_model
from FAAnomalyLib.preprocessing.fa_validation import validate_brain_mask, validate_fa
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject
from FAAnomalyLib.preprocessing.preparation import prepare

EDGE_MM, APART_MM, AROUND_MM, KEPT_MM = 20.0, 24.0, 10.0, 20.0
HARMONIC, BIHARMONIC, TEMPLATE, EXPECTED, DRAW = "harmonic", "biharmonic", "template", "expected", "draw"
METHODS = (HARMONIC, BIHARMONIC, TEMPLATE, EXPECTED, DRAW)
TITLES = {
    "truth": "the tissue itself",
    HARMONIC: "harmonic fill",
    BIHARMONIC: "biharmonic fill",
    TEMPLATE: "warped template, gain and offset fitted",
    EXPECTED: "expected (the model's mean)",
    DRAW: "pseudo-healthy (the draw)",
}
SIGMAS = (0.0, 0.7, 1.4, 2.8)
"""Of the Gaussians whose differences are the bands, voxels."""
Hole = dict[str, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of NAME_FA.nii.gz and NAME_mask.nii.gz")
    parser.add_argument("-o", "--holes", type=Path, required=True, help="folder for the filled holes")
    parser.add_argument("--maps", nargs="+", metavar="NAME", help="only these maps")
    parser.add_argument("--places", type=int, default=8, metavar="N", help="holes in each map (default 8)")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    args.holes.mkdir(parents=True, exist_ok=True)
    names = args.maps or [path.name.removesuffix("_FA.nii.gz") for path in sorted(args.data.glob("*_FA.nii.gz"))]
    model = None
    for name in names:
        if not list(args.holes.glob(f"{name}_hole*.npz")):
            model = model or open_model(args.model)
            for number, hole in enumerate(filled_holes(model, args.data, name, args.places)):
                np.savez_compressed(args.holes / f"{name}_hole{number}.npz", **hole)
    show({name: [dict(np.load(path)) for path in sorted(args.holes.glob(f"{name}_hole*.npz"))] for name in names})


def filled_holes(model: LoadedModel, data: Path, name: str, places: int) -> Iterator[Hole]:
    """Every hole of one map on a box of its own grid: truth, what each method fills, masks and spacing."""
    volume, _ = validate_fa(load_volume(data / f"{name}_FA.nii.gz")[0])
    brain = validate_brain_mask(load_volume(data / f"{name}_mask.nii.gz")[0], volume)
    subject = prepare(volume, model.template, brain)
    for number, cube in enumerate(cubes(subject, places)):
        hidden = drawn_hole(subject, cube)
        passes, priors = [pass_from_mask(hidden)], subject.grid.priors
        inpainted = inpaint_passes(model.inpainter, subject.fa, passes, Sampling(), priors=priors)
        predicted = subject.inpainted_on_native(inpainted.covered)
        mean, region = mean_on_native_grid(subject, inpainted, predicted), cube & predicted
        template = subject.grid.to_native(TemplateFill().fill(subject.fa, hidden, priors), order=3)
        near = bounding_box(region, 4)
        fills = {
            HARMONIC: _inside(volume.data, region, solve_laplace(volume.data, region)),
            BIHARMONIC: _inside(volume.data, region, _biharmonic(volume.data[near], region[near])),
            TEMPLATE: np.where(region, np.clip(template, 0, 1), volume.data),
            EXPECTED: np.where(region, mean, volume.data),
            DRAW: filled_brain(subject, predicted, mean, region, number).fa,
        }
        distance = ndimage.distance_transform_edt(~region, sampling=volume.spacing)
        around = subject.native_brain & ~region & (distance <= AROUND_MM)
        box = bounding_box(region, tuple(int(np.ceil(KEPT_MM / edge)) for edge in volume.spacing))
        kept = {"truth": volume.data, **fills, "region": region, "around": around}
        yield {title: array[box] for title, array in kept.items()} | {"spacing": volume.spacing}


def cubes(subject: PreparedSubject, places: int) -> Iterator[np.ndarray]:
    """Cubes of 20 mm about random places of the white matter, bool on the native grid."""
    grid, inner = subject.grid, analysed_voxels(subject)
    centres = np.argwhere(grid.to_native(inner) > 0.99) * grid.native.spacing
    chosen: list[np.ndarray] = []
    for at in np.random.default_rng(1).permutation(len(centres)):
        centre = centres[at]
        if len(chosen) == places:
            return
        if all(np.abs(centre - other).max() >= APART_MM for other in chosen):
            chosen.append(centre)
            axes = np.indices(grid.native.shape).reshape(3, -1).T * grid.native.spacing
            yield (np.abs(axes - centre) < EDGE_MM / 2).all(1).reshape(grid.native.shape)


def _inside(fa: np.ndarray, region: np.ndarray, values: np.ndarray) -> np.ndarray:
    filled = fa.copy()
    filled[region] = np.clip(values, 0, 1)
    return filled


def _biharmonic(fa: np.ndarray, region: np.ndarray) -> np.ndarray:
    return inpaint_biharmonic(fa.astype(np.float64), region)[region]


def gradient_energy(fa: np.ndarray, where: np.ndarray) -> float:
    """Mean squared step between neighbours that both lie in *where*, over the three axes."""
    steps = []
    for axis in range(3):
        n = fa.shape[axis]
        both = where.take(range(1, n), axis) & where.take(range(n - 1), axis)
        steps.append(np.diff(fa, axis=axis)[both] ** 2)
    return float(np.concatenate(steps).mean())


def band_powers(fa: np.ndarray, where: np.ndarray) -> list[float]:
    """Mean square of each band in *where*, fine to coarse."""
    smooth = [ndimage.gaussian_filter(fa.astype(np.float64), sigma) for sigma in SIGMAS]
    bands = [fine - coarse for fine, coarse in zip(smooth, smooth[1:], strict=False)]
    return [float((band[where] ** 2).mean()) for band in bands]


def similarity(hole: Hole, method: str) -> tuple[float, float]:
    """PSNR in dB and SSIM inside the hole."""
    truth, filled, region = (hole[key].astype(np.float64) for key in ("truth", method, "region"))
    inside = region > 0
    _, local = structural_similarity(truth, filled, win_size=3, data_range=1.0, full=True)
    error = float(((truth - filled)[inside] ** 2).mean())
    return -10 * np.log10(error) if error else np.inf, float(local[inside].mean())


def ratios(hole: Hole, method: str) -> np.ndarray:
    """Gradient energy and band powers in the hole over those around it."""
    filled, region, around = hole[method], hole["region"], hole["around"]
    inside = [gradient_energy(filled, region), *band_powers(filled, region)]
    outside = [gradient_energy(hole["truth"], around), *band_powers(hole["truth"], around)]
    return np.array(inside) / np.array(outside)


def show(people: dict[str, list[Hole]]) -> None:
    """A line for each method over all holes, and PSNR and gradient energy for each person."""
    holes = [hole for one in people.values() for hole in one]
    print(f"{len(holes)} holes of {EDGE_MM:g} mm in {len(people)} people")
    print(f"{'fill':42}{'PSNR, dB':>10}{'SSIM':>8}{'gradient':>10}{'fine':>8}{'middle':>8}{'coarse':>8}")
    for method, title in TITLES.items():
        scores = np.mean([similarity(hole, method) for hole in holes], axis=0) if method != "truth" else (np.nan,) * 2
        ratio = np.exp(np.mean([np.log(ratios(hole, method)) for hole in holes], axis=0))
        print(f"{title:42}{scores[0]:10.2f}{scores[1]:8.3f}{ratio[0]:10.2f}" + "".join(f"{r:8.2f}" for r in ratio[1:]))
    print("\nPSNR (gradient energy) by person")
    print(f"{'':20}" + "".join(f"{method:>16}" for method in METHODS))
    for name, own in people.items():
        cells = [
            f"{np.mean([similarity(hole, method)[0] for hole in own]):.2f} "
            f"({np.exp(np.mean([np.log(ratios(hole, method)[0]) for hole in own])):.2f})"
            for method in METHODS
        ]
        print(f"{name:20}" + "".join(f"{cell:>16}" for cell in cells))


if __name__ == "__main__":
    main()
