"""The thesis' own detection: every cube of a scan inpainted in a run of its own.

Read from the listings: cubes of the roaming rule (A.22); a hole is a cube, or its voxels with FA above 0.2; the
condition is the scan's uncut mask FA > 0.2, so that it tells what a hole hides; samplers as printed (A.20) or in the
corrected order, 1000 steps, predictions cut to [-1, 1], float32.

Not printed, and chosen here: how cubes become one volume. Each sample is pasted inside its hole and the input stays
elsewhere. Nothing is registered or smoothed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..._version import __version__
from ...errors import FAError
from ...inpainting.interruptible_network import interruptible_network
from ...inpainting.roaming_cubes import roaming_cubes
from ...models.checkpoints import Model, load_model
from ...preprocessing.native_crop import NativeCrop, native_crop
from ...runtime.device import choose_device, describe
from ...runtime.hardware import peak_memory_mb
from ...runtime.progress import Progress, told_what_is_kept
from ...volume import Volume
from ..provenance import package_versions, voxels_sha256
from .cube_store import CubeStore
from .options import ThesisOptions
from .outcome import ThesisOutcome, thresholded
from .scan_inpainter import Cube, ScanInpainter, trained_on_crops

STAGES = {"reading": 0.1, "loading the model": 0.5, "filling cubes": 100.0, "assembling": 0.3}
"""Stages and their expected shares of the time."""


@dataclass(frozen=True)
class Subject:
    """A scan as the procedure takes it: FA in [0, 1] in its own geometry, its name, and remarks about it."""

    name: str
    volume: Volume
    remarks: tuple[str, ...] = ()


def run_thesis_procedure(
    subject: Subject, model: str, device: str, options: ThesisOptions, output: Path, progress: Progress
) -> ThesisOutcome:
    """Inpaint every cube of a scan and assemble them; finished cubes in *output* are not filled again.

    Parameters
    ----------
    subject
        The scan.
    model
        Name or folder of a thesis model.
    device
        ``auto``, ``cpu``, ``cuda`` or ``mps``.
    options
        What is asked for.
    output
        Existing folder; cubes are kept in its folder ``cubes``.
    progress
        With the stages :data:`STAGES`; raises once the run is cancelled, at the next step or layer.

    Raises
    ------
    FAError
        ``bad-request``, ``bad-input``, ``missing`` or ``cancelled``.
    """
    progress.step("loading the model")
    loaded = load_model(model)
    grid, schedule = loaded.manifest["grid"], loaded.manifest["schedule"]
    options = options.check().resolved(int(grid["shape"][0]), int(schedule["timesteps"]))
    crop = native_crop(subject.volume, options.grid, options.centre)
    scan = ScanInpainter(loaded, crop.fa, choose_device(device))
    scan.inpainter.check(options.sampling)
    cubes = _cubes(scan, options)
    store = CubeStore(output, subject.name, _identity(loaded, crop, options))
    told = told_what_is_kept(lambda: _kept(store, cubes), "Give the same command again to go on")
    with interruptible_network(scan.inpainter.network, progress.check), told:
        values, reused = _fill_all(scan, cubes, options, store, progress)
    progress.step("assembling")
    outcome = _assembled(subject.volume, crop, cubes, values, options)
    progress.finish()
    facts = {
        **outcome.provenance,
        "model": {"name": loaded.name, "sha256": loaded.manifest["sha256"], "network": loaded.manifest["network"]},
        "cubes": _counts(cubes, reused),
        "seconds": {stage: round(value, 3) for stage, value in progress.seconds.items()},
        "device": describe(scan.inpainter.device),
        "dtype": "float32",
        "peak_memory_mb": peak_memory_mb(),
        "warnings": [*subject.remarks, *crop.remarks(), *_grid_remarks(loaded, options)],
        "versions": package_versions(),
        "regions": [],
    }
    return replace(outcome, provenance=facts)


def _cubes(scan: ScanInpainter, options: ThesisOptions) -> list[Cube]:
    origins = [options.cube] if options.cube is not None else roaming_cubes(scan.fa, options.edge)
    cubes = [scan.cube(origin, options.edge, options.mask_type) for origin in origins]
    if not any(cube.hole.any() for cube in cubes):
        raise FAError(
            "bad-input",
            "There is no cube to fill",
            "every cube lies outside the brain or holds no white matter",
            "Check that the volume is a brain FA map, 0 outside the brain",
        )
    return cubes


def _fill_all(
    scan: ScanInpainter, cubes: list[Cube], options: ThesisOptions, store: CubeStore, progress: Progress
) -> tuple[list[np.ndarray | None], int]:
    """Values of every cube, None where its hole is empty, and how many of them were found finished."""
    values = [
        store.read(cube.origin, options.samples, int(cube.hole.sum())) if cube.hole.any() else None for cube in cubes
    ]
    todo = [number for number, cube in enumerate(cubes) if cube.hole.any() and values[number] is None]
    reused = sum(value is not None for value in values)
    for done, number in enumerate(todo):
        cube = cubes[number]

        def on_step(step: int, steps: int, done: int = done) -> None:
            progress.step("filling cubes", (done + step / steps) / len(todo))

        filled = scan.fill(cube, options.sampling, on_step)
        store.write(cube.origin, filled)
        values[number] = filled
    return values, reused


def _assembled(
    volume: Volume,
    crop: NativeCrop,
    cubes: list[Cube],
    values: list[np.ndarray | None],
    options: ThesisOptions,
) -> ThesisOutcome:
    """Each sample pasted inside its hole, the input elsewhere, on the input's own voxels."""
    maps = np.repeat(crop.fa[None], options.samples, axis=0)
    covered = np.zeros(crop.fa.shape, bool)
    for cube, value in zip(cubes, values, strict=True):
        if value is not None:
            maps[:, cube.hole] = np.clip(value, 0.0, 1.0)
            covered |= cube.hole
    generated = crop.to_native(covered.astype(np.float32)) >= 0.5

    def on_input(fa: np.ndarray) -> Volume:
        return volume.with_data(np.where(generated, np.clip(crop.to_native(fa), 0, 1), volume.data).astype(np.float32))

    healthy = on_input(maps.mean(axis=0))
    draws = tuple(on_input(one) for one in maps) if options.samples > 1 else ()
    segmentation = None
    if options.threshold is not None:
        difference = volume.data - healthy.data
        segmentation = volume.with_data(thresholded(difference, generated, options.threshold, options.signs))
    facts = _facts(volume, crop, options, segmentation) | {"generated_voxels": int(covered.sum())}
    return ThesisOutcome(volume, healthy, volume.with_data(generated.astype(np.uint8)), draws, segmentation, facts)


