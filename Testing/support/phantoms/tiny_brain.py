"""Everything between a brain and its scores, small enough for a test: heads of 4 mm on the model grid already.

The network is an untrained one: its linear estimate continues what surrounds a hole, so a hidden change disappears.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from FAAnomalyLib.anomaly.calibration import COMBINATIONS, Calibration
from FAAnomalyLib.anomaly.region_limits import RegionLimits, SizeLimits
from FAAnomalyLib.anomaly.residual_maps import SCREENING_KEYS
from FAAnomalyLib.diffusion.noise_schedule import cosine_schedule
from FAAnomalyLib.inpainting.fusion import Inpainted
from FAAnomalyLib.inpainting.masks import plan_passes
from FAAnomalyLib.inpainting.pass_runner import inpaint_passes
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.inpainting.volume_inpainter import VolumeInpainter
from FAAnomalyLib.models.checkpoints import Model, save_model
from FAAnomalyLib.networks.conditional_unet import ConditionalUNet
from FAAnomalyLib.pipeline.loaded_model import OWN_TEMPLATE, LoadedModel
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.model_grid import ModelGrid, PreparedSubject
from FAAnomalyLib.preprocessing.template_warping import warp_template
from FAAnomalyLib.request import BOTH_SIZES
from FAAnomalyLib.training.template_building import save_template
from FAAnomalyLib.volume import Volume
from support.phantoms import tiny_training

SHAPE, MM = tiny_training.SHAPE, tiny_training.SPACING_MM
LESION = (15, 12, 14)
"""Middle of a piece of the right columns that is analysed."""


def ball(centre=LESION, radius_mm: float = 12.0) -> np.ndarray:
    """Voxels within *radius_mm* of a voxel."""
    return sum((np.indices(SHAPE)[i] - centre[i]) ** 2 for i in range(3)) * MM**2 <= radius_mm**2


def head(seed: int = 1, change: float = 0.0, where: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """FA and brain of one head on the model grid, smooth as maps of this grid are, with a change."""
    known = tiny_training.template()
    fa, inside = tiny_training.head(SHAPE, known.fa.affine)
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), 0.5)
    fa = fa + 0.03 * noise / noise.std()
    if change:
        fa = fa + change * (ball() if where is None else where)
    return np.where(inside, np.clip(fa, 0.01, 1.0), 0.0).astype(np.float32), inside


def prepared(fa: np.ndarray, brain: np.ndarray, warped: bool = True) -> PreparedSubject:
    """A head that needs no registration."""
    known = tiny_training.template()
    grid = ModelGrid(known.fa.with_data(fa), known, Alignment(np.eye(4), 1.0, "affine"))
    if warped:
        grid = replace(grid, warped=warp_template(known.priors, fa, MM))
    return PreparedSubject(grid, fa, brain, brain, [])


def network() -> ConditionalUNet:
    """Its smooth fill alone, without the template and the other side."""
    torch.manual_seed(0)
    made = ConditionalUNet((8, 16), (1, 1))
    with torch.no_grad():
        made.estimate.copy_(torch.tensor([0.0, 1.0, 0.0, 0.9]))
    return made.eval().requires_grad_(False)


def inpainter() -> VolumeInpainter:
    """The network on the CPU."""
    made = network()
    model = Model("tiny", made, {"network": made.config(), "schedule": cosine_schedule().to_dict(), "sha256": "0" * 64})
    return VolumeInpainter(model, tiny_training.template(), torch.device("cpu"), torch.float32)


def loaded_model() -> LoadedModel:
    """The same without a calibration."""
    made = inpainter()
    return LoadedModel(made.model, tiny_training.template(), made, Calibration())


def inpainted(one: PreparedSubject, made: VolumeInpainter, sizes: tuple[int, ...] = BOTH_SIZES) -> Inpainted:
    """What holes of these sizes all over the brain give."""
    passes = [p for size in sizes for p in plan_passes(one.brain, size, (MM,) * 3, shift_count=1)]
    return inpaint_passes(made, one.fa, passes, Sampling(), priors=one.grid.priors)


def calibration(seed: int = 0, shape=SHAPE, limit: float = 6.0, **other) -> Calibration:
    """A calibration with numbers in every part, known where the template is white matter."""
    rng = np.random.default_rng(seed)
    white = tiny_training.template().priors.white_matter > 0.5 if shape == SHAPE else rng.random(shape) < 0.3
    return Calibration(
        **{
            "bias": {key: np.where(white, rng.normal(0, 0.2, shape), 0.0).astype(np.float32) for key in SCREENING_KEYS},
            "spread": {
                key: np.where(white, rng.uniform(0.8, 1.4, shape), 1.0).astype(np.float32) for key in SCREENING_KEYS
            },
            "population_scale": {key: float(rng.uniform(0.01, 0.05)) for key in SCREENING_KEYS},
            "limits": dict.fromkeys(COMBINATIONS, (limit, limit)),
            "normal": np.stack([np.linspace(-2.0, 2.5, 21), np.linspace(-3.0, 3.0, 21)]),
            "threshold": (5.25, 4.75),
            "sensitive": (4.5, 4.25),
            "one_sided": (4.2, 4.1),
            "people": 4,
            **other,
        }
    )


def regions() -> RegionLimits:
    """Limits of drawn regions of 10 and 30 mm."""
    small = SizeLimits(1.0, 0.5, (3.0, 3.25), (2.5, 2.75), (2.0, 2.25))
    return RegionLimits((10.0, 30.0), (small, SizeLimits(2.0, 0.75, (5.0, 5.25), (4.5, 4.75), (4.0, 4.25))), 6)


WIDE = Calibration(limits=dict.fromkeys(COMBINATIONS, (23.0, 23.0)))
"""Twice the usual limits: so small a brain is a poor standard of its own; within these a healthy one
has no candidates."""


def save(folder: Path, volumes: tuple[str, ...] = (), spacing_mm: float = MM) -> Path:
    """A model folder with its own template, trained on *volumes*; returns *folder*."""
    made, known = network(), tiny_training.template()
    save_model(
        folder,
        made.state_dict(),
        {
            "network": made.config(),
            "schedule": cosine_schedule().to_dict(),
            "template_sha256": known.sha256,
            "grid": {"shape": list(SHAPE), "spacing_mm": spacing_mm},
            "training": {"volumes": list(volumes)},
        },
    )
    save_template(known, folder / OWN_TEMPLATE)
    return folder


def as_volume(array: np.ndarray) -> Volume:
    """An array of the model grid with its affine."""
    return tiny_training.template().fa.with_data(array)
