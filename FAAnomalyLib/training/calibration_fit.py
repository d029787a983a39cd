"""Fit a model's calibration to healthy people on whom it was not trained.

Each person is scored with a model of another fold, and with statistics of the other people alone. So the calibration
holds what a new person meets: nobody's own deviation makes it look smaller.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..anomaly.calibration import COMBINATIONS, Calibration, Limits, drawn_name
from ..anomaly.calibration_file import CALIBRATION_FILE, save_calibration
from ..anomaly.regions import restrict_to_signs
from ..anomaly.residual_maps import REFERENCE_KEYS, REGION_KEYS, SCREENING_KEYS
from ..errors import FAError
from ..request import DetectRequest, changed_hole_options
from ..volume import Volume
from .healthy_limits import automatic_threshold, limits_of, normal_table, one_region_threshold
from .healthy_maps import HealthySubject
from .place_statistics import PlaceStatistics

MIN_PEOPLE = 3
REGION_WIDENING = 1.25
"""Of the limits of a drawn region: a hole that covers a region whole is filled less surely than the lattices of holes
that its reference maps come from."""


def fit(people: list[HealthySubject], report: Callable[[str], None] = lambda text: None) -> Calibration:
    """Fit a calibration; its parts are defined at :class:`~FAAnomalyLib.anomaly.calibration.Calibration`.

    1. Bias and spread at each voxel, once without each person (cross-fitted) and once of everybody.
    2. Limits of each map, from maps that were standardised without the person.
    3. The normal scale, from the strongest map of every person.
    4. Thresholds, from z-maps on the people's native grids, as results show them: interpolation lowers narrow peaks.

    Parameters
    ----------
    people
        Screened volumes, several of one person allowed: a person's volumes have a weight of 1 together.
    report
        Called with a line of text for every volume.

    Raises
    ------
    FAError
        ``bad-request`` for fewer than three people: a pair has no spread.
    """
    names = sorted({one.person for one in people})
    if len(names) < MIN_PEOPLE:
        raise FAError(
            "bad-request", f"{len(names)} people are too few to calibrate with", "", f"Give at least {MIN_PEOPLE}"
        )
    weights, places = volume_weights(people), PlaceStatistics(people)
    scale = {key: float(np.median([one.subject_scale[key][1] for one in people])) for key in SCREENING_KEYS}
    held_out = {}
    for name in names:
        others = np.array([one.person != name for one in people]) * weights
        held_out[name] = Calibration(*places.bias_and_spread(others), scale, people=len(names) - 1)
    combined = [held_out[one.person].combined(one.maps, one.analysed, one.subject_scale) for one in people]
    limits: dict[str, Limits] = {
        name: limits_of([maps[name] for maps in combined], weights) for name in COMBINATIONS
    } | _region_limits(people, held_out, weights)
    whole = Calibration(*places.bias_and_spread(weights), scale, limits, people=len(names))
    statistics = [whole.strongest(maps) for maps in combined]
    in_white_matter = [statistic[one.analysed] for statistic, one in zip(statistics, people, strict=True)]
    whole = replace(whole, normal=normal_table(in_white_matter, weights))
    z = [one.shown(whole.z_of(statistic, one.analysed)) for statistic, one in zip(statistics, people, strict=True)]
    maxima = [[float(np.max(sign * shown.data)) for shown in z] for sign in (1, -1)]
    for one, up, down in zip(people, *maxima, strict=True):
        report(f"largest z of {one.name}: +{up:.2f} -{down:.2f}")
    return _with_thresholds(whole, z, weights, automatic_threshold(maxima, weights, len(names)))


def _region_limits(
    people: list[HealthySubject], held_out: dict[str, Calibration], weights: np.ndarray
) -> dict[str, Limits]:
    """Limits of a drawn region's maps: those of its reference maps, wider."""
    limits = {}
    for drawn in REGION_KEYS:
        key = REFERENCE_KEYS[drawn]
        z = [
            held_out[one.person].standardised(key, one.maps[key], one.analysed, one.subject_scale[key])
            for one in people
        ]
        up, down = limits_of(z, weights)
        limits[drawn_name(drawn[1])] = REGION_WIDENING * up, REGION_WIDENING * down
    return limits


def _with_thresholds(whole: Calibration, z: list[Volume], weights: np.ndarray, automatic: Limits) -> Calibration:
    """The calibration with its thresholds, *z* being everybody's z-map."""
    up, _ = one_region_threshold(z, weights, restrict_to_signs(automatic, "increased"))
    _, down = one_region_threshold(z, weights, restrict_to_signs(automatic, "decreased"))
    sensitive = one_region_threshold(z, weights, automatic)
    return replace(whole, threshold=automatic, sensitive=sensitive, one_sided=(up, down))


def volume_weights(people: list[HealthySubject]) -> np.ndarray:
    """Weight of each volume, (N,): 1 over the number of volumes of its person."""
    return np.array([1.0 / sum(other.person == one.person for other in people) for one in people])


def install(
    calibration: Calibration, folder: Path, people: list[HealthySubject], request: DetectRequest | None = None
) -> None:
    """Write a calibration into a model folder, and its SHA-256, people and thresholds into the manifest.

    What *request* changes of how holes are filled is written there, too, as ``options``.
    """
    digest = save_calibration(calibration, folder / CALIBRATION_FILE)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["calibration"] = {
        "sha256": digest,
        "people": calibration.people,
        "volumes": sorted(one.name for one in people),
        "threshold": [round(z, 3) for z in calibration.threshold],
        "sensitive": [round(z, 3) for z in calibration.sensitive],
        "alone": [round(z, 3) for z in calibration.one_sided],
        "limits": {name: [round(v, 3) for v in limit] for name, limit in calibration.limits.items()},
        **({"options": options} if (options := changed_hole_options(request)) else {}),
    }
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
