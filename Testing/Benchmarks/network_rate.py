"""How fast the hole-trained network computes, beside the convolution that does most of its work; for ``speed.py``."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from FAAnomalyLib.networks.conditional_unet import ConditionalUNet

PEAK_SECONDS = 3.0
"""So long a single convolution is repeated; the best time counts."""


class NetworkWatch:
    """Times every call of the hole-trained network in this process, and once counts its operations."""

    def __init__(self, device: torch.device) -> None:
        self.seconds, self.calls, self.flops = 0.0, 0, 0
        self.counting = False
        self.shares: Counter[tuple] = Counter()
        self._device, self._forward = device, ConditionalUNet.forward

    def __enter__(self) -> NetworkWatch:
        watch = self

        def forward(network, *args, **kwargs):
            if watch.counting:
                return watch._count(network, args, kwargs)
            synchronise(watch._device)
            begin = time.perf_counter()
            output = watch._forward(network, *args, **kwargs)
            synchronise(watch._device)
            watch.seconds += time.perf_counter() - begin
            watch.calls += 1
            return output

        ConditionalUNet.forward = forward
        return self

    def __exit__(self, *_) -> None:
        ConditionalUNet.forward = self._forward

    def dominant(self) -> tuple[int, int, tuple, int]:
        """Channels in and out of the 3x3x3 convolution that does most work, its commonest input, all its operations."""
        work: Counter[tuple[int, int]] = Counter()
        for (width_in, width_out, _), one in self.shares.items():
            work[width_in, width_out] += one
        ((channels, total),) = work.most_common(1)
        shape = max((one, shape) for (*widths, shape), one in self.shares.items() if tuple(widths) == channels)[1]
        return *channels, shape, total

    def _count(self, network, args, kwargs):
        def note(layer, inputs, output) -> None:
            work = 2 * layer.in_channels * layer.out_channels * np.prod(layer.kernel_size) * output.shape[2:].numel()
            if layer.kernel_size == (3, 3, 3):
                shape = layer.in_channels, layer.out_channels, tuple(inputs[0].shape)
                self.shares[shape] += int(work * output.shape[0])

        hooks = [layer.register_forward_hook(note) for layer in network.modules() if isinstance(layer, torch.nn.Conv3d)]
        with FlopCounterMode(display=False) as counter:
            output = self._forward(network, *args, **kwargs)
        for hook in hooks:
            hook.remove()
        self.flops += counter.get_total_flops()
        return output


def synchronise(device: torch.device) -> None:
    """Wait for a GPU, so that its seconds can be measured."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode()
def convolution_rate(width_in: int, width_out: int, shape: tuple, dtype: torch.dtype, device: torch.device) -> float:
    """GFLOP/s of one 3x3x3 convolution on an input of *shape*, the best of many."""
    layer = torch.nn.Conv3d(width_in, width_out, 3, padding=1).to(device, dtype)
    layer = layer.to(memory_format=torch.channels_last_3d)
    x = torch.randn(shape, device=device).to(dtype).contiguous(memory_format=torch.channels_last_3d)
    best, until = float("inf"), time.perf_counter() + PEAK_SECONDS
    while time.perf_counter() < until:
        synchronise(device)
        begin = time.perf_counter()
        layer(x)
        synchronise(device)
        best = min(best, time.perf_counter() - begin)
    return 2 * 27 * width_in * width_out * shape[0] * int(np.prod(shape[2:])) / best / 1e9
