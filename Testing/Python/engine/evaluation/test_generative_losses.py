"""Losses and steps of the generative comparators against torch.distributions, diffusers, and cases solved by hand."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import Bernoulli, Normal, kl_divergence

from FAAnomalyLib.diffusion.noise_schedule import linear_schedule
from FAAnomalyLib.evaluation.methods import aae, anovaegan, f_anogan, guided_diffusion, latent_diffusion, vae
from FAAnomalyLib.evaluation.slicewise import losses
from FAAnomalyLib.evaluation.slicewise.slice_method import Training
from FAAnomalyLib.evaluation.slicewise.slices import SliceStack

F_ANOGAN = f_anogan.FAnoGanRecipe(1, 4, 1e-3, encoder_steps=2, widths=(4, 8), code=6, critic_steps=2)
AAE = aae.AaeRecipe(1, 4, 1e-3, widths=(4, 8), code=6, discriminator=8)
LATENT = latent_diffusion.LatentRecipe(
    2,
    4,
    1e-3,
    diffusion_steps=2,
    widths=(4, 4),
    codes=8,
    size=3,
    unet=(8, 8),
    timesteps=50,
    window_steps=3,
    inpainting_steps=5,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 4, size: int = 16) -> torch.Tensor:
    return torch.rand((count, 1, size, size), generator=rng()) * 2 - 1


def training(recipe) -> Training:
    x = pictures(8)
    stack = SliceStack(x, torch.ones_like(x, dtype=torch.bool), torch.arange(8))
    return Training(stack, recipe, torch.device("cpu"), rng(), lambda line: None)


def test_divergence_of_the_code_is_that_of_torch_distributions():
    mean, log_variance = torch.randn(2, 5, 7, generator=rng(1)), torch.randn(2, 5, 7, generator=rng(2))
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum((1, 2))
    torch.testing.assert_close(losses.kl_to_standard_normal(mean, log_variance), expected)


def test_codes_are_drawn_from_their_distribution():
    mean, log_variance = torch.tensor([1.5, -2.0]), torch.tensor([0.0, -3.0])
    drawn = losses.reparametrised(mean, log_variance, torch.randn(20_000, 2, generator=rng()))
    torch.testing.assert_close(drawn.mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(drawn.std(0), (0.5 * log_variance).exp(), atol=0.02, rtol=0)


def test_vae_loss_is_the_negative_log_likelihood_bound():
    """A likelihood of variance 1/2: |x - x'|^2 is -log N(x; x', 1/2) up to a constant."""
    x, again = pictures(3), pictures(3).flip(0)
    mean, log_variance = torch.randn(3, 5, generator=rng(1)), torch.randn(3, 5, generator=rng(2))
    likelihood = Normal(again, 0.5**0.5)
    misfit = (likelihood.log_prob(again) - likelihood.log_prob(x)).flatten(1).sum(1)
    divergence = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(vae.vae_loss(x, again, mean, log_variance), (misfit + divergence).mean())


def test_discriminator_loss_is_the_likelihood_of_its_labels():
    real, made = torch.tensor([2.0, -1.0]), torch.tensor([0.5, -3.0])
    expected = -Bernoulli(logits=real).log_prob(torch.ones(2)) - Bernoulli(logits=made).log_prob(torch.zeros(2))
    assert losses.discriminator_loss(real, made).item() == pytest.approx(expected.mean().item())
    assert losses.deceiving_loss(made).item() == pytest.approx(-torch.sigmoid(made).log().mean().item())


def test_the_aae_discriminator_sees_prior_and_codes():
    torch.manual_seed(0)
    networks, seen = aae.Aae(AAE, (16, 16)), []
    networks.discriminator = nn.Sequential(nn.Linear(AAE.code, 1))
    networks.discriminator.register_forward_hook(lambda module, given, out: seen.append((given[0], out)))
    x, prior = pictures(), torch.randn(4, AAE.code, generator=rng(5))
    loss = aae.code_discriminator_loss(networks, x, prior)
    assert torch.equal(seen[0][0], prior) and torch.equal(seen[1][0], networks.encoder(x))
    real, made = (out.detach() for _, out in seen)
    expected = -torch.sigmoid(real).log().mean() - (1 - torch.sigmoid(made)).log().mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    assert all(p.grad is None for p in networks.encoder.parameters()), "it teaches the discriminator alone"


def test_the_aae_encoder_deceives_and_keeps_the_code_of_its_reconstruction():
    """An encoder that reads the first pixels and a decoder that writes half of them: every term is known."""

    class Half(nn.Module):
        def encoder(self, x):
            return x.flatten(1)[:, :6]

        def decoder(self, code):
            return torch.cat([0.5 * code, torch.zeros(len(code), 250)], 1).reshape(-1, 1, 16, 16)

        def discriminator(self, code):
            return code[:, :1]

    x = pictures()
    code = x.flatten(1)[:, :6]
    error = (0.25 * code**2).sum(1) + (x.flatten(1)[:, 6:] ** 2).sum(1)
    expected = error.mean() + 3.0 * (0.25 * code**2).sum(1).mean() - 2.0 * torch.sigmoid(code[:, :1]).log().mean()
    loss = aae.autoencoder_loss(Half(), x, replace(AAE, constraint=3.0, adversarial=2.0))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_anovaegan_code_keeps_its_place():
    """Baur et al. 2018: no dense layer, so a shifted slice has a shifted code."""
    torch.manual_seed(0)
    recipe = anovaegan.AnoVaeGanRecipe(1, 4, 1e-3, widths=(4, 8), code=3)
    networks, x = anovaegan.AnoVaeGan(recipe, (32, 32)).eval(), torch.zeros(1, 1, 32, 32)
    x[..., 12:16, 12:16] = 1.0
    near, far = networks.encode(x)[0], networks.encode(x.roll((4, 8), (2, 3)))[0]
    assert near.shape == (1, 3, 8, 8)
    torch.testing.assert_close(near.roll((1, 2), (2, 3))[..., 2:7, 3:7], far[..., 2:7, 3:7])
    inner = near[0, :, 1:7, 1:7]
    changed = (inner - inner.flatten(1).median(1).values[:, None, None]).abs().sum(0)
    assert changed[1:4, 1:4].max() == changed.max() and changed[4:, 4:].max() < 1e-5


def test_the_anovaegan_generator_pays_for_error_divergence_and_discovery():
    torch.manual_seed(0)
    recipe = anovaegan.AnoVaeGanRecipe(1, 4, 1e-3, widths=(4, 8), code=3, divergence=0.5, adversarial=2.0)
    networks, x = anovaegan.AnoVaeGan(recipe, (16, 16)), pictures()
    noise = torch.randn(4, 3, 4, 4, generator=rng(3))
    loss, again = anovaegan.generator_loss(networks, x, noise, recipe)
    mean, log_variance = networks.encode(x)
    q = Normal(mean, (0.5 * log_variance).exp())
    torch.testing.assert_close(again, networks.decoder(q.mean + q.stddev * noise))
    expected = nn.functional.l1_loss(again, x) * x[0].numel()
    expected = expected + 0.5 * kl_divergence(q, Normal(0.0, 1.0)).sum((1, 2, 3)).mean()
    expected = expected - 2.0 * torch.sigmoid(networks.discriminator(again)).log().mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_gradient_penalty_of_critics_with_known_gradients():
    """A plane has one gradient w; half the squared norm has the point itself as gradient."""
    real, made = pictures(3), pictures(3).flip(0)
    share, w = torch.rand((3, 1, 1, 1), generator=rng(4)), torch.randn(256, generator=rng(6))
    plane = losses.gradient_penalty(lambda x: x.flatten(1) @ w, real, made, share)
    assert plane.item() == pytest.approx((w.norm().item() - 1.0) ** 2, rel=1e-5)
    bowl = losses.gradient_penalty(lambda x: 0.5 * (x.flatten(1) ** 2).sum(1), real, made, share)
    between = (share * real + (1 - share) * made).flatten(1)
    assert bowl.item() == pytest.approx(((between.norm(dim=1) - 1.0) ** 2).mean().item(), rel=1e-5)
    assert losses.gradient_penalty(lambda x: x.flatten(1) @ (w / w.norm()), real, made, share).item() < 1e-9


def test_critic_loss_is_wasserstein_with_penalty():
    class Plane(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.randn(256, generator=rng(6)))

        def forward(self, x):
            return x.flatten(1) @ self.w

    networks, x, made = f_anogan.FAnoGan(F_ANOGAN, (16, 16)), pictures(), pictures().flip(2)
    networks.critic = plane = Plane()
    loss = f_anogan.critic_loss(networks, x, made, torch.zeros(4, 1, 1, 1), penalty=10.0)
    expected = (made - x).flatten(1).mean(0) @ plane.w + 10.0 * (plane.w.norm() - 1.0) ** 2
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_izi_f_is_the_mean_squared_error_of_slices_and_features():
    x, again = pictures(2), pictures(2).flip(3)
    features, features_again = torch.randn(2, 2, 30, generator=rng(8))
    loss = losses.izi_f_loss(x, again, features, features_again, kappa=0.5)
    for k in range(2):
        expected = np.mean((x[k] - again[k]).numpy() ** 2) + 0.5 * np.mean((features - features_again)[k].numpy() ** 2)
        assert loss[k].item() == pytest.approx(float(expected), rel=1e-5)
    assert losses.izi_f_loss(x, x, features, features).abs().max() == 0


def test_the_encoder_of_f_anogan_is_trained_with_generator_and_critic_fixed():
    torch.manual_seed(0)
    networks = f_anogan.FAnoGan(F_ANOGAN, (16, 16))
    f_anogan.train_gan(networks, training(F_ANOGAN))
    before = copy.deepcopy(networks.state_dict())
    networks.requires_grad_(False)
    networks.encoder.requires_grad_(True)
    f_anogan.train_encoder(networks, training(F_ANOGAN))
    changed = {
        name.split(".")[0] for name, value in networks.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"encoder"}


@pytest.fixture(scope="module")
def schedules():
    """Ours, and diffusers' steps down and up with the same betas."""
    from diffusers import DDIMInverseScheduler, DDIMScheduler

    betas = {"beta_start": 1e-3, "beta_end": 0.2, "beta_schedule": "linear", "num_train_timesteps": 100}
    plain = {**betas, "clip_sample": False, "timestep_spacing": "leading"}
    down, up = DDIMScheduler(**plain, set_alpha_to_one=True), DDIMInverseScheduler(**plain, set_alpha_to_one=True)
    down.set_timesteps(10)
    up.set_timesteps(10)
    return linear_schedule(100, 1e-3, 0.2), down, up


