"""Simplex noise against the definition of gradient noise, and its moments and spectrum against closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from FAAnomalyLib.diffusion.noise.octaves import Octaves, SimplexSource
from FAAnomalyLib.diffusion.noise.simplex_noise import gradient_table, simplex_noise, variance
from FAAnomalyLib.diffusion.noise_schedule import linear_schedule
from FAAnomalyLib.diffusion.samplers.ddpm import ddpm
from FAAnomalyLib.diffusion.stepping import draw_like
from FAAnomalyLib.inpainting.volume_inpainter import TensorNoise

DIMENSIONS = pytest.mark.parametrize("dimensions", [2, 3])


def permutation(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(256).astype(np.int32)


def vertices(dimensions: int, reach: int) -> np.ndarray:
    """Places of lattice vertices: the rows of A_n, whose cells are the regular-ish simplices; (N, dimensions)."""
    whole = np.array(list(itertools.product(range(-reach, reach + 1), repeat=dimensions)), float)
    return whole - whole.sum(axis=1, keepdims=True) * (1 - 1 / np.sqrt(dimensions + 1)) / dimensions


def central_differences(points: np.ndarray, step: float, numbers: np.ndarray) -> np.ndarray:
    shifts = step * np.eye(len(points))[:, :, None]
    return np.stack(
        [(simplex_noise(points + s, numbers) - simplex_noise(points - s, numbers)) / (2 * step) for s in shifts]
    )


@DIMENSIONS
def test_it_is_zero_at_every_vertex_and_has_the_vertex_gradient_there(dimensions):
    places = vertices(dimensions, 4).T
    assert np.abs(simplex_noise(places, permutation())).max() < 1e-7
    slopes = central_differences(places, 1e-3, permutation()).T
    # (1/2)^4 of a unit vector of the table, and many different ones.
    nearest = (slopes * 16) @ gradient_table(dimensions).T
    np.testing.assert_allclose(nearest.max(axis=1), 1.0, atol=1e-3)
    assert len(set(nearest.argmax(axis=1))) == len(gradient_table(dimensions))


@DIMENSIONS
def test_it_is_the_sum_over_all_vertices_that_the_definition_asks_for(dimensions):
    """The gradients are measured at the vertices; the sum runs over every vertex, not the corners of one simplex."""
    places = vertices(dimensions, 4)
    gradients = 16 * central_differences(places.T, 1e-3, permutation()).T
    points = np.random.default_rng(1).uniform(-0.7, 0.7, (400, dimensions))
    distance = points[:, None] - places[None]
    kernel = np.maximum(0.5 - (distance**2).sum(axis=2), 0.0) ** 4
    expected = (kernel * (distance * gradients[None]).sum(axis=2)).sum(axis=1)
    assert expected.std() > 2e-3
    np.testing.assert_allclose(simplex_noise(points.T, permutation()), expected, atol=2e-5)


@DIMENSIONS
def test_neighbouring_points_have_neighbouring_values(dimensions):
    """Along lines through many cells: no jump, nor any in the slope, where one simplex ends and the next begins."""
    line = np.linspace(0, 12, 24001)
    direction = np.array([0.83, 0.47, 0.31])[:dimensions, None]
    values = simplex_noise(5 + direction * line, permutation()).astype(float)
    assert np.abs(np.diff(values)).max() < 5e-4 * (1 / 16 + 0.1)
    slope = np.diff(values[::20]) / (20 * 5e-4)
    assert np.abs(np.diff(slope)).max() < 0.02


@DIMENSIONS
def test_mean_and_variance_are_those_of_the_closed_form(dimensions):
    rng = np.random.default_rng(2)
    values = np.array(
        [simplex_noise(rng.uniform(0, 256, (dimensions, 20000)), permutation(seed)).astype(float) for seed in range(12)]
    )
    deviation = variance(dimensions) ** 0.5
    assert values.std() == pytest.approx(deviation, rel=0.01)
    assert abs(values.mean()) < 0.01 * deviation
    assert np.abs(values).max() < 0.0101


@DIMENSIONS
def test_a_field_has_variance_one_over_all_draws_everywhere(dimensions):
    shape = (16,) * dimensions
    fields = np.array([Octaves().field(shape, np.random.default_rng(seed)) for seed in range(100)])
    assert fields.std() == pytest.approx(1.0, rel=0.08) and abs(fields.mean()) < 0.15
    # The first voxel is no special place, and neither is any other.
    assert 0.7 < fields[(slice(None), *(0,) * dimensions)].std() < 1.3
    raw = Octaves(standardised=False)
    first = raw.field(shape, np.random.default_rng(5))
    np.testing.assert_allclose(first / raw.deviation(dimensions), fields[5], rtol=1e-4, atol=1e-5)


@DIMENSIONS
def test_no_direction_is_preferred(dimensions):
    """Mean squared slope along the axes and along diagonals of the plane of the first two."""
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 256, (dimensions, 60000))
    slopes = central_differences(points, 1e-2, permutation(9))
    power = [(slopes[axis] ** 2).mean() for axis in range(dimensions)]
    power += [((slopes[0] + sign * slopes[1]) ** 2).mean() / 2 for sign in (1, -1)]
    assert max(power) / min(power) < 1.12


def test_an_octave_has_its_power_at_its_own_wavelength_and_six_fall_with_frequency():
    frequencies = np.fft.fftfreq(128)
    radius = np.hypot(*np.meshgrid(frequencies, frequencies, indexing="ij"))
    window = np.outer(np.hanning(128), np.hanning(128))

    def spectrum(octaves: Octaves) -> np.ndarray:
        fields = [octaves.field((128, 128), np.random.default_rng(seed)) for seed in range(12)]
        return np.mean([np.abs(np.fft.fft2(field * window)) ** 2 for field in fields], axis=0)

    for edge in (32.0, 16.0, 8.0):
        power = spectrum(Octaves(octaves=1, frequency=edge))
        centre = (power * radius).sum() / power.sum()
        # A pair of opposite lobes of a kernel of width sqrt(2): most power between one and two waves over an edge.
        assert 0.6 < centre * edge < 1.6, edge
    whole = spectrum(Octaves())
    bands = [whole[(radius >= low) & (radius < 2 * low)].mean() for low in (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4)]
    assert all(low > 2 * high for low, high in itertools.pairwise(bands)), bands


def test_a_source_repeats_with_its_seed_and_draws_anew_for_every_member():
    first, again, other = (SimplexSource(seed).draw((2, 2, 8, 8, 8)) for seed in (3, 3, 4))
    assert first.dtype == np.float32 and np.array_equal(first, again) and not np.array_equal(first, other)
    assert len({field.tobytes() for field in first.reshape(4, -1)}) == 4
    source = SimplexSource(3)
    assert not np.array_equal(source.draw((1, 1, 8, 8)), source.draw((1, 1, 8, 8)))


def test_a_sampler_takes_its_noise_from_a_source():
    x = torch.zeros(1, 1, 8, 8, 8, dtype=torch.float64)
    drawn = draw_like(x, TensorNoise(SimplexSource(1)))
    assert drawn.dtype == x.dtype and np.array_equal(drawn.float().numpy(), SimplexSource(1).draw(x.shape))
    schedule = linear_schedule()
    smooth = ddpm(lambda x, t: x * 0, schedule, drawn, TensorNoise(SimplexSource(2)), steps=2)
    white = ddpm(lambda x, t: x * 0, schedule, drawn, torch.Generator().manual_seed(2), steps=2)
    assert torch.equal(smooth, white), "the last prediction is the result"
    levels = []
    ddpm(lambda x, t: levels.append(x) or x * 0, schedule, drawn, TensorNoise(SimplexSource(2)), steps=2)
    _, weight, spread = schedule.posterior_coefficients(999, 499)
    expected = weight * drawn + spread**0.5 * torch.from_numpy(SimplexSource(2).draw(tuple(x.shape)))
    torch.testing.assert_close(levels[1], expected)


@pytest.mark.parametrize("wrong", [{"octaves": 0}, {"persistence": 0.0}, {"frequency": -1.0}])
def test_octaves_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="no octaves"):
        Octaves(**wrong)
    with pytest.raises(ValueError, match="2 or 3 dimensions"):
        simplex_noise(np.zeros((4, 1)), permutation())
