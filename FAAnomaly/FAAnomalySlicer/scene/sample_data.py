"""The bundled synthetic brain: registered with Slicer's Sample Data module and loaded with one click, offline."""

from __future__ import annotations

import hashlib
from pathlib import Path

import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..worker_client.paths import resources_folder

SAMPLE_NAME = "FA with an anomaly"
NODE_NAME = "FA sample (synthetic)"


def sample_path() -> Path:
    """The sample's file. Raises ``FAError('missing')`` when it is not installed."""
    path = resources_folder() / "SampleData" / "sample_fa.nii.gz"
    if not path.is_file():
        raise FAError("missing", _("The sample is not installed"), str(path), _("Install the extension again"))
    return path


def register_sample_data(thumbnail: str) -> None:
    """Make the sample known to the Sample Data module; *thumbnail* is the path of its picture."""
    import SampleData

    path, logic = sample_path(), SampleData.SampleDataLogic
    category = "FAAnomaly"
    if hasattr(logic, "registerCustomSampleDataCategory"):  # from Slicer 5.12 on
        logic.registerCustomSampleDataCategory(category, title=_("FA Anomaly"))
    logic.registerCustomSampleDataSource(
        category=category,
        sampleName=SAMPLE_NAME,
        thumbnailFileName=thumbnail,
        uris=path.as_uri(),
        fileNames=path.name,
        # With it a copy that an earlier version left in Slicer's cache is not taken for this one.
        checksums=f"SHA256:{hashlib.sha256(path.read_bytes()).hexdigest()}",
        nodeNames=NODE_NAME,
    )


def load_sample():
    """Load the sample into the scene and return its volume node; raises ``FAError``."""
    path = sample_path()
    try:
        return slicer.util.loadVolume(str(path), {"name": NODE_NAME, "show": False})
    except RuntimeError as error:
        raise FAError(
            "bad-input", _("The sample cannot be loaded"), str(error), _("Install the extension again")
        ) from error
