"""Where the bundled models, template and sample data lie."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import FAError

OVERRIDE = "FAANOMALY_RESOURCES"
"""Environment variable that names another resources folder."""


def resources_dir() -> Path:
    """The folder with ``Models/``, ``Template/`` and ``SampleData/``.

    Looked for in the folder named by :data:`OVERRIDE`, beside the package in a source checkout
    (``Resources``) and beside an installed package (``FAAnomalyResources``).
    Raises ``FAError('missing')`` when there is none.
    """
    named = os.environ.get(OVERRIDE)
    if named:
        if Path(named).is_dir():
            return Path(named)
        raise FAError("missing", f"{OVERRIDE} names {named}", "which is no folder", "Correct the variable or unset it")
    beside = Path(__file__).resolve().parents[2]
    for folder in (beside / "Resources", beside / "FAAnomalyResources"):
        # Beside other modules of Slicer there is a Resources folder too, which is not ours.
        if (folder / "Models").is_dir() or (folder / "Template").is_dir():
            return folder
    raise FAError(
        "missing",
        "The bundled models are not there",
        f"neither {beside / 'Resources'} nor {beside / 'FAAnomalyResources'} holds a Models folder",
        f"Install FAAnomaly again, or name the folder in {OVERRIDE}",
    )
