"""Slice-wise methods from the cohort to the score map: slices, what is stored, and every registered one end to end."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from FAAnomalyLib.datasets.cohort import load_subject
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.methods import (
    aae,
    anoddpm,
    anovaegan,
    coarse_noise_dae,
    f_anogan,
    guided_diffusion,
    ilvr,
    latent_diffusion,
    pddpm,
    registry,
    repaint_slices,
    vae,
)
from FAAnomalyLib.evaluation.methods.choices import chosen_methods
from FAAnomalyLib.evaluation.methods.method_model import fit_method, split_for_thresholds
from FAAnomalyLib.evaluation.methods.registry import MethodContext, method_by_option
from FAAnomalyLib.evaluation.methods.scoring_method import FitOptions
from FAAnomalyLib.evaluation.planting import lesion_simulator
from FAAnomalyLib.evaluation.slicewise import slice_method
from FAAnomalyLib.evaluation.slicewise.learned_networks import CARD, DESCRIPTION, WEIGHTS
from FAAnomalyLib.evaluation.slicewise.slices import MULTIPLE, SliceStack, healthy_slices, slices_of, volume_of
from FAAnomalyLib.evaluation.slicewise.synthetic_anomalies import AnomalyRange, with_anomaly
from FAAnomalyLib.models.manifest import sha256_of
from FAAnomalyLib.preprocessing import preparation
from support.phantoms import synthetic_brain as sb

LEVELS_MM = ((8.0, 20), (4.0, 8))
NARROW = {"widths": (8, 8, 8), "batch": 4}
SMALL = {
    vae.VAE: {"steps": 20},
    aae.AAE: {"steps": 20},
    f_anogan.F_ANOGAN: {"steps": 10, "encoder_steps": 20, "critic_steps": 2},
    anovaegan.ANOVAEGAN: {"steps": 20},
    latent_diffusion.LATENT_DIFFUSION: {
        "steps": 80,
        "diffusion_steps": 80,
        "batch": 4,
        "window_steps": 3,
        "inpainting_steps": 4,
    },
    guided_diffusion.GUIDED_DIFFUSION: {
        "steps": 3,
        "classifier_steps": 3,
        "unet": (4, 4, 4),
        "classifier": (4, 4, 4),
        "moves": 1,
    },
    pddpm.PDDPM: {"steps": 20, **NARROW},
    anoddpm.ANODDPM: {"steps": 30, "evaluations": 2, "widths": (8, 8), "batch": 4},
    coarse_noise_dae.DAE: {"steps": 20, **NARROW},
    repaint_slices.REPAINT: {"steps": 5, "levels": 2, "resamples": 1, **NARROW},
    ilvr.ILVR: {"steps": 10, "evaluations": 2, **NARROW},
}
"""The tiny recipes with fewer steps."""


def test_slices_and_volume_are_inverse_of_each_other():
    rng = np.random.default_rng(0)
    fa, brain = rng.random((20, 35, 7)).astype(np.float32), rng.random((20, 35, 7)) < 0.5
    stack = slices_of(fa, brain, person=3)
    assert stack.pictures.shape == (7, 1, 32, 48) and stack.shape[0] % MULTIPLE == stack.shape[1] % MULTIPLE == 0
    assert np.allclose(volume_of((stack.pictures + 1) / 2, fa.shape), np.where(brain, fa, 0.0), atol=1e-6)
    assert np.array_equal(volume_of(stack.brain, fa.shape) > 0, brain) and set(stack.people.tolist()) == {3}
    assert (stack.pictures[~stack.brain] == -1).all()
    assert stack.pictures[4, 0, 11, 17].item() == pytest.approx(2 * fa[11, 17, 4] - 1 if brain[11, 17, 4] else -1)


def test_whole_people_are_held_out():
    x = torch.zeros(6, 1, 16, 16)
    stack = SliceStack(x, x.bool(), torch.tensor([0, 0, 1, 1, 2, 3]))
    learned, kept = stack.hold_out(4)
    assert learned.people.tolist() == [0, 0, 1, 1, 2] and kept.people.tolist() == [3]
    learned, kept = stack.where(stack.people < 2).hold_out(4)
    assert learned.people.tolist() == [0, 0] and kept.people.tolist() == [1, 1]
    learned, kept = stack.where(stack.people == 0).hold_out(4)
    assert len(learned) == len(kept) == 2, "one person alone gives both"


def test_synthetic_anomalies_are_patches_in_the_brain():
    drawn = AnomalyRange(share=(0.02, 0.15), change=(0.2, 0.4))
    x, brain = torch.zeros(40, 1, 48, 48), torch.zeros(40, 1, 48, 48, dtype=torch.bool)
    brain[..., 8:40, 8:40] = True
    changed = with_anomaly(x, brain, drawn, torch.Generator().manual_seed(0))
    assert (changed[~brain] == 0).all() and x.abs().max() == 0
    change = changed.flatten(1)
    strongest = change.abs().max(1).values / 2
    assert strongest.min() >= 0.3 * drawn.change[0] and strongest.max() <= drawn.change[1] + 1e-6
    shares = (changed != 0).flatten(1).sum(1) / brain[0].sum()
    assert (shares >= drawn.share[0]).all() and shares.max() < 3 * drawn.share[1] and shares.std() > 0.02
    assert all((row.min() >= 0) != (row.max() <= 0) for row in change), "each has one sign"
    assert 5 < (change.max(1).values > 0).sum() < 35


@pytest.fixture(scope="module")
def learned(subjects, template, aligned, tmp_path_factory):
    """The healthy slices of person A, registered once for all methods."""
    cache = tmp_path_factory.mktemp("registered")
    return healthy_slices([one for one in subjects if one.person == "A"], template, cache, lambda line: None)


def test_healthy_slices_are_those_with_brain(learned, subjects):
    assert learned.shape == (48, 48) and set(learned.people.tolist()) == {0}
    assert learned.brain_share.min() >= 0.02 and 30 < len(learned) < 80
    inside = learned.pictures[learned.brain]
    healthy, _ = load_subject(subjects[0])
    mean = healthy.data[healthy.data > 0].mean()
    assert ((inside.mean() + 1) / 2).item() == pytest.approx(mean, abs=0.05)


@pytest.fixture(scope="module")
def brains(subjects, template, aligned):
    """Person B's brain, the same with an anomaly, both registered once; and where the anomaly is."""
    healthy, mask = load_subject(next(one for one in subjects if one.person == "B"))
    places = np.argwhere(healthy.data > 0) @ healthy.affine[:3, :3].T + healthy.affine[:3, 3]
    ball = np.zeros(healthy.shape, bool)
    ball[healthy.data > 0] = np.linalg.norm(places - (26.0, -24.0, 26.0), axis=1) < 13.0
    lesioned = healthy.with_data(np.where(ball, healthy.data * 0.3, healthy.data).astype(np.float32))
    prepared = {id(one): preparation.prepare(one, template, mask) for one in (healthy, lesioned)}
    return healthy, lesioned, ball, lambda volume: prepared[id(volume)]


