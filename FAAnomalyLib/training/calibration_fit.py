"""Fit a model's calibration to healthy people.

Each person is scored by a template that does not hold them, and with statistics of the other people alone. So the
calibration holds what a new person meets: nobody's own deviation makes it look smaller.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..anomaly.calibration import COMBINATIONS, Calibration, Limits
from ..anomaly.calibration_file import CALIBRATION_FILE, load_calibration, save_calibration
from ..anomaly.region_limits import RegionLimits
from ..anomaly.regions import restrict_to_signs
from ..anomaly.residual_maps import SCREENING_KEYS, MapKey
from ..errors import FAError
from ..request import DetectRequest, changed_hole_options
from ..volume import Volume
from .healthy_limits import automatic_threshold, limits_of, normal_table, one_region_threshold
from .healthy_maps import HealthySubject, enough_people
from .place_statistics import PlaceStatistics


def fit(people: list[HealthySubject], report: Callable[[str], None] = lambda text: None) -> Calibration:
    """Fit a calibration; its parts are defined at :class:`~FAAnomalyLib.anomaly.calibration.Calibration`.

    1. Bias and spread at each place of the template, once without each person (cross-fitted) and once of everybody.
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
    names = enough_people({one.person for one in people})
    weights, places, scale = volume_weights(people), PlaceStatistics(people), _median_scale(people)
    held_out = held_out_calibrations(people, places)
    combined = [combined_by(held_out[one.person], one) for one in people]
    limits: dict[str, Limits] = {name: limits_of([maps[name] for maps in combined], weights) for name in COMBINATIONS}
    whole = Calibration(*places.bias_and_spread(weights), scale, limits, people=len(names))
    statistics = [whole.strongest(maps) for maps in combined]
    in_white_matter = [statistic[one.analysed] for statistic, one in zip(statistics, people, strict=True)]
    whole = replace(whole, normal=normal_table(in_white_matter, weights))
    z = [one.shown(whole.z_of(statistic, one.analysed)) for statistic, one in zip(statistics, people, strict=True)]
    maxima = [[float(np.max(sign * shown.data)) for shown in z] for sign in (1, -1)]
    for one, up, down in zip(people, *maxima, strict=True):
        report(f"largest z of {one.name}: +{up:.2f} -{down:.2f}")
    return _with_thresholds(whole, z, weights, automatic_threshold(maxima, weights, len(names)))


def combined_by(known: Calibration, one: HealthySubject) -> dict[str, np.ndarray]:
    """The combinations of a screened volume, see :meth:`~FAAnomalyLib.anomaly.calibration.Calibration.combined`."""
    return known.brought_to(one.displacement).combined(one.maps, one.analysed, one.subject_scale)


def _median_scale(people: list[HealthySubject]) -> dict[MapKey, float]:
    """The median volume's scale of each map, FA."""
    return {key: float(np.median([one.subject_scale[key][1] for one in people])) for key in SCREENING_KEYS}


def held_out_calibrations(
    people: list[HealthySubject], places: PlaceStatistics | None = None
) -> dict[str, Calibration]:
    """For each person bias, spread and scale of the others, without limits; *places* are the people's statistics."""
    weights, places, scale = volume_weights(people), places or PlaceStatistics(people), _median_scale(people)
    held_out = {}
    for name in sorted({one.person for one in people}):
        others = np.array([one.person != name for one in people]) * weights
        held_out[name] = Calibration(
            *places.bias_and_spread(others), scale, people=len({one.person for one in people}) - 1
        )
    return held_out


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
    calibration: Calibration, folder: Path, volumes: Sequence[str], request: DetectRequest | None = None
) -> None:
    """Write a calibration into a model folder, and its SHA-256, *volumes* and thresholds into the manifest.

    What *request* changes of how holes are filled is written there, too, as ``options``.
    """
    digest = save_calibration(calibration, folder / CALIBRATION_FILE)
    told: dict[str, Any] = {
        "sha256": digest,
        "people": calibration.people,
        "volumes": sorted(volumes),
        "threshold": [round(z, 3) for z in calibration.threshold],
        "sensitive": [round(z, 3) for z in calibration.sensitive],
        "alone": [round(z, 3) for z in calibration.one_sided],
        "limits": {name: [round(v, 3) for v in limit] for name, limit in calibration.limits.items()},
        **({"options": options} if (options := changed_hole_options(request)) else {}),
    }
    if calibration.regions.people:
        told["regions"] = _about_regions(calibration.regions, volumes)
    _into_manifest(folder, told)


def install_regions(regions: RegionLimits, folder: Path, manifest: dict, volumes: Sequence[str]) -> None:
    """Add drawn regions to the calibration in a model folder, whose *manifest* is; all else in it stays as it is.

    Raises
    ------
    FAError
        ``bad-request`` for a model without a calibration, ``missing`` for one whose calibration cannot be read.
    """
    known = load_calibration(folder, manifest)
    if not known.people:
        raise FAError(
            "bad-request",
            f"The model {folder.name} has no calibration that drawn regions could be added to",
            "",
            "Calibrate it without --regions-only",
        )
    digest = save_calibration(replace(known, regions=regions), folder / CALIBRATION_FILE)
    _into_manifest(folder, {**manifest["calibration"], "sha256": digest, "regions": _about_regions(regions, volumes)})


def _about_regions(regions: RegionLimits, volumes: Sequence[str]) -> dict[str, Any]:
    return {
        "people": regions.people,
        "volumes": sorted(volumes),
        "edges_mm": list(regions.edges_mm),
        "threshold": [[round(z, 3) for z in one.threshold] for one in regions.limits],
    }


def _into_manifest(folder: Path, calibration: dict[str, Any]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["calibration"] = calibration
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
