"""A model folder with a true hash and no network in it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path


def make(resources: Path, name: str, weights: bytes = b"weights") -> Path:
    """Make ``Models/<name>`` in *resources* and return it."""
    folder = resources / "Models" / name
    folder.mkdir(parents=True)
    (folder / "weights.pt").write_bytes(weights)
    manifest = {"format": 1, "network": {"kind": "inpainter"}, "schedule": {}, "grid": {}, "sha256": digest(weights)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def digest(weights: bytes) -> str:
    """SHA-256 as a manifest writes it."""
    return hashlib.sha256(weights).hexdigest()
