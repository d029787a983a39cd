"""Brains unlike those of the calibration, slabs and thick slices are told; an adult's whole brain is not."""

from __future__ import annotations

import re

import numpy as np
import pytest

from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.calibrated_range import MAX_AVERAGE_NOISE, calibration_remarks, noise_of
from FAAnomalyLib.preprocessing.template import on_grid
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb

TEMPLATE = on_grid(sb.template(), (40, 48, 40), 4.0)
BRAIN = TEMPLATE.priors.brain > 0.5


def remarks(scale=1.0, gain=1.0, correlation=0.7, slice_mm=2.0, seen=BRAIN, noise=0.0) -> list[str]:
    alignment = Alignment(np.diag([scale, scale, scale, 1.0]), correlation, "affine")
    texture = np.random.default_rng(0).normal(0.0, 1.0, (16, 16, 16))
    native = Volume((0.3 + noise * texture).astype(np.float32), np.diag([2.0, 2.0, slice_mm, 1.0]))
    fa = np.where(seen, gain * TEMPLATE.priors.fa, 0.0).astype(np.float32)
    return calibration_remarks(native, fa, seen, TEMPLATE, alignment)


def test_an_adult_goes_without_a_remark():
    assert remarks() == [] == remarks(scale=1.07, gain=0.7, slice_mm=5.0)


def test_a_person_who_is_close_to_the_template_is_no_average():
    """As the bundled sample, which was drawn from the model."""
    assert remarks(correlation=0.93, noise=0.005) == []
    sample, _ = load_volume(resources_dir() / "SampleData" / "sample_fa.nii.gz")
    assert noise_of(sample.data) > 1.3 * MAX_AVERAGE_NOISE > 2 * noise_of(sb.template().fa.data)


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
