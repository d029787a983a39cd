"""Registration by local correlation: known deformations are found, hidden places are not looked at."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.preprocessing.deformable_registration import Smoothness, inverse, register_deformable, warped
from FAAnomalyLib.preprocessing.template import TemplatePriors
from FAAnomalyLib.preprocessing.template_warping import warp_template

SHAPE = (28, 36, 32)
"""No two axes alike: one that is taken for another does not go unseen."""
QUICK = Smoothness(levels=((2, 20), (1, 12)))
INNER = tuple(slice(6, n - 6) for n in SHAPE)


def texture(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A smooth pattern in [0, 1]."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 2.0)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


def deformation(largest: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    field = np.stack([ndimage.gaussian_filter(rng.standard_normal(SHAPE), 5.0) for _ in range(3)])
    return (field / np.abs(field).max() * largest).astype(np.float32)


def moved(image: np.ndarray, u: np.ndarray) -> np.ndarray:
    """By SciPy: independent of torch's sampling and its order of axes."""
    return ndimage.map_coordinates(image, np.indices(SHAPE) + u, order=1, mode="nearest")


def test_warping_samples_as_scipy_does():
    image, u = texture(), deformation(3.0)
    np.testing.assert_allclose(warped(image[None], u)[0], moved(image, u), atol=2e-5)


def test_the_inverse_leads_back_to_every_voxel():
    away = deformation(4.0)
    back = inverse(away)
    assert back.dtype == np.float32 and back.shape == away.shape
    # From y to y + v(y), and from there by u: each of the three components on its own.
    returned = back + np.stack([moved(part, back) for part in away])
    assert np.abs(returned[(slice(None), *INNER)]).max() < 0.02
    # Turning the arrows round alone does not.
    turned = -away + np.stack([moved(part, -away) for part in away])
    assert np.abs(turned[(slice(None), *INNER)]).max() > 0.5
    image = texture()
    there_and_back = warped(warped(image[None], away), back)[0]
    np.testing.assert_allclose(there_and_back[INNER], image[INNER], atol=0.05)


def test_the_inverse_of_a_shift_is_the_shift_back():
    away = np.zeros((3, *SHAPE), np.float32)
    away[0], away[1], away[2] = 1.5, -2.0, 0.25
    np.testing.assert_allclose(inverse(away), -away, atol=1e-6)


def test_a_known_deformation_is_found_voxel_by_voxel():
    image, truth = texture(), deformation(4.0)
    found = register_deformable(moved(image, truth), image, smoothness=QUICK)
    assert found.dtype == np.float32 and found.shape == (3, *SHAPE)
    error = np.sqrt(((found - truth) ** 2).sum(0))[INNER]
    assert np.median(error) < 0.3 and np.sqrt((truth**2).sum(0))[INNER].mean() > 0.8


@pytest.mark.parametrize("axis", range(3))
def test_a_shift_is_found_along_its_own_axis(axis):
    image = texture(shape=tuple(n + 2 for n in SHAPE))
    ahead = tuple(slice(2, None) if d == axis else slice(0, -2) for d in range(3))
    behind = tuple(slice(0, -2) for d in range(3))
    found = register_deformable(image[ahead], image[behind], smoothness=QUICK)[(slice(None), *INNER)]
    expected = np.zeros(3)
    expected[axis] = 2.0
    np.testing.assert_allclose(np.median(found, axis=(1, 2, 3)), expected, atol=0.1)


def test_gain_and_offset_of_the_intensities_hardly_matter():
    image, truth = texture(), deformation(2.0)
    target = moved(image, truth)
    plain, other = (register_deformable(t, image, smoothness=QUICK) for t in (target, 0.6 * target + 0.3))
    assert np.abs(plain - other)[(slice(None), *INNER)].mean() < 0.1


def test_no_voxel_is_folded_over():
    u = register_deformable(texture(3), texture(4), smoothness=QUICK)
    slopes = np.stack([np.stack(np.gradient(part)) for part in u])
    jacobian = np.linalg.det(np.moveaxis(slopes + np.eye(3)[:, :, None, None, None], (0, 1), (-2, -1)))
    assert jacobian.min() > 0 and np.ptp(jacobian) > 0.3


def test_equal_images_and_images_without_a_pattern_bend_nothing():
    image = texture()
    same = np.abs(register_deformable(image, image, smoothness=QUICK))
    assert same.max() < 0.15 and same.mean() < 0.01
    flat = np.full(SHAPE, 0.5, np.float32)
    for pair in ((flat, image), (image, flat), (flat, flat)):
        assert np.abs(register_deformable(*pair, smoothness=QUICK)).max() == 0.0


def test_what_does_not_count_is_not_seen_not_even_through_blur():
    image, truth = texture(), deformation(2.0)
    target, counted = moved(image, truth), np.ones(SHAPE, np.float32)
    hidden = np.zeros(SHAPE, bool)
    hidden[10:18, 12:22, 12:20] = True
    counted[hidden] = 0.0
    other = np.where(hidden, texture(9), target).astype(np.float32)
    first, second = (register_deformable(t, image, counted, QUICK) for t in (target, other))
    np.testing.assert_array_equal(first, second)
    assert np.abs(register_deformable(other, image, smoothness=QUICK) - first).max() > 0.3
    # Inside, the surroundings lead.
    assert np.sqrt(((first - truth) ** 2).sum(0))[hidden].mean() < np.sqrt((truth**2).sum(0))[hidden].mean()


def test_pairs_together_are_as_each_alone():
    pairs = [(moved(texture(n), deformation(2.0, n)), texture(n)) for n in (5, 6)]
    together = register_deformable(np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs]), smoothness=QUICK)
    assert together.shape == (2, 3, *SHAPE)
    for both, (fixed, moving) in zip(together, pairs, strict=True):
        np.testing.assert_allclose(both, register_deformable(fixed, moving, smoothness=QUICK), atol=1e-4)


def test_it_stops_at_any_step():
    steps: list[int] = []

    def check() -> None:
        steps.append(1)
        if len(steps) == 7:
            raise FAError("cancelled", "Cancelled", "", "")

    with pytest.raises(FAError):
        register_deformable(texture(), texture(1), smoothness=QUICK, check=check)
    assert len(steps) == 7


@pytest.mark.parametrize("shape", [SHAPE[::-1], (2, *SHAPE)])
def test_shapes_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match="one shape"):
        register_deformable(texture(), np.zeros(shape, np.float32))


def test_priors_are_warped_around_what_is_not_followed_and_keep_their_places_in_a_large_field():
    """The registration is done about the brain alone; the field around it must not shift the result."""
    brain = np.zeros((44, 50, 46), np.float32)
    brain[8:36, 7:43, 7:39] = texture()
    target = np.zeros_like(brain)
    target[8:36, 7:43, 7:39] = moved(texture(), deformation(2.0))
    priors = TemplatePriors(brain, (brain > 0.5).astype(np.float32), (brain > 0).astype(np.float32))
    hidden = np.zeros(brain.shape, bool)
    hidden[18:24, 20:28, 18:26] = True
    around = warp_template(priors, target, 4.0, ~hidden)
    inner = (slice(14, 30), slice(13, 37), slice(13, 33))
    for name in ("fa", "white_matter", "brain"):
        array = getattr(around, name)
        assert array.dtype == np.float32 and array.shape == brain.shape and array.min() >= 0 and array.max() <= 1
    assert around.displacement is not None and around.displacement.shape == (3, *brain.shape)
    assert np.abs(around.fa - target)[inner].mean() < 0.5 * np.abs(brain - target)[inner].mean()
