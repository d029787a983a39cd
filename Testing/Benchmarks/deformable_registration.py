"""How well the template is warped to brains: as the detector does it, and by antspyx (SyN) where it is installed.

    python Testing/Benchmarks/deformable_registration.py MAP [MAP ...] [--ants]

Each FA map is registered affinely as always; then each method warps the template to it on the model grid. Printed are,
over white matter of the warped template at least 4 mm inside the brain: the standard deviation of the residual (FA) of
its voxels and after a Gaussian of 3 mm; the overlap (Dice) of the warped white matter with that of the map (FA > 0.25);
the least Jacobian determinant; how far a point is from its start after there and back (template to brain registered on
its own), median mm; seconds. ``--ants`` needs ``pip install antspyx``, which is no dependency.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from FAAnomalyLib.anomaly.residual_maps import smoothed, template_deviation
from FAAnomalyLib.anomaly.screening import DEPTH_MM
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.preprocessing.deformable_registration import warped
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject
from FAAnomalyLib.preprocessing.template import TemplatePriors, load_template
from FAAnomalyLib.preprocessing.template_warping import warp_template
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.training.tract_norms_fit import prepared_map

MM = 2.0
WHITE_MATTER_FA = 0.25
SMOOTHING_MM = 3.0

Register = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(fixed, moving), both (X, Y, Z), to the displacement (3, X, Y, Z) in voxels."""


def local_correlation(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    displacement = warp_template(TemplatePriors(moving, moving, moving), fixed, MM).displacement
    assert displacement is not None
    return displacement


def syn(fixed: np.ndarray, moving: np.ndarray) -> np.ndarray:
    """Symmetric normalisation with cross-correlation, as antspyx has it by default, without an affine step."""
    import ants

    images = [ants.from_numpy(np.ascontiguousarray(one), spacing=(MM,) * 3) for one in (fixed, moving)]
    result = ants.registration(*images, type_of_transform="SyNOnly", syn_metric="CC", syn_sampling=2, outprefix="")
    field = next(ants.image_read(name) for name in result["fwdtransforms"] if name.endswith(".nii.gz"))
    return np.moveaxis(field.numpy(), -1, 0).astype(np.float32) / MM


def judged(subject: PreparedSubject, register: Register) -> list[float]:
    template = subject.grid.template.priors
    started = time.monotonic()
    there = register(subject.fa, template.fa)
    seconds = time.monotonic() - started
    back = register(template.fa, subject.fa)
    fa, white_matter = warped(np.stack([template.fa, template.white_matter]), there)
    inside = ndimage.distance_transform_edt(subject.brain, sampling=MM) >= DEPTH_MM
    where = inside & (white_matter > 0.5)
    residual = template_deviation(subject.fa, fa, where, MM)
    smooth = smoothed(residual, np.full(fa.shape, np.nan), where, SMOOTHING_MM / MM)
    own = inside & (subject.fa > WHITE_MATTER_FA)
    slopes = np.stack([np.stack(np.gradient(part)) for part in there]) + np.eye(3)[:, :, None, None, None]
    jacobian = np.linalg.det(np.moveaxis(slopes[(slice(None), slice(None), where)], -1, 0))
    returned = there + np.stack([ndimage.map_coordinates(p, np.indices(fa.shape) + there, order=1) for p in back])
    away = MM * np.sqrt((returned[:, where] ** 2).sum(0))
    overlap = 2 * (where & own).sum() / (where.sum() + own.sum())
    return [residual[where].std(), smooth[where].std(), overlap, jacobian.min(), float(np.median(away)), seconds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", nargs="+", type=Path)
    parser.add_argument("--ants", action="store_true", help="beside antspyx")
    options = parser.parse_args()
    methods: dict[str, Register] = {"local correlation": local_correlation}
    if options.ants:
        methods["antspyx SyN"] = syn
    template = load_template(resources_dir() / "Template")
    print("map                      method              residual  3 mm    overlap  Jacobian  back    seconds")
    figures: dict[str, list[list[float]]] = {name: [] for name in methods}
    for path in options.maps:
        subject = prepared_map(CohortSubject.from_file(path), template)
        for name, register in methods.items():
            figures[name].append(judged(subject, register))
            print_row(path.name, name, figures[name][-1])
    for name, rows in figures.items():
        print_row("mean", name, np.mean(rows, axis=0).tolist())


def print_row(map_name: str, method: str, row: list[float]) -> None:
    residual, smooth, overlap, jacobian, back, seconds = row
    print(
        f"{map_name:24s} {method:18s} {residual:9.4f} {smooth:7.4f} {overlap:8.3f} {jacobian:9.2f} {back:7.2f}"
        f" {seconds:8.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
