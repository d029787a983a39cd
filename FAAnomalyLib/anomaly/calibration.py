"""How healthy people deviate: what turns smoothed residuals into z.

Stored beside a model's weights as ``calibration.npz`` (arrays alone, checked by hash) and made by
:mod:`FAAnomalyLib.training.calibration_fit` from people on whom the model was not trained.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import FAError
from .residual_maps import (
    INPAINTED_LARGE,
    INPAINTED_SMALL,
    REFERENCE_KEYS,
    SCREENING_KEYS,
    TEMPLATE,
    TEMPLATE_MINMOD,
    TEMPLATE_MINMOD_IN_TRACTS,
    Key,
    robust_location_and_scale,
)

FILE = "calibration.npz"
UNIT = 6.0
"""|z| to which every map's own limit is scaled, so that maps of different scales can be compared."""
COMBINATIONS: dict[str, dict[Key, float]] = {
    "template and other side, 3 mm": {
        (TEMPLATE_MINMOD_IN_TRACTS, 3.0): 1.0,
        (TEMPLATE_MINMOD, 3.0): 0.5,
        (INPAINTED_SMALL, 3.0): 0.2,
    },
    "template and other side, 5 mm": {
        (TEMPLATE_MINMOD_IN_TRACTS, 5.0): 0.7,
        (TEMPLATE_MINMOD, 5.0): 1.0,
        (INPAINTED_LARGE, 5.0): 0.2,
    },
    "template, other side and 40 mm holes, 8 mm": {
        (TEMPLATE_MINMOD, 8.0): 1.0,
        (TEMPLATE, 8.0): 1.0,
        (INPAINTED_LARGE, 8.0): 0.5,
    },
}
"""Weighted sums of first-look maps that are searched for changes, each for changes of its own size. What is wrong with
one prediction is rarely wrong with all; a change as wide as its holes shows little in the inpainter's residual, hence
its low weight. The weights of the first two are about those with the largest mean response to spheres of 10 and 20 mm
and stroke shapes over the spread in healthy people (Fisher's discriminant, none below 0); the last is wider than that,
for spheres of 40 mm."""


@dataclass(frozen=True)
class Calibration:
    """Statistics of healthy people on the model grid.

    Attributes
    ----------
    bias, spread
        For each key, (X, Y, Z): mean and standard deviation over people of the subject-standardised map.
    subject
        For each key of the first look the population's spread of the unstandardised map, FA: the yardstick of a
        volume too small to be its own.
    limits
        For each combination and each map of a drawn region the heights above and below 0 beyond which 5 % of healthy
        people have any voxel.
    normal
        (2, N): statistic and the standard normal quantile that it stands for in healthy white matter.
    threshold
        z of ``--threshold auto`` for increases and decreases: one healthy person in twenty is beyond, for each.
    sensitive
        z of ``--threshold sensitive``: the calibration's healthy brains show one region on average.
    alone
        The same where only increases, or only decreases, are looked for: one region of that sign on average.
    people
        Number of people behind it; 0 for none.
    """

    bias: dict[Key, np.ndarray] = field(default_factory=dict)
    spread: dict[Key, np.ndarray] = field(default_factory=dict)
    subject: dict[Key, float] = field(default_factory=dict)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    normal: np.ndarray | None = None
    threshold: tuple[float, float] = (1.1 * UNIT, 1.1 * UNIT)
    sensitive: tuple[float, float] = (UNIT, UNIT)
    one_sided: tuple[float, float] = (UNIT, UNIT)
    people: int = 0

    def combined(
        self, maps: dict[Key, np.ndarray], analysed: np.ndarray, subject: dict[Key, tuple[float, float]]
    ) -> dict[str, np.ndarray]:
        """:data:`COMBINATIONS` of the first look's standardised maps, by name."""
        z = {key: self.standardised(key, values, analysed, subject[key]) for key, values in maps.items()}
        return {name: sum(weight * z[key] for key, weight in parts.items()) for name, parts in COMBINATIONS.items()}

    def standardised(
        self, key: Key, values: np.ndarray, analysed: np.ndarray, subject: tuple[float, float]
    ) -> np.ndarray:
        """(value - subject's centre) / subject's spread, less what healthy people show at the place."""
        centre, spread = subject
        z = (values - centre) / spread
        if key in self.bias:
            z = (z - self.bias[key]) / self.spread[key]
        return np.where(analysed, z, 0.0).astype(np.float32)

    def drawn(self, maps: dict[Key, np.ndarray], analysed: np.ndarray) -> dict[str, np.ndarray]:
        """z of a drawn region's maps, by :func:`drawn_name`."""
        subject = self.region_scale(maps, analysed)
        return {
            drawn_name(key[1]): self.standardised(REFERENCE_KEYS[key], values, analysed, subject[REFERENCE_KEYS[key]])
            for key, values in maps.items()
        }

    def region_scale(self, maps: dict[Key, np.ndarray], analysed: np.ndarray) -> dict[Key, tuple[float, float]]:
        """Centre and spread for maps of a part of a brain: the population's, not the part's own."""
        if self.subject:
            return {REFERENCE_KEYS[key]: (0.0, self.subject[REFERENCE_KEYS[key]]) for key in maps}
        return {REFERENCE_KEYS[key]: robust_location_and_scale(values[analysed]) for key, values in maps.items()}

    def z_of(self, maps: dict[str, np.ndarray], analysed: np.ndarray) -> np.ndarray:
        """The strongest of the maps (of :meth:`combined` or :meth:`drawn`) on the scale of healthy white matter.

        float32 (X, Y, Z), standard normal in healthy people; 0 where *judged* is false.
        """
        return np.where(analysed, self.to_normal(self.strongest(maps)), 0.0).astype(np.float32)

    def strongest(self, maps: dict[str, np.ndarray]) -> np.ndarray:
        """Signed largest of the maps, each scaled so that its own limits are at :data:`UNIT`."""
        high = low = None
        for name, z in maps.items():
            up, down = self.limits.get(name, (UNCALIBRATED.get(name, UNCALIBRATED_OTHER),) * 2)
            scaled = np.where(z > 0, z * (UNIT / up), z * (UNIT / down))
            high = scaled if high is None else np.maximum(high, scaled)
            low = scaled if low is None else np.minimum(low, scaled)
        return np.where(high > -low, high, low).astype(np.float32)

    def to_normal(self, statistic: np.ndarray) -> np.ndarray:
        """The statistic as a standard normal z; beyond the table along its last slope."""
        if self.normal is None:
            return statistic.astype(np.float32)
        x, z = self.normal
        found = np.interp(statistic, x, z)
        below = z[0] + (z[1] - z[0]) / (x[1] - x[0]) * (statistic - x[0])
        above = z[-1] + (z[-1] - z[-2]) / (x[-1] - x[-2]) * (statistic - x[-1])
        return np.where(statistic < x[0], below, np.where(statistic > x[-1], above, found)).astype(np.float32)


