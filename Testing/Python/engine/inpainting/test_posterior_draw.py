"""Regions filled with tissue that looks real: bits outside, no seam, the residual's own spectrum, and clear limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.inpainting.posterior_draw import Draw, Tissue, draw_regions, scale_by_expected
from FAAnomalyLib.inpainting.stationary_field import StationaryField

SHAPE = (48, 40, 36)
SPACING = np.array([1.5, 2.0, 2.5])
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])
MIRROR[0, 3] = SHAPE[0] - 1
NOWHERE = np.eye(4)
NOWHERE[:3, 3] = 1000
"""The place opposite lies outside the scan."""
REGION = (slice(6, 18), slice(12, 24), slice(10, 20))
TEXTURE = 0.05


def textured(seed: int = 0) -> np.ndarray:
    """Texture of 0.05 FA, equally wide in every direction: a Gaussian of 1.7 mm."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(SHAPE), 1.7 / SPACING, mode="wrap")
    return TEXTURE * noise / noise.std()


def brain(seed: int = 0, mirror: np.ndarray = MIRROR) -> Tissue:
    """A bright core in a dim rim, left-right symmetric but for its texture."""
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    expected = (0.25 + 0.35 * np.exp(-3 * (x**2 + y**2))).astype(np.float32)
    inside = x**2 + y**2 + z**2 < 1.2
    fa = np.where(inside, np.clip(expected + textured(seed), 0, 1), 0).astype(np.float32)
    return Tissue(fa, expected, inside, inside, SPACING, mirror)


def box(where=REGION) -> np.ndarray:
    region = np.zeros(SHAPE, bool)
    region[where] = True
    return region


def filled(tissue: Tissue, region: np.ndarray, seed: int = 0) -> Draw:
    """A draw, of which all that must always hold is checked."""
    before = tissue.fa.copy()
    draw = draw_regions(tissue, region, seed)
    np.testing.assert_array_equal(tissue.fa, before)
    np.testing.assert_array_equal(draw.fa[~region], before[~region])
    assert draw.fa.dtype == np.float32 and np.isfinite(draw.fa).all() and draw.fa.min() >= 0 and draw.fa.max() <= 1
    return draw


