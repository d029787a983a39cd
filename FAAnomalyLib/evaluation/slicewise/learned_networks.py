"""What a slice-wise method has learned, on disk: arrays without pickled objects, their hash, and a model card."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from ...errors import FAError
from ...io.atomic import atomic_write
from ...models.manifest import sha256_of
from ...runtime.arrays import as_array, as_tensor

WEIGHTS, DESCRIPTION, CARD = "weights.npz", "networks.json", "MODEL_CARD.md"
LONGEST_REASON = 160
"""Letters of torch's explanation that an error message repeats."""


@dataclass(frozen=True)
class NetworksRecord:
    """Content of ``networks.json``; the names of the fields are stored.

    Attributes
    ----------
    method, source
        Name, and the publication.
    recipe
        Every setting.
    shape
        X and Y of the padded slices.
    template_sha256
        Of the template that the slices are registered to.
    trained_on
        Names of the FA maps.
    seed
        Of every random draw.
    sha256
        Of the weights.
    """

    method: str
    source: str
    recipe: dict[str, Any]
    shape: tuple[int, int]
    template_sha256: str
    trained_on: tuple[str, ...]
    seed: int
    sha256: str = ""


def save_networks(folder: Path, networks: nn.Module, record: NetworksRecord, remarks: Sequence[str] = ()) -> None:
    """Write weights, then the record that vouches for them, then the model card with *remarks*."""
    content: dict[str, Any] = {key: as_array(value) for key, value in networks.state_dict().items()}
    with atomic_write(folder / WEIGHTS, unique_suffix=".npz") as temporary:
        np.savez_compressed(temporary, **content)
    described = {**asdict(record), "sha256": sha256_of(folder / WEIGHTS)}
    with atomic_write(folder / DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    with atomic_write(folder / CARD) as temporary:
        temporary.write_text(model_card(record, remarks), encoding="utf-8")


def read_record(folder: Path | None) -> NetworksRecord:
    """The record of a fitted method, whose weights have the hash that it names.

    Raises ``FAError('missing')`` where there is none, or the weights are others.
    """
    if folder is None:
        raise FAError("missing", "The method needs a model folder", "", "Make it with faanomaly train --method NAME")
    try:
        content = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        for name in ("shape", "trained_on"):
            content[name] = tuple(content[name])
        record = NetworksRecord(**content)
        found = sha256_of(folder / WEIGHTS)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FAError(
            "missing",
            f"There are no usable networks in {folder}",
            f"{type(error).__name__} {error}".splitlines()[0],
            "Make them with faanomaly train DATA --method NAME -o FOLDER",
        ) from error
    if found != record.sha256:
        raise FAError(
            "missing", f"The weights in {folder} are damaged or altered", "their SHA-256 is another", "Fit them again"
        )
    return record


def load_weights(folder: Path, networks: nn.Module) -> None:
    """Put the stored arrays into *networks*; raises ``FAError('missing')`` when they do not fit."""
    try:
        with np.load(folder / WEIGHTS, allow_pickle=False) as stored:
            networks.load_state_dict({name: as_tensor(stored[name]) for name in stored.files})
    except (OSError, ValueError, EOFError, RuntimeError, TypeError, zipfile.BadZipFile) as error:
        raise FAError(
            "missing",
            f"The weights in {folder} do not fit their networks",
            " ".join(str(error).split())[:LONGEST_REASON],
            "Fit them again with faanomaly train --method",
        ) from error


def model_card(record: NetworksRecord, remarks: Sequence[str] = ()) -> str:
    """The text of ``MODEL_CARD.md``."""
    lines = [
        f"# Model card: {record.method}, a method for comparison",
        "",
        "**Research software; not for diagnosis, not for decisions about care.**",
        "",
        f"- Method: {record.source}",
        *(f"- {remark}" for remark in remarks),
        f"- Trained on {len(record.trained_on)} volumes: {', '.join(record.trained_on)}",
        f"- Slices of {record.shape[0]} x {record.shape[1]} pixels, seed {record.seed}; "
        f"the recipe is in `{DESCRIPTION}`, the thresholds in `method.json`",
        f"- FA template: SHA-256 {record.template_sha256}",
        "- Licence: to be stated by whoever publishes these weights; mind the licences of the volumes",
        "- Measured scores: none here; `faanomaly evaluate --methods` measures them",
        "- Must not be used for: diagnosis; people unlike those it was trained on; maps other than FA",
        "",
    ]
    return "\n".join(lines)
