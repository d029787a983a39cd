"""What a person asks for: one detection or one fill, as plain values that travel as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from .diffusion.registry import samplers
from .errors import FAError

MASK_TYPES = ("cubic", "wm")
MASK_SIZES = (0, 4, 8, 16, 32)
"""0 stands for :data:`BOTH_SIZES`."""
BOTH_SIZES = (16, 32)
SAMPLERS = tuple(samplers())
"""Names of the samplers: mean, dpm++, ddim, ddpm, repaint, thesis."""
DEVICES = ("auto", "cpu", "cuda", "mps")
THRESHOLDS = ("auto", "sensitive")
"""Those that a model's calibration gives; see :class:`FAAnomalyLib.anomaly.calibration.Calibration`."""
SIGNS = ("both", "increased", "decreased")
"""Which regions are looked for."""
MASK_VOXEL_MM = 1.25
"""Mask sizes are counted in voxels of the thesis' 1.25 mm grid."""

DEFAULT_STEPS = {name: sampler.default_steps for name, sampler in samplers().items()}
"""Steps of each sampler when a request names none."""


@dataclass
class DetectRequest:
    """Options of ``detect`` and ``inpaint``; every field has the shell option's name.

    Attributes
    ----------
    input
        Path of the FA map.
    output
        Folder for the results; ``None`` keeps them in memory.
    model
        Name of a bundled model or path of a model folder.
    mask_type
        ``cubic`` (whole cubes) or ``wm`` (cubes intersected with the white-matter prior).
    mask_size
        Edge of a hole, in voxels of 1.25 mm: 4, 8, 16 or 32 (5, 10, 20 or 40 mm); 0 for 20 and 40 mm
        together, which the calibration is made for.
    region
        Path of a mask: only its voxels are judged, and it is filled as one hole.
    roi
        Path of a Slicer markups ROI (``.mrk.json``), used like *region*.
    brain_mask
        Path of a brain mask in the input's geometry; found when absent.
    sampler, steps, samples
        How a hole is filled; ``steps`` 0 means the sampler's default, ``samples`` is the number
        of draws averaged (their spread joins the predicted variance).
    threshold
        ``auto`` (one healthy brain in ten shows a region), ``sensitive`` (a healthy brain shows one at most, on
        average) or a positive z.
    signs
        Which regions are looked for: ``both``, ``increased`` or ``decreased`` FA. Who expects one sign gets a lower
        ``sensitive`` threshold for the same number of regions in a healthy brain.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    seed
        Seed of every random draw.
    resume
        Continue an interrupted run in the same output folder.
    scale
        The value that means FA 1 in the file: a number, or ``auto`` to find it.
    report
        Draw the pictures of ``report.html``; without them it says only that it was not asked for.
    """

    input: str = ""
    output: str | None = None
    model: str = "default"
    mask_type: str = "cubic"
    mask_size: int = 0
    region: str | None = None
    roi: str | None = None
    brain_mask: str | None = None
    sampler: str = "mean"
    steps: int = 0
    samples: int = 1
    threshold: str | float = "auto"
    signs: str = "both"
    device: str = "auto"
    seed: int = 0
    resume: bool = False
    scale: str | float | None = None
    report: bool = True

    def problems(self) -> list[str]:
        """Everything wrong with the request, one sentence each; empty when it can run."""
        found = []
        for name in ("input", "output", "model", "region", "roi", "brain_mask"):
            if not isinstance(getattr(self, name), (str, type(None))):
                found.append(f"{name.replace('_', ' ')} {getattr(self, name)!r} is not a path")
        if not self.input:
            found.append("no input volume is chosen")
        for name, allowed in (
            ("mask_type", MASK_TYPES),
            ("mask_size", MASK_SIZES),
            ("sampler", tuple(samplers())),
            ("signs", SIGNS),
            ("device", DEVICES),
        ):
            if getattr(self, name) not in allowed:
                choices = ", ".join(map(str, allowed))
                found.append(f"{name.replace('_', ' ')} {getattr(self, name)!r} is none of {choices}")
        if not _whole(self.steps) or not 0 <= self.steps <= 1000:
            found.append(f"steps {self.steps!r} is not a whole number from 0 to 1000")
        elif isinstance(self.sampler, str) and self.sampler in samplers():
            most = samplers()[self.sampler].max_steps
            if self.steps > most:
                count = "is one step" if most == 1 else f"takes {most} steps at most"
                found.append(f"the sampler {self.sampler} {count}; choose dpm++ for more")
        if not _whole(self.samples) or not 1 <= self.samples <= 64:
            found.append(f"samples {self.samples!r} is not a whole number from 1 to 64")
        if not _whole(self.seed) or not 0 <= self.seed < 2**63:
            found.append(f"seed {self.seed!r} is not a whole number from 0")
        if self.threshold not in THRESHOLDS and not _positive(self.threshold):
            found.append(f"threshold {self.threshold!r} is neither 'auto' nor 'sensitive' nor a positive z")
        if self.scale not in (None, "auto") and not _positive(self.scale):
            found.append(f"scale {self.scale!r} is neither 'auto' nor a positive number")
        if self.region and self.roi:
            found.append("give a region or a ROI, not both")
        if not isinstance(self.report, bool):
            found.append(f"report {self.report!r} is neither true nor false")
        if self.resume and not self.output:
            found.append("resume needs the output folder of the interrupted run")
        return found

    def check(self) -> DetectRequest:
        """Return self, or raise ``FAError('bad-request')`` naming every problem."""
        found = self.problems()
        if found:
            raise FAError("bad-request", "The request cannot run", "; ".join(found), "Correct it and try again")
        return self

    @property
    def steps_used(self) -> int:
        """Steps of the sampler, its default filled in."""
        return self.steps or samplers()[self.sampler].default_steps

    @property
    def mask_sizes(self) -> tuple[int, ...]:
        """Edges of the holes in voxels of 1.25 mm."""
        return (self.mask_size,) if self.mask_size else BOTH_SIZES

    def to_json(self) -> str:
        """The request as one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, values: dict) -> DetectRequest:
        """Build from a dict; an unknown key is an error, so that a typo is not ignored."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise FAError(
                "bad-request",
                f"Unknown option {', '.join(unknown)}",
                "",
                f"Known are {', '.join(f.name for f in fields(cls))}",
            )
        clean = {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
        return cls(**clean)


def _whole(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _positive(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
