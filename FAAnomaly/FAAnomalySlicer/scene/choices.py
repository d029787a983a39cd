"""What can be chosen on the panel, and how it becomes the options of a request.

Enumerations are saved in the scene by the *names* of their members, which therefore never change; ``value`` is what
the engine is told, ``label()`` what a person reads.
"""

from __future__ import annotations

from enum import Enum

from slicer.i18n import tr as _

from FAAnomalyLib.request import DEFAULT_STEPS, MASK_VOXEL_MM


class RegionMode(Enum):
    """What is judged."""

    WHOLE_BRAIN = "whole brain"
    BOX = "box"
    SEGMENT = "segment"

    def label(self) -> str:
        """The choice for people."""
        return {"whole brain": _("Whole brain"), "box": _("Box (ROI)"), "segment": _("Segment")}[self.value]


class MaskType(Enum):
    """The engine's ``mask_type``."""

    CUBIC = "cubic"
    WHITE_MATTER = "wm"

    def label(self) -> str:
        """The choice for people."""
        return {"cubic": _("Cubes"), "wm": _("Cubes within white matter")}[self.value]


class MaskSize(Enum):
    """The engine's ``mask_size``."""

    BOTH = 0
    SIZE_4 = 4
    SIZE_8 = 8
    SIZE_16 = 16
    SIZE_32 = 32

    def label(self) -> str:
        """The choice for people."""
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
        """The choice for people."""
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
        """The choice for people."""
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
        """The choice for people."""
        return {
            "both": _("Increased and decreased FA"),
            "increased": _("Increased FA only"),
            "decreased": _("Decreased FA only"),
        }[self.value]


class ThresholdMode(Enum):
    """Where the threshold comes from: the engine's ``threshold``, or the slider."""

    AUTOMATIC = "auto"
    SENSITIVE = "sensitive"
    BY_HAND = "by hand"

    def label(self) -> str:
        """The choice for people."""
        return {"auto": _("Automatic"), "sensitive": _("Sensitive"), "by hand": _("By hand")}[self.value]


class Shown(Enum):
    """Which picture the slice views show; ``OWN`` is what the user has put there."""

    OWN = "own"
    INPUT = "input"
    PSEUDO_HEALTHY = "pseudo-healthy"
    Z_MAP = "z-map"


def request_options(parameters) -> dict:
    """The panel's choices as fields of :class:`~FAAnomalyLib.request.DetectRequest`.

    The threshold is not among them: the run uses ``auto``, and the panel applies another one to the map it gets.
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
