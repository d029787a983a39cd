"""The choices on the panel, and the options of a request made of them.

Enumerations are saved in the scene by the *names* of their members, which therefore never change; ``value`` is the
engine's option, ``label()`` the text on the panel.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Protocol

from slicer.i18n import tr as _

from FAAnomalyLib.request import DEFAULT_STEPS, MASK_VOXEL_MM


class RegionMode(Enum):
    """The part of the volume that is analysed."""

    WHOLE_BRAIN = "whole brain"
    BOX = "box"
    SEGMENT = "segment"

    def label(self) -> str:
        """The text on the panel."""
        return {"whole brain": _("Whole brain"), "box": _("ROI (a box)"), "segment": _("Segment")}[self.value]


class MaskType(Enum):
    """The engine's ``mask_type``."""

    CUBIC = "cubic"
    WHITE_MATTER = "wm"

    def label(self) -> str:
        """The text on the panel."""
        return {"cubic": _("Cubes"), "wm": _("Cubes within white matter")}[self.value]


class MaskSize(Enum):
    """The engine's ``mask_size``."""

    BOTH = 0
    SIZE_4 = 4
    SIZE_8 = 8
    SIZE_16 = 16
    SIZE_32 = 32

    def label(self) -> str:
        """The text on the panel."""
        if self is MaskSize.BOTH:
            return _("20 and 40 mm together")
        return _("{voxels} voxels ({mm} mm)").format(voxels=self.value, mm=f"{self.value * MASK_VOXEL_MM:g}")


class Sampler(Enum):
    """The engine's ``sampler``."""

    MEAN = "mean"
    DPM_SOLVER = "dpm++"
    DDIM = "ddim"
    DDPM = "ddpm"
    REPAINT = "repaint"
    THESIS = "thesis"

    def label(self) -> str:
        """The text on the panel."""
        steps = DEFAULT_STEPS[self.value]
        return {
            "mean": _("Mean: one evaluation"),
            "dpm++": _("DPM-Solver++: {steps} steps").format(steps=steps),
            "ddim": _("DDIM: {steps} steps").format(steps=steps),
            "ddpm": _("DDPM: {steps} steps").format(steps=steps),
            "repaint": _("RePaint: {steps} steps").format(steps=steps),
            "thesis": _("Thesis: {steps} steps (thesis networks only)").format(steps=steps),
        }[self.value]


class Device(Enum):
    """The engine's ``device``."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"

    def label(self) -> str:
        """The text on the panel."""
        return {
            "auto": _("Automatic"),
            "cpu": _("Processor (CPU)"),
            "cuda": _("NVIDIA graphics card (CUDA)"),
            "mps": _("Apple graphics (MPS)"),
        }[self.value]


class Signs(Enum):
    """Which tail of z is shown."""

    BOTH = "both"
    INCREASED = "increased"
    DECREASED = "decreased"

    def label(self) -> str:
        """The text on the panel."""
        return {
            "both": _("Increased and decreased FA"),
            "increased": _("Increased FA only"),
            "decreased": _("Decreased FA only"),
        }[self.value]


class ThresholdMode(Enum):
    """The source of the threshold: the engine's ``threshold``, or the slider."""

    AUTOMATIC = "auto"
    SENSITIVE = "sensitive"
    BY_HAND = "by hand"

    def label(self) -> str:
        """The text on the panel."""
        return {"auto": _("Automatic"), "sensitive": _("Sensitive"), "by hand": _("By hand")}[self.value]


class Orientation(Enum):
    """Of the views side by side: the names of Slicer's slice orientations."""

    AXIAL = "Axial"
    CORONAL = "Coronal"
    SAGITTAL = "Sagittal"

    def label(self) -> str:
        """The text on the panel."""
        return {"Axial": _("Axial"), "Coronal": _("Coronal"), "Sagittal": _("Sagittal")}[self.value]


class Shown(Enum):
    """What the slice views show; ``OWN`` are the layers that the user has put there."""

    OWN = "own"
    INPUT = "input"
    EXPECTED = "expected"
    PSEUDO_HEALTHY = "pseudo-healthy"
    Z_MAP = "z-map"


class PanelParameters(Protocol):
    """The scene's parameter node as the panel uses it; ``FAAnomalyParameterNode`` follows it, field by field."""

    parameterNode: Any
    inputVolume: Any
    regionMode: RegionMode
    roi: Any
    roiVisible: bool
    segmentation: Any
    segmentID: str
    maskType: MaskType
    maskSize: MaskSize
    model: str
    sampler: Sampler
    steps: int
    samples: int
    seed: int
    device: Device
    shown: Shown
    opacity: float
    thresholdMode: ThresholdMode
    threshold: float
    signs: Signs
    surfaces: bool
    belowThreshold: bool
    orientation: Orientation

    def StartModify(self) -> int:
        """Hold back the modified event; returns the state for :meth:`EndModify`."""

    def EndModify(self, was_modifying: int) -> None:
        """Send the modified event if anything changed."""

    def connectParametersToGui(self, widgets: dict[str, Any]) -> Any:
        """Tie the fields to widgets, by the fields' names; returns a tag for :meth:`disconnectGui`."""

    def disconnectGui(self, tag: Any) -> None:
        """Undo :meth:`connectParametersToGui`."""


def request_options(parameters: PanelParameters) -> dict:
    """The panel's choices as fields of :class:`~FAAnomalyLib.request.DetectRequest`.

    The threshold is not among them: it goes beside them, see :class:`~..runs.detection_run.RunOptions`.
    """
    return {
        "model": parameters.model,
        "mask_type": parameters.maskType.value,
        "mask_size": parameters.maskSize.value,
        "sampler": parameters.sampler.value,
        "steps": parameters.steps,
        "samples": parameters.samples,
        "seed": parameters.seed,
        "device": parameters.device.value,
    }
