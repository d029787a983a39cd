"""Healthy people after screening, without any screening: maps of smooth noise on the grid of the tiny brains."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from FAAnomalyLib.anomaly.residual_maps import SCREENING_KEYS
from FAAnomalyLib.anomaly.screening import subject_scale_of
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.model_grid import ModelGrid, PreparedSubject
from FAAnomalyLib.training.healthy_maps import HealthySubject
from FAAnomalyLib.volume import Volume
from support.phantoms import tiny_brain as tb
from support.phantoms import tiny_training

ANALYSED = tb.ball((12, 14, 12), 30.0)
PLACE = (12, 14, 12)


def somebody(
    number: int, person: str | None = None, scale: float = 0.02, more: np.ndarray | float = 0.0, shift_mm: float = 0.0
) -> HealthySubject:
    """Maps of smooth noise that is this volume's own, with what is added to all of them, in spreads."""
    rng = np.random.default_rng(100 + number)
    maps = {}
    for key in SCREENING_KEYS:
        noise = ndimage.gaussian_filter(rng.standard_normal(tb.SHAPE), key[1] / tb.MM)
        maps[key] = np.where(ANALYSED, 0.01 + scale * (noise / noise.std() + more), 0.0).astype(np.float32)
    known = tiny_training.template()
    affine = known.fa.affine.copy()
    affine[:3, 3] += shift_mm
    native = Volume(known.fa.data, affine)
    whole = np.ones(tb.SHAPE, bool)
    prepared = PreparedSubject(
        ModelGrid(native, known, Alignment(np.eye(4), 1.0, "affine")), native.data, whole, whole, []
    )
    scale_of_maps = subject_scale_of(maps, ANALYSED)
    return HealthySubject(f"{number}_FA.nii.gz", person or f"P{number}", prepared, ANALYSED, maps, scale_of_maps)
