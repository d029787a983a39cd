"""The same place of the other hemisphere: straight without a deformation, along it with one, and there and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly.contralateral import contralateral_coordinates, contralateral_difference

SHAPE = (36, 44, 40)
"""No two axes alike: one that is taken for another does not go unseen."""
EVERYWHERE = np.ones(SHAPE, bool)
INNER = np.zeros(SHAPE, bool)
INNER[6:-6, 6:-6, 6:-6] = True


def displacement(largest: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    field = np.stack([ndimage.gaussian_filter(rng.standard_normal(SHAPE), 5.0) for _ in range(3)])
    return (largest * field / np.abs(field).max()).astype(np.float32)


def test_without_a_deformation_it_is_the_straight_mirror_image():
    values = np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    np.testing.assert_array_equal(
        contralateral_difference(values, EVERYWHERE, contralateral_coordinates(SHAPE)), values - values[::-1]
    )
    still = contralateral_coordinates(SHAPE, np.zeros((3, *SHAPE), np.float32))
    np.testing.assert_allclose(still, contralateral_coordinates(SHAPE), atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_partners_are_mirror_images_in_the_template(seed):
    """x + u(x) and x' + u(x') are mirror images of each other: what the name says, of every voxel."""
    u = displacement(2.5, seed)
    there = contralateral_coordinates(SHAPE, u)
    at_partner = np.stack([ndimage.map_coordinates(part, there, order=1, mode="nearest") for part in u])
    here = np.indices(SHAPE) + u
    here[0] = SHAPE[0] - 1 - here[0]
    assert np.abs(there + at_partner - here)[:, INNER].max() < 0.05
    assert np.abs(there - contralateral_coordinates(SHAPE))[:, INNER].max() > 1.0


def test_the_partners_partner_is_where_one_began():
    there = contralateral_coordinates(SHAPE, displacement(2.5))
    back = np.stack([ndimage.map_coordinates(part, there, order=1, mode="nearest") for part in there])
    assert np.abs(back - np.indices(SHAPE))[:, INNER].max() < 0.2


def test_a_brain_that_is_a_warped_symmetric_one_has_no_asymmetry():
    """Anatomy that only lies differently on both sides is no difference; to a straight mirror image it is one."""
    u = displacement(2.5)
    image = ndimage.gaussian_filter(np.random.default_rng(2).standard_normal(SHAPE), 2.0)
    symmetric = image + image[::-1]
    brain = ndimage.map_coordinates(symmetric, np.indices(SHAPE) + u, order=1, mode="nearest").astype(np.float32)
    found = contralateral_difference(brain, EVERYWHERE, contralateral_coordinates(SHAPE, u))[INNER]
    straight = contralateral_difference(brain, EVERYWHERE, contralateral_coordinates(SHAPE))[INNER]
    assert found.std() < 0.15 * straight.std()


def test_without_an_analysed_partner_there_is_no_difference():
    values = np.ones(SHAPE, np.float32)
    analysed = EVERYWHERE.copy()
    analysed[:18] = False
    analysed[18:20, 20, 20] = False
    assert not contralateral_difference(values, analysed, contralateral_coordinates(SHAPE)).any()
    whole = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    found = contralateral_difference(whole, EVERYWHERE & INNER, contralateral_coordinates(SHAPE))
    assert not found[~INNER].any() and found[INNER].any() and found.dtype == np.float32