@pytest.fixture
def fitted(learned, brains, subjects, template, tmp_path, monkeypatch):
    """``fitted(method)``: a model folder from fit_method, with few steps and without registering again."""
    healthy, _, _, prepare = brains
    monkeypatch.setattr(slice_method, "healthy_slices", lambda *_: learned)
    monkeypatch.setattr(lesion_simulator, "prepare", lambda *_: prepare(healthy))

    def fit(method: slice_method.SliceMethod):
        tiny = replace(method.recipes["tiny"], **SMALL[method])
        monkeypatch.setitem(method.recipes, "tiny", tiny)
        people, held_out = split_for_thresholds(subjects, ["B"], learns=True)
        options = FitOptions(tmp_path, "tiny", "cpu", 5, lambda line: None)
        return fit_method(method_by_option(method.name.lower().replace(" ", "-")), people, held_out, options, template)

    return fit


@pytest.mark.slow
@pytest.mark.parametrize("method", SMALL, ids=lambda method: method.name)
def test_a_method_is_fitted_stored_and_finds_a_planted_change(method, fitted, brains, subjects, tmp_path):
    healthy, lesioned, ball, prepare = brains
    record = fitted(method)
    assert record.method == method.name and record.calibrated_on == ("b1_FA.nii.gz",)
    (choice,) = chosen_methods(f"{method.name.lower().replace(' ', '-')}={tmp_path}", {"B"})
    assert choice.entry.dimensions == 2 and choice.entry.needs_network
    context = MethodContext(subjects[2], prepare, seed=7, model=tmp_path, device="cpu")
    scoring = choice.entry.create(context).scoring
    before, after = scoring.score(healthy), scoring.score(lesioned)
    assert np.isfinite(after.score).all() and after.provenance["network_evaluations"] > 0
    assert after.expected.min() >= 0 and after.expected.max() <= 1
    assert np.array_equal(after.expected[~after.generated], lesioned.data[~after.generated])
    assert (after.score[lesioned.data == 0] == 0).all()
    change = after.score - before.score
    if method is not guided_diffusion.GUIDED_DIFFUSION:  # its classifier learns too slowly: see the next test
        judged = ball & (before.score != 0) if method.standardises else ball
        assert change[judged].mean() < min(10 * change[~ball].mean(), 0.0)
        if method.standardises:  # inpainted codes are larger than voxels
            assert ball[np.unravel_index(np.argmin(change), change.shape)]
    again = choice.entry.create(context).scoring.score(lesioned)
    assert np.array_equal(again.score, after.score), "the same seed gives the same map"
    card = (tmp_path / CARD).read_text()
    assert (
        method.source in card
        and "a1_FA.nii.gz" in card
        and ("SYNTHETIC" in card) == (method in (guided_diffusion.GUIDED_DIFFUSION, pddpm.PDDPM))
    )


