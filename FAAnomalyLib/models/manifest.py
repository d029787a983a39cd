"""A model folder's ``manifest.json``: what the weights are, what they were trained on, their SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ..errors import FAError

FORMAT = 1


WEIGHTS = "weights.pt"


def trained_on(manifest: dict) -> set[str]:
    """Volumes that a model, or one that it started from, was trained on, as far as its manifest tells."""
    training = manifest.get("training") or {}
    before = (training.get("started_from") or {}).get("training")
    return set(training.get("volumes") or ()) | (trained_on({"training": before}) if before else set())


def calibrated_on(manifest: dict) -> set[str]:
    """Volumes that a model's calibration was made from, as far as its manifest tells."""
    return set((manifest.get("calibration") or {}).get("volumes") or ())


def read_manifest(folder: Path) -> dict:
    """Parse and check a manifest; raises ``FAError('missing')`` when it is damaged."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FAError(
            "missing",
            f"The manifest of the model in {folder} is damaged",
            str(error).splitlines()[0],
            "Install the model again",
        ) from error
    absent = {"format", "network", "schedule", "grid", "sha256"} - set(manifest if isinstance(manifest, dict) else ())
    if absent or manifest["format"] != FORMAT:
        reason = f"it lacks {', '.join(sorted(absent))}" if absent else f"its format is {manifest['format']}"
        raise FAError("missing", f"The model in {folder} does not fit this version", reason, "Install the model again")
    network = manifest["network"]
    if not isinstance(network, dict) or not isinstance(network.get("kind"), str):
        raise FAError(
            "missing",
            f"The manifest of the model in {folder} is damaged",
            "it does not say which network it is of",
            "Install the model again",
        )
    return manifest


def sha256_of(path: Path) -> str:
    """Hash of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
