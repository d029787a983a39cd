"""Every single step, and whole deterministic runs, against the schedulers of the diffusers library."""

import sys

import numpy as np
import pytest
import torch

from FAAnomalyLib.diffusion import stepping
from FAAnomalyLib.diffusion.noise_schedule import NoiseSchedule, cosine_schedule, linear_schedule
from FAAnomalyLib.diffusion.samplers import dpm_solver
from FAAnomalyLib.diffusion.samplers import repaint as repainting
from FAAnomalyLib.diffusion.samplers.ddim import ddim, ddim_step
from FAAnomalyLib.diffusion.samplers.ddpm import ddpm
from FAAnomalyLib.diffusion.samplers.dpm_solver import dpmpp_2m, dpmpp_2m_step
from FAAnomalyLib.diffusion.samplers.repaint import paste, renoise, repaint
from FAAnomalyLib.diffusion.stepping import ddpm_step, spaced_timesteps, transitions

THESIS = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
SHAPE = (2, 1, 4, 3, 5)
STEPS = 20


@pytest.fixture(scope="module", autouse=True)
def reference():
    """The library is imported before the first test: every process would spend seconds on it to collect them."""
    global diffusers, rescale_zero_terminal_snr, randn_tensor_module
    diffusers = pytest.importorskip("diffusers")
    rescale_zero_terminal_snr = pytest.importorskip("diffusers.schedulers.scheduling_ddim").rescale_zero_terminal_snr
    randn_tensor_module = pytest.importorskip("diffusers.schedulers.scheduling_repaint")


def random(seed, scale=1.0):
    return scale * torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def in_double(theirs):
    """Their tables, which are float32, computed again in float64 by their own formulas."""
    options = theirs.config
    betas = torch.linspace(options.beta_start, options.beta_end, options.num_train_timesteps, dtype=torch.float64)
    if options.get("rescale_betas_zero_snr"):
        betas = rescale_zero_terminal_snr(betas)
    theirs.betas, theirs.alphas_cumprod = betas, torch.cumprod(1.0 - betas, 0)
    return theirs


def very_close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-8)


def network(x, t):
    """Any smooth function of x_t and t that lets neighbours feel each other."""
    return 0.4 * torch.tanh(1.5 * x - x.roll(1, -1) + np.sin(t / 50.0)) + 0.1


