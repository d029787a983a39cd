"""The schedule: its tables against the listing's formulas, its conversions against each other, its two ends."""

import json
import math

import numpy as np
import pytest
import torch

from FAAnomalyLib.diffusion.noise_schedule import NoiseSchedule, cosine_schedule, linear_schedule

SCHEDULES = {
    "linear": linear_schedule(),
    "linear-zero": linear_schedule(zero_terminal_snr=True),
    "cosine": cosine_schedule(),
    "cosine-short": cosine_schedule(20),
    "cosine-signal": cosine_schedule(zero_terminal_snr=False),
}
schedules = pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)


def pictures(batch=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    x0 = torch.rand(batch, 1, 4, 3, 2, generator=generator, dtype=dtype) * 2.0 - 1.0
    return x0, torch.randn(x0.shape, generator=generator, dtype=dtype)


def test_linear_tables_are_the_listings():
    # A.3 to A.5 as printed.
    schedule = linear_schedule()
    betas = np.linspace(1e-4, 0.02, 1000, dtype=np.float64)
    alphas = 1.0 - betas
    cumprod = np.cumprod(alphas)
    previous = np.append(1.0, cumprod[:-1])
    variance = betas * (1.0 - previous) / (1.0 - cumprod)
    np.testing.assert_allclose(schedule.betas, betas, rtol=0, atol=0)
    np.testing.assert_allclose(schedule.alphas_cumprod, cumprod, rtol=1e-13)
    np.testing.assert_allclose(schedule.posterior_variance, variance, rtol=1e-9)
    np.testing.assert_allclose(schedule.posterior_log_variance_clipped, np.log(np.maximum(variance, 1e-20)), rtol=1e-9)
    np.testing.assert_allclose(schedule.posterior_mean_coef1, betas * np.sqrt(previous) / (1.0 - cumprod), rtol=1e-9)
    np.testing.assert_allclose(
        schedule.posterior_mean_coef2, (1.0 - previous) * np.sqrt(alphas) / (1.0 - cumprod), rtol=1e-9
    )
    assert schedule.alphas_cumprod[-1] == pytest.approx(4.0358e-5, rel=1e-4)


def test_cosine_follows_the_paper_before_it_is_stretched():
    schedule = cosine_schedule(zero_terminal_snr=False)
    level = np.cos((np.arange(1001) / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(schedule.alphas_cumprod[:-1], level[1:-1] / level[0], rtol=1e-9)
    assert schedule.betas[-1] == pytest.approx(0.999)


@pytest.mark.parametrize("make", [linear_schedule, cosine_schedule])
@pytest.mark.parametrize("timesteps", [2, 20, 1000])
def test_zero_terminal_snr_is_exact_and_spares_the_start(make, timesteps):
    schedule, plain = make(timesteps, zero_terminal_snr=True), make(timesteps, zero_terminal_snr=False)
    assert schedule.alphas_cumprod[-1] == 0.0 and schedule.betas[-1] == 1.0
    assert schedule.alphas_cumprod[0] == pytest.approx(plain.alphas_cumprod[0], rel=1e-12)
    assert np.all(np.diff(schedule.alphas_cumprod) < 0.0)
    for name in ("mean_coef1", "mean_coef2", "variance", "log_variance_clipped"):
        assert np.all(np.isfinite(getattr(schedule, f"posterior_{name}")))
    assert schedule.posterior_mean_coef2[-1] == 0.0
    assert schedule.posterior_variance[-1] == pytest.approx(1.0 - schedule.alphas_cumprod[-2])


@schedules
def test_alpha_and_sigma_share_the_variance(schedule):
    t = torch.arange(schedule.timesteps)
    torch.testing.assert_close(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, torch.ones(len(t), dtype=torch.float64))
    assert isinstance(schedule.alpha(3), float) and schedule.alpha(3) == float(schedule.alpha(t)[3])
    assert (schedule.alpha(-1), schedule.sigma(-1)) == (1.0, 0.0)


@schedules
def test_conversions_undo_one_another(schedule):
    x0, noise = pictures()
    for t in (0, schedule.timesteps // 2, schedule.timesteps - 1, torch.tensor([0, 7, schedule.timesteps - 1])):
        x_t = schedule.q_sample(x0, t, noise)
        v = schedule.v_target(x0, noise, t)
        torch.testing.assert_close(schedule.x0_from_v(x_t, t, v), x0)
        torch.testing.assert_close(schedule.eps_from_v(x_t, t, v), noise)
        torch.testing.assert_close(schedule.eps_from_x0(x_t, t, x0), noise, rtol=1e-9, atol=1e-9)
        if schedule.alphas_cumprod[-1] > 0.0:
            torch.testing.assert_close(schedule.x0_from_eps(x_t, t, noise), x0, rtol=1e-9, atol=1e-9)


def test_only_x0_from_eps_fails_without_signal_and_says_so():
    schedule = cosine_schedule()
    x0, noise = pictures()
    torch.testing.assert_close(schedule.q_sample(x0, 999, noise), noise, rtol=0, atol=0)
    for t in (999, torch.tensor([1, 2, 999])):
        with pytest.raises(ValueError, match="signal-to-noise"):
            schedule.x0_from_eps(noise, t, noise)
    schedule.x0_from_eps(noise, 998, noise)
    with pytest.raises(ValueError, match="clean"):
        schedule.eps_from_x0(x0, -1, x0)


@schedules
def test_posterior_is_bayes_rule(schedule):
    # q(x_s | x_t, x0) from the product of two Gaussians in x_s, instead of the closed form.
    last = schedule.timesteps - 1
    for t, s in ((1, 0), (last // 2, last // 3), (last, last - 1), (last, 2), (last - 1, 0)):
        weight, deviation = schedule.forward_coefficients(s, t)
        priors = 1.0 / schedule.sigma(s) ** 2
        likelihood = weight**2 / deviation**2
        expected = (
            priors * schedule.alpha(s) / (priors + likelihood),
            weight / deviation**2 / (priors + likelihood),
            1.0 / (priors + likelihood),
        )
        assert schedule.posterior_coefficients(t, s) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert schedule.posterior_coefficients(last // 2, -1) == pytest.approx((1.0, 0.0, 0.0))


@schedules
def test_posterior_tables_are_the_single_steps(schedule):
    x0, noise = pictures()
    for t in (0, 5, schedule.timesteps - 1):
        mean, variance, log_variance = schedule.posterior(x0, noise, t)
        weight_x0, weight_xt, expected = schedule.posterior_coefficients(t, t - 1)
        torch.testing.assert_close(mean, weight_x0 * x0 + weight_xt * noise)
        assert variance == pytest.approx(expected)
        assert log_variance == pytest.approx(math.log(max(expected, 1e-20)))


@schedules
def test_a_batch_of_timesteps_is_one_after_another(schedule):
    x0, noise = pictures()
    t = torch.tensor([0, 9, schedule.timesteps - 2])
    together = [
        schedule.q_sample(x0, t, noise),
        schedule.x0_from_eps(x0, t, noise),
        schedule.v_target(x0, noise, t),
        schedule.posterior(x0, noise, t)[0],
    ]
    for i, step in enumerate(t.tolist()):
        a, b = x0[i : i + 1], noise[i : i + 1]
        one_sided = [
            schedule.q_sample(a, step, b),
            schedule.x0_from_eps(a, step, b),
            schedule.v_target(a, b, step),
            schedule.posterior(a, b, step)[0],
        ]
        for one, all_of_them in zip(one_sided, together, strict=True):
            torch.testing.assert_close(all_of_them[i : i + 1], one)
    assert schedule.posterior(x0, noise, t)[1].shape == (3, 1, 1, 1, 1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_pictures_keep_their_dtype(dtype):
    schedule = cosine_schedule()
    x0, noise = pictures(dtype=dtype)
    for t in (4, torch.tensor([0, 9, 999])):
        assert schedule.q_sample(x0, t, noise).dtype == dtype
        assert schedule.x0_from_v(x0, t, noise).dtype == dtype
    flat = torch.zeros(3, dtype=dtype)
    assert schedule.q_sample(flat, torch.tensor([0, 1, 2]), flat).shape == (3,)


@pytest.mark.parametrize("t", [-2, 1000, torch.tensor([0, 1000, 3]), torch.tensor([0, 1])])
def test_timesteps_out_of_place_are_refused(t):
    x0, noise = pictures()
    with pytest.raises(ValueError, match="timestep"):
        linear_schedule().q_sample(x0, t, noise)


def test_other_bad_requests_are_refused():
    schedule = linear_schedule()
    x0, noise = pictures()
    with pytest.raises(ValueError, match="timestep -1"):
        schedule.posterior(x0, noise, -1)
    with pytest.raises(ValueError, match="1-D integer"):
        schedule.alpha(torch.zeros(3))
    for wrong in (schedule.posterior_coefficients, lambda t, s: schedule.forward_coefficients(s, t)):
        with pytest.raises(ValueError):
            wrong(3, 3)
        with pytest.raises(ValueError):
            wrong(3, -2)
    with pytest.raises(ValueError):
        linear_schedule(beta_end=1.5)
    with pytest.raises(ValueError):
        linear_schedule(timesteps=1)


@schedules
def test_a_manifest_brings_the_schedule_back(schedule):
    again = NoiseSchedule.from_dict(json.loads(json.dumps(schedule.to_dict())))
    np.testing.assert_array_equal(again.alphas_cumprod, schedule.alphas_cumprod)
    assert again.to_dict() == schedule.to_dict()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"kind": "sigmoid", "timesteps": 10, "parameters": {}},
        {"kind": "linear", "timesteps": 10, "parameters": {}},
        {"kind": "cosine", "timesteps": 10, "parameters": {"zero_terminal_snr": True, "beta_end": 1}},
        {"kind": "cosine", "timesteps": None, "parameters": {"zero_terminal_snr": True}},
    ],
)
def test_a_manifest_that_names_no_schedule_is_refused(values):
    with pytest.raises(ValueError):
        NoiseSchedule.from_dict(values)


def test_half_log_snr_has_infinite_ends():
    schedule = cosine_schedule()
    assert schedule.half_log_snr(999) == -math.inf and schedule.half_log_snr(-1) == math.inf
    assert schedule.half_log_snr(100) == pytest.approx(math.log(schedule.alpha(100) / schedule.sigma(100)))
