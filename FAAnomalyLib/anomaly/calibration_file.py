"""A calibration as a file of arrays alone, ``calibration.npz``, whose SHA-256 the model's manifest keeps."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FAError
from .calibration import Calibration, Limits, calibrated_voxels
from .region_limits import RegionLimits, SizeLimits
from .residual_maps import SCREENING_KEYS

CALIBRATION_FILE = "calibration.npz"
OLD_MAP = "bent template"
"""A map that calibrations of version 0.1.0 hold."""


def save_calibration(calibration: Calibration, path: Path) -> str:
    """Write a fitted calibration to *path* and return the SHA-256 of the file.

    Bias and spread are kept as float16 at the calibrated voxels alone.
    """
    where = calibrated_voxels(calibration)
    arrays: dict[str, Any] = {"where": np.packbits(where), "shape": np.array(where.shape), "normal": calibration.normal}
    for number, key in enumerate(SCREENING_KEYS):
        arrays[f"bias{number}"] = calibration.bias[key][where].astype(np.float16)
        arrays[f"spread{number}"] = calibration.spread[key][where].astype(np.float16)
    # The names are those of the first version of this file: "subject" is population_scale, "alone" is one_sided.
    settings: dict[str, Any] = {
        "subject": [calibration.population_scale[key] for key in SCREENING_KEYS],
        "limits": calibration.limits,
        "threshold": list(calibration.threshold),
        "sensitive": list(calibration.sensitive),
        "alone": list(calibration.one_sided),
        "people": calibration.people,
        "keys": [list(key) for key in SCREENING_KEYS],
    }
    if calibration.regions.people:
        settings["regions"] = _stored_regions(calibration.regions)
    np.savez_compressed(path, settings=np.frombuffer(json.dumps(settings).encode(), np.uint8), **arrays)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stored_regions(known: RegionLimits) -> dict[str, Any]:
    """Drawn regions as plain values."""
    return {
        "edges_mm": list(known.edges_mm),
        "inpainter_spread": [one.inpainter_spread for one in known.limits],
        "spread": [one.spread for one in known.limits],
        "threshold": [list(one.threshold) for one in known.limits],
        "sensitive": [list(one.sensitive) for one in known.limits],
        "alone": [list(one.one_sided) for one in known.limits],
        "people": known.people,
    }


def _read_regions(stored: dict[str, Any] | None) -> RegionLimits:
    """The inverse of :func:`_stored_regions`; files of version 0.1 hold no regions."""
    if stored is None:
        return RegionLimits()
    limits = [
        SizeLimits(float(inpainter), float(spread), _pair(auto), _pair(sensitive), _pair(alone))
        for inpainter, spread, auto, sensitive, alone in zip(
            *(stored[name] for name in ("inpainter_spread", "spread", "threshold", "sensitive", "alone")), strict=True
        )
    ]
    if len(limits) != len(stored["edges_mm"]):
        raise ValueError("its drawn regions have not one limit for each size")
    return RegionLimits(tuple(map(float, stored["edges_mm"])), tuple(limits), int(stored["people"]))


def load_calibration(folder: Path, manifest: dict) -> Calibration:
    """Read the calibration of a model folder; an empty one where the manifest names none, or one of version 0.1.0.

    The evidence of version 0.1.0 was made of other maps, whose statistics say nothing of today's.

    Parameters
    ----------
    folder
        Model folder.
    manifest
        Its manifest, as :func:`FAAnomalyLib.models.manifest.read_manifest` gives it.

    Raises
    ------
    FAError
        ``missing`` when the file is absent, was altered or belongs to another version.
    """
    digest = (manifest.get("calibration") or {}).get("sha256")
    if digest is None:
        return Calibration()
    path = folder / CALIBRATION_FILE
    if not path.is_file():
        raise FAError(
            "missing",
            f"The calibration of the model {folder.name} is missing",
            f"{path} does not exist",
            "Install the model again",
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise FAError(
            "missing",
            f"The calibration of the model {folder.name} was altered or damaged",
            "its SHA-256 is not the manifest's",
            "Install the model again",
        )
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _read(stored)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise FAError(
            "missing",
            f"The calibration of the model {folder.name} does not fit this version",
            str(error).splitlines()[0],
            "Calibrate the model again",
        ) from error


def _read(stored: Mapping[str, np.ndarray]) -> Calibration:
    settings = json.loads(bytes(stored["settings"]).decode())
    keys = [tuple(key) for key in settings["keys"]]
    if any(name == OLD_MAP for name, _ in keys):
        return Calibration(outdated=True)
    if keys != list(SCREENING_KEYS):
        raise ValueError("it is of other maps")
    shape = tuple(int(n) for n in stored["shape"])
    where = np.unpackbits(stored["where"], count=int(np.prod(shape))).astype(bool).reshape(shape)

    def on_grid(name: str, elsewhere: float) -> np.ndarray:
        array = np.full(shape, elsewhere, np.float32)
        array[where] = stored[name]
        return array

    return Calibration(
        bias={key: on_grid(f"bias{n}", 0.0) for n, key in enumerate(SCREENING_KEYS)},
        spread={key: on_grid(f"spread{n}", 1.0) for n, key in enumerate(SCREENING_KEYS)},
        population_scale=dict(zip(SCREENING_KEYS, settings["subject"], strict=True)),
        limits={name: _pair(limits) for name, limits in settings["limits"].items()},
        normal=stored["normal"],
        threshold=_pair(settings["threshold"]),
        sensitive=_pair(settings["sensitive"]),
        one_sided=_pair(settings["alone"]),
        people=int(settings["people"]),
        regions=_read_regions(settings.get("regions")),
    )


def _pair(values: list[float]) -> Limits:
    up, down = values
    return up, down