def variant(name):
    """Our schedule, the options for theirs, our x0 and the answer that their scheduler expects for it."""
    if name == "eps":
        schedule = linear_schedule()
        return schedule, {**THESIS, "prediction_type": "epsilon"}, schedule.eps_from_x0
    schedule = linear_schedule(zero_terminal_snr=True)
    options = {**THESIS, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    return schedule, options, lambda x, t, x0: schedule.v_target(x0, schedule.eps_from_x0(x, t, x0), t)


VARIANTS = pytest.mark.parametrize("name", ["eps", "v"])


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("kind", ["linear", "squaredcos_cap_v2"])
def test_tables(kind, zero):
    make = linear_schedule if kind == "linear" else cosine_schedule
    theirs = diffusers.DDIMScheduler(**{**THESIS, "beta_schedule": kind}, rescale_betas_zero_snr=zero)
    # Theirs are float32, and alpha bar of the last steps is tiny: compare its root, the one that is used.
    ours = torch.from_numpy(make(zero_terminal_snr=zero).alphas_cumprod)
    close(ours.sqrt(), theirs.alphas_cumprod.double().sqrt())


def ddpm_reference(**options):
    return diffusers.DDPMScheduler(**options, variance_type="fixed_small", timestep_spacing="trailing")


@VARIANTS
@pytest.mark.parametrize("clip", [False, True])
def test_ddpm_step(name, clip):
    schedule, options, answer = variant(name)
    theirs = in_double(ddpm_reference(clip_sample=clip, **options))
    for steps in (1000, STEPS):
        theirs.set_timesteps(steps)
        for i, (t, s) in list(enumerate(transitions(schedule, steps)))[:: steps // 10]:
            x, x0 = random(i), random(i + 1, 0.8)
            expected = theirs.step(answer(x, t, x0), t, x, generator=torch.Generator().manual_seed(9)).prev_sample
            noise = random(9)
            very_close(ddpm_step(schedule, x, stepping.clipped(x0, clip), t, s, noise), expected)


@VARIANTS
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_step(name, eta):
    schedule, options, answer = variant(name)
    theirs = diffusers.DDIMScheduler(**options, clip_sample=False, timestep_spacing="trailing", set_alpha_to_one=True)
    theirs.set_timesteps(STEPS)
    for i, (t, s) in enumerate(transitions(schedule, STEPS)):
        x, x0, noise = random(i), random(i + 1, 0.8), random(i + 2)
        expected = theirs.step(answer(x, t, x0), t, x, eta=eta, variance_noise=noise).prev_sample
        close(ddim_step(schedule, x, x0, t, s, eta, noise), expected)


def test_ddim_step_with_a_clipped_prediction():
    schedule, options, answer = variant("eps")
    theirs = diffusers.DDIMScheduler(**options, clip_sample=True, timestep_spacing="trailing")
    theirs.set_timesteps(STEPS)
    for i, (t, s) in enumerate(transitions(schedule, STEPS)):
        x, x0 = random(i), random(i + 1, 1.5)
        expected = theirs.step(answer(x, t, x0), t, x, use_clipped_model_output=True).prev_sample
        close(ddim_step(schedule, x, x0.clamp(-1, 1), t, s), expected)


def dpm_reference(**options):
    theirs = diffusers.DPMSolverMultistepScheduler(
        **options,
        algorithm_type="dpmsolver++",
        solver_order=2,
        solver_type="midpoint",
        timestep_spacing="trailing",
        final_sigmas_type="zero",
    )
    theirs.set_timesteps(STEPS)
    return theirs


def test_dpmpp_2m_steps():
    schedule, options, answer = variant("eps")
    theirs = dpm_reference(**options)
    x, before = random(0), None
    for i, (t, s) in enumerate(transitions(schedule, STEPS)):
        x0 = random(i + 1, 0.8)
        expected = theirs.step(answer(x, t, x0), t, x).prev_sample
        x = dpmpp_2m_step(schedule, x, x0, t, s, before)
        close(x, expected)
        before = (x0, t)


def test_dpmpp_2m_first_steps_without_signal_are_the_limit_of_theirs():
    # Theirs puts alpha bar = 2^-24 where ours is 0: the first step agrees, the slope of the second weighs little.
    schedule, options, answer = variant("v")
    theirs = dpm_reference(**options)
    (t, s), (t2, s2), *_ = transitions(schedule, STEPS)
    x, x0 = random(0), random(1, 0.8)
    expected = theirs.step(answer(x, t, x0), t, x).prev_sample
    ours = dpmpp_2m_step(schedule, x, x0, t, s)
    torch.testing.assert_close(ours, expected, rtol=1e-3, atol=1e-3)
    close(dpmpp_2m_step(schedule, ours, x, t2, s2, (x0, t)), ddim_step(schedule, ours, x, t2, s2))


@VARIANTS
def test_whole_ddim_run(name):
    schedule, options, answer = variant(name)
    theirs = diffusers.DDIMScheduler(**options, clip_sample=False, timestep_spacing="trailing")
    theirs.set_timesteps(STEPS)
    x = random(0)
    for t in theirs.timesteps.tolist():
        x = theirs.step(answer(x, t, network(x, t)), t, x).prev_sample
    close(ddim(network, schedule, random(0), steps=STEPS, spacing="time"), x)


def test_whole_dpmpp_run():
    schedule, options, answer = variant("eps")
    theirs = dpm_reference(**options)
    x = random(0)
    for t in theirs.timesteps.tolist():
        x = theirs.step(answer(x, t, network(x, t)), t, x).prev_sample
    close(dpmpp_2m(network, schedule, random(0), steps=STEPS, spacing="time"), x)


def test_whole_ddpm_run_with_the_same_noise():
    schedule, options, answer = variant("v")
    theirs = ddpm_reference(clip_sample=True, **options)
    theirs.set_timesteps(STEPS)
    x, generator = random(0), torch.Generator().manual_seed(5)
    for t in theirs.timesteps.tolist():
        x = theirs.step(answer(x, t, network(x, t)), t, x, generator=generator).prev_sample
    close(ddpm(network, schedule, random(0), torch.Generator().manual_seed(5), steps=STEPS), x)


@pytest.mark.parametrize("steps", [1, 3, 7, 12, 25, 250, 999, 1000])
def test_spaced_timesteps(steps):
    theirs = diffusers.DDIMScheduler(**THESIS, timestep_spacing="trailing")
    theirs.set_timesteps(steps)
    ours = spaced_timesteps(1000, steps)
    assert ours[0] == 999 and len(ours) == steps
    # A half is rounded up here and to even there.
    assert np.abs(np.array(ours) - theirs.timesteps.numpy()).max() <= (1 if 2000 % steps == 0 else 0)


def repaint_reference(eta, steps, **options):
    theirs = in_double(diffusers.RePaintScheduler(**{**THESIS, **options}, eta=eta, clip_sample=False))
    theirs.set_timesteps(steps, jump_length=10, jump_n_sample=1)
    return theirs


def test_repaint_step():
    # Theirs steps and then pastes at the level below, with one noise for both; ours pastes before the next network.
    schedule = linear_schedule()
    theirs = repaint_reference(1.0, 1000)
    hole = random(3) > 0.0
    known = random(4, 0.4)
    for t in (999, 500, 42, 1, 0):
        x, x0 = random(t), random(t + 1, 0.8)
        eps = schedule.eps_from_x0(x, t, x0)
        generator = torch.Generator().manual_seed(7)
        expected = theirs.step(eps, t, x, known, (~hole).double(), generator=generator).prev_sample
        stepped = ddpm_step(schedule, x, x0, t, t - 1, random(7))
        very_close(paste(schedule, stepped, known, hole, t - 1, random(7)), expected)


def test_repaint_jump_back():
    theirs = repaint_reference(1.0, 1000)
    for t in (1, 42, 500, 999):
        x = random(t)
        expected = theirs.undo_step(x, t, generator=torch.Generator().manual_seed(7))
        close(renoise(linear_schedule(), x, t - 1, t, random(7)), expected)


def test_whole_repaint_run_without_noise(monkeypatch):
    # Noise of zero leaves the order of paste, network and step; the first paste is ours alone, so start pasted.
    monkeypatch.setattr(stepping, "draw_like", lambda x, generator: torch.zeros_like(x))
    monkeypatch.setattr(randn_tensor_module, "randn_tensor", lambda shape, **_: torch.zeros(shape, dtype=torch.float64))
    schedule = linear_schedule(STEPS, 1e-3, 0.3)
    theirs = repaint_reference(1.0, STEPS, num_train_timesteps=STEPS, beta_start=1e-3, beta_end=0.3)
    hole, known = random(3) > 0.0, random(4, 0.4)
    x = torch.where(hole, random(0), schedule.alpha(STEPS - 1) * known)
    for t in theirs.timesteps.tolist():
        x = theirs.step(schedule.eps_from_x0(x, t, network(x, t)), t, x, known, (~hole).double()).prev_sample
    ours = repaint(network, schedule, random(0), known=known, hole=hole, steps=STEPS, resamples=1, clip=False)
    very_close(ours, x)


def swapped(real):
    return lambda self, t, s: (real(self, t, s)[1], real(self, t, s)[0], real(self, t, s)[2])


def noisier(real):
    return lambda self, t, s: (*real(self, t, s)[:2], 1.01 * real(self, t, s)[2])


def one_too_far(real):
    return lambda self, t, s: real(self, t, max(s - 1, -1))


def paste_inside_out(real):
    return lambda schedule, x, known, hole, t, noise: real(schedule, x, known, ~hole, t, noise)


def paste_one_late(real):
    return lambda schedule, x, known, hole, t, noise: real(schedule, x, known, hole, max(t - 1, -1), noise)


def without_slope(real):
    return lambda schedule, x, x0, t, s, before=None: real(schedule, x, x0, t, s)


def half_the_lambda(real):
    return lambda self, t: 0.5 * real(self, t) if t == 49 else real(self, t)


POSTERIOR, HERE = (NoiseSchedule, "posterior_coefficients"), sys.modules[__name__]
MUTANTS = [
    (*POSTERIOR, swapped, lambda: test_ddpm_step("v", False)),
    (*POSTERIOR, noisier, lambda: test_ddpm_step("eps", True)),
    (*POSTERIOR, one_too_far, lambda: test_ddpm_step("eps", False)),
    (*POSTERIOR, noisier, lambda: test_ddim_step("v", 1.0)),
    (*POSTERIOR, swapped, test_repaint_step),
    (*POSTERIOR, noisier, test_repaint_step),
    (HERE, "paste", paste_inside_out, test_repaint_step),
    (HERE, "paste", paste_one_late, test_repaint_step),
    (HERE, "dpmpp_2m_step", without_slope, test_dpmpp_2m_steps),
    (dpm_solver, "dpmpp_2m_step", without_slope, test_whole_dpmpp_run),
    (NoiseSchedule, "half_log_snr", half_the_lambda, test_dpmpp_2m_steps),
]


@pytest.mark.parametrize(("where", "name", "mutant", "check"), MUTANTS)
def test_the_comparisons_notice_a_mistake(monkeypatch, where, name, mutant, check):
    monkeypatch.setattr(where, name, mutant(getattr(where, name)))
    with pytest.raises((AssertionError, ValueError)):
        check()


@pytest.mark.parametrize("mutant", [paste_inside_out, paste_one_late])
def test_the_whole_repaint_run_notices_a_mistake(monkeypatch, mutant):
    monkeypatch.setattr(repainting, "paste", mutant(repainting.paste))
    with pytest.raises(AssertionError):
        test_whole_repaint_run_without_noise(monkeypatch)
