"""The diffusion comparators against what their papers say and against diffusers' scheduler."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from FAAnomalyLib.evaluation.baselines.harmonic_fill import HarmonicFill
from FAAnomalyLib.evaluation.methods import anoddpm, coarse_noise_dae, ilvr, pddpm, repaint_slices
from FAAnomalyLib.evaluation.methods.biharmonic_zmap import BIHARMONIC_ZMAP, biharmonic_prediction
from FAAnomalyLib.evaluation.methods.mean_white_matter import mean_prediction
from FAAnomalyLib.evaluation.methods.registry import untrained_choices
from FAAnomalyLib.evaluation.slicewise import residual_decision
from FAAnomalyLib.evaluation.slicewise.slice_diffusion import ancestral_path, noise_source
from FAAnomalyLib.evaluation.slicewise.slice_method import Training
from FAAnomalyLib.evaluation.slicewise.slices import SliceStack
from FAAnomalyLib.inpainting.masks import plan_passes
from FAAnomalyLib.volume import Volume
from support.phantoms import tiny_brain

SHAPE = (32, 48)


def scheduler(name: str):
    """Diffusers', whose import takes seconds: not while tests are collected."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(1000, 1e-4, 0.02, beta_schedule=name)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 2, seed: int = 1) -> torch.Tensor:
    return torch.rand((count, 1, *SHAPE), generator=generator(seed)) * 2.0 - 1.0


class Recorder(nn.Module):
    """Stands for a U-Net: remembers what it is asked, and answers by a function of it."""

    def __init__(self, answer) -> None:
        super().__init__()
        self.answer, self.asked = answer, []

    def forward(self, x, t):
        self.asked.append((x.clone(), t.clone()))
        return self.answer(x)


def with_unet(answer) -> pddpm.Pddpm:
    networks = pddpm.Pddpm(pddpm.TINY, SHAPE)
    networks.unet = Recorder(answer)
    return networks


def test_patches_of_pddpm_tile_the_slice_and_random_ones_have_their_size():
    tiles = torch.cat(list(pddpm.grid_patches(SHAPE)))
    assert len(tiles) == 4 and (tiles.sum(0) == 1).all()
    drawn = torch.cat([pddpm.random_patch(SHAPE, generator(seed), True) for seed in range(300)])
    assert (drawn.sum((1, 2, 3)) == 16 * 24).all() and drawn.any(0).float().mean() > 0.98
    assert len({tuple(torch.nonzero(one)[0].tolist()) for one in drawn}) > 100
    of_grid = [pddpm.random_patch(SHAPE, generator(seed), False) for seed in range(40)]
    assert {tuple(torch.nonzero(one)[0].tolist()) for one in of_grid} == {
        tuple(torch.nonzero(one[None])[0].tolist()) for one in tiles
    }


def test_pddpm_noises_one_patch_to_the_500th_step_and_leaves_the_context_clean(monkeypatch):
    noise, x0 = torch.randn(2, 1, *SHAPE, generator=generator(3)), pictures()
    monkeypatch.setattr(pddpm, "noise_source", lambda *_: lambda x: noise)
    networks = with_unet(lambda x: torch.full_like(x, 0.1 * len(networks.unet.asked)))
    judged = pddpm.judge(networks, pddpm.PAPER, x0, x0 > -2, generator())
    noisy = scheduler("squaredcos_cap_v2").add_noise(x0, noise, torch.tensor([499, 499]))
    for number, ((x, t), patch) in enumerate(zip(networks.unet.asked, pddpm.grid_patches(SHAPE), strict=True), 1):
        assert t.tolist() == [499, 499]
        inside = patch.expand_as(x)
        assert torch.equal(x[~inside], x0[~inside]) and torch.allclose(x[inside], noisy[inside], atol=1e-5)
        assert (judged.expected[inside] == 0.1 * number).all(), "a patch is shown as it was restored itself"


@pytest.mark.parametrize("random_patches", [False, True])
def test_the_loss_of_pddpm_counts_in_the_patch_alone_and_is_l1(random_patches, monkeypatch):
    losses = []
    monkeypatch.setattr(pddpm, "descend", lambda network, training, average, loss, what: losses.append(loss))
    monkeypatch.setattr(pddpm, "best_threshold", lambda *_: 0.1)
    x0 = pictures(4)
    stack = SliceStack(x0, x0 > -2, torch.arange(4))
    # Right to 0.25 where there is noise, nonsense where there is none.
    networks = with_unet(lambda x: torch.where(x == x0, 9.0, x0 + 0.25))
    recipe = replace(pddpm.TINY, random_patches=random_patches, noise="gaussian")
    pddpm.train(networks, Training(stack, recipe, torch.device("cpu"), generator(), lambda line: None))
    assert losses[0](x0, stack.brain).item() == pytest.approx(0.25, abs=0.02)
    noised = (networks.unet.asked[0][0] != x0).float().mean().item()
    assert noised == pytest.approx(0.25, abs=0.001), "a quarter of each slice is noised"
    assert float(networks.threshold) == pytest.approx(0.1)


