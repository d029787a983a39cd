"""The folder of the bundled models, template and sample data."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import FAError

OVERRIDE = "FAANOMALY_RESOURCES"
"""Environment variable with the path of another resources folder."""


def resources_dir() -> Path:
    """The folder with ``Models/``, ``Template/`` and ``SampleData/``.

    The folder named by :data:`OVERRIDE`, otherwise ``Resources`` beside the package (source checkout) or
    ``FAAnomalyResources`` beside it (installed package).

    Raises
    ------
    FAError
        ``missing`` when there is none.
    """
    named = os.environ.get(OVERRIDE)
    if named:
        if Path(named).is_dir():
            return Path(named)
        raise FAError("missing", f"{OVERRIDE} names {named}", "which is no folder", "Correct the variable or unset it")
    beside = Path(__file__).resolve().parents[2]
    for folder in (beside / "Resources", beside / "FAAnomalyResources"):
        # Other modules of Slicer have a Resources folder there too.
        if (folder / "Models").is_dir() or (folder / "Template").is_dir():
            return folder
    raise FAError(
        "missing",
        "The bundled models are not there",
        f"neither {beside / 'Resources'} nor {beside / 'FAAnomalyResources'} holds a Models folder",
        f"Install FAAnomaly again, or name the folder in {OVERRIDE}",
    )
