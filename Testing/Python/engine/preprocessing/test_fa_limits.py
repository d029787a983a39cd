"""The rules of what an FA map is, where a sample of the panel and a whole volume of the engine might part."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from FAAnomalyLib.preprocessing import fa_limits
from support.paths import ROOT


@pytest.mark.parametrize("scale", fa_limits.SCALES)
def test_every_scale_is_told_from_its_neighbours(scale):
    """The 99th percentile of FA lies between 0.65 and 1.0 in real brains."""
    for top in (0.65, 0.8, 1.0):
        assert fa_limits.fa_scale(np.linspace(0.0, top * scale / 0.99, 1001)) == scale


@pytest.mark.parametrize("top", [3.0, 20.0, 300.0, 1200.0, 11000.0, 2e5])
def test_what_is_between_the_scales_has_none(top):
    assert fa_limits.fa_scale(np.linspace(0.0, top, 1001)) is None


def test_signed_values_have_no_scale_unless_they_are_fa():
    values = np.linspace(-20.0, 1000.0, 1001)
    assert fa_limits.fa_scale(values) is None
    assert fa_limits.fa_scale(values[20:]) == 1000.0
    assert fa_limits.fa_scale(np.linspace(-1.0, 1.0, 100)) == 1.0
    assert fa_limits.fa_scale(-values[values > 0]) == 1.0


def test_an_atlas_is_flat_and_scaled_fa_is_not():
    generator = np.random.default_rng(0)
    atlas = np.kron(generator.integers(1, 90, (5, 5, 5)), np.ones((6, 6, 6)))
    fa = generator.integers(1, 100, atlas.shape).astype(np.float32)
    assert fa_limits.looks_like_labels(atlas, atlas)
    assert not fa_limits.looks_like_labels(fa, fa)
    assert not fa_limits.looks_like_labels(atlas + 0.5, atlas)
    # Few values in the beginning decide nothing about the rest.
    late = np.concatenate([np.ones(30000), generator.random(30000)])
    assert not fa_limits.looks_like_labels(late, fa)


def test_empty_data_have_no_cut_and_no_percentiles():
    nothing = np.zeros((4, 5, 6))
    assert fa_limits.cut_faces(nothing) == [(None, None)] * 3
    assert fa_limits.median_and_top(nothing) is None


def test_the_rules_need_numpy_alone():
    """They are imported in 3D Slicer's own process."""
    code = """
import sys
for name in ("nibabel", "SimpleITK", "torch", "scipy", "skimage", "PIL"):
    sys.modules[name] = None
import FAAnomalyLib.preprocessing.fa_limits
print(sorted(name for name in sys.modules if name.startswith("FAAnomalyLib.preprocessing")))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "['FAAnomalyLib.preprocessing', 'FAAnomalyLib.preprocessing.fa_limits']", done.stderr
