"""Options of one detection or one inpainting, as plain values that travel as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from os import PathLike, fspath, path
from typing import Any, TypedDict

from .diffusion.noise import GAUSSIAN, NOISES
from .diffusion.registry import samplers
from .errors import FAError

PATHS = ("input", "output", "region", "roi", "brain_mask")
"""Options that are paths; the model may be a path or a name."""
MASK_TYPES = ("cubic", "wm")
MASK_SIZES = (0, 4, 8, 16, 32)
"""Edge of a hole in voxels of :data:`MASK_VOXEL_MM`; 0 stands for :data:`BOTH_SIZES`."""
BOTH_SIZES = (16, 32)
"""Twice as many passes as of one size."""
SAMPLERS = tuple(samplers())
"""Names of the samplers: mean, dpm++, ddim, ddpm, repaint, thesis."""
DEVICES = ("auto", "cpu", "cuda", "mps")
THRESHOLDS = ("auto", "sensitive")
"""Thresholds that a model's calibration holds; see :class:`FAAnomalyLib.anomaly.calibration.Calibration`."""
SIGNS = ("both", "increased", "decreased")
"""Directions of a change of FA that can be searched for."""
PROCEDURES = ("fast", "thesis")
"""Ways through a whole brain: interleaved holes and a calibrated z, or the thesis' own, one run for every cube."""
ORDERS = {"printed": "thesis", "corrected": "ddpm"}
"""Order of operations in a step of the thesis' procedure -> sampler: as in listing A.20, or with the known voxels
pasted before the network."""
CROP_CENTRES = ("auto", "array", "brain")
"""What the thesis' crop is centred on; ``auto`` is the array for maps of 145 x 174 x 145 voxels, else the brain."""
CROP_FIELD_MM = 160.0
"""Edge of the thesis' crop: 128 voxels of 1.25 mm."""
MASK_VOXEL_MM = 1.25
"""Mask sizes are counted in voxels of the thesis' 1.25 mm grid."""

DEFAULT_STEPS = {name: sampler.default_steps for name, sampler in samplers().items()}
"""Steps of each sampler when a request names none."""


class DetectOptions(TypedDict, total=False):
    """Keywords of :func:`FAAnomalyLib.detect`: the fields of :class:`DetectRequest` except ``input``."""

    output: str | PathLike[str] | None
    model: str | PathLike[str]
    mask_type: str
    mask_size: int
    region: str | PathLike[str] | None
    segment: str | int | None
    roi: str | PathLike[str] | None
    brain_mask: str | PathLike[str] | None
    sampler: str
    steps: int
    samples: int
    threshold: str | float
    signs: str
    device: str
    seed: int
    resume: bool
    scale: str | float | None
    report: bool
    atlas: str | PathLike[str]
    noise: str


