"""Where a thesis network lies and how it is sampled, whichever command made it.

``train --method thesis-...`` writes the network into the folder ``model`` of the method's own, beside thresholds and
the number of sampling steps. ``train --recipe thesis-...`` writes the network alone: it is sampled as the thesis does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ...diffusion.registry import samplers
from ...errors import FAError
from ...io.atomic import atomic_write
from ...models.manifest import read_manifest
from ...networks.thesis.unet import KIND
from ...pipeline.thesis_procedure.scan_inpainter import trained_on_crops
from ...training.export import MODEL

SAMPLING = "sampling.json"
"""Sampling steps of a network that a method has fitted."""


@dataclass(frozen=True)
class ThesisModel:
    """A thesis network on disk.

    Attributes
    ----------
    folder
        Its model folder.
    conditional
        Whether it is told of white matter.
    voxels
        Edge of its grid, the crop of 160 mm.
    widths
        Channels at each resolution.
    training_steps, steps
        Of its training, None where that is not known; of the sampler.
    windowed
        Whether it sees a window round the hole, as it was trained on crops; else the whole grid, as in the thesis.
    sha256
        Of its weights.
    """

    folder: Path
    conditional: bool
    voxels: int
    widths: tuple[int, ...]
    training_steps: int | None
    steps: int
    windowed: bool
    sha256: str


def find_thesis_model(folder: Path) -> ThesisModel:
    """The thesis network in the folder of a method, of a training run, or of a model.

    Raises
    ------
    FAError
        ``missing`` where there is no model, ``bad-request`` where it is not the thesis'.
    """
    place = next((one for one in (folder / MODEL, folder) if (one / "manifest.json").is_file()), None)
    if place is None:
        raise FAError(
            "missing",
            f"There is no thesis network in {folder}",
            "it has no manifest.json, nor has its folder model",
            "Make one with faanomaly train DATA --recipe thesis-conditional -o FOLDER",
        )
    manifest = read_manifest(place)
    if manifest["network"]["kind"] != KIND:
        raise FAError(
            "bad-request",
            f"The model in {place} is not a thesis network",
            f"it is a network of the kind {manifest['network']['kind']}",
            "Give a model of the recipes thesis-conditional or thesis-unconditional",
        )
    steps = min(samplers()["thesis"].default_steps, int(manifest["schedule"]["timesteps"]))
    return ThesisModel(
        folder=place,
        conditional=bool(manifest["network"]["conditional"]),
        voxels=int(manifest["grid"]["shape"][0]),
        widths=tuple(manifest["network"]["widths"]),
        training_steps=(manifest.get("training") or {}).get("steps"),
        steps=_sampling_steps(folder) or steps,
        windowed=trained_on_crops(manifest),
        sha256=manifest["sha256"],
    )


def holds_thesis_network(folder: Path, conditional: bool) -> bool:
    """Whether the model in a folder is the thesis' conditional or unconditional network."""
    try:
        return find_thesis_model(folder).conditional is conditional
    except FAError:
        return False


def write_sampling(folder: Path, steps: int) -> None:
    """Say with how many steps a method's own network is sampled; written last, as a sign of completion."""
    with atomic_write(folder / SAMPLING) as temporary:
        temporary.write_text(json.dumps({"steps": steps}) + "\n", encoding="utf-8")


def _sampling_steps(folder: Path) -> int | None:
    """What the folder says; None where it says nothing, ``FAError('missing')`` where that cannot be used."""
    path = folder / SAMPLING
    if not path.is_file():
        return None
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["steps"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FAError(
            "missing", f"The thesis network in {folder} is damaged", f"{SAMPLING}: {error}", "Fit the method again"
        ) from error