def _facts(volume: Volume, crop: NativeCrop, options: ThesisOptions, segmentation: Volume | None) -> dict[str, Any]:
    """What ``result.json`` says of the input, the options and what was found."""
    return {
        "faanomaly": __version__,
        "procedure": "thesis",
        "input_sha256": voxels_sha256(volume.data),
        "options": asdict(options),
        "crop": {
            "voxels": options.grid,
            "spacing_mm": crop.spacing_mm,
            "start": list(crop.start),
            "of": list(crop.resampled_shape),
            "resampled": crop.resampled,
            "clipped_ml": round(crop.clipped_ml, 3),
        },
        "anomalous_ml": None
        if segmentation is None
        else round(int((segmentation.data > 0).sum()) * volume.voxel_ml, 3),
    }


def _identity(model: Model, crop: NativeCrop, options: ThesisOptions) -> dict[str, Any]:
    """What decides the values of a cube, by the names that an error message gives."""
    chosen = asdict(options.sampling) | {"mask_type": options.mask_type, "mask_size": options.mask_size}
    return {
        "version": __version__,
        "model": model.manifest["sha256"],
        "scan": voxels_sha256(crop.fa),
        "grid": options.grid,
        **chosen,
    }


def _counts(cubes: list[Cube], reused: int) -> dict[str, int]:
    empty = sum(not cube.hole.any() for cube in cubes)
    return {"all": len(cubes), "empty": empty, "filled": len(cubes) - empty - reused, "found_finished": reused}


def _grid_remarks(model: Model, options: ThesisOptions) -> list[str]:
    remarks, trained = [], model.manifest["grid"]["shape"][0]
    if options.grid != trained:
        remarks.append(
            f"the model was trained on a grid of {trained} voxels, not of {options.grid}: this is a trial run"
        )
    if trained_on_crops(model.manifest):
        remarks.append("the model was trained on crops and sees a window round each cube: a trial run")
    return remarks


def _kept(store: CubeStore, cubes: list[Cube]) -> str:
    """How many cubes are finished."""
    whole = [cube for cube in cubes if cube.hole.any()]
    kept = sum(store.path(cube.origin).is_file() for cube in whole)
    return f"{kept} of {len(whole)} cubes are kept in {store.folder}"
