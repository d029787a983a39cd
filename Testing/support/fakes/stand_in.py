"""A model that stands in for the trained one: an untrained network, whose linear estimate already fills holes."""

from __future__ import annotations

from pathlib import Path

import torch

from FAAnomalyLib.diffusion.noise_schedule import cosine_schedule
from FAAnomalyLib.models.checkpoints import save_model
from FAAnomalyLib.networks.conditional_unet import ConditionalUNet
from support.phantoms import synthetic_brain as sb

DIVISOR = 4
"""The network takes multiples of it."""


def make(folder: Path, spread: float = 0.0, spacing: float = 2.0) -> Path:
    """Save the model to *folder* for the bundled template, and return *folder*.

    *spacing* 4 mm makes everything eight times faster than the bundled 2 mm. With *spread* above 0
    the last layer has random weights of that size, so that nothing of it is idle.
    """
    torch.manual_seed(0)
    network = ConditionalUNet((8, 16), (1, 1))
    if spread:
        torch.nn.init.normal_(network.fine.out.weight, std=spread)
    shape = [-(-n * 2.0 / spacing // DIVISOR) * DIVISOR for n in sb.template().fa.shape]
    save_model(
        folder,
        network.state_dict(),
        {
            "network": network.config(),
            "schedule": cosine_schedule().to_dict(),
            "template_sha256": sb.template().sha256,
            "grid": {"shape": list(map(int, shape)), "spacing_mm": spacing},
            "training": {},
            "calibration": {},
        },
    )
    return folder
