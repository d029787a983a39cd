"""The models on this computer: find, list, verify, delete."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from ..errors import FAError
from ..runtime.resources import resources_dir
from .manifest import WEIGHTS, read_manifest, sha256_of

DEFAULT_MODEL = "inpainter"
"""Folder of the bundled model that the name ``default`` stands for."""


def models_dir() -> Path:
    """Folder of the bundled models."""
    return resources_dir() / "Models"


def find_model(name: str | os.PathLike = "default") -> Path:
    """Folder of a model.

    Parameters
    ----------
    name
        Name of a bundled model, ``default`` for the one that is used by default, or the path of a model folder.

    Raises
    ------
    FAError
        ``missing`` when there is no such model; the message names those that there are.
    """
    text = str(name)
    folder = models_dir() / (DEFAULT_MODEL if text == "default" else text)
    if os.sep in text or not folder.is_dir():
        folder = Path(text) if Path(text).is_dir() else folder
    if not (folder / "manifest.json").is_file():
        known = ", ".join(m["name"] for m in list_models()) or "none"
        raise FAError(
            "missing",
            f"There is no model {text!r}",
            f"{folder} has no manifest.json",
            f"Choose a model folder or one of: {known}",
        )
    return folder


def list_models() -> list[dict[str, Any]]:
    """Every bundled model: ``name``, ``folder``, ``kind``, ``megabytes`` and ``sha256``.

    ``kind`` is that of the network, or ``damaged`` when the manifest is damaged.
    """
    models = []
    for path in sorted(models_dir().glob("*/manifest.json")):
        try:
            manifest = read_manifest(path.parent)
            kind, digest = manifest["network"]["kind"], manifest["sha256"]
        except FAError:
            kind, digest = "damaged", ""
        weights = path.parent / WEIGHTS
        models.append(
            {
                "name": path.parent.name,
                "folder": str(path.parent),
                "kind": kind,
                "megabytes": round(weights.stat().st_size / 1e6, 1) if weights.is_file() else 0.0,
                "sha256": digest,
            }
        )
    return models


def verify_model(name: str | os.PathLike = "default") -> dict[str, Any]:
    """The manifest of a model, after a check that its weights are exactly those that were published.

    Parameters
    ----------
    name
        As in :func:`find_model`.

    Raises
    ------
    FAError
        ``missing`` when the manifest is damaged, or the weights are absent or differ in a single byte.
    """
    folder = find_model(name)
    manifest = read_manifest(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise FAError(
            "missing",
            f"The weights of the model {folder.name} are missing",
            f"{weights} does not exist",
            "Install the model again",
        )
    if sha256_of(weights) != manifest["sha256"]:
        raise FAError(
            "missing",
            f"The weights of the model {folder.name} were altered or damaged",
            "their SHA-256 is not the manifest's",
            "Install the model again; they are not loaded",
        )
    return manifest


def delete_model(name: str) -> None:
    """Delete the folder of a bundled model.

    Raises ``FAError``: ``missing`` when there is no such model, ``bad-request`` when it is not a bundled one,
    ``bad-input`` when its folder cannot be deleted.
    """
    folder = find_model(name)
    if folder.resolve().parent != models_dir().resolve():
        raise FAError("bad-request", f"{folder} is not a bundled model", "", "Delete the folder yourself")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise FAError(
            "bad-input", f"{folder} cannot be deleted", error.strerror or str(error), "Delete it yourself"
        ) from error
