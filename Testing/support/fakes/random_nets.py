"""Networks and inputs with known random numbers, so that no layer is left at zero."""

from __future__ import annotations

import math

import torch


def randomise(module, seed=0, spread=1.0):
    """Give every parameter a value, so that zero-initialised parts act: kernels of variance spread² / fan_in."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.ndim > 1:
                p.copy_(spread * noise / math.sqrt(p[0].numel()))
            else:
                p.copy_(0.1 * noise + float("norm" in name and name.endswith("weight")))
    return module


def random(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