@dataclass
class DetectRequest:
    """Options of ``detect`` and ``inpaint``; every field has the name of the shell option.

    Attributes
    ----------
    input
        Path of the FA map.
    output
        Folder for the results; ``None`` keeps them in memory.
    model
        Name of a bundled model or path of a model folder.
    mask_type
        ``cubic`` (holes are whole cubes) or ``wm`` (cubes intersected with the white matter of the template).
    mask_size
        Edge of a hole in voxels of 1.25 mm: 4, 8, 16 or 32 (5, 10, 20 or 40 mm); 0 for 20 and 40 mm together.
    region
        Path of a mask: only its voxels are analysed, and it is filled as one hole.
    segment
        Name or number of the segment of *region* that is meant, where the file holds several.
    roi
        Path of a Slicer markups ROI (``.mrk.json``), used like *region*.
    brain_mask
        Path of a brain mask in the input's geometry; computed when absent.
    sampler
        How a hole is filled: one of :data:`SAMPLERS`. With ``mean`` a whole brain is filled by the linear estimate that
        the network corrects, and by the network what was found.
    steps
        Steps of the sampler, 1 to 1000; 0 for its default (:data:`DEFAULT_STEPS`).
    samples
        Number of draws that are averaged, 1 to 64; their variance is added to the predicted one.
    threshold
        ``auto`` (one healthy brain in ten shows a region), ``sensitive`` (a healthy brain shows one region at most, on
        average) or a positive z. Of healthy drawn regions one in ten shows anything with ``auto``, two with
        ``sensitive``.
    signs
        Regions to search for: ``both``, ``increased`` or ``decreased`` FA. With one sign the ``sensitive`` threshold is
        lower, for the same number of regions in a healthy brain.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    seed
        Seed of every random draw, 0 to 2**63 - 1.
    resume
        Continue an interrupted run in the same output folder.
    scale
        The value that means FA 1 in the file: a number, ``auto`` to detect it, None for 1.
    report
        Whether ``report.html`` is drawn; otherwise that page says only that it was not asked for.
    atlas
        ``default`` for the bundled tract atlas, ``none``, or the path of the folder of another one.
    noise
        What the sampler starts from and adds: ``gaussian``, or ``simplex`` noise, which neighbouring voxels share.

    Examples
    --------
    >>> DetectRequest("fa.nii.gz", mask_size=8).check().mask_sizes
    (8,)
    >>> DetectRequest("fa.nii.gz", mask_size=7).problems()
    ['mask size 7 is none of 0, 4, 8, 16, 32']
    """

    input: str = ""
    output: str | None = None
    model: str = "default"
    mask_type: str = "cubic"
    mask_size: int = 16
    region: str | None = None
    segment: str | None = None
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
    atlas: str = "default"
    noise: str = GAUSSIAN

    def problems(self) -> list[str]:
        """Everything that is wrong with the request, one sentence each; empty when it can run."""
        problems = []
        for name in ("input", "output", "model", "region", "roi", "brain_mask", "atlas"):
            if not isinstance(getattr(self, name), (str, type(None))):
                problems.append(f"{name.replace('_', ' ')} {getattr(self, name)!r} is not a path")
        if not self.input:
            problems.append("no input volume is chosen")
        for name, allowed in (
            ("mask_type", MASK_TYPES),
            ("mask_size", MASK_SIZES),
            ("sampler", tuple(samplers())),
            ("noise", NOISES),
            ("signs", SIGNS),
            ("device", DEVICES),
        ):
            if getattr(self, name) not in allowed:
                choices = ", ".join(map(str, allowed))
                problems.append(f"{name.replace('_', ' ')} {getattr(self, name)!r} is none of {choices}")
        problems += self._steps_problems()
        if not _whole(self.samples) or not 1 <= self.samples <= 64:
            problems.append(f"samples {self.samples!r} is not a whole number from 1 to 64")
        if not _whole(self.seed) or not 0 <= self.seed < 2**63:
            problems.append(f"seed {self.seed!r} is not a whole number from 0")
        if self.threshold not in THRESHOLDS and not _positive(self.threshold):
            problems.append(f"threshold {self.threshold!r} is neither 'auto' nor 'sensitive' nor a positive z")
        if self.scale not in (None, "auto") and not _positive(self.scale):
            problems.append(f"scale {self.scale!r} is neither 'auto' nor a positive number")
        problems += self._region_problems()
        if not isinstance(self.report, bool):
            problems.append(f"report {self.report!r} is neither true nor false")
        if self.resume and not self.output:
            problems.append("resume needs the output folder of the interrupted run")
        return problems

    def _region_problems(self) -> list[str]:
        problems = []
        if self.segment is not None and not (isinstance(self.segment, str) and self.segment):
            problems.append(f"segment {self.segment!r} is neither a name nor a number")
        elif self.segment is not None and not self.region:
            problems.append("a segment is chosen, but no region that it could be of")
        if self.region and self.roi:
            problems.append("give a region or a ROI, not both")
        return problems

    def _steps_problems(self) -> list[str]:
        if not _whole(self.steps) or not 0 <= self.steps <= 1000:
            return [f"steps {self.steps!r} is not a whole number from 0 to 1000"]
        if isinstance(self.sampler, str) and self.sampler in samplers():
            most = samplers()[self.sampler].max_steps
            if self.steps > most:
                count = "is one step" if most == 1 else f"takes {most} steps at most"
                return [f"the sampler {self.sampler} {count}; choose dpm++ for more"]
        return []

    def check(self) -> DetectRequest:
        """Return self, or raise ``FAError('bad-request')`` that names every problem."""
        problems = self.problems()
        if problems:
            raise FAError("bad-request", "The request cannot run", "; ".join(problems), "Correct it and try again")
        return self

    @property
    def steps_used(self) -> int:
        """Steps of the sampler: its default where :attr:`steps` is 0."""
        return self.steps or samplers()[self.sampler].default_steps

    @property
    def mask_sizes(self) -> tuple[int, ...]:
        """Edges of the holes in voxels of 1.25 mm."""
        return (self.mask_size,) if self.mask_size else BOTH_SIZES

    def to_json(self) -> str:
        """The request as one JSON object."""
        return json.dumps(asdict(self))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> DetectRequest:
        """Build from a dict, with paths as text.

        Raises
        ------
        FAError
            ``bad-request`` for an unknown key, so that a typo is not ignored.

        Examples
        --------
        >>> DetectRequest.from_dict({"input": "fa.nii.gz", "samplr": "ddim"})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        FAAnomalyLib.errors.FAError: Unknown option samplr. Known are input, output, ...
        """
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise FAError(
                "bad-request",
                f"Unknown option {', '.join(unknown)}",
                "",
                f"Known are {', '.join(f.name for f in fields(cls))}",
            )
        clean = {k: fspath(v) if isinstance(v, PathLike) else v for k, v in values.items()}
        for name in (*PATHS, "model", "atlas"):
            if isinstance(clean.get(name), str):
                clean[name] = expand_user(clean[name])
        if _whole(clean.get("segment")):
            clean["segment"] = str(clean["segment"])
        return cls(**clean)


def changed_hole_options(request: DetectRequest | None) -> dict[str, Any]:
    """Options of *request* that say how holes are filled and are not the defaults.

    Examples
    --------
    >>> changed_hole_options(DetectRequest("fa.nii.gz", sampler="ddpm", steps=50, signs="decreased"))
    {'sampler': 'ddpm', 'steps': 50}
    """
    default = DetectRequest()
    names = ("mask_type", "mask_size", "sampler", "steps", "samples", "noise")
    return {
        name: getattr(request, name)
        for name in names
        if request is not None and getattr(request, name) != getattr(default, name)
    }


def expand_user(text: str) -> str:
    """*text* with the home folder in place of a ``~`` at its beginning; a file that is called so is left alone.

    Raises
    ------
    FAError
        ``bad-request`` for the home of somebody who is not known here.

    Examples
    --------
    >>> expand_user("results"), expand_user("~/results").startswith("~")
    ('results', False)
    """
    if not text.startswith("~") or path.lexists(text):
        return text
    expanded = path.expanduser(text)
    if expanded.startswith("~"):
        raise FAError("bad-request", f"There is no home folder for {text}", "", "Write the path out")
    return expanded


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _positive(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
