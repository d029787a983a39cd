"""The ``manifest.json`` of a model folder: what the weights are, what they were trained on, their SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..errors import FAError

FORMAT = 1
"""Version of the manifest's format; models of other versions are refused."""
WEIGHTS = "weights.pt"


def trained_on(manifest: dict[str, Any]) -> set[str]:
    """Volumes that a model, or a model that it started from, was trained on, as far as its manifest tells.

    Examples
    --------
    >>> sorted(trained_on({"training": {"volumes": ["a"], "started_from": {"training": {"volumes": ["b"]}}}}))
    ['a', 'b']
    """
    training = manifest.get("training") or {}
    before = (training.get("started_from") or {}).get("training")
    return set(training.get("volumes") or ()) | (trained_on({"training": before}) if before else set())


def calibrated_on(manifest: dict[str, Any]) -> set[str]:
    """Volumes that a model was calibrated on, as far as its manifest tells."""
    return set((manifest.get("calibration") or {}).get("volumes") or ())


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest in a model folder.

    It has at least ``format``, ``network`` (with a ``kind``), ``schedule``, ``grid`` and ``sha256``.

    Raises
    ------
    FAError
        ``missing`` when it is damaged or of another format.
    """
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
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
