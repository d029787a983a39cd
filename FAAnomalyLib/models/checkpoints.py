"""Models on disk: manifest, SHA-256, and loading that runs no code.

A model is a folder with ``manifest.json``, ``weights.pt`` (a state dict) and ``MODEL_CARD.md``.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import FAError
from ..io.atomic import atomic_write
from ..runtime.error_translation import is_out_of_memory
from .manifest import FORMAT, WEIGHTS, sha256_of
from .registry import find_model, verify_model


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


def load_model(name: str | os.PathLike = "default") -> Model:
    """Verify, then load, without running any code that the weights may hold; raises ``FAError('missing')``."""
    import torch

    folder = find_model(name)
    manifest = verify_model(folder)
    network = build_network(manifest["network"])
    try:
        state = load_tensors(folder / WEIGHTS)
    except ValueError as error:
        raise FAError(
            "missing", f"The weights of the model {folder.name} are not loaded", str(error), "Install the model again"
        ) from error
    try:
        network.load_state_dict({key: value.float() for key, value in state.items()})
    except (RuntimeError, TypeError, AttributeError) as error:
        raise FAError(
            "missing",
            f"The weights of the model {folder.name} do not fit its network",
            str(error).splitlines()[0],
            "Install the model again",
        ) from error
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
            from ..networks.conditional_unet import ConditionalUNet

            return ConditionalUNet.from_config(config)
        if kind == "thesis":
            from ..networks.thesis.unet import ThesisUNet

            return ThesisUNet.from_config(config)
    except (KeyError, TypeError, ValueError) as error:
        raise FAError(
            "missing",
            f"The manifest does not describe a network of kind {kind}",
            f"{type(error).__name__} {str(error).splitlines()[0]}",
            "Install the model again",
        ) from error
    raise FAError("missing", f"Unknown network kind {kind!r}", "", "Install a newer FAAnomaly")


def save_model(folder: Path, state: dict, manifest: dict) -> None:
    """Write weights in half precision and their manifest; the manifest last, so that it seals them."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / WEIGHTS) as temporary:
        torch.save({key: value.detach().cpu().half() for key, value in state.items()}, temporary)
    manifest = {"format": FORMAT, **manifest, "sha256": sha256_of(folder / WEIGHTS)}
    with atomic_write(folder / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
