"""How a result came about: the contents of ``result.json`` as typed values.

``docs/result-json.md`` tells type, unit and meaning of every key. Field names are the keys of the file, in its order,
and never change.
"""

from __future__ import annotations

import functools
import hashlib
import platform
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..request import PATHS

if TYPE_CHECKING:
    from ..anomaly.calibration import Limits
    from ..anomaly.detectable_change import DetectableChange
    from ..preprocessing.affine_registration import Alignment
    from ..request import DetectRequest
    from .anatomy import LoadedAtlas
    from .loaded_model import LoadedModel

PACKAGES = ("torch", "numpy", "scipy", "nibabel", "scikit-image", "SimpleITK")


@dataclass(frozen=True)
class BySign:
    """A threshold z of each sign."""

    increased: float
    decreased: float

    @classmethod
    def of(cls, limits: Limits) -> BySign:
        """Rounded to 0.001.

        >>> BySign.of((7.00049, 6.5))
        BySign(increased=7.0, decreased=6.5)
        """
        return cls(round(limits[0], 3), round(limits[1], 3))


@dataclass(frozen=True)
class ModelProvenance:
    """Which weights and which template."""

    name: str
    sha256: str
    template_sha256: str

    @classmethod
    def of(cls, loaded: LoadedModel) -> ModelProvenance:
        """From the model's manifest and template."""
        return cls(loaded.model.name, loaded.model.manifest["sha256"], loaded.template.sha256)


@dataclass(frozen=True)
class RegistrationProvenance:
    """How the template lies in the input's world."""

    method: str
    correlation: float
    template_to_input_ras: list[list[float]]

    @classmethod
    def of(cls, alignment: Alignment) -> RegistrationProvenance:
        """Rounded as the file holds it."""
        return cls(alignment.method, round(alignment.correlation, 4), alignment.matrix.round(6).tolist())


@dataclass(frozen=True)
class CalibrationProvenance:
    """Which healthy people stand behind z, and the thresholds that they give."""

    people: int
    threshold_z: BySign
    sensitive_z: BySign
    alone_z: BySign
    sha256: str | None

    @classmethod
    def of(cls, loaded: LoadedModel, edge_mm: float | None = None) -> CalibrationProvenance:
        """From the model's calibration and its manifest; ``alone_z`` is the one-sided threshold.

        Thresholds and people are those of drawn regions as large as a cube of *edge_mm*, where that is given.
        """
        whole, regions = loaded.calibration, loaded.calibration.regions
        people, known = (whole.people, whole) if edge_mm is None else (regions.people, regions.at(edge_mm))
        return cls(
            people,
            BySign.of(known.threshold),
            BySign.of(known.sensitive),
            BySign.of(known.one_sided),
            (loaded.model.manifest.get("calibration") or {}).get("sha256"),
        )


@dataclass(frozen=True)
class AtlasProvenance:
    """Which tract atlas, and which healthy people stand behind the z of its tracts."""

    name: str
    sha256: str
    tracts: int
    people: int
    threshold_z: BySign | None

    @classmethod
    def of(cls, loaded: LoadedAtlas) -> AtlasProvenance:
        """0 people and no threshold where the atlas has no norms over the model's template."""
        norms = loaded.norms
        people, threshold = (0, None) if norms is None else (norms.people, BySign.of(norms.threshold))
        return cls(loaded.name, loaded.sha256, len(loaded.atlas.tracts), people, threshold)


@dataclass(frozen=True)
class FillProvenance:
    """What of the pseudo-healthy brain is not the input."""

    seed: int
    voxels: int
    without_texture: int


@dataclass(frozen=True)
class Provenance:
    """Everything that decided a result, and what it cost; see ``docs/result-json.md``."""

    faanomaly: str
    input_sha256: str
    request: dict[str, Any]
    threshold_z: BySign
    model: ModelProvenance
    registration: RegistrationProvenance
    calibration: CalibrationProvenance
    drawn_ml: float | None
    drawn_edge_mm: float | None
    detectable_change: list[DetectableChange]
    passes: int
    hidden_share: float
    network_evaluations: int
    seconds: dict[str, float]
    device: str
    dtype: str
    peak_memory_mb: int | None
    warnings: list[str]
    versions: dict[str, str]
    atlas: AtlasProvenance | None
    pseudo_healthy: FillProvenance

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold, keys in the order of the fields."""
        return asdict(self)


def voxels_sha256(data: np.ndarray) -> str:
    """SHA-256 of an array's values in C order, of whatever shape and axis order.

    >>> voxels_sha256(np.zeros(1, np.float32))[:8]
    'df3f6198'
    """
    return hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()


def request_without_folders(request: DetectRequest) -> dict[str, Any]:
    """Every option, of paths the file name alone: folders often carry a patient's name."""
    values = asdict(request)
    for name in (*PATHS, "atlas"):
        if values[name]:
            values[name] = Path(values[name]).name
    return values


@functools.cache
def package_versions() -> dict[str, str]:
    """Version of Python and of each of :data:`PACKAGES`, ``absent`` where it is not installed."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions
