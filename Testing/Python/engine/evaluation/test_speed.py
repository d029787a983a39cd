"""The speed benchmark counts what it says it counts."""

from __future__ import annotations

import runpy

import pytest
import torch

from FAAnomalyLib.networks.conditional_unet import ConditionalUNet
from FAAnomalyLib.networks.conditioning import CONDITION_CHANNELS
from support.paths import TESTING

CPU = torch.device("cpu")


BENCHMARKS = TESTING / "Benchmarks"


@pytest.fixture(scope="module")
def rate():
    return runpy.run_path(str(BENCHMARKS / "network_rate.py"))


def test_operations_and_seconds_of_the_network(rate):
    network = ConditionalUNet((16, 32), (1, 1)).eval()
    given = torch.zeros(1, 1, 16, 16, 16), torch.zeros(1), torch.zeros(1, CONDITION_CHANNELS, 16, 16, 16)
    plain = ConditionalUNet.forward
    with torch.inference_mode(), rate["NetworkWatch"](CPU) as watch:
        watch.counting = True
        network(*given)
        watch.counting = False
        network(*given)
        network(*given)
    assert ConditionalUNet.forward is plain
    assert watch.calls == 2 and watch.seconds > 0
    every, threes = [], 0
    with torch.inference_mode():
        for layer in network.modules():
            if isinstance(layer, torch.nn.Conv3d):
                layer.register_forward_hook(lambda m, i, o: every.append((m, o)))
        network(*given)
    for layer, output in every:
        work = 2 * layer.weight.numel() * output.shape[2:].numel()
        threes += work if layer.kernel_size == (3, 3, 3) else 0
    convolutions = sum(2 * layer.weight.numel() * output.shape[2:].numel() for layer, output in every)
    # Beside the convolutions there are the small linear layers of the noise level alone.
    assert convolutions <= watch.flops < 1.01 * convolutions
    assert sum(watch.shares.values()) == threes


def test_the_dominant_convolution_is_that_of_all_windows_together(rate):
    watch = rate["NetworkWatch"](CPU)
    watch.shares.update({(8, 8, (1, 8, 4, 4, 4)): 50, (8, 8, (1, 8, 6, 6, 6)): 60, (16, 16, (1, 16, 2, 2, 2)): 80})
    assert watch.dominant() == (8, 8, (1, 8, 6, 6, 6), 110)


def test_a_convolution_has_a_rate(rate, monkeypatch):
    monkeypatch.setitem(rate["convolution_rate"].__wrapped__.__globals__, "PEAK_SECONDS", 0.05)
    assert rate["convolution_rate"](8, 8, (1, 8, 12, 12, 12), torch.float32, CPU) > 0.01


def test_the_ratio_takes_the_thesis_at_its_fastest(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    speed = runpy.run_path(str(BENCHMARKS / "speed.py"))
    measured = {
        "cold": {"seconds": 36.0, "peak_memory_mb": 900},
        "warm": {"share_of_peak": 0.6, "peak_memory_mb": 1200},
        "box": {"seconds": 0.5},
        "preview": {"seconds": 0.25},
        "thesis": {"float32": {"brain_hours": 400.0}, "bfloat16": {"brain_hours": 200.0}},
    }
    numbers = speed["figures"](measured)
    assert set(numbers) == set(speed["ASKED"])
    assert numbers["ratio to the thesis"] == pytest.approx(200 * 3600 / 36) and numbers["peak memory, GB"] == 1.2