def test_anoddpm_noises_to_step_250_as_diffusers_does_and_walks_all_the_way_back(monkeypatch):
    noise, x0 = torch.randn(2, 1, *SHAPE, generator=generator(3)), pictures()
    monkeypatch.setattr(anoddpm, "noise_source", lambda *_: lambda x: noise)
    network = Recorder(torch.zeros_like)
    anoddpm.partial_diffusion(network, anoddpm.RECIPES["paper"], x0, x0 > -2, generator())
    (x, t), last = network.asked[0], network.asked[-1]
    assert t.tolist() == [249, 249] and last[1].tolist() == [0, 0] and len(network.asked) == 250
    assert torch.allclose(x, scheduler("linear").add_noise(x0, noise, torch.tensor([249, 249])), atol=1e-5)
    assert [t for t, _ in ancestral_path(250, 250)] == list(range(249, -1, -1))


def test_one_step_of_the_way_back_is_diffusers_step(monkeypatch):
    noise, x0 = torch.randn(2, 1, *SHAPE, generator=generator(3)), pictures()
    monkeypatch.setattr(anoddpm, "noise_source", lambda *_: lambda x: noise)
    monkeypatch.setattr("diffusers.schedulers.scheduling_ddpm.randn_tensor", lambda *_, **__: noise)
    network = Recorder(lambda x: 0.3 * x)
    anoddpm.partial_diffusion(network, anoddpm.RECIPES["paper"], x0, x0 > -2, generator())
    first, second = network.asked[0][0], network.asked[1][0]
    assert torch.allclose(second, scheduler("linear").step(0.3 * first, 249, first).prev_sample, atol=1e-5)


def test_simplex_noise_is_smooth_of_variance_1_and_gaussian_noise_is_not_smooth():
    for name, correlated in (("simplex", True), ("gaussian", False)):
        noise = noise_source(name, generator())(torch.empty(60, 1, 64, 64))
        assert noise.std().item() == pytest.approx(1.0, abs=0.1)
        beside = (noise[..., 1:] * noise[..., :-1]).mean() / noise.var()
        assert bool(beside > 0.5) == correlated
        assert not torch.equal(noise[0], noise[1])


def test_dae_noise_is_coarse_has_sd_0_2_on_its_grid_and_stays_in_the_brain():
    recipe = coarse_noise_dae.DAE.recipes["paper"]
    on_its_grid = coarse_noise_dae.coarse_noise(torch.ones(200, 1, 16, 16, dtype=torch.bool), recipe, generator())
    assert on_its_grid.std().item() == pytest.approx(0.2, rel=0.02)
    brain = torch.ones(200, 1, 96, 96, dtype=torch.bool)
    brain[..., :20, :] = False
    noise = coarse_noise_dae.coarse_noise(brain, recipe, generator())
    inside = noise[..., 20:, :]
    assert (noise[~brain] == 0).all() and inside.std().item() == pytest.approx(0.2 * 2 / 3, rel=0.03)
    beside = (inside[..., 1:] * inside[..., :-1]).mean() / inside.var()
    apart = (inside[..., 13:] * inside[..., :-13]).mean() / inside.var()
    assert beside > 0.9 and apart.abs() < 0.05, "neighbours share it, pixels of other coarse pixels do not"