def test_ddim_moves_both_ways_as_diffusers_does(schedules):
    schedule, down, up = schedules
    x, noise = pictures(), torch.randn(4, 1, 16, 16, generator=rng(1))
    theirs = down.step(noise, 60, x, eta=0.0).prev_sample
    torch.testing.assert_close(guided_diffusion.ddim_move(schedule, x, noise, 60, 50), theirs)
    theirs = up.step(noise, 60, x).prev_sample
    torch.testing.assert_close(guided_diffusion.ddim_move(schedule, x, noise, 50, 60), theirs)


class Gaussian:
    """Slices drawn from N(middle, spread^2) in every pixel: the best noise is known."""

    schedule = linear_schedule(1000)

    def __init__(self, middle: float = 0.2, spread: float = 0.3) -> None:
        self.middle, self.spread = middle, spread

    def noise_in(self, x_t: torch.Tensor, t: int) -> torch.Tensor:
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return sigma * (x_t - alpha * self.middle) / (alpha**2 * self.spread**2 + sigma**2)

    def there_and_back(self, x: torch.Tensor, moves: int, leaning=None, scale: float = 0.0) -> torch.Tensor:
        levels = guided_diffusion.levels_to(500, moves)
        noisy = guided_diffusion.encode(self.schedule, x, self.noise_in, levels)
        return guided_diffusion.decode(self.schedule, noisy, self.noise_in, levels, leaning, scale)


