"""The template bent to a brain: a known deformation is undone, along the right axes, and a lesion hardly leads it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.preprocessing.template import TemplatePriors, on_grid
from FAAnomalyLib.preprocessing.template_warping import RIM_MM, voxels_to_follow, warp_template, without_following
from support.phantoms import synthetic_brain as sb

pytestmark = pytest.mark.slow

SHAPE, MM = (40, 52, 44), 4.0
"""No two axes alike: one that is taken for another does not go unseen."""


@pytest.fixture(scope="module")
def priors() -> TemplatePriors:
    return on_grid(sb.template(), SHAPE, MM).priors


def warp(array: np.ndarray, largest_mm: float, seed: int = 0) -> np.ndarray:
    """*array* under a smooth random deformation, each component up to *largest_mm*."""
    rng = np.random.default_rng(seed)
    field = [ndimage.gaussian_filter(rng.standard_normal(SHAPE), 20.0 / MM) for _ in range(3)]
    away = np.stack([part / np.abs(part).max() * largest_mm / MM for part in field])
    return ndimage.map_coordinates(array, np.indices(SHAPE) + away, order=1)


def miss(a: np.ndarray, b: np.ndarray, priors: TemplatePriors) -> float:
    """Root mean squared difference in the brain."""
    return float(np.sqrt(((a - b)[priors.brain > 0.5] ** 2).mean()))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a > 0.5, b > 0.5
    return 2.0 * (a & b).sum() / (a.sum() + b.sum())


def test_a_brain_like_the_template_bends_nothing(priors):
    same = warp_template(priors, priors.fa, MM)
    for name in ("fa", "white_matter", "brain"):
        change = np.abs(getattr(same, name) - getattr(priors, name))
        # White matter and brain are steep: a tenth of a voxel shows.
        assert change.max() < (0.06 if name == "fa" else 0.2) and change[priors.brain > 0.5].mean() < 0.004, name


@pytest.mark.parametrize("seed", range(3))
def test_a_smooth_deformation_is_largely_undone_for_all_that_is_known_of_a_place(priors, seed):
    fa = warp(priors.fa, 8.0, seed)
    warped = warp_template(priors, fa, MM)
    assert miss(warped.fa, fa, priors) < 0.75 * miss(priors.fa, fa, priors)
    # White matter and brain are carried by what FA showed.
    white = warp(priors.white_matter, 8.0, seed)
    assert 1.0 - overlap(warped.white_matter, white) < 0.75 * (1.0 - overlap(priors.white_matter, white))
    brain = warp(priors.brain, 8.0, seed)
    assert miss(warped.brain, brain, priors) < 0.75 * miss(priors.brain, brain, priors)


@pytest.mark.parametrize("axis", range(3))
def test_a_shift_is_followed_along_its_own_axis(priors, axis):
    shifted = warp_template(priors, np.roll(priors.fa, 2, axis), MM)
    moved = np.subtract(*(ndimage.center_of_mass(one.brain) for one in (shifted, priors)))
    expected = np.zeros(3)
    expected[axis] = 2.0
    np.testing.assert_allclose(moved, expected, atol=0.25)


def test_every_prior_is_float32_between_0_and_1_and_the_template_stays_as_it_is(priors):
    before = [array.copy() for array in (priors.fa, priors.white_matter, priors.brain)]
    noisy = np.clip(warp(priors.fa, 12.0) + np.random.default_rng(1).normal(0, 0.1, SHAPE), 0, 1)
    warped = warp_template(priors, noisy.astype(np.float32), MM)
    for array, old, kept in zip(
        (warped.fa, warped.white_matter, warped.brain),
        (priors.fa, priors.white_matter, priors.brain),
        before,
        strict=True,
    ):
        assert array.dtype == np.float32 and array.shape == SHAPE and array.flags.c_contiguous
        assert np.isfinite(array).all() and array.min() >= 0.0 and array.max() <= 1.0
        np.testing.assert_array_equal(old, kept)


def test_another_scanners_contrast_bends_little(priors):
    warped = warp_template(priors, 0.7 * priors.fa + 0.03 * (priors.fa > 0), MM)
    assert miss(warped.fa, priors.fa, priors) < 0.7 * miss(warp(priors.fa, 8.0), priors.fa, priors)


@pytest.mark.parametrize("change", [0.3, -0.3])
def test_a_lesion_hardly_leads_the_template(priors, change):
    """What the template shows at a lesion must not come from the lesion."""
    affine = on_grid(sb.template(), SHAPE, MM).fa.affine
    # Near the midline, where a finer deformation does follow it.
    lesion = sb.sphere(SHAPE, affine, np.eye(4), sb.Lesion((14.0, -40.0, 24.0), radius_mm=12.0))
    healthy = warp(priors.fa, 6.0)
    ill = np.where(lesion, np.clip(healthy + change, 0.0, 1.0), healthy).astype(np.float32)
    led = (warp_template(priors, ill, MM).fa - warp_template(priors, healthy, MM).fa)[lesion].mean()
    assert abs(led) < 0.15 * abs((ill - healthy)[lesion].mean())


def test_the_displacement_says_which_place_of_the_template_each_voxel_is(priors):
    warped = warp_template(priors, warp(priors.fa, 8.0), MM)
    assert warped.displacement.shape == (3, *SHAPE) and warped.displacement.dtype == np.float32
    inner = priors.brain > 0.5
    for name in ("fa", "white_matter"):
        carried = ndimage.map_coordinates(getattr(priors, name), np.indices(SHAPE) + warped.displacement, order=1)
        np.testing.assert_allclose(carried[inner], getattr(warped, name)[inner], atol=1e-3)
    assert np.abs(warped.displacement[:, inner]).max() > 0.5


@pytest.mark.fast
def test_the_brain_and_its_rim_are_followed_as_far_as_the_scan_sees():
    brain, seen = np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    brain[15:25, 20:30, 15:25] = True
    seen[:18] = False
    for spacing in (MM, 2.0):
        followed = voxels_to_follow(brain, seen, spacing)
        away = ndimage.distance_transform_cdt(~brain, "taxicab") * spacing
        np.testing.assert_array_equal(followed, (away <= RIM_MM) & seen)
    assert followed[20, 20, 20] and not followed[17].any(), "what was not seen is followed"


def test_what_is_not_followed_does_not_lead(priors):
    """To the bit: neither its FA nor its outline."""
    fa = warp(priors.fa, 8.0).astype(np.float32)
    hidden = np.zeros(SHAPE, bool)
    hidden[14:22, 20:30, 18:26] = True
    first, second = (
        warp_template(priors, np.where(hidden, inside, fa).astype(np.float32), MM, ~hidden) for inside in (fa, 0.9)
    )
    np.testing.assert_array_equal(first.displacement, second.displacement)
    assert np.abs(warp_template(priors, np.where(hidden, 0.9, fa), MM).displacement - first.displacement).max() > 0.1


def test_a_part_that_is_let_go_lies_as_its_surroundings_do(priors):
    """The surroundings are shifted; the part is warped away by a dark place, and comes back to the shift."""
    shifted = np.roll(priors.fa, 2, 1)
    part = np.zeros(SHAPE, bool)
    part[16:24, 20:28, 18:26] = True
    healthy = warp_template(priors, shifted, MM)
    followed = warp_template(priors, np.where(part, 0.1 * shifted, shifted).astype(np.float32), MM)
    hidden = ndimage.binary_dilation(part, iterations=2)
    again = without_following(priors, followed, hidden, MM)
    error = {
        name: np.sqrt(((one.displacement - healthy.displacement)[:, part] ** 2).mean())
        for name, one in (("followed", followed), ("again", again))
    }
    assert error["followed"] > 0.15 and error["again"] < 0.4 * error["followed"], error
    far = ndimage.distance_transform_edt(~hidden, sampling=MM) > 30.0
    np.testing.assert_array_equal(again.displacement[:, far], followed.displacement[:, far])
    np.testing.assert_array_equal(again.fa[far], followed.fa[far])
    assert again.fa.dtype == np.float32 and (again.fa >= 0).all() and (again.fa <= 1).all()
