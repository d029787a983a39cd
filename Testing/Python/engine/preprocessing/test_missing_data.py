"""Gaps in the data: which are mended, which are left out and named."""

from __future__ import annotations

import re

import numpy as np
import pytest

from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.pipeline.inputs import read_brain_mask
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.missing_data import clump_remarks, clumps, fill_small_gaps
from FAAnomalyLib.preprocessing.model_grid import ModelGrid
from FAAnomalyLib.preprocessing.open_cavities import EXPECTED_PROBABILITY, cavity_remarks, field_of_view
from FAAnomalyLib.preprocessing.preparation import find_brain_mask
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


def opened(depth_mm: float, mirrored: bool = False, alignment: np.ndarray | None = None) -> list[str]:
    """Remarks on a brain of the template's shape without the block of the left cortex that reaches *depth_mm* deep."""
    known = sb.template()
    expected = known.priors.brain > EXPECTED_PROBABILITY
    world = np.moveaxis(np.indices(expected.shape), 0, -1) @ known.fa.affine[:3, :3].T + known.fa.affine[:3, 3]
    x, y, z = np.moveaxis(world, -1, 0)
    left = x[expected & (np.abs(y) < 15) & (z > 25) & (z < 55)].min()
    cavity = (x < left + depth_mm) & (np.abs(y) < 15) & (z > 25) & (z < 55)
    place = Volume(expected, np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0, 1.0]) @ known.fa.affine)
    to_scan = place.affine if alignment is None else alignment @ place.affine
    return cavity_remarks(place, expected, to_scan, expected & ~cavity, np.ones_like(expected))


def test_a_resection_that_opens_to_the_outside_is_named():
    (said,) = opened(30.0)
    volume, side = re.search(r"expected in (\d+) ml at (L \d+, [AP] \d+, S \d+) mm; not judged there", said).groups()
    assert 15 < int(volume) < 30 and re.match(r"L [3456]\d, [AP] \d, S [34]\d", side), said
    assert "at R" in opened(30.0, mirrored=True)[0], "placed by the alignment"


def test_a_turned_head_of_other_proportions_is_no_sheared_file():
    # Scaled along the axes of the scan after it was turned: no axis stands at a right angle to another.
    alignment = np.diag([1.1, 0.9, 1.0, 1.0]) @ sb.head((1.0, 1.0, 1.0), (0.0, 0.0, 0.0), z=25)
    (said,) = opened(30.0, alignment=alignment)
    volume = float(re.search(r"in (\d+) ml", said).group(1))
    straight = float(re.search(r"in (\d+) ml", opened(30.0)[0]).group(1))
    assert volume == pytest.approx(0.99 * straight, abs=2.0)


def test_no_two_outlines_are_the_same():
    assert opened(8.0) == []


def test_what_the_field_of_view_cuts_off_is_no_cavity():
    data = np.zeros((20, 20, 20), bool)
    data[4:16, 4:16, 4:16] = True
    np.testing.assert_array_equal(field_of_view(data)[:, :, 0], False)
    rounded = sb.template().priors.brain > 0.5
    assert field_of_view(rounded).all()
