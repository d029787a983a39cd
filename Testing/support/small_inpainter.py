"""A volume inpainter over a small network, without a model folder."""

from __future__ import annotations

import numpy as np
import torch

from FAAnomalyLib.inpainting.volume_inpainter import Filler
from FAAnomalyLib.models.checkpoints import Model
from FAAnomalyLib.preprocessing.template import Prior, Template
from FAAnomalyLib.volume import Volume

SHAPE = (16, 24, 16)


def small_template() -> Template:
    rng = np.random.default_rng(0)
    prior = Prior(*(rng.random(SHAPE, dtype=np.float32) for _ in range(3)))
    return Template(Volume(prior.fa, np.diag([2.0, 2.0, 2.0, 1.0])), prior)


def filler_of(network, schedule) -> Filler:
    model = Model("small", network.eval().requires_grad_(False),
                  {"network": network.config(), "schedule": schedule.to_dict()})
    return Filler(model, small_template(), torch.device("cpu"), torch.float32)


def network_calls(filler: Filler, monkeypatch) -> list:
    calls, forward = [], type(filler.network).forward
    monkeypatch.setattr(type(filler.network), "forward", lambda self, *a: calls.append(1) or forward(self, *a))
    return calls