def test_encoding_and_decoding_without_guidance_give_the_slice_back():
    x = pictures().double()
    errors = [(Gaussian().there_and_back(x, moves) - x).abs().max().item() for moves in (5, 50, 500)]
    assert errors[2] < 0.02 and errors[0] > 2 * errors[1] > 4 * errors[2], errors


def test_guidance_moves_towards_the_healthy_class():
    """Healthy slices lie about 0.2, anomalous ones about 0.8; the gradient is that of the exact posterior."""
    model, x = Gaussian(0.5, 0.5), torch.full((1, 1, 4, 4), 0.8, dtype=torch.float64)

    def log_healthy(x_t: torch.Tensor, t: int) -> torch.Tensor:
        alpha, sigma = model.schedule.alpha(t), model.schedule.sigma(t)
        spread = (alpha**2 * 0.01 + sigma**2) ** 0.5
        classes = torch.stack([Normal(alpha * level, spread).log_prob(x_t).sum() for level in (0.2, 0.8)])
        return classes.log_softmax(0)[0]

    def leaning(x_t: torch.Tensor, t: int) -> torch.Tensor:
        with torch.enable_grad():
            x = x_t.detach().requires_grad_(True)
            return torch.autograd.grad(log_healthy(x, t), x)[0]

    results = [model.there_and_back(x, 50, leaning, scale) for scale in (0.0, 0.05, 0.2)]
    levels = [result.mean().item() for result in results]
    assert abs(levels[0] - 0.8) < 0.05 and levels[0] > levels[1] + 0.02 > levels[2] + 0.04, levels
    chances = [log_healthy(result, 0).item() for result in results]
    assert chances[0] < chances[1] < chances[2]


