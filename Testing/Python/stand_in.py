"""A model that stands in for the trained one: an untrained network, whose linear estimate already fills holes."""

from __future__ import annotations

from pathlib import Path

import synthetic_brain as sb
import torch

from FAAnomalyLib.checkpoints import save_model
from FAAnomalyLib.diffusion.schedule import cosine_schedule
from FAAnomalyLib.networks.inpainter import Inpainter


def make(folder: Path, spread: float = 0.0) -> Path:
    """Save the model to *folder* for the bundled template, and return *folder*.

    With *spread* above 0 the last layer has random weights of that size, so that nothing of it is idle.
    """
    torch.manual_seed(0)
    network = Inpainter((8, 16), (1, 1))
    if spread:
        torch.nn.init.normal_(network.fine.out.weight, std=spread)
    known = sb.template()
    save_model(folder, network.state_dict(), {
        "network": network.config(), "schedule": cosine_schedule().to_dict(), "template_sha256": known.sha256,
        "grid": {"shape": list(known.fa.shape), "spacing_mm": float(known.fa.spacing[0])},
        "training": {}, "calibration": {}})
    return folder
