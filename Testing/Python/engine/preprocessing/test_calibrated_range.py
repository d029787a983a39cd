"""Brains unlike those of the calibration, slabs and thick slices are told; an adult's whole brain is not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.calibrated_range import calibration_remarks
from FAAnomalyLib.preprocessing.template import on_grid
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb

TEMPLATE = on_grid(sb.template(), (40, 48, 40), 4.0)
BRAIN = TEMPLATE.priors.brain > 0.5


def remarks(scale=1.0, gain=1.0, correlation=0.7, slice_mm=2.0, seen=BRAIN) -> list[str]:
    alignment = Alignment(np.diag([scale, scale, scale, 1.0]), correlation, "affine")
    native = Volume(np.zeros((8, 8, 8), np.float32), np.diag([2.0, 2.0, slice_mm, 1.0]))
    fa = np.where(seen, gain * TEMPLATE.priors.fa, 0.0).astype(np.float32)
    return calibration_remarks(native, fa, seen, TEMPLATE, alignment)


def test_an_adult_goes_without_a_remark():
    assert remarks() == [] == remarks(scale=1.07, gain=0.7, slice_mm=5.0)


@pytest.mark.parametrize(
    ("unlike", "words"),
    [
        ({"scale": 0.7}, "not calibrated.*size is 0.70"),
        ({"gain": 0.4}, "not calibrated.*contrast is 0.40"),
        ({"correlation": 0.88}, "not calibrated.*average of many"),
        ({"slice_mm": 6.0}, "slices are 6.0 mm"),
        ({"seen": BRAIN & (np.arange(48)[:, None] < 24)}, "of a whole brain"),
    ],
    ids=["newborn", "low contrast", "average", "thick slices", "half"],
)
def test_what_is_unlike_an_adults_whole_brain_is_told(unlike, words):
    (remark,) = remarks(**unlike)
    assert re.search(words, remark)
