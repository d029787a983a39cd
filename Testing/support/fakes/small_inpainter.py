"""A volume inpainter over a small network, without a model folder."""

from __future__ import annotations

import numpy as np
import torch

from FAAnomalyLib.inpainting.volume_inpainter import VolumeInpainter
from FAAnomalyLib.models.checkpoints import Model
from FAAnomalyLib.preprocessing.template import Template, TemplatePriors
from FAAnomalyLib.volume import Volume

SHAPE = (16, 24, 16)


def small_template() -> Template:
    rng = np.random.default_rng(0)
    priors = TemplatePriors(*(rng.random(SHAPE, dtype=np.float32) for _ in range(3)))
    return Template(Volume(priors.fa, np.diag([2.0, 2.0, 2.0, 1.0])), priors)


def inpainter_of(network, schedule) -> VolumeInpainter:
    model = Model(
        "small", network.eval().requires_grad_(False), {"network": network.config(), "schedule": schedule.to_dict()}
    )
    return VolumeInpainter(model, small_template(), torch.device("cpu"), torch.float32)


def network_calls(inpainter: VolumeInpainter, monkeypatch) -> list:
    calls, forward = [], type(inpainter.network).forward
    monkeypatch.setattr(type(inpainter.network), "forward", lambda self, *a: calls.append(1) or forward(self, *a))
    return calls
