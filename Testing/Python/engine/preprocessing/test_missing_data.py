"""Gaps in the data: which are mended, which are left out and named."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.pipeline.inputs import read_brain_mask
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.missing_data import clump_remarks, clumps, fill_small_gaps
from FAAnomalyLib.preprocessing.model_grid import ModelGrid, find_brain_mask
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb


def gap(edges, spacing, shape=(40, 40, 40)):
    """Whether a box of *edges* voxels is a clump."""
    gaps = np.zeros(shape, bool)
    gaps[tuple(slice(15, 15 + n) for n in edges)] = True
    found = clumps(gaps, np.array(spacing))
    assert found.sum() in (0, gaps.sum())
    return bool(found.any())


@pytest.mark.parametrize(
    ("edges", "spacing", "large"),
    [
        ((1, 1, 1), (4.0, 4.0, 4.0), False),
        ((2, 2, 2), (2.5, 2.5, 2.5), False),
        ((3, 3, 3), (2.5, 2.5, 2.5), True),
        ((3, 3, 3), (1.25, 1.25, 1.25), False),
        ((6, 6, 6), (1.25, 1.25, 1.25), True),
        ((20, 20, 1), (2.0, 2.0, 5.0), False),
        ((20, 20, 3), (2.0, 2.0, 2.0), True),
    ],
)
def test_a_clump_holds_a_ball_of_the_smallest_region(edges, spacing, large):
    assert gap(edges, spacing) is large


def cavity(radius_mm=12.0):
    """A brain with a ball of zeros in deep white matter, and the ball."""
    volume = sb.brain(*sb.grid((3.0, 3.0, 3.0), np.eye(4)), np.eye(4))
    where = sb.sphere(volume.shape, volume.affine, np.eye(4), sb.Lesion(radius_mm=radius_mm))
    return volume.with_data(np.where(where, 0.0, volume.data).astype(np.float32)), where


def test_a_brain_mask_leaves_a_clump_out_and_fills_the_rest():
    volume, where = cavity()
    single = tuple(np.argwhere(where).mean(0).astype(int) + (-12, 0, 0))
    volume.data[single] = 0.0
    brain = find_brain_mask(volume, ModelGrid(volume, sb.template(), Alignment(np.eye(4), 1.0, "affine")))
    assert brain[single] and not brain[where].any()
    assert clump_remarks(volume, fill_small_gaps(volume.data > 0, volume.spacing))
    x, y, z = sb.DEEP_WHITE_MATTER
    (said,) = clump_remarks(volume, brain)
    assert f"{where.sum() * volume.voxel_ml:.1f} ml at R {x:.0f}, P {-y:.0f}, S {z:.0f} mm" in said
    unknown = Volume(volume.data, volume.affine, None, False)
    assert f"at L or R {x:.0f}" in clump_remarks(unknown, brain)[0]


def test_a_given_brain_mask_does_not_make_data_of_a_clump(tmp_path):
    volume, where = cavity()
    save_volume(volume.with_data((volume.data > 0) | where), tmp_path / "mask.nii.gz")
    brain, remarks = read_brain_mask(DetectRequest("fa", brain_mask=str(tmp_path / "mask.nii.gz")), volume)
    np.testing.assert_array_equal(brain, volume.data > 0)
    assert len(remarks) == 1 and f"{where.sum() * volume.voxel_ml:.1f} ml of the brain mask" in remarks[0]
