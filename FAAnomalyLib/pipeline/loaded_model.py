"""A model with the template it was trained on, on the device that runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..anomaly.calibration import Calibration
from ..anomaly.calibration_file import load_calibration
from ..errors import FAError
from ..inpainting.volume_inpainter import VolumeInpainter
from ..models.checkpoints import Model, load_model
from ..models.registry import find_model
from ..preprocessing.template import Template, load_template, on_grid
from ..runtime.device import choose_device, fastest_dtype
from ..runtime.resources import resources_dir

OWN_TEMPLATE = "Template"
"""Subfolder of a model folder, for a model that was trained on another template than the bundled one."""


@dataclass(frozen=True)
class LoadedModel:
    """Everything that is set up once and used for every volume.

    Attributes
    ----------
    model
        Verified weights and their manifest.
    template
        The template on the model's grid.
    inpainter
        The model on its device.
    calibration
        Statistics of healthy people; an empty one for a model that has none.
    """

    model: Model
    template: Template
    inpainter: VolumeInpainter
    calibration: Calibration


def open_model(model: str = "default", device: str = "auto", calibrated: bool = True) -> LoadedModel:
    """Set up a model on a device.

    Parameters
    ----------
    model
        Name of a bundled model, or path of a model folder.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    calibrated
        Whether its calibration is read. Without it a model can be calibrated whose old calibration does not fit this
        version.

    Raises
    ------
    FAError
        ``missing`` for absent or altered weights or a template that is not the model's, ``bad-request`` for a device
        that is not there.
    """
    chosen = choose_device(device)
    if chosen.type == "cpu":
        # Subnormal numbers slow CPUs down tenfold and carry no information here.
        torch.set_flush_denormal(True)
    loaded = load_model(model)
    stored = load_template(template_folder(find_model(model)))
    if loaded.manifest.get("template_sha256") != stored.sha256:
        raise FAError(
            "missing",
            f"The model {loaded.name} belongs to another FA template",
            "the template's SHA-256 is not the one in its manifest",
            "Install FAAnomaly again, or train the model on this template",
        )
    grid = loaded.manifest["grid"]
    template = on_grid(stored, tuple(grid["shape"]), grid["spacing_mm"])
    calibration = load_calibration(find_model(model), loaded.manifest) if calibrated else Calibration()
    return LoadedModel(loaded, template, VolumeInpainter(loaded, template, chosen, fastest_dtype(chosen)), calibration)


def template_folder(model: Path) -> Path:
    """Folder of the model's own template, or of the bundled template where it has none."""
    own = model / OWN_TEMPLATE
    return own if own.is_dir() else resources_dir() / "Template"
