"""A sampler and a network kind are added by registering them, as this one file does; nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from FAAnomalyLib.diffusion import registry as sampler_registry
from FAAnomalyLib.diffusion import stepping
from FAAnomalyLib.diffusion.noise_schedule import cosine_schedule, linear_schedule
from FAAnomalyLib.diffusion.registry import Sampler
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting.sampling import Sampling, fitting_samplers
from FAAnomalyLib.networks import registry as network_registry
from FAAnomalyLib.networks.registry import NetworkKind, build_network, network_kind
from FAAnomalyLib.networks.thesis.unet import ThesisUNet
from FAAnomalyLib.request import DetectRequest
from support.fakes.small_inpainter import SHAPE, inpainter_of


def look_twice(denoise, schedule, noise, generator=None, *, steps=2, on_step=None):
    """The mean of two predictions, the second from the first with fresh noise."""
    evaluate = stepping.counted(denoise, 2, on_step)
    first = evaluate(noise, schedule.timesteps - 1)
    middle = schedule.timesteps // 2
    noisy = schedule.q_sample(first, middle, stepping.draw_like(first, generator))
    return (first + evaluate(noisy, middle)) / 2.0


class Level(nn.Module):
    """Fills every hole with the mean of its context, plus a learned number."""

    def __init__(self, added: float, kind: str = "level") -> None:
        super().__init__()
        self.added, self.kind = nn.Parameter(torch.tensor(added)), kind

    def config(self):
        return {"kind": self.kind, "added": float(self.added)}

    def forward(self, x_t, context_mean):
        return (context_mean + self.added).expand_as(x_t)


def level_kind(name: str, **abilities) -> NetworkKind:
    return NetworkKind(
        name,
        build=lambda config: Level(config["added"], name),
        condition=lambda network, volume: volume.x[~volume.hole].mean().reshape(1, 1, 1, 1, 1).expand_as(volume.x),
        evaluate=lambda network, x_t, level, condition: (network(x_t, condition), None),
        prediction="x0",
        objective="holes",
        **abilities,
    )


@pytest.fixture
def extended(monkeypatch):
    """Registries with one more sampler and two more network kinds, until the test ends."""
    known = {one.name: one for one in sampler_registry.samplers().values()}
    monkeypatch.setattr(sampler_registry, "_registered", known)
    network_kind("thesis")
    monkeypatch.setattr(network_registry, "_registered", dict(network_registry._registered))
    sampler_registry.register(Sampler("look-twice", look_twice, default_steps=2, max_steps=2))
    network_registry.register(level_kind("level", told_hole=True))
    network_registry.register(level_kind("blind", told_hole=False))


@pytest.fixture
def fa() -> np.ndarray:
    return np.random.default_rng(1).uniform(0.2, 0.4, SHAPE).astype(np.float32)


@pytest.fixture
def hole() -> np.ndarray:
    hidden = np.zeros(SHAPE, bool)
    hidden[3:12, 5:13, 4:9] = True
    return hidden


def test_a_new_sampler_and_a_new_network_fill_holes(extended, fa, hole):
    inpainter = inpainter_of(Level(0.1), cosine_schedule())
    sampling, announced = Sampling("look-twice", 2, 3, 0), []
    inpainter.check(sampling)
    mean, variance, calls = inpainter.fill(fa, hole, sampling, lambda *at: announced.append(at))
    np.testing.assert_allclose(mean, fa[~hole].mean() + 0.05, atol=1e-5)
    # It predicts no variance, and its samples are all alike.
    assert variance.max() < 1e-10 and calls == 6 and announced == [(number, 6) for number in range(6)]


def test_the_old_samplers_run_a_new_network(extended, fa, hole):
    inpainter = inpainter_of(Level(0.0), cosine_schedule())
    names = list(fitting_samplers(inpainter.kind))
    assert names == ["mean", "look-twice", "dpm++", "ddim", "ddpm", "repaint"]
    for name in names:
        mean, variance, _ = inpainter.fill(fa, hole, Sampling(name, 1 if name == "mean" else 2, 1, 0))
        np.testing.assert_allclose(mean, fa[~hole].mean(), atol=1e-5)
        assert np.isnan(variance).all(), "one draw tells no variance"


def test_a_network_that_is_not_told_of_holes_gets_what_is_known_pasted(extended, fa, hole):
    inpainter = inpainter_of(Level(0.0, "blind"), linear_schedule())
    assert list(fitting_samplers(inpainter.kind)) == ["dpm++", "ddim", "ddpm", "repaint"]
    assert inpainter.fill(fa, hole, Sampling("ddpm", 3, 1, 0))[2] == 3
    with pytest.raises(FAError, match="look-twice does not fit the model"):
        inpainter.check(Sampling("look-twice"))


def test_the_new_sampler_runs_an_old_kind_where_it_fits(extended):
    inpainter = inpainter_of(ThesisUNet(False, (8, 8, 16)), linear_schedule())
    with pytest.raises(FAError, match="network of the kind thesis"):
        inpainter.check(Sampling("look-twice"))
    assert "look-twice" in fitting_samplers(network_kind("inpainter"))


def test_a_request_takes_the_new_sampler(extended):
    assert DetectRequest("fa.nii.gz", sampler="look-twice").check().steps_used == 2
    with pytest.raises(FAError, match="the sampler look-twice takes 2 steps at most"):
        DetectRequest("fa.nii.gz", sampler="look-twice", steps=3).check()


def test_a_manifest_names_the_new_network(extended):
    assert build_network({"kind": "level", "added": 0.3}).added.item() == pytest.approx(0.3)
    with pytest.raises(FAError, match="does not describe a network of kind level"):
        build_network({"kind": "level"})


def test_a_kind_is_given_once(extended):
    with pytest.raises(ValueError, match="already a network kind 'level'"):
        network_registry.register(level_kind("level"))
    with pytest.raises(FAError, match="Unknown network kind 'gan'"):
        network_kind("gan")
