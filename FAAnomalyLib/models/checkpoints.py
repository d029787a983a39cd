"""Models on disk: loaded only with the published SHA-256 and without running any code.

A model is a folder with ``manifest.json``, ``weights.pt`` (a state dict) and ``MODEL_CARD.md``.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import FAError
from ..io.atomic import atomic_write
from ..networks.registry import build_network
from ..runtime.error_translation import is_out_of_memory
from .manifest import FORMAT, WEIGHTS, sha256_of
from .registry import find_model, verify_model

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Model:
    """A network with everything that is needed to run it.

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
    network: nn.Module
    manifest: dict[str, Any]

    @property
    def kind(self) -> str:
        """Name of the network's kind in :mod:`FAAnomalyLib.networks.registry`: ``inpainter``, ``thesis``, ..."""
        return self.manifest["network"]["kind"]


def load_model(name: str | os.PathLike = "default") -> Model:
    """Verify a model, then load it, without running any code that its weights may hold.

    Parameters
    ----------
    name
        As in :func:`~FAAnomalyLib.models.registry.find_model`.

    Returns
    -------
    Model
        On the CPU, float32, in evaluation mode and without gradients.

    Raises
    ------
    FAError
        ``missing`` when there is no such model, its manifest or weights are damaged or altered, or they do not fit
        each other.
    """
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
    # PyTorch's type stubs lack this overload of Module.to.
    network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    network = network.eval().requires_grad_(False)
    return Model(folder.name, network, manifest)


def load_tensors(path: Path) -> dict[str, Any]:
    """The dictionary that ``torch.save`` wrote, on the CPU; only tensors and plain values are unpickled.

    Raises ``ValueError``, in one line, when the file is damaged or holds anything else.
    """
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can provoke any of them
        if is_out_of_memory(error):
            raise
        raise ValueError(f"{path.name} is damaged, or holds more than tensors") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path.name} is of something else")
    return state


def save_model(folder: Path, state: dict[str, Tensor], manifest: dict[str, Any], half: bool = True) -> None:
    """Write a model folder: weights, then their manifest.

    Parameters
    ----------
    folder
        Made where it is missing.
    state
        The network's state dict.
    manifest
        ``network``, ``schedule``, ``grid`` and what else is known; ``format`` and ``sha256`` are added. It is written
        last, so that no manifest ever vouches for weights that are not there yet.
    half
        Whether weights are stored in half precision, or else as they are.
    """
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / WEIGHTS) as temporary:
        stored = {key: value.detach().cpu() for key, value in state.items()}
        torch.save({key: value.half() for key, value in stored.items()} if half else stored, temporary)
    manifest = {"format": FORMAT, **manifest, "sha256": sha256_of(folder / WEIGHTS)}
    with atomic_write(folder / "manifest.json") as temporary:
        temporary.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
