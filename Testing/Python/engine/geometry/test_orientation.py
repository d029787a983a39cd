"""The nearest RAS order: the same voxels in the same places, as nibabel has them."""

from __future__ import annotations

from itertools import permutations, product

import nibabel
import numpy as np
import pytest

from FAAnomalyLib.geometry.orientation import LPS_TO_RAS, nearest_canonical
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb

CODES = ["".join(c) for order in permutations(("RL", "AP", "SI")) for c in product(*order)]


def upright(degrees: float) -> Volume:
    affine = np.eye(4)
    affine[:3, :3] = sb.rotation(degrees, -degrees / 2, degrees) * (1.5, 2.0, 3.0)
    affine[:3, 3] = 10, -20, 30
    return Volume(np.arange(60, dtype=np.float32).reshape(3, 4, 5), affine)


@pytest.mark.parametrize("degrees", [0.0, 14.0, 30.0])
@pytest.mark.parametrize("codes", CODES)
def test_nearest_canonical_is_nibabels(codes, degrees):
    volume = upright(degrees)
    stored = sb.stored_as(volume, codes)
    expected = nibabel.as_closest_canonical(nibabel.Nifti1Image(stored.data, stored.affine))
    canonical = nearest_canonical(stored)
    np.testing.assert_array_equal(canonical.data, np.asarray(expected.dataobj))
    np.testing.assert_allclose(canonical.affine, expected.affine, atol=1e-9)
    np.testing.assert_array_equal(canonical.data, volume.data)
    np.testing.assert_allclose(canonical.affine, volume.affine, atol=1e-9)
    assert canonical.data.flags.c_contiguous and (np.diag(canonical.affine) > 0).all()


def test_lps_and_ras_are_each_others_inverse():
    np.testing.assert_array_equal(LPS_TO_RAS @ LPS_TO_RAS, np.eye(4))
    np.testing.assert_array_equal(LPS_TO_RAS @ [10.0, 20.0, 30.0, 1.0], [-10.0, -20.0, 30.0, 1.0])