def discs(count: int, seed: int) -> SliceStack:
    """Round slices of one FA with a smooth variation: no anatomy, so that a classifier learns in a second."""
    noise = torch.randn(count, 1, 5, 5, generator=torch.Generator().manual_seed(seed))
    texture = 0.15 * torch.nn.functional.interpolate(noise, (24, 24), mode="bilinear")
    x, y = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    brain = ((x - 11.5) ** 2 + (y - 11.5) ** 2 < 11**2).expand(count, 1, 24, 24)
    return SliceStack(torch.where(brain, texture, -1.0), brain, torch.arange(count))


@pytest.mark.slow
def test_guidance_restores_what_the_classifier_calls_anomalous():
    method = guided_diffusion.GUIDED_DIFFUSION
    recipe = replace(method.recipes["tiny"], steps=10, classifier_steps=100, unet=(8, 8), classifier=(8, 8, 16))
    networks, healthy = method.networks(recipe, (24, 24), 1), discs(64, 0)
    generator = torch.Generator().manual_seed(0)
    method.train(networks, slice_method.Training(healthy, recipe, torch.device("cpu"), generator, lambda line: None))
    networks.eval().requires_grad_(False)
    other, patch = discs(8, 5), np.s_[:, :, 8:14, 9:15]
    lesioned = other.pictures.clone()
    lesioned[patch] -= 0.7
    residuals = []
    for scale in (0.0, recipe.scale):
        judged = method.judge(networks, replace(recipe, scale=scale), lesioned, other.brain, generator)
        residuals.append(lesioned - judged.expected)
    gained = (residuals[1] - residuals[0]) * other.brain
    assert gained[patch].mean() < -0.05, "guidance raises the score of the lesion"
    outside = other.brain.clone()
    outside[patch] = False
    assert gained[patch].mean().abs() > 3 * gained[outside].mean().abs()


def test_altered_damaged_or_foreign_networks_are_refused(fitted, brains, subjects, template, tmp_path):
    fitted(vae.VAE)
    context = MethodContext(subjects[2], brains[3], model=tmp_path, device="cpu")
    entry, good = method_by_option("vae"), (tmp_path / WEIGHTS).read_bytes()
    with pytest.raises(FAError, match="holds VAE, not AAE"):
        method_by_option("aae").create(context)
    with pytest.raises(FAError, match="needs a model folder"):
        entry.create(replace(context, model=None))
    (tmp_path / WEIGHTS).write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(FAError, match="damaged or altered"):
        entry.create(context)
    np.savez(tmp_path / WEIGHTS, weight=np.array([{"a": print}], dtype=object))
    described = json.loads((tmp_path / DESCRIPTION).read_text())
    vouched = sha256_of(tmp_path / WEIGHTS)
    (tmp_path / DESCRIPTION).write_text(json.dumps({**described, "sha256": vouched}))
    with pytest.raises(FAError, match="do not fit their networks"):
        entry.create(context)
    (tmp_path / WEIGHTS).write_bytes(good)
    (tmp_path / DESCRIPTION).write_text(json.dumps({**described, "template_sha256": "0" * 64}))
    with pytest.raises(FAError, match="trained with another template"):
        entry.create(context).score(brains[0])
    (tmp_path / DESCRIPTION).unlink()
    with pytest.raises(FAError, match="no usable networks"):
        entry.create(context)


def test_a_training_that_diverges_is_not_stored(fitted, tmp_path, monkeypatch):
    broken = replace(vae.VAE, train=lambda networks, training: networks.decoder.first.bias.data.fill_(float("nan")))
    with pytest.raises(FAError, match="The training of VAE diverged"):
        broken.fit([], FitOptions(tmp_path, "tiny", "cpu", template=sb.template()))
    with pytest.raises(FAError, match="has no recipe 'large'"):
        vae.VAE.fit([], FitOptions(tmp_path, "large"))
    assert not list(tmp_path.iterdir())


def test_training_leaves_torchs_random_state_and_is_repeatable():
    state = torch.get_rng_state()
    first, again = (vae.VAE.networks(vae.VAE.recipes["tiny"], (16, 16), 3) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    for one, other in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_paper_networks_fit_the_model_grid():
    """Sizes of slices of 80 x 96, on the meta device: no memory is taken."""
    for method in SMALL:
        with torch.device("meta"):
            networks = method.build(method.recipes["paper"], (80, 96))
        assert sum(parameter.numel() for parameter in networks.parameters()) > 1e6
    assert registry.method_by_option("f-anogan").needs_training


def test_a_trial_shortens_the_training_alone(tmp_path, monkeypatch, learned):
    """Networks, sampling and the model's record stay those of the recipe."""
    method, seen = latent_diffusion.LATENT_DIFFUSION, []

    def train(networks, training):
        seen.append(training.recipe)
        raise FAError("cancelled", "Enough")

    monkeypatch.setattr(slice_method, "healthy_slices", lambda *_: learned)
    for effort in (1.0, 0.1):
        options = FitOptions(tmp_path, "tiny", "cpu", 0, lambda line: None, sb.template(), effort=effort)
        with pytest.raises(FAError, match="Enough"):
            replace(method, train=train).fit([], options)
    tiny = method.recipes["tiny"]
    assert seen[0] == tiny and seen[1] == replace(tiny, steps=30, diffusion_steps=60)
