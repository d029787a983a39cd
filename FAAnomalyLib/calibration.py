"""How healthy people deviate: what turns smoothed residuals into z.

Stored beside a model's weights as ``calibration.npz`` (arrays alone, checked by hash) and made by
:mod:`FAAnomalyLib.training.calibrate` from people on whom the model was not trained.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import FAError
from .evidence import AGAIN, FIRST, INPAINTED_LARGE, INPAINTED_SMALL, OTHER_SIDE, YARDSTICK, Key, centre_and_spread

FILE = "calibration.npz"
UNIT = 6.0
"""|z| to which every map's own limit is scaled, so that maps of different scales can be compared."""
SCALES: dict[float, tuple[Key, ...]] = {s: tuple(k for k in FIRST if k[1] == s) for s in sorted({k[1] for k in FIRST})}
"""First-look maps that are fused into one for each smoothing."""
RESPONSE = {(INPAINTED_SMALL, 5.0): 0.6, (INPAINTED_LARGE, 5.0): 0.75, (INPAINTED_LARGE, 8.0): 0.5}
"""Share of a planted change (20 mm wide for 5 mm, 40 mm for 8 mm) that is left in the residual of holes that do
not cover it, measured with spheres; nearly 1 for template and other side."""
LONE_OTHER_SIDE = 2.0
"""z that the other side may add by itself: a change there is seen here with the other sign."""


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
    weights
        For each smoothing the weights of its maps in the fused z.
    limits
        For each fused or second-look map |z| beyond which 5 % of healthy people have any voxel.
    normal
        (2, N): statistic and the standard normal quantile that it stands for in healthy white matter.
    threshold
        z of ``--threshold auto`` for increases and decreases.
    people
        Number of people behind it; 0 for none.
    """

    bias: dict[Key, np.ndarray] = field(default_factory=dict)
    spread: dict[Key, np.ndarray] = field(default_factory=dict)
    subject: dict[Key, float] = field(default_factory=dict)
    weights: dict[float, dict[Key, float]] = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    normal: np.ndarray | None = None
    threshold: tuple[float, float] = (7.0, 7.0)
    people: int = 0

    def fused(self, maps: dict[Key, np.ndarray], judged: np.ndarray,
              subject: dict[Key, tuple[float, float]]) -> dict[str, np.ndarray]:
        """z of every smoothing of the first look, by name; each of about unit spread in healthy people."""
        z = {key: self.standardised(key, values, judged, subject[key]) for key, values in maps.items()}
        found = {}
        for sigma, keys in SCALES.items():
            weights = self.weights.get(sigma) or {key: float(key == keys[0]) for key in keys}
            own = _without_ghosts({key: z[key] for key in keys})
            found[name_of(sigma)] = sum(weights[key] * own[key] for key in keys)
        return found

    def standardised(self, key: Key, values: np.ndarray, judged: np.ndarray,
                     subject: tuple[float, float]) -> np.ndarray:
        """(value - subject's centre) / subject's spread, less what healthy people show at the place."""
        centre, spread = subject
        z = (values - centre) / spread
        if key in self.bias:
            z = (z - self.bias[key]) / self.spread[key]
        return np.where(judged, z, 0.0).astype(np.float32)

    def again(self, maps: dict[Key, np.ndarray], judged: np.ndarray,
              subject: dict[Key, tuple[float, float]]) -> dict[str, np.ndarray]:
        """z of the second look's maps, by name."""
        return {again_name(key[1]): self.standardised(YARDSTICK[key], values, judged, subject[YARDSTICK[key]])
                for key, values in maps.items()}

    def yardstick_of_region(self, maps: dict[Key, np.ndarray],
                            judged: np.ndarray) -> dict[Key, tuple[float, float]]:
        """Centre and spread for second-look maps of a part of a brain: the population's, not the part's own."""
        if self.subject:
            return {YARDSTICK[key]: (0.0, self.subject[YARDSTICK[key]]) for key in maps}
        return {YARDSTICK[key]: centre_and_spread(values[judged]) for key, values in maps.items()}

    def strongest(self, maps: dict[str, np.ndarray]) -> np.ndarray:
        """Signed largest of the maps, each in units of its own limit times :data:`UNIT`."""
        high = low = None
        for name, z in maps.items():
            scaled = z * (UNIT / self.limits.get(name, UNCALIBRATED[name]))
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


def name_of(sigma: float) -> str:
    """Name of a fused first-look map."""
    return f"fused {sigma:g} mm"


def again_name(sigma: float) -> str:
    """Name of a second-look map."""
    return f"hidden whole {sigma:g} mm"


NAMES = tuple(name_of(s) for s in SCALES) + tuple(again_name(k[1]) for k in AGAIN)
UNCALIBRATED = {name: UNIT if name.startswith("fused") else 1.5 * UNIT for name in NAMES}
"""Limits where none are known: what was suspect stands out more when it is hidden whole, in healthy people too."""


def _without_ghosts(z: dict[Key, np.ndarray]) -> dict[Key, np.ndarray]:
    """The other side limited to what this side's own maps bear out, see :data:`LONE_OTHER_SIDE`."""
    others = [values for key, values in z.items() if key[0] != OTHER_SIDE]
    mean = sum(others) / len(others)
    out = {}
    for key, values in z.items():
        if key[0] == OTHER_SIDE:
            values = np.clip(values, np.minimum(2.0 * mean, 0.0) - LONE_OTHER_SIDE,
                             np.maximum(2.0 * mean, 0.0) + LONE_OTHER_SIDE)
        out[key] = values
    return out


def save_calibration(calibration: Calibration, path: Path) -> str:
    """Write it; returns the SHA-256 that the manifest keeps."""
    where = calibrated_voxels(calibration)
    arrays = {"where": np.packbits(where), "shape": np.array(where.shape), "normal": calibration.normal}
    for number, key in enumerate(FIRST):
        arrays[f"bias{number}"] = calibration.bias[key][where].astype(np.float16)
        arrays[f"spread{number}"] = calibration.spread[key][where].astype(np.float16)
    plain = {"subject": [calibration.subject[key] for key in FIRST],
             "weights": {f"{s:g}": [w[k] for k in SCALES[s]] for s, w in calibration.weights.items()},
             "limits": calibration.limits, "threshold": list(calibration.threshold), "people": calibration.people,
             "keys": [list(key) for key in FIRST]}
    np.savez_compressed(path, settings=np.frombuffer(json.dumps(plain).encode(), np.uint8), **arrays)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def calibrated_voxels(calibration: Calibration) -> np.ndarray:
    """Where healthy people were judged, bool (X, Y, Z)."""
    return np.any([calibration.spread[key] != 1.0 for key in FIRST], axis=0)


def load_calibration(folder: Path, manifest: dict) -> Calibration:
    """A model folder's calibration; an empty one where the manifest names none.

    Raises ``FAError('missing')`` when the file is absent, altered or of another version.
    """
    digest = (manifest.get("calibration") or {}).get("sha256")
    if digest is None:
        return Calibration()
    path = folder / FILE
    if not path.is_file():
        raise FAError("missing", f"The calibration of the model {folder.name} is missing", f"{path} does not exist",
                      "Install the model again")
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise FAError("missing", f"The calibration of the model {folder.name} was altered or damaged",
                      "its SHA-256 is not the manifest's", "Install the model again")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return _read(stored)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise FAError("missing", f"The calibration of the model {folder.name} does not fit this version",
                      str(error).splitlines()[0], "Calibrate the model again") from error


def _read(stored) -> Calibration:
    plain = json.loads(bytes(stored["settings"]).decode())
    if [tuple(key) for key in plain["keys"]] != list(FIRST):
        raise ValueError("it is of other maps")
    shape = tuple(int(n) for n in stored["shape"])
    where = np.unpackbits(stored["where"], count=int(np.prod(shape))).astype(bool).reshape(shape)

    def spread_out(name: str, elsewhere: float) -> np.ndarray:
        array = np.full(shape, elsewhere, np.float32)
        array[where] = stored[name]
        return array

    return Calibration(
        bias={key: spread_out(f"bias{n}", 0.0) for n, key in enumerate(FIRST)},
        spread={key: spread_out(f"spread{n}", 1.0) for n, key in enumerate(FIRST)},
        subject=dict(zip(FIRST, plain["subject"], strict=True)),
        weights={float(s): dict(zip(SCALES[float(s)], w, strict=True)) for s, w in plain["weights"].items()},
        limits=plain["limits"], normal=stored["normal"], threshold=tuple(plain["threshold"]),
        people=int(plain["people"]))