def step_energy(fa: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Mean squared step to the next voxel along each axis."""
    energy = []
    for axis, n in enumerate(fa.shape):
        both = where.take(range(1, n), axis) & where.take(range(n - 1), axis)
        energy.append((np.diff(fa, axis=axis)[both] ** 2).mean())
    return np.array(energy)


def rim_energy(fa: np.ndarray, region: np.ndarray) -> float:
    """Mean squared step across the region's border."""
    steps = [np.diff(fa, axis=axis)[np.diff(region.astype(int), axis=axis) != 0] for axis in range(3)]
    return float((np.concatenate(steps) ** 2).mean())


@pytest.mark.parametrize("mirror", [MIRROR, NOWHERE], ids=["homologous", "gaussian"])
def test_the_fill_has_the_texture_of_the_tissue_around_and_no_seam(mirror):
    region, inside, outside, rims, spread = box(), [], [], [], []
    for seed in range(4):
        tissue = brain(seed, mirror)
        draw = filled(tissue, region, seed).fa - tissue.expected
        inside.append(step_energy(draw, region))
        outside.append(step_energy(tissue.fa - tissue.expected, tissue.brain & ~region))
        rims.append(rim_energy(draw, region))
        spread.append(draw[region].var())
    ratio = np.mean(inside, axis=0) / np.mean(outside, axis=0)
    assert (0.8 < ratio).all() and (ratio < 1.2).all(), ratio
    assert np.mean(rims) < 1.15 * np.mean(inside), "a seam"
    assert np.sqrt(np.mean(spread)) == pytest.approx(TEXTURE, rel=0.2)


@pytest.mark.slow
def test_the_mean_of_draws_is_what_the_rim_tells_and_expected_deep_inside():
    tissue, region = brain(mirror=NOWHERE), box()
    mean = np.mean([filled(tissue, region, seed).fa - tissue.expected for seed in range(12)], axis=0)
    rim, truth = region & ~ndimage.binary_erosion(region), tissue.fa - tissue.expected
    assert np.corrcoef(mean[rim], truth[rim])[0, 1] > 0.5
    assert np.abs(mean[ndimage.binary_erosion(region, iterations=4)]).max() < TEXTURE


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    for mirror in (MIRROR, NOWHERE):
        tissue, region = brain(mirror=mirror), box()
        first = filled(tissue, region, 3).fa
        assert filled(tissue, region, 3).fa.tobytes() == first.tobytes()
        assert (filled(tissue, region, 4).fa != first)[region].mean() > 0.9


def test_the_hidden_voxels_do_not_matter():
    tissue, region = brain(), box()
    other = replace(tissue, fa=np.where(region, 0.9, tissue.fa).astype(np.float32))
    np.testing.assert_array_equal(filled(other, region).fa[region], filled(tissue, region).fa[region])


def test_anatomy_comes_from_the_place_opposite_unless_that_is_no_healthy_tissue():
    tissue, region = brain(), box()
    stripes = 0.15 * np.sign(np.sin(np.arange(SHAPE[1]) * np.pi / 4))[None, :, None]
    striped = replace(tissue, fa=np.clip(tissue.fa + np.where(tissue.brain, stripes, 0), 0, 1).astype(np.float32))
    pattern = np.broadcast_to(stripes, SHAPE)

    def likeness(of: Tissue) -> float:
        return float(np.corrcoef((filled(of, region).fa - of.expected)[region], pattern[region])[0, 1])

    assert likeness(striped) > 0.8 and likeness(replace(striped, mirror=NOWHERE)) < 0.7
    opposite = region[::-1] & tissue.brain
    lesion = replace(tissue, fa=np.where(opposite, np.clip(tissue.fa + 0.25, 0, 1), tissue.fa).astype(np.float32))
    copied = (filled(lesion, region).fa - tissue.expected)[region]
    assert abs(copied.mean()) < 0.05, "a lesion opposite is copied"


@pytest.mark.slow
@pytest.mark.parametrize("mirror", [MIRROR, NOWHERE], ids=["homologous", "gaussian"])
def test_the_rim_of_a_lesion_that_was_not_found_is_no_healthy_tissue_to_go_on_from(mirror):
    tissue, region = brain(mirror=mirror), box()
    edge = ndimage.binary_dilation(region, iterations=2) & ~region & tissue.brain
    spread = replace(tissue, fa=np.where(edge, np.clip(tissue.fa - 0.2, 0, 1), tissue.fa).astype(np.float32))
    inner = region & ~ndimage.binary_erosion(region)

    def carried_in(signs) -> float:
        draws = [draw_regions(spread, region, seed, None, signs).fa - tissue.expected for seed in range(4)]
        return float(np.mean(draws, axis=0)[inner].mean())

    assert carried_in(None) < -0.06
    assert abs(carried_in(np.where(region, -1, 0))) < 0.04
    # Of a region with both signs nothing is known.
    both = np.where(region, np.where(np.arange(SHAPE[1])[None, :, None] % 2, 1, -1), 0)
    assert carried_in(both) == carried_in(None)


def test_nothing_to_fill_leaves_every_bit():
    tissue = brain()
    draw = filled(tissue, np.zeros(SHAPE, bool))
    np.testing.assert_array_equal(draw.fa, tissue.fa)
    assert draw.plain == 0


@pytest.mark.parametrize(
    "where",
    [
        (slice(20, 28), slice(14, 24), slice(12, 20)),
        (slice(None), slice(None), slice(14, 20)),
        (slice(0, 12), slice(12, 24), slice(10, 20)),
        (slice(10, 11), slice(12, 13), slice(10, 11)),
        (slice(None, None, 6), slice(12, 24), slice(10, 20)),
    ],
    ids=["across the midline", "a whole slab", "at the brain's edge", "one voxel", "many plates"],
)
def test_regions_of_every_kind_are_filled(where):
    tissue = brain()
    region = box(where) & tissue.brain
    draw = filled(tissue, region)
    assert draw.plain == 0 and (draw.fa != tissue.fa)[region].mean() > 0.95
    assert abs((draw.fa - tissue.expected)[region].mean()) < 2 * TEXTURE


def test_without_healthy_tissue_around_the_mean_stands_there_and_it_is_told():
    tissue, region = brain(), box()
    alone = replace(tissue, predicted=region)
    draw = filled(alone, region)
    np.testing.assert_array_equal(draw.fa[region], tissue.expected[region])
    assert draw.plain == 1
    whole = filled(tissue, tissue.brain)
    np.testing.assert_array_equal(whole.fa[tissue.brain], tissue.expected[tissue.brain])
    assert whole.plain == 1


def test_tissue_without_any_texture_is_filled_without_any():
    tissue, region = brain(), box()
    flat = replace(tissue, fa=np.where(tissue.brain, tissue.expected, 0).astype(np.float32))
    np.testing.assert_allclose(filled(flat, region).fa[region], tissue.expected[region], atol=1e-3)


def test_cancelling_takes_effect_between_regions():
    region, seen = box((slice(6, 18, 4), slice(12, 20), slice(10, 18))), []

    def check() -> None:
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_regions(brain(), region, 0, check)


def test_a_field_has_the_covariance_that_was_measured_whatever_the_mask():
    known = brain().brain & ~box()
    field = StationaryField.measured(textured(), known, SPACING)
    assert np.sqrt(field.variance) == pytest.approx(TEXTURE, rel=0.1)
    drawn = field.sample(np.random.default_rng(1))
    everywhere = np.ones(SHAPE, bool)
    np.testing.assert_allclose(step_energy(drawn, everywhere), step_energy(textured(), everywhere), rtol=0.2)
    lacking = field.without(StationaryField.measured(0.5 * textured(), known, SPACING))
    assert lacking.variance == pytest.approx(0.75 * field.variance, rel=0.05)


def test_a_field_is_continued_from_what_is_known_of_it():
    truth, hidden = textured(), box()
    field = StationaryField.measured(truth, ~hidden, SPACING)
    mean = field.continued(truth, ~hidden)
    rim = hidden & ~ndimage.binary_erosion(hidden)
    assert (mean - truth)[rim].std() < 0.6 * truth[rim].std()
    assert np.abs(mean - truth)[~hidden].max() < 0.5 * TEXTURE


def test_the_scale_follows_the_expected_fa():
    rng = np.random.default_rng(0)
    expected = np.where(np.arange(20)[:, None, None] < 10, 0.1, 0.7) * np.ones((20, 20, 20))
    residual = np.where(expected < 0.5, 0.02, 0.08) * rng.standard_normal(expected.shape)
    scale = scale_by_expected(expected, residual, rng.random(expected.shape) < 0.5)
    np.testing.assert_allclose(scale[[0, -1], 0, 0], [0.02, 0.08], rtol=0.1)
