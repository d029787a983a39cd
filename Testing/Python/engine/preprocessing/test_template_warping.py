"""The template bent to a brain: a known deformation is undone, along the right axes, and a lesion hardly leads it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.preprocessing.template import Prior, on_grid
from FAAnomalyLib.preprocessing.template_warping import bend
from support import synthetic_brain as sb

SHAPE, MM = (40, 52, 44), 4.0
"""No two axes alike: one that is taken for another does not go unseen."""


@pytest.fixture(scope="module")
def prior() -> Prior:
    return on_grid(sb.template(), SHAPE, MM).prior


def warp(array: np.ndarray, largest_mm: float, seed: int = 0) -> np.ndarray:
    """*array* under a smooth random deformation, each component up to *largest_mm*."""
    rng = np.random.default_rng(seed)
    field = [ndimage.gaussian_filter(rng.standard_normal(SHAPE), 20.0 / MM) for _ in range(3)]
    away = np.stack([part / np.abs(part).max() * largest_mm / MM for part in field])
    return ndimage.map_coordinates(array, np.indices(SHAPE) + away, order=1)


def miss(a: np.ndarray, b: np.ndarray, prior: Prior) -> float:
    """Root mean squared difference in the brain."""
    return float(np.sqrt(((a - b)[prior.brain > 0.5] ** 2).mean()))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a > 0.5, b > 0.5
    return 2.0 * (a & b).sum() / (a.sum() + b.sum())


def test_a_brain_like_the_template_bends_nothing(prior):
    same = bend(prior, prior.fa, MM)
    for name in ("fa", "white_matter", "brain"):
        np.testing.assert_allclose(getattr(same, name), getattr(prior, name), atol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_deformation_is_largely_undone_for_all_that_is_known_of_a_place(prior, seed):
    fa = warp(prior.fa, 8.0, seed)
    bent = bend(prior, fa, MM)
    assert miss(bent.fa, fa, prior) < 0.75 * miss(prior.fa, fa, prior)
    # White matter and brain are carried by what FA showed.
    white = warp(prior.white_matter, 8.0, seed)
    assert 1.0 - overlap(bent.white_matter, white) < 0.75 * (1.0 - overlap(prior.white_matter, white))
    brain = warp(prior.brain, 8.0, seed)
    assert miss(bent.brain, brain, prior) < 0.75 * miss(prior.brain, brain, prior)


@pytest.mark.parametrize("axis", range(3))
def test_a_shift_is_followed_along_its_own_axis(prior, axis):
    shifted = bend(prior, np.roll(prior.fa, 2, axis), MM)
    moved = np.subtract(*(ndimage.center_of_mass(one.brain) for one in (shifted, prior)))
    expected = np.zeros(3)
    expected[axis] = 2.0
    np.testing.assert_allclose(moved, expected, atol=0.25)


def test_every_prior_is_float32_between_0_and_1_and_the_template_stays_as_it_is(prior):
    before = [array.copy() for array in (prior.fa, prior.white_matter, prior.brain)]
    noisy = np.clip(warp(prior.fa, 12.0) + np.random.default_rng(1).normal(0, 0.1, SHAPE), 0, 1)
    bent = bend(prior, noisy.astype(np.float32), MM)
    for array, old, kept in zip((bent.fa, bent.white_matter, bent.brain),
                                (prior.fa, prior.white_matter, prior.brain), before, strict=True):
        assert array.dtype == np.float32 and array.shape == SHAPE and array.flags.c_contiguous
        assert np.isfinite(array).all() and array.min() >= 0.0 and array.max() <= 1.0
        np.testing.assert_array_equal(old, kept)


def test_another_scanners_contrast_bends_little(prior):
    bent = bend(prior, 0.7 * prior.fa + 0.03 * (prior.fa > 0), MM)
    assert miss(bent.fa, prior.fa, prior) < 0.7 * miss(warp(prior.fa, 8.0), prior.fa, prior)


@pytest.mark.parametrize("change", [0.3, -0.3])
def test_a_lesion_hardly_leads_the_template(prior, change):
    """What the template shows at a lesion must not come from the lesion."""
    affine = on_grid(sb.template(), SHAPE, MM).fa.affine
    # Near the midline, where a finer deformation does follow it.
    lesion = sb.sphere(SHAPE, affine, np.eye(4), sb.Lesion((14.0, -40.0, 24.0), radius_mm=12.0))
    healthy = warp(prior.fa, 6.0)
    ill = np.where(lesion, np.clip(healthy + change, 0.0, 1.0), healthy).astype(np.float32)
    led = (bend(prior, ill, MM).fa - bend(prior, healthy, MM).fa)[lesion].mean()
    assert abs(led) < 0.1 * abs((ill - healthy)[lesion].mean())


def test_the_displacement_says_which_place_of_the_template_each_voxel_is(prior):
    bent = bend(prior, warp(prior.fa, 8.0), MM)
    assert bent.displacement.shape == (3, *SHAPE) and bent.displacement.dtype == np.float32
    inner = prior.brain > 0.5
    for name in ("fa", "white_matter"):
        carried = ndimage.map_coordinates(getattr(prior, name), np.indices(SHAPE) + bent.displacement, order=1)
        np.testing.assert_allclose(carried[inner], getattr(bent, name)[inner], atol=1e-3)
    assert np.abs(bent.displacement[:, inner]).max() > 0.5
