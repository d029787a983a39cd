"""Folders of the engine and its resources: beside the module when installed, one folder up in a source checkout."""

from __future__ import annotations

from pathlib import Path

from slicer.i18n import tr as _

import FAAnomalyLib.errors
from FAAnomalyLib.errors import FAError


def engine_root() -> Path:
    """The folder that this process took ``FAAnomalyLib`` from; the engine's process takes it from there as well."""
    return Path(FAAnomalyLib.errors.__file__).resolve().parents[1]


def resources_folder() -> Path:
    """The folder with ``Models`` and ``SampleData``. Raises ``FAError('missing')`` when there is none."""
    for name in ("Resources", "FAAnomalyResources"):
        folder = engine_root() / name
        # Beside other modules of Slicer there is a Resources folder too, which is not the engine's.
        if (folder / "Models").is_dir():
            return folder
    raise FAError(
        "missing", _("The bundled models are not installed"), str(engine_root()), _("Install the extension again")
    )
