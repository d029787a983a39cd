"""A mask on a map's own voxels is taken in whatever order it is stored; any other is refused with the distance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.geometry.same_voxels import onto_grid
from FAAnomalyLib.volume import NiftiForms, Volume
from support.phantoms.synthetic_brain import rotation, stored_as

SHAPE = (12, 15, 10)
AFFINE = np.eye(4)
AFFINE[:3, :3], AFFINE[:3, 3] = rotation(8.0, -5.0, 12.0) @ np.diag([-2.0, 2.5, 3.0]), (11.0, -20.0, 5.0)
FA = Volume(np.zeros(SHAPE, np.float32), AFFINE)


def drawn():
    mask = np.zeros(SHAPE, bool)
    mask[3:6, 4:9, 2:8] = True
    mask[5, 9, 7] = mask[0, 0, 0] = True
    return FA.with_data(mask)


def turned(mask, codes):
    numbers = stored_as(mask.with_data(mask.data.astype(np.uint8)), codes)
    return numbers.with_data(numbers.data > 0)


def moved(volume, matrix):
    return Volume(volume.data, matrix @ volume.affine)


@pytest.mark.parametrize("order", list(itertools.permutations(("RL", "AP", "SI"))))
@pytest.mark.parametrize("ends", list(itertools.product((0, 1), repeat=3)))
def test_every_axis_order_and_flip(order, ends):
    codes = "".join(pair[end] for pair, end in zip(order, ends, strict=True))
    found, lost = onto_grid(turned(drawn(), codes), FA, "The mask")
    np.testing.assert_array_equal(found, drawn().data)
    assert lost == 0


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SPR"])
def test_a_cropped_and_a_padded_mask(codes):
    mask, affine = drawn().data, AFFINE.copy()
    affine[:3, 3] += AFFINE[:3, :3] @ (2, 3, 1)
    found, _ = onto_grid(turned(Volume(mask[2:8, 3:12, 1:9], affine), codes), FA, "The mask")
    mask[0, 0, 0] = False
    np.testing.assert_array_equal(found, mask)
    affine[:3, 3] = AFFINE[:3, 3] - AFFINE[:3, :3] @ (4, 4, 4)
    wide = np.pad(drawn().data, 4)
    wide[0] = True
    found, lost = onto_grid(turned(Volume(wide, affine), codes), FA, "The mask")
    np.testing.assert_array_equal(found, drawn().data)
    assert lost == wide[0].sum()


def test_rounding_and_a_little_shear_are_allowed():
    shifted, sheared = np.eye(4), np.eye(4)
    shifted[:3, 3], sheared[0, 1] = 0.02, np.tan(np.radians(0.05))
    for matrix in (shifted, sheared):
        np.testing.assert_array_equal(onto_grid(moved(drawn(), matrix), FA, "The mask")[0], drawn().data)


def refused(mask):
    with pytest.raises(FAError) as caught:
        onto_grid(mask, FA, "The mask m.nii")
    assert caught.value.code == "bad-input" and str(caught.value).startswith("The mask m.nii ")
    return str(caught.value)


def test_other_voxels_are_refused_with_the_distance():
    off, away, turn = np.eye(4), np.eye(4), np.eye(4)
    off[0, 3], away[2, 3], turn[:3, :3] = 0.9, 300.0, rotation(40.0, 30.0, 20.0)
    assert "up to 0.9 mm from the map's, 0.5 mm are allowed" in refused(moved(drawn(), off))
    assert "up to 300 mm from the map's" in refused(moved(drawn(), away))
    beside = np.eye(4)
    beside[:3, 3] = AFFINE[:3, 0] * 100
    assert "are 200.0 mm apart" in refused(moved(drawn(), beside))
    assert "turned against the map" in refused(moved(drawn(), turn))
    assert "measure 1 x 1 x 1 mm, the map's 2 x 2.5 x 3 mm" in refused(Volume(drawn().data, np.eye(4)))


def test_a_mask_drawn_in_slicer_lies_on_the_form_that_itk_takes():
    """Also where the other form is its mirror image, whose voxels a flip would fit as well."""
    middle = AFFINE @ [*((np.array(SHAPE) - 1) / 2), 1.0]
    mirror = np.eye(4)
    mirror[:3, :3] -= 2 * np.outer(AFFINE[:3, 0], AFFINE[:3, 0]) / 4.0
    mirror[:3, 3] = middle[:3] - mirror[:3, :3] @ middle[:3]
    turn = np.eye(4)
    turn[:3, :3], turn[0, 3] = rotation(z=6.0), 12.0
    for other in (mirror, turn):
        fa = Volume(FA.data, other @ AFFINE, NiftiForms(AFFINE, 1, other @ AFFINE, 2))
        by_slicer = Volume(drawn().data, AFFINE)
        np.testing.assert_array_equal(onto_grid(by_slicer, fa, "The mask")[0], drawn().data)
        as_nifti = Volume(drawn().data, AFFINE, NiftiForms(AFFINE, 1, AFFINE, 1))
        np.testing.assert_array_equal(onto_grid(as_nifti, fa, "The mask")[0], drawn().data)
        by_fsl = fa.with_data(drawn().data)
        np.testing.assert_array_equal(onto_grid(by_fsl, fa, "The mask")[0], drawn().data)