def test_ilvr_keeps_low_frequencies_and_makes_the_rest():
    flat = torch.full((1, 1, *SHAPE), 0.3)
    fine = torch.tensor([1.0, -1.0]).repeat(SHAPE[0], SHAPE[1] // 2)[None, None]
    assert torch.allclose(ilvr.low_pass(flat, 8), flat, atol=1e-6)
    assert ilvr.low_pass(fine, 8).abs().mean() < 0.02
    smooth = torch.nn.functional.interpolate(pictures()[..., :4, :6], SHAPE, mode="bicubic") + 0.3 * fine
    network = Recorder(lambda x: 0.5 * x)
    recipe = ilvr.ILVR.recipes["tiny"]
    made = ilvr.judge(network, recipe, smooth, smooth > -9, generator()).expected
    wanted = ilvr.low_pass(smooth, recipe.factor)
    assert (ilvr.low_pass(made, recipe.factor) - wanted).std() < 0.2 * wanted.std()
    rest, own = made - wanted, smooth - wanted
    assert (rest * own).mean().abs() < 0.2 * rest.std() * own.std(), "the detail is not the slice's"
    assert network.asked[0][1].tolist() == [999, 999]


def test_repaint_covers_the_slice_and_never_reads_what_it_hides():
    holes = repaint_slices.lattice_holes(SHAPE)
    assert (holes.sum(0) == 1).all()
    assert repaint_slices.evaluations(repaint_slices.REPAINT.recipes["paper"]) == 4 * 2410
    recipe, x0 = repaint_slices.REPAINT.recipes["tiny"], pictures()
    changed = torch.where(holes[2], -x0, x0)
    network = Recorder(lambda x: x - torch.nn.functional.avg_pool2d(x, 3, 1, 1))
    first, second = (
        repaint_slices.judge(network, recipe, one, one > -9, generator()).expected for one in (x0, changed)
    )
    assert torch.equal(first[:, :, holes[2]], second[:, :, holes[2]])
    assert not torch.equal(first[:, :, holes[1]], second[:, :, holes[1]]), "what is around does count"
    assert len(network.asked) == 2 * repaint_slices.evaluations(recipe)


def test_the_biharmonic_fill_continues_curvature_where_the_harmonic_one_cannot():
    fa, brain = tiny_brain.head()
    x = np.indices(fa.shape)[0] - 12.0
    curved = (0.2 + 0.003 * x**2).astype(np.float32)
    prepared = tiny_brain.prepared(curved, brain, warped=False)
    predicted, inside = biharmonic_prediction(prepared, brain), np.zeros_like(brain)
    for one in plan_passes(brain, 16, (prepared.grid.spacing_mm,) * 3, shift_count=1):
        inside |= one.hole
    away = inside & (np.abs(x) < 8)
    away[:, :3], away[:, -3:], away[:, :, :3], away[:, :, -3:] = False, False, False, False
    harmonic = np.zeros_like(curved)
    for one in plan_passes(brain, 16, (prepared.grid.spacing_mm,) * 3, shift_count=1):
        harmonic[one.hole] = HarmonicFill().fill(curved, one.hole)[one.hole]
    assert np.abs(predicted - curved)[away].max() < 1e-3 < np.abs(harmonic - curved)[away].max()
    assert BIHARMONIC_ZMAP not in [choice.entry for choice in untrained_choices()]


def test_mean_white_matter_is_one_number_in_the_brain():
    fa, brain = tiny_brain.head()
    expected = mean_prediction(tiny_brain.prepared(fa, brain, warped=False), fa > 0.4)
    assert expected[brain] == pytest.approx(fa[fa > 0.4].mean()) and (expected[~brain] == 0).all()


def test_the_decision_of_pddpm_drops_small_components_and_the_rim():
    fa = np.zeros((40, 40, 40), np.float32)
    fa[4:36, 4:36, 4:36] = 0.4
    difference = np.zeros_like(fa)
    difference[10:19, 10:19, 10:19] = -0.2  # found
    difference[24:26, 24:26, 24:26] = 0.9  # less than half of the median's 5 cubed
    difference[4:6, 4:36, 4:36] = 0.9  # the rim
    found = residual_decision.decide(Volume(fa, np.diag([2.0, 2.0, 2.0, 1.0])), difference, 0.1)
    assert found[13, 13, 13] and not found[24:26, 24:26, 24:26].any() and not found[:7].any()
    finer = residual_decision.decide(Volume(fa, np.diag([1.0, 1.0, 1.0, 1.0])), difference, 0.1)
    assert finer[:10].sum() == 0 and finer[13, 13, 13]
    assert not residual_decision.decide(Volume(fa, np.eye(4)), difference, 0.3)[13, 13, 13]


def test_bisection_comes_near_the_best_dice():
    draws = np.random.default_rng(0)
    truth = draws.random(20_000) < 0.1
    score = np.abs(draws.normal(0.0, 1.0, truth.shape)) + 2.5 * truth
    best = max(residual_decision.dice(score > limit, truth) for limit in np.linspace(0.0, 6.0, 200))
    found = residual_decision.dice(score > residual_decision.bisected_threshold(score, truth), truth)
    assert best - 0.02 < found <= best + 1e-3 and best < 0.95


def test_the_threshold_is_between_healthy_and_changed():
    x0 = torch.zeros(8, 1, *SHAPE)
    stack = SliceStack(x0, x0 > -2, torch.arange(8))
    restore = lambda pictures, brain: residual_decision.Judged(torch.full_like(pictures, 0.02))  # noqa: E731
    assert 0.01 < residual_decision.best_threshold(stack, restore, 4, generator()) < residual_decision.CHANGE