def test_leaning_is_the_gradient_of_the_classifiers_log_probability():
    torch.manual_seed(0)
    recipe = guided_diffusion.GuidedRecipe(1, 2, 1e-3, classifier_steps=1, unet=(8,), classifier=(8, 8), timesteps=50)
    networks = guided_diffusion.GuidedDiffusion(recipe, (16, 16)).double().eval().requires_grad_(False)
    x, t = pictures(1).double(), torch.tensor([20])
    with torch.no_grad():
        gradient = networks.leaning(x, 20)
    step = torch.zeros_like(x)
    step[0, 0, 5, 7] = 1e-4
    high, low = (
        networks.classifier(x + sign * step, t).log_softmax(1)[0, guided_diffusion.HEALTHY] for sign in (1, -1)
    )
    assert gradient[0, 0, 5, 7].item() == pytest.approx(((high - low) / 2e-4).item(), rel=1e-4)


def test_divergence_of_a_step_is_that_of_torch_distributions():
    schedule = linear_schedule(50, 2e-3, 0.4)
    z, predicted, z_t = torch.randn(3, 2, 3, 4, 4, generator=rng(3))
    for t in (1, 20, 49):
        (true, variance, _), (guess, _, _) = (schedule.posterior(x0, z_t, t) for x0 in (z, predicted))
        expected = kl_divergence(Normal(true, variance**0.5), Normal(guess, variance**0.5))
        torch.testing.assert_close(
            latent_diffusion.step_divergence(schedule, z, predicted, t), expected, rtol=1e-3, atol=1e-5
        )


def test_the_threshold_map_is_the_percentile_at_each_place():
    healthy = torch.rand(40, 1, 3, 5, generator=rng())
    limit = latent_diffusion.threshold_map(healthy, 97.5)
    assert limit.shape == (1, 1, 3, 5)
    assert np.allclose(limit[0, 0], np.percentile(healthy[:, 0].numpy(), 97.5, axis=0), atol=1e-6)


def test_the_window_is_from_400_to_600_of_1000():
    steps = latent_diffusion.window_timesteps(latent_diffusion.LATENT_DIFFUSION.recipes["paper"])
    assert (steps[0], steps[-1], len(steps)) == (400, 600, 20) and steps == sorted(steps)


@pytest.fixture(scope="module")
def latent():
    torch.manual_seed(0)
    networks = latent_diffusion.LatentDiffusion(LATENT, (16, 16))
    latent_diffusion.train(networks, training(LATENT))
    return networks.eval().requires_grad_(False)


def test_probable_codes_are_only_reconstructed(latent):
    x = pictures()
    networks = copy.deepcopy(latent)
    networks.limit.fill_(float("inf"))
    judged = latent_diffusion.judge(networks, LATENT, x, torch.ones_like(x, dtype=torch.bool), rng())
    assert judged.weight.abs().max() == 0
    torch.testing.assert_close(judged.expected, networks.autoencoder(x)[0], atol=1e-5, rtol=1e-4)


def test_improbable_codes_are_inpainted_and_the_others_kept(latent, monkeypatch):
    x, decoded = pictures(), []
    networks = copy.deepcopy(latent)
    networks.limit.fill_(float("inf"))
    networks.limit[..., 1, 2] = -1.0
    monkeypatch.setattr(networks, "decode", lambda z: decoded.append(z) or networks.autoencoder.decoder(z))
    judged = latent_diffusion.judge(networks, LATENT, x, torch.ones_like(x, dtype=torch.bool), rng())
    changed = (decoded[0] != networks.encode(x)).any(1)
    assert changed[:, 1, 2].all() and changed.sum() == len(x)
    assert judged.weight[0, 0].argmax().item() in {4 * 16 + 8 + 16 * i + j for i in range(4) for j in range(4)}
    assert judged.weight[0, 0, 12:].max() == 0


def test_moments_and_threshold_map_of_the_codes_are_measured(latent):
    x = training(LATENT).slices
    learned, kept = x.hold_out(latent_diffusion.HELD_OUT_EVERY)
    assert len(learned) == 6 and len(kept) == 2 and latent.limit.isfinite().all()
    z = latent.encode(learned.pictures)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)
