"""The samplers by name: those of a request in its order, known without PyTorch, none of them twice."""

from __future__ import annotations

import subprocess
import sys

import pytest

from FAAnomalyLib.diffusion.registry import Sampler, register, samplers
from FAAnomalyLib.request import DEFAULT_STEPS, SAMPLERS
from support.paths import ROOT


def test_a_request_offers_every_sampler_with_its_default_steps():
    assert SAMPLERS == tuple(samplers()) == ("mean", "dpm++", "ddim", "ddpm", "repaint", "thesis")
    assert DEFAULT_STEPS == {"mean": 1, "dpm++": 12, "ddim": 25, "ddpm": 1000, "repaint": 250, "thesis": 1000}


def test_what_each_sampler_can_do():
    def names(which):
        return [name for name, sampler in samplers().items() if which(sampler)]

    assert names(lambda one: not one.stochastic) == names(lambda one: one.max_steps == 1) == ["mean"]
    assert names(lambda one: one.needs_known) == ["repaint", "thesis"]
    assert names(lambda one: one.pasting) == ["dpm++", "ddim", "ddpm"]
    assert names(lambda one: one.needs_eps) == ["thesis"]


def test_a_name_is_given_once():
    with pytest.raises(ValueError, match="already a sampler 'mean'"):
        register(Sampler("mean", max, default_steps=1))
    assert samplers()["mean"].function is not max


def test_the_samplers_are_listed_without_torch_or_numpy():
    code = """
import sys
sys.modules.update(dict.fromkeys(("torch", "numpy")))
from FAAnomalyLib.request import DetectRequest
print(DetectRequest("fa.nii.gz", sampler="ddim").check().steps_used)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "25", done.stderr
