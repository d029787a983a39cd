"""Filling holes: no hole is seen by what fills it, passes are combined by their certainty, seeds rule every draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from FAAnomalyLib.diffusion.noise_schedule import cosine_schedule, linear_schedule
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting import bound_network, window
from FAAnomalyLib.inpainting.masks import Pass, pass_from_mask, plan_passes
from FAAnomalyLib.inpainting.pass_runner import inpaint_passes
from FAAnomalyLib.inpainting.sampling import Sampling, fitting_samplers
from FAAnomalyLib.inpainting.volume_inpainter import VolumeInpainter
from FAAnomalyLib.inpainting.window import network_window
from FAAnomalyLib.networks.conditional_unet import POSTERIOR_SPREAD, ConditionalUNet
from FAAnomalyLib.networks.registry import network_kind
from FAAnomalyLib.networks.thesis.unet import ThesisUNet
from FAAnomalyLib.preprocessing.template import TemplatePriors
from support.fakes.random_nets import randomise
from support.fakes.small_inpainter import SHAPE, inpainter_of, network_calls, small_template

FITTING_SAMPLERS = {kind: fitting_samplers(network_kind(kind)) for kind in ("inpainter", "thesis")}


@pytest.fixture(scope="module")
def trained() -> VolumeInpainter:
    """A small hole-trained network with random weights, all of them at work."""
    return inpainter_of(randomise(ConditionalUNet((8, 16), (1, 1)), spread=0.5), cosine_schedule())


@pytest.fixture(scope="module", params=[False, True], ids=["unconditional", "conditional"])
def thesis(request) -> VolumeInpainter:
    return inpainter_of(randomise(ThesisUNet(request.param, (8, 8, 16)), spread=0.5), linear_schedule())


@pytest.fixture(scope="module")
def fa() -> np.ndarray:
    return np.random.default_rng(1).random(SHAPE, dtype=np.float32)


@pytest.fixture(scope="module")
def hole() -> np.ndarray:
    hidden = np.zeros(SHAPE, bool)
    hidden[3:12, 5:13, 4:9] = True  # crosses the midline
    hidden[13, 20, 13] = True
    return hidden


# ---- one pass


@pytest.mark.parametrize("sampler", FITTING_SAMPLERS["inpainter"])
def test_what_lies_in_the_hole_is_never_used(trained, fa, hole, sampler):
    sampling = Sampling(sampler, 1 if sampler == "mean" else 2, 1, 3)
    other = np.where(hole, 1.0 - fa, fa).astype(np.float32)
    one, two = trained.fill(fa, hole, sampling), trained.fill(other, hole, sampling)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    outside = np.where(hole, fa, 1.0 - fa).astype(np.float32)
    assert np.abs(trained.fill(outside, hole, sampling)[0] - one[0]).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("sampler", FITTING_SAMPLERS["thesis"])
def test_the_thesis_networks_never_see_the_hole_either(thesis, fa, hole, sampler):
    other = np.where(hole, 1.0 - fa, fa).astype(np.float32)
    one, two = (thesis.fill(values, hole, Sampling(sampler, 2, 1, 3)) for values in (fa, other))
    np.testing.assert_array_equal(one[0], two[0])
    assert np.isnan(one[1]).all() and one[0].shape == one[1].shape == (hole.sum(),)
    assert np.isfinite(one[0]).all() and one[0].min() >= 0 and one[0].max() <= 1


@pytest.mark.parametrize(
    ("sampler", "steps", "samples", "expected"),
    [
        ("mean", 1, 1, 1),
        ("mean", 1, 3, 3),
        ("dpm++", 3, 1, 4),
        ("ddim", 3, 2, 7),
        ("ddpm", 4, 2, 9),
        ("repaint", 2, 1, 12),
        ("repaint", 2, 2, 23),
    ],
)
def test_every_network_call_is_counted_and_announced(trained, fa, hole, monkeypatch, sampler, steps, samples, expected):
    calls, announced = network_calls(trained, monkeypatch), []
    mean, variance, evaluations = trained.fill(
        fa, hole, Sampling(sampler, steps, samples, 0), lambda done, total: announced.append((done, total))
    )
    assert len(calls) == evaluations == expected
    # Progress runs straight from 0 to the end, and a cancelled run is noticed before each call.
    assert announced == [(number, expected) for number in range(expected)]
    assert mean.dtype == variance.dtype == np.float32 and mean.shape == variance.shape == (hole.sum(),)
    assert (variance > 0).all() and mean.min() >= 0 and mean.max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("sampler", FITTING_SAMPLERS["thesis"])
def test_thesis_calls_are_counted(thesis, fa, hole, monkeypatch, sampler):
    calls = network_calls(thesis, monkeypatch)
    _, variance, evaluations = thesis.fill(fa, hole, Sampling(sampler, 2, 2, 0))
    assert len(calls) == evaluations == (22 if sampler == "repaint" else 4)
    # Two draws have a spread, one has none.
    assert np.isfinite(variance).all() and (variance > 0).any()


def test_the_mean_has_the_networks_variance_and_samples_a_little_more(trained, fa, hole):
    variance = trained.fill(fa, hole, Sampling())[1]
    for samples, spread in ((1, 2.0), (4, 1.25)):
        found = trained.fill(fa, hole, Sampling("ddim", 2, samples, 0))[1]
        # Random weights make the variance depend a little on the noise; trained ones do not.
        np.testing.assert_allclose(found, spread * variance, rtol=0.1)


def test_cancelling_before_any_call_stops_there(trained, fa, hole, monkeypatch):
    calls = network_calls(trained, monkeypatch)

    def cancelled_at_three(done, total):
        if done == 2:
            raise FAError("cancelled", "Cancelled", "", "")

    with pytest.raises(FAError):
        trained.fill(fa, hole, Sampling("ddim", 5, 1, 0), cancelled_at_three)
    assert len(calls) == 2


@pytest.mark.slow
@pytest.mark.parametrize("sampler", FITTING_SAMPLERS["inpainter"])
def test_a_seed_decides_every_draw(trained, fa, hole, sampler):
    steps = 1 if sampler == "mean" else 2
    first, again, other = (trained.fill(fa, hole, Sampling(sampler, steps, 2, seed))[0] for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    # All start from noise; only the mean of a network with zero terminal signal does not depend on it.
    if FITTING_SAMPLERS["inpainter"][sampler].stochastic:
        assert np.abs(first - other).max() > 1e-3


def test_samples_of_one_run_differ(trained, fa, hole):
    one = trained.fill(fa, hole, Sampling("ddpm", 3, 1, 7))[0]
    assert np.abs(trained.fill(fa, hole, Sampling("ddpm", 3, 2, 7))[0] - one).max() > 1e-3


def test_a_sampler_that_does_not_fit_is_refused(trained, thesis, fa, hole):
    for inpainter, sampler in ((trained, "thesis"), (thesis, "mean")):
        with pytest.raises(FAError) as caught:
            inpaint_passes(inpainter, fa, [pass_from_mask(hole)], Sampling(sampler, 2, 1, 0))
        assert caught.value.code == "bad-request" and sampler in str(caught.value)


def test_a_flat_brain_is_filled_flat(hole):
    """A network whose correction is zero leaves the linear estimate, which continues what surrounds the hole."""
    network = ConditionalUNet((8, 16), (1, 1))
    with torch.no_grad():
        network.estimate.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    inpainter = inpainter_of(network, cosine_schedule())
    mean, variance, _ = inpainter.fill(np.full(SHAPE, 0.35, np.float32), hole, Sampling())
    np.testing.assert_allclose(mean, 0.35, atol=1e-4)
    # A standard deviation on the scale from -1 to 1 is half as large in FA.
    np.testing.assert_allclose(np.sqrt(variance), POSTERIOR_SPREAD / 2.0, rtol=1e-3)


def test_the_prior_of_the_brain_replaces_the_templates(trained, fa, hole):
    own = trained.template_priors
    plain, same = (trained.fill(fa, hole, Sampling(), None, priors)[0] for priors in (None, own))
    np.testing.assert_array_equal(plain, same)
    for other in (
        TemplatePriors(1.0 - own.fa, own.white_matter, own.brain),
        TemplatePriors(own.fa, 1.0 - own.white_matter, own.brain),
    ):
        assert np.abs(trained.fill(fa, hole, Sampling(), None, other)[0] - plain).max() > 1e-3


def test_a_thesis_network_is_told_the_white_matter_of_this_brain(thesis, fa, hole):
    own = thesis.template_priors
    other = TemplatePriors(own.fa, 1.0 - own.white_matter, own.brain)
    one, two = (thesis.fill(fa, hole, Sampling("ddpm", 2, 1, 3), None, priors)[0] for priors in (own, other))
    assert np.array_equal(one, two) != thesis.network.conditional


# ---- the window


@pytest.fixture
def narrow(monkeypatch) -> None:
    """Windows much smaller than the grid of these tests."""
    monkeypatch.setattr(window, "MARGIN", 3)
    monkeypatch.setattr(window, "WINDOW_STEP", 4)
    monkeypatch.setattr(window, "MIN_WINDOW", (8, 8, 8))


def test_a_window_holds_the_holes_with_a_margin_and_no_more_than_the_brain_needs(narrow):
    brain, hole = (np.zeros((64, 72, 60), bool) for _ in range(2))
    brain[10:50, 12:60, 8:52] = True
    hole[9:20, 30:34, 40:60] = True  # from outside the brain, through its upper face
    parts, rim = network_window(brain, hole), window.RIM
    for axis, (low, high) in enumerate(((10 - rim, 23), (27, 37), (37, 52 + rim))):
        part = parts[axis]
        assert part.start <= low and part.stop >= high and part.stop <= brain.shape[axis]
        assert (part.stop - part.start) % 4 == 0 and part.stop - part.start < high - low + 8
    # Holes all over the brain leave nothing out.
    everything = network_window(brain, brain)
    assert brain[everything].sum() == brain.sum()


@pytest.mark.parametrize("shape", [(6, 24, 60), (64, 72, 60)])
def test_a_window_never_leaves_the_grid_and_is_never_smaller_than_a_training_crop(shape):
    rng = np.random.default_rng(0)
    for corner in rng.integers(0, np.array(shape) - 2, (20, 3)):
        hole = np.zeros(shape, bool)
        hole[tuple(slice(c, c + 2) for c in corner)] = True
        parts = network_window(np.ones(shape, bool), hole)
        assert all(0 <= part.start and part.stop <= n for part, n in zip(parts, shape, strict=True))
        assert all(
            part.stop - part.start >= min(least, n)
            for part, least, n in zip(parts, window.MIN_WINDOW, shape, strict=True)
        )
        assert hole[parts].sum() == hole.sum()
        # A hole beside the brain is filled as well.
        assert hole[network_window(np.zeros(shape, bool), hole)].sum() == hole.sum()


@pytest.mark.parametrize("sampler", ["mean", "ddpm"])
@pytest.mark.parametrize("inside", [0.0, 1.0])
def test_the_hidden_voxels_do_not_rule_the_window(trained, narrow, fa, monkeypatch, sampler, inside):
    """A hidden voxel of background must not be told by where the network looks."""
    monkeypatch.setattr(trained, "template_priors", TemplatePriors(*(np.zeros(SHAPE, np.float32),) * 3))
    fa = fa.copy()
    fa[:, 14:] = 0.0
    hole = np.zeros(SHAPE, bool)
    hole[3:7, 9:23, 4:8] = True
    shapes = seen_shapes(trained, monkeypatch)
    found = [
        trained.fill(np.where(hole, values, fa).astype(np.float32), hole, Sampling(sampler, 1, 1, 3))
        for values in (0.5, inside)
    ]
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])
    assert len(set(shapes)) == 1 and np.prod(shapes[0]) < fa.size


def seen_shapes(inpainter: VolumeInpainter, monkeypatch) -> list:
    shapes, forward = [], type(inpainter.network).forward
    monkeypatch.setattr(
        type(inpainter.network),
        "forward",
        lambda self, x, *a: shapes.append(tuple(x.shape[2:])) or forward(self, x, *a),
    )
    return shapes


def test_what_lies_beyond_the_window_is_background(trained, narrow, fa, monkeypatch):
    none = np.zeros(SHAPE, np.float32)
    brain = none.copy()
    brain[2:14, 2:8, 2:14] = 1.0
    monkeypatch.setattr(trained, "template_priors", TemplatePriors(none, none, brain))
    hole = np.zeros(SHAPE, bool)
    hole[4:8, 4:23, 4:8] = True  # mostly where there is no brain
    mean, variance, _ = trained.fill(np.where(brain > 0, fa, 0.0), hole, Sampling())
    beyond = np.argwhere(hole)[:, 1] >= 18
    assert beyond.any() and not mean[beyond].any() and mean[~beyond].any()
    np.testing.assert_array_equal(variance[beyond], np.float32(window.BACKGROUND_VARIANCE))
    assert (variance > 0).all() and mean.shape == (hole.sum(),)


def test_a_window_gives_what_the_whole_grid_gives(hole, monkeypatch):
    """With a network that looks at one voxel at a time, the window changes no bit of a hole."""
    inpainter = inpainter_of(ConditionalUNet((8, 16), (1, 1)), cosine_schedule())
    fa = np.random.default_rng(1).random(SHAPE, dtype=np.float32)
    for small in (hole, np.roll(hole, (1, -2, 3), (0, 1, 2))):
        whole = inpainter.fill(fa, small, Sampling("ddim", 2, 1, 4))
        with monkeypatch.context() as patch:
            patch.setattr(
                bound_network,
                "network_window",
                lambda brain, hole: tuple(slice(a.min() // 4 * 4, a.max() // 4 * 4 + 4) for a in np.nonzero(hole)),
            )
            part = inpainter.fill(fa, small, Sampling("ddim", 2, 1, 4))
        np.testing.assert_allclose(part[0], whole[0], atol=1e-6)


# ---- many passes


class Scripted:
    """An inpainter that answers what it is told, pass after pass."""

    def __init__(self, *answers: tuple[float, float]) -> None:
        self.answers, self.seeds = list(answers), []

    def check(self, sampling: Sampling) -> None: ...

    def fill(self, fa, hole, sampling, on_step=None, priors=None):
        mean, variance = self.answers[len(self.seeds)]
        self.seeds.append(sampling.seed)
        for done in range(2):
            if on_step is not None:
                on_step(done, 2)
        return np.full(hole.sum(), mean, np.float32), np.full(hole.sum(), variance, np.float32), 2


def masks(*slices: slice) -> list[Pass]:
    made = []
    for part in slices:
        mask = np.zeros(SHAPE, bool)
        mask[part] = True
        made.append(pass_from_mask(mask))
    return made


def test_passes_are_weighted_by_their_certainty(fa):
    passes = masks(slice(0, 8), slice(4, 12))
    shares: list[float] = []
    filled = inpaint_passes(Scripted((0.2, 0.01), (0.6, 0.03)), fa, passes, Sampling(), shares.append)
    np.testing.assert_allclose(filled.mean[0:4], 0.2, atol=1e-6)
    np.testing.assert_allclose(filled.mean[4:8], 0.3, atol=1e-6)
    np.testing.assert_allclose(filled.mean[8:12], 0.6, atol=1e-6)
    np.testing.assert_allclose(filled.variance[4:8], 2 / (1 / 0.01 + 1 / 0.03), rtol=1e-5)
    np.testing.assert_allclose(filled.variance[:4], 0.01, rtol=1e-5)
    assert filled.covered[:12].all() and not filled.covered[12:].any()
    assert (filled.mean[12:] == 0).all() and np.isnan(filled.variance[12:]).all()
    assert filled.mean.dtype == filled.variance.dtype == np.float32
    assert filled.evaluations == 4 and shares == [0.0, 0.25, 0.5, 0.75]


def test_passes_of_several_sizes_are_fused_as_one(fa):
    answers = ((0.2, 0.01), (0.6, 0.03), (0.8, 0.02))
    holes = masks(slice(0, 8), slice(4, 12), slice(6, 16))
    passes = [Pass(one.hole, size) for one, size in zip(holes, (16, 32, 16), strict=True)]
    fused = inpaint_passes(Scripted(*answers), fa, passes, Sampling())
    weights = {0.2: 1 / 0.01, 0.6: 1 / 0.03, 0.8: 1 / 0.02}
    for part, known in ((slice(4, 6), (0.2, 0.6)), (slice(6, 8), (0.2, 0.6, 0.8)), (slice(8, 12), (0.6, 0.8))):
        total = sum(weights[one] for one in known)
        np.testing.assert_allclose(fused.mean[part], sum(weights[one] * one for one in known) / total, atol=1e-6)
        np.testing.assert_allclose(fused.variance[part], len(known) / total, rtol=1e-5)
    # Where only one size knows a place, it alone decides.
    np.testing.assert_allclose(fused.mean[12:], 0.8, atol=1e-6)
    np.testing.assert_allclose(fused.variance[12:], 0.02, rtol=1e-5)
    assert fused.evaluations == 6 and fused.covered.all()


def test_every_pass_is_given_the_prior(fa):
    scripted, given = Scripted(*[(0.5, 0.1)] * 2), []
    priors = small_template().priors
    fill = scripted.fill
    scripted.fill = lambda fa, hole, sampling, on_step, priors: (
        given.append(priors) or fill(fa, hole, sampling, on_step)
    )
    inpaint_passes(scripted, fa, masks(slice(0, 8), slice(4, 12)), Sampling(), priors=priors)
    assert len(given) == 2 and all(one is priors for one in given)


def test_an_unknown_variance_makes_plain_means(fa):
    filled = inpaint_passes(Scripted((0.2, np.nan), (0.6, np.nan)), fa, masks(slice(0, 8), slice(4, 12)), Sampling())
    np.testing.assert_allclose(filled.mean[4:8], 0.4, atol=1e-6)
    assert np.isnan(filled.variance).all() and filled.covered[:12].all()


def test_every_pass_has_its_own_noise(fa):
    scripted = Scripted(*[(0.5, 0.1)] * 3)
    inpaint_passes(scripted, fa, masks(*[slice(0, 4)] * 3), Sampling(seed=10))
    assert len(set(scripted.seeds)) == 3 and scripted.seeds[0] == 10


def test_a_whole_plan_covers_the_brain(trained, fa):
    brain = np.zeros(SHAPE, bool)
    brain[2:14, 3:21, 2:14] = True
    passes = plan_passes(brain, 8, (2.0, 2.0, 2.0), "cubic")
    filled = inpaint_passes(trained, fa, passes, Sampling())
    assert filled.covered[brain].all() and filled.evaluations == len(passes)
    assert np.isfinite(filled.variance[filled.covered]).all() and (filled.variance[filled.covered] > 0).all()