def drawn_name(sigma: float) -> str:
    """Name of a map of a region that a person drew: no search has chosen it."""
    return f"drawn, {sigma:g} mm"


UNCALIBRATED = dict(zip(COMBINATIONS, (11.5, 11.4, 12.4), strict=True))
"""Limits where none are known: a fifth beyond those of eleven healthy people (9.6, 9.5 and 10.3) when nothing takes
away what people show at each place, as ``Testing/Benchmarks/held_out_health.py`` measures them; for all other maps:"""
UNCALIBRATED_OTHER = 1.5 * UNIT


def save_calibration(calibration: Calibration, path: Path) -> str:
    """Write it; returns the SHA-256 that the manifest keeps."""
    where = calibrated_voxels(calibration)
    arrays = {"where": np.packbits(where), "shape": np.array(where.shape), "normal": calibration.normal}
    for number, key in enumerate(SCREENING_KEYS):
        arrays[f"bias{number}"] = calibration.bias[key][where].astype(np.float16)
        arrays[f"spread{number}"] = calibration.spread[key][where].astype(np.float16)
    plain = {
        "subject": [calibration.subject[key] for key in SCREENING_KEYS],
        "limits": calibration.limits,
        "threshold": list(calibration.threshold),
        "sensitive": list(calibration.sensitive),
        "alone": list(calibration.one_sided),
        "people": calibration.people,
        "keys": [list(key) for key in SCREENING_KEYS],
    }
    np.savez_compressed(path, settings=np.frombuffer(json.dumps(plain).encode(), np.uint8), **arrays)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def calibrated_voxels(calibration: Calibration) -> np.ndarray:
    """Where healthy people were judged, bool (X, Y, Z)."""
    return np.any([calibration.spread[key] != 1.0 for key in SCREENING_KEYS], axis=0)


def load_calibration(folder: Path, manifest: dict) -> Calibration:
    """A model folder's calibration; an empty one where the manifest names none.

    Raises ``FAError('missing')`` when the file is absent, altered or of another version.
    """
    digest = (manifest.get("calibration") or {}).get("sha256")
    if digest is None:
        return Calibration()
    path = folder / FILE
    if not path.is_file():
        raise FAError(
            "missing",
            f"The calibration of the model {folder.name} is missing",
            f"{path} does not exist",
            "Install the model again",
        )
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise FAError(
            "missing",
            f"The calibration of the model {folder.name} was altered or damaged",
            "its SHA-256 is not the manifest's",
            "Install the model again",
        )
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _read(stored)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise FAError(
            "missing",
            f"The calibration of the model {folder.name} does not fit this version",
            str(error).splitlines()[0],
            "Calibrate the model again",
        ) from error


def _read(stored) -> Calibration:
    plain = json.loads(bytes(stored["settings"]).decode())
    if [tuple(key) for key in plain["keys"]] != list(SCREENING_KEYS):
        raise ValueError("it is of other maps")
    shape = tuple(int(n) for n in stored["shape"])
    where = np.unpackbits(stored["where"], count=int(np.prod(shape))).astype(bool).reshape(shape)

    def spread_out(name: str, elsewhere: float) -> np.ndarray:
        array = np.full(shape, elsewhere, np.float32)
        array[where] = stored[name]
        return array

    return Calibration(
        bias={key: spread_out(f"bias{n}", 0.0) for n, key in enumerate(SCREENING_KEYS)},
        spread={key: spread_out(f"spread{n}", 1.0) for n, key in enumerate(SCREENING_KEYS)},
        subject=dict(zip(SCREENING_KEYS, plain["subject"], strict=True)),
        limits={name: tuple(limit) for name, limit in plain["limits"].items()},
        normal=stored["normal"],
        threshold=tuple(plain["threshold"]),
        sensitive=tuple(plain["sensitive"]),
        one_sided=tuple(plain["alone"]),
        people=int(plain["people"]),
    )
