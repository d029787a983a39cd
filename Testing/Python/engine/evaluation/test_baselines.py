"""The baseline fills do what they say, see nothing of the hole and change nothing outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.baselines.harmonic_fill import HarmonicFill, solve_laplace
from FAAnomalyLib.evaluation.baselines.linear_fill import LinearFill
from FAAnomalyLib.evaluation.baselines.mean_fill import MeanFill
from FAAnomalyLib.evaluation.baselines.template_fill import TemplateFill
from FAAnomalyLib.inpainting.masks import interleaved
from FAAnomalyLib.preprocessing.template import TemplatePriors

FILLS = [MeanFill(), TemplateFill(), HarmonicFill(), LinearFill()]
NAMES = [type(fill).__name__ for fill in FILLS]


def field(shape, seed):
    """Smooth float32 values that fill [0, 1]."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0)
    return ((noise - noise.min()) / np.ptp(noise)).astype(np.float32)


@pytest.fixture
def scene():
    """FA map, hole with several cubes (some at the border) and priors."""
    shape = (24, 28, 20)
    priors = TemplatePriors(field(shape, 1), field(shape, 2), (field(shape, 3) > 0.3).astype(np.float32))
    return field(shape, 0), interleaved(priors.brain, (5, 4, 6))[0], priors


def poly(shape, function):
    """A function of x, y and z scaled into [0, 1]."""
    values = function(*(axis.astype(np.float64) for axis in np.indices(shape)))
    return ((values - values.min()) / np.ptp(values)).astype(np.float32)


@pytest.mark.parametrize("baseline", FILLS, ids=NAMES)
def test_the_hole_alone_is_filled_with_fa(baseline, scene):
    fa, hole, priors = scene
    before = fa.copy()
    result = baseline.fill(fa, hole, priors)
    assert result.dtype == np.float32 and result.shape == fa.shape and result is not fa
    assert (result[~hole].view(np.uint32) == fa[~hole].view(np.uint32)).all()
    assert (fa == before).all()
    assert 0 <= result[hole].min() and result[hole].max() <= 1 and np.isfinite(result).all()


@pytest.mark.parametrize("baseline", FILLS, ids=NAMES)
def test_the_hidden_voxels_are_never_looked_at(baseline, scene):
    fa, hole, priors = scene
    expected = baseline.fill(fa, hole, priors)
    for poison in (0.0, 1.0, np.nan, np.inf):
        poisoned = fa.copy()
        poisoned[hole] = poison
        np.testing.assert_array_equal(baseline.fill(poisoned, hole, priors), expected)


@pytest.mark.parametrize("baseline", FILLS, ids=NAMES)
def test_an_empty_hole_changes_nothing(baseline, scene):
    fa, hole, priors = scene
    np.testing.assert_array_equal(baseline.fill(fa, np.zeros_like(hole), priors), fa)


@pytest.mark.parametrize("baseline", FILLS, ids=NAMES)
def test_no_context_and_wrong_shapes_are_refused(baseline, scene):
    fa, hole, priors = scene
    with pytest.raises(FAError) as caught:
        baseline.fill(fa, np.ones_like(hole), priors)
    assert caught.value.code == "bad-request"
    with pytest.raises(ValueError):
        baseline.fill(fa, hole[1:], priors)
    with pytest.raises(ValueError):
        baseline.fill(fa, hole.astype(np.uint8), priors)


def test_mean_is_over_the_white_matter_in_sight(scene):
    fa, hole, priors = scene
    result = MeanFill().fill(fa, hole, priors)
    np.testing.assert_allclose(result[hole], fa[(priors.white_matter > 0.5) & ~hole].mean(), rtol=1e-6)


def test_mean_falls_back_on_the_brain(scene):
    fa, hole, priors = scene
    priors = replace(priors, white_matter=np.where(hole, 1.0, 0.0))
    result = MeanFill().fill(fa, hole, priors)
    np.testing.assert_allclose(result[hole], fa[(priors.brain > 0.5) & ~hole].mean(), rtol=1e-6)


def test_template_recovers_gain_and_offset(scene):
    _, hole, priors = scene
    fa = (0.6 * priors.fa + 0.1).astype(np.float32)
    np.testing.assert_allclose(TemplateFill().fill(fa, hole, priors), fa, atol=1e-5)


def test_template_fits_white_matter_only(scene):
    fa, hole, priors = scene
    context = (priors.white_matter > 0.5) & ~hole
    gain, offset = np.polyfit(priors.fa[context].astype(np.float64), fa[context], 1)
    expected = np.clip(gain * priors.fa[hole] + offset, 0, 1)
    np.testing.assert_allclose(TemplateFill().fill(fa, hole, priors)[hole], expected, atol=1e-5)


def test_a_template_without_contrast_gives_the_level(scene):
    fa, hole, priors = scene
    priors = replace(priors, fa=np.full_like(fa, 0.4))
    expected = MeanFill().fill(fa, hole, priors)
    np.testing.assert_allclose(TemplateFill().fill(fa, hole, priors), expected, atol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y, z: x * y,
        lambda x, y, z: x**2 - y**2,
        lambda x, y, z: 3 * x - 2 * y + z,
        lambda x, y, z: x * y * z - 4 * x * z,
        lambda x, y, z: 2 * z**2 - x**2 - y**2 + x * z,
        lambda x, y, z: x**3 - 3 * x * y**2,
    ],
)
def test_harmonic_reproduces_harmonic_functions(function):
    shape = (32, 30, 28)
    fa = poly(shape, function)
    hole = np.zeros(shape, dtype=bool)
    hole[2:18, 3:20, 4:22] = True  # one large hole, one odd one, one single voxel
    hole[20:30, 22:28, 5:25] = field((10, 6, 20), 9) > 0.4
    hole[25, 5, 5] = True
    blind = np.where(hole, np.float32(0), fa)
    np.testing.assert_allclose(HarmonicFill().fill(blind, hole), fa, atol=1e-6)


def test_harmonic_at_the_border_lets_nothing_through():
    # Independent of x: the wall at x = 0, through which nothing flows, must not disturb it.
    fa = poly((12, 20, 20), lambda x, y, z: y**2 - z**2 + 0 * x)
    hole = np.zeros(fa.shape, dtype=bool)
    hole[:5, 5:12, 6:15] = True
    np.testing.assert_allclose(HarmonicFill().fill(np.where(hole, np.float32(1), fa), hole), fa, atol=1e-6)


def test_harmonic_is_a_ramp_where_there_is_one_axis_alone():
    ramp = np.linspace(0.1, 0.9, 9)
    for shape in ((9, 1, 1), (1, 9, 1), (1, 1, 9)):
        hole = np.zeros(shape, bool)
        hole.flat[2:7] = True
        np.testing.assert_allclose(solve_laplace(ramp.reshape(shape), hole), ramp[2:7], atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_harmonic_obeys_the_maximum_principle_in_each_hole(seed):
    rng = np.random.default_rng(seed)
    fa = rng.random((30, 28, 26)).astype(np.float32)
    hole = interleaved(np.ones(fa.shape), (6, 5, 7))[seed]
    hole &= rng.random(fa.shape) < 0.9
    result = HarmonicFill().fill(fa, hole)
    faces = ndimage.generate_binary_structure(3, 1)
    labels, count = ndimage.label(hole, faces)
    for box, label in zip(ndimage.find_objects(labels), range(1, count + 1), strict=True):
        near = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in box)
        one = labels[near] == label
        rim = fa[near][ndimage.binary_dilation(one, faces) & ~hole[near]]
        assert rim.min() - 1e-6 <= result[near][one].min() and result[near][one].max() <= rim.max() + 1e-6


def test_harmonic_solves_its_equation_and_holes_are_independent():
    fa = np.random.default_rng(0).random((24, 24, 24)).astype(np.float32)
    hole = interleaved(np.ones(fa.shape), (4, 4, 4), (0, 2, 2))[0]
    values = fa.astype(np.float64)
    values[hole] = solve_laplace(fa, hole)
    inside = hole[1:-1, 1:-1, 1:-1]
    assert np.abs(ndimage.laplace(values)[1:-1, 1:-1, 1:-1][inside]).max() < 1e-6
    labels, _ = ndimage.label(hole)
    one = labels == 1
    np.testing.assert_allclose(HarmonicFill().fill(fa, one)[one], HarmonicFill().fill(fa, hole)[one], atol=1e-6)


def test_harmonic_is_exact_on_a_model_grid():
    shape = (80, 96, 80)
    fa = poly(shape, lambda x, y, z: x * y - 2 * z * x + y**2 - z**2)
    axes = np.ogrid[-1:1:80j, -1:1:96j, -1:1:80j]
    brain = sum(axis**2 for axis in axes) < 0.5  # no cube reaches the border of the array
    cubes = interleaved(brain, (10, 10, 10))[0]
    half = brain & (axes[0] > 0)  # far larger than any cube: the worst case for the solver
    for hole in (cubes, half):
        assert np.count_nonzero(hole) > 15000 and hole[1:-1, 1:-1, 1:-1].sum() == hole.sum()
        np.testing.assert_allclose(HarmonicFill().fill(np.where(hole, np.float32(0), fa), hole), fa, atol=1e-5)
