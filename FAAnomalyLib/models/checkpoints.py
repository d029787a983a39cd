"""Models on disk: manifest, SHA-256, and loading that runs no code.

A model is a folder with ``manifest.json``, ``weights.pt`` (a state dict) and ``MODEL_CARD.md``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ..errors import FAError
from ..runtime.error_translation import is_out_of_memory
from ..runtime.resources import resources_dir

FORMAT = 1
WEIGHTS = "weights.pt"
DEFAULT_MODEL = "inpainter"


@dataclass(frozen=True)
class Model:
    """A network with what it needs to be run.

    Attributes
    ----------
    name
        Folder name.
    network
        ``torch.nn.Module`` in evaluation mode, float32.
    manifest
        The parsed ``manifest.json``: ``network``, ``schedule``, ``grid``, ``template_sha256``,
        ``sha256``, ``training``, ``calibration``.
    """

    name: str
    network: object
    manifest: dict

    @property
    def kind(self) -> str:
        """``inpainter`` or ``thesis``."""
        return self.manifest["network"]["kind"]


def models_dir() -> Path:
    """Where bundled models live."""
    return resources_dir() / "Models"


def find_model(name: str | os.PathLike = "default") -> Path:
    """Folder of a bundled model, or the folder that *name* is a path of; raises ``FAError('missing')``."""
    text = str(name)
    folder = models_dir() / (DEFAULT_MODEL if text == "default" else text)
    if os.sep in text or not folder.is_dir():
        folder = Path(text) if Path(text).is_dir() else folder
    if not (folder / "manifest.json").is_file():
        known = ", ".join(m["name"] for m in list_models()) or "none"
        raise FAError("missing", f"There is no model {text!r}", f"{folder} has no manifest.json",
                      f"Choose a model folder or one of: {known}")
    return folder


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
        raise FAError("missing", f"The manifest of the model in {folder} is damaged", str(error).splitlines()[0],
                      "Install the model again") from error
    absent = {"format", "network", "schedule", "grid", "sha256"} - set(manifest if isinstance(manifest, dict) else ())
    if absent or manifest["format"] != FORMAT:
        reason = f"it lacks {', '.join(sorted(absent))}" if absent else f"its format is {manifest['format']}"
        raise FAError("missing", f"The model in {folder} does not fit this version", reason, "Install the model again")
    network = manifest["network"]
    if not isinstance(network, dict) or not isinstance(network.get("kind"), str):
        raise FAError("missing", f"The manifest of the model in {folder} is damaged", "it does not say which network "
                      "it is of", "Install the model again")
    return manifest


def list_models() -> list[dict]:
    """Name, folder, size and kind of every bundled model; the kind is ``damaged`` where the manifest is."""
    found = []
    for path in sorted(models_dir().glob("*/manifest.json")):
        try:
            manifest = read_manifest(path.parent)
            kind, digest = manifest["network"]["kind"], manifest["sha256"]
        except FAError:
            kind, digest = "damaged", ""
        weights = path.parent / WEIGHTS
        found.append({"name": path.parent.name, "folder": str(path.parent), "kind": kind,
                      "megabytes": round(weights.stat().st_size / 1e6, 1) if weights.is_file() else 0.0,
                      "sha256": digest})
    return found


def verify_model(name: str | os.PathLike = "default") -> dict:
    """The manifest of a model whose weights are exactly those it was published with.

    Raises ``FAError('missing')`` when the weights are absent or altered, be it by one byte.
    """
    folder = find_model(name)
    manifest = read_manifest(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise FAError("missing", f"The weights of the model {folder.name} are missing", f"{weights} does not exist",
                      "Install the model again")
    if sha256_of(weights) != manifest["sha256"]:
        raise FAError("missing", f"The weights of the model {folder.name} were altered or damaged",
                      "their SHA-256 is not the manifest's", "Install the model again; they are not loaded")
    return manifest


def delete_model(name: str) -> None:
    """Remove a bundled model's folder."""
    folder = find_model(name)
    if folder.resolve().parent != models_dir().resolve():
        raise FAError("bad-request", f"{folder} is not a bundled model", "", "Delete the folder yourself")
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise FAError("bad-input", f"{folder} cannot be deleted", error.strerror or str(error),
                      "Delete it yourself") from error


def load_model(name: str | os.PathLike = "default") -> Model:
    """Verify, then load, without running any code that the weights may hold; raises ``FAError('missing')``."""
    import torch

    folder = find_model(name)
    manifest = verify_model(folder)
    network = build_network(manifest["network"])
    try:
        state = load_tensors(folder / WEIGHTS)
    except ValueError as error:
        raise FAError("missing", f"The weights of the model {folder.name} are not loaded", str(error),
                      "Install the model again") from error
    try:
        network.load_state_dict({key: value.float() for key, value in state.items()})
    except (RuntimeError, TypeError, AttributeError) as error:
        raise FAError("missing", f"The weights of the model {folder.name} do not fit its network",
                      str(error).splitlines()[0], "Install the model again") from error
    network = network.to(memory_format=torch.channels_last_3d).eval().requires_grad_(False)
    return Model(folder.name, network, manifest)


def load_tensors(path: Path) -> dict:
    """The dictionary that ``torch.save`` wrote, on the CPU; unpickles tensors and plain values, nothing else.

    Raises ``ValueError``, in one line, when the file is damaged or holds anything more.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch lets through whatever a damaged file provokes
        if is_out_of_memory(error):
            raise
        raise ValueError(f"{path.name} is damaged, or holds more than tensors") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path.name} is of something else")
    return state


def build_network(config: dict):
    """The network that a manifest's ``network`` describes; raises ``FAError('missing')`` when it describes none."""
    kind = config.get("kind")
    try:
        if kind == "inpainter":
            from ..networks.conditional_unet import Inpainter
            return Inpainter.from_config(config)
        if kind == "thesis":
            from ..networks.thesis.unet import ThesisUNet
            return ThesisUNet.from_config(config)
    except (KeyError, TypeError, ValueError) as error:
        raise FAError("missing", f"The manifest does not describe a network of kind {kind}",
                      f"{type(error).__name__} {str(error).splitlines()[0]}", "Install the model again") from error
    raise FAError("missing", f"Unknown network kind {kind!r}", "", "Install a newer FAAnomaly")


def save_model(folder: Path, state: dict, manifest: dict) -> None:
    """Write weights in half precision and their manifest; the manifest last, so that it seals them."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / (WEIGHTS + ".partial")
    torch.save({key: value.detach().cpu().half() for key, value in state.items()}, temporary)
    os.replace(temporary, folder / WEIGHTS)
    manifest = {"format": FORMAT, **manifest, "sha256": sha256_of(folder / WEIGHTS)}
    temporary = folder / "manifest.json.partial"
    temporary.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, folder / "manifest.json")


def sha256_of(path: Path) -> str:
    """Hash of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
