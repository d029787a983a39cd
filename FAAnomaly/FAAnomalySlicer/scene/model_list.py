"""The models on this computer, read from their manifests; no model is loaded."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..worker_client.paths import resources_folder

DEFAULT = "default"
DEFAULT_FOLDER = "inpainter"
"""The bundled model that the engine takes for ``default``; a test compares the two."""


@dataclass(frozen=True)
class ModelInfo:
    """One model.

    Attributes
    ----------
    value
        The request's ``model``: ``default``, a bundled model's name, or a folder.
    title
        Its name on the panel.
    folder
        Its folder.
    """

    value: str
    title: str
    folder: Path

    @property
    def card(self) -> Path:
        """Its model card; the file may be absent."""
        return self.folder / "MODEL_CARD.md"

    def calibration(self) -> str:
        """A sentence about the calibration in its manifest."""
        try:
            known = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8")).get("calibration")
        except (OSError, ValueError, AttributeError):
            return _("The model is damaged or not there.")
        if not known:
            return _("Not calibrated: the threshold is a fixed number.")
        people = known.get("people") if isinstance(known, dict) else None
        if isinstance(people, (list, int)):
            return _("Calibrated on {count} healthy people.").format(
                count=people if isinstance(people, int) else len(people)
            )
        return _("Calibrated on healthy people.")

    def delete(self) -> None:
        """Remove it from this computer. Raises ``FAError('bad-input')`` when that is not allowed."""
        try:
            shutil.rmtree(self.folder)
        except OSError as error:
            raise FAError(
                "bad-input",
                _("The model cannot be deleted"),
                error.strerror or str(error),
                _("Check your right to change {folder}").format(folder=self.folder),
            ) from error


def models(chosen: str = DEFAULT) -> list[ModelInfo]:
    """The bundled models, the default first, and the folder *chosen* when it is none of them."""
    try:
        folders = sorted(path.parent for path in (resources_folder() / "Models").glob("*/manifest.json"))
    except FAError:
        folders = []
    listed = [
        ModelInfo(DEFAULT, _("{name} (default)").format(name=folder.name), folder)
        for folder in folders
        if folder.name == DEFAULT_FOLDER
    ]
    listed += [ModelInfo(folder.name, folder.name, folder) for folder in folders if folder.name != DEFAULT_FOLDER]
    if chosen not in [model.value for model in listed]:
        listed.append(ModelInfo(chosen, Path(chosen).name, Path(chosen)))
    return listed
