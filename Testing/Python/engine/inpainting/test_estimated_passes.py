"""The linear estimate of a whole brain: what it is, that it sees no hole, and that it knows how far it is off."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from FAAnomalyLib.diffusion.noise_schedule import cosine_schedule
from FAAnomalyLib.evaluation.baselines.linear_fill import LinearFill
from FAAnomalyLib.inpainting.error_spread import LARGEST, error_variance
from FAAnomalyLib.inpainting.estimated_passes import estimate_passes
from FAAnomalyLib.inpainting.masks import pass_from_mask, plan_passes
from FAAnomalyLib.inpainting.window import BACKGROUND_VARIANCE
from FAAnomalyLib.networks.conditional_unet import ConditionalUNet
from support.fakes.random_nets import randomise
from support.fakes.small_inpainter import inpainter_of, small_template
from support.phantoms import tiny_brain as tb


@pytest.fixture(scope="module")
def prepared():
    return tb.prepared(*tb.head(), warped=False)


@pytest.fixture(scope="module")
def inpainter():
    """A network that answers nonsense, over the estimate of an untrained one."""
    network = randomise(ConditionalUNet((8, 16), (1, 1)), spread=0.5)
    with torch.no_grad():
        network.estimate.copy_(ConditionalUNet((8, 16), (1, 1)).estimate)
    network.forward = None  # whoever asks it fails
    return inpainter_of(network, cosine_schedule())


def test_a_hole_gets_the_linear_estimate_and_nothing_that_lay_in_it(inpainter, prepared):
    hole, priors = tb.ball(), prepared.grid.priors
    expected = LinearFill().fill(prepared.fa, hole, priors)[hole]
    found = inpainter.estimate(prepared.fa, hole, priors)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    other = np.where(hole, 1.0 - prepared.fa, prepared.fa)
    np.testing.assert_array_equal(inpainter.estimate(other, hole, priors), found)


def test_the_template_stands_in_where_no_priors_are_given(inpainter):
    known = small_template()
    hole = np.zeros(known.fa.shape, bool)
    hole[3:9, 4:9, 4:9] = True
    expected = LinearFill().fill(known.fa.data, hole, known.priors)[hole]
    np.testing.assert_allclose(inpainter.estimate(known.fa.data, hole), expected, atol=1e-6)


def test_passes_cover_the_brain_without_the_network(inpainter, prepared):
    passes = plan_passes(prepared.brain, 16, (tb.MM,) * 3, shift_count=1)
    shares: list[float] = []
    filled = estimate_passes(inpainter, prepared, passes, shares.append)
    assert filled.evaluations == 0 and shares == [number / len(passes) for number in range(len(passes))]
    covered = np.logical_or.reduce([one.hole for one in passes])
    np.testing.assert_array_equal(filled.covered, covered)
    one = passes[0].hole & ~np.logical_or.reduce([other.hole for other in passes[1:]])
    alone = np.zeros_like(prepared.fa)
    alone[passes[0].hole] = inpainter.estimate(prepared.fa, passes[0].hole, prepared.grid.priors)
    np.testing.assert_allclose(filled.mean[one], alone[one], atol=1e-6)
    inside = covered & prepared.brain
    z = (prepared.fa - filled.mean)[inside] / np.sqrt(filled.variance[inside])
    assert 0.8 < np.sqrt(np.mean(np.clip(z, -3, 3) ** 2)) < 1.2
    assert (filled.variance[covered & ~prepared.brain] == np.float32(BACKGROUND_VARIANCE)).all()
    assert np.isnan(filled.variance[~covered]).all()


def test_cancelling_ends_between_the_passes(inpainter, prepared):
    def stop(share: float) -> None:
        if share > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        estimate_passes(inpainter, prepared, [pass_from_mask(tb.ball())] * 2, stop)


# ---- how far it is off

SHAPE = (40, 40, 40)


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    """White matter in slabs that are 5 voxels thick, with soft edges."""
    slabs = (np.arange(40) // 5 % 2).astype(np.float32)
    return np.broadcast_to(ndimage.gaussian_filter1d(slabs, 1.0), SHAPE)


def test_white_matter_and_a_poor_corner_vary_more(tissue):
    inside = np.zeros(SHAPE, bool)
    inside[2:-2, 2:-2, 2:-2] = True
    poor = np.where(np.arange(40)[:, None, None] < 20, 1.0, 2.0)
    sd = (0.03 + 0.05 * tissue) * poor
    error = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32) * sd
    found = np.sqrt(error_variance(error, inside, tissue, 2.0))
    assert np.isnan(found[~inside]).all()
    far = inside & (np.abs(np.arange(40) - 20) > 8)[:, None, None]
    for white in (tissue < 0.1, tissue > 0.9):
        for side in (poor == 1.0, poor == 2.0):
            here = far & white & side
            assert found[here].mean() == pytest.approx(sd[here].mean(), rel=0.2)


def test_a_lesion_is_not_its_own_spread(tissue):
    error = 0.05 * np.random.default_rng(1).standard_normal(SHAPE).astype(np.float32)
    lesion = ((np.indices(SHAPE) - 20) ** 2).sum(0) <= 36
    ordinary = error_variance(error, np.ones(SHAPE, bool), tissue, 2.0)
    changed = error_variance(error + 0.5 * lesion, np.ones(SHAPE, bool), tissue, 2.0)
    rise = np.sqrt(changed[lesion] / ordinary[lesion])
    assert 1.0 < rise.mean() < LARGEST and rise.max() < LARGEST


@pytest.mark.parametrize("voxels", [0, 1, 50])
def test_few_voxels_and_perfect_ones_have_a_variance(tissue, voxels):
    inside = np.zeros(SHAPE, bool)
    inside.flat[:voxels] = True
    found = error_variance(np.zeros(SHAPE, np.float32), inside, tissue, 2.0)
    assert np.isnan(found[~inside]).all() and (found[inside] > 0).all()
