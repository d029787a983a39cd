"""Make a model's calibration from healthy people on whom it was not trained.

Each person is judged by a model of another fold, and by statistics of the others alone, so that what
is written down is what a new person meets: nobody's own deviation makes it look smaller.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.stats import norm, t

from ..anomaly.calibration import COMBINATIONS, FILE, Calibration, drawn_name, save_calibration
from ..anomaly.regions import find_regions, restrict_to_signs
from ..anomaly.residual_maps import REFERENCE_KEYS, REGION_KEYS, SCREENING_KEYS, Key
from ..errors import FAError
from ..volume import Volume
from .healthy_maps import HealthySubject

PRIOR_PEOPLE = 4.0
"""Weight of "no bias, unit spread" against the few people there are, in people."""
PLACE_MM = 3.0
"""Smoothing of the spread over places."""
TAIL = 0.95
"""Share of healthy people who stay below a limit."""
MIN_PEOPLE = 3
STEP, FINEST_STEP = 0.02, 0.0025
"""Of the automatic threshold, in which a lower one is sought: halved from the one to the other."""
COVERING = 1.25
"""A hole that covers a region whole is filled less surely than the lattices that its yardstick comes from."""


def fit(people: list[HealthySubject], report: Callable[[str], None] = lambda text: None) -> Calibration:
    """The calibration that *people* give; see the module's text.

    Raises ``FAError('bad-request')`` for fewer than three people: there is no spread of a pair.
    """
    names = sorted({one.person for one in people})
    if len(names) < MIN_PEOPLE:
        raise FAError(
            "bad-request", f"{len(names)} people are too few to calibrate with", "", f"Give at least {MIN_PEOPLE}"
        )
    places = _Places(people)
    shares = shares_of(people)
    subject = {key: float(np.median([one.subject_scale[key][1] for one in people])) for key in SCREENING_KEYS}
    without = {p: places.statistics(np.array([one.person != p for one in people]) * shares) for p in names}
    others = {p: Calibration(*without[p], subject, people=len(names) - 1) for p in names}
    found = [others[one.person].combined(one.maps, one.analysed, one.subject_scale) for one in people]
    limits = {name: limits_of([maps[name] for maps in found], shares) for name in COMBINATIONS}
    for drawn in REGION_KEYS:
        key = REFERENCE_KEYS[drawn]
        z = [
            others[one.person].standardised(key, one.maps[key], one.analysed, one.subject_scale[key]) for one in people
        ]
        limits[drawn_name(drawn[1])] = tuple(COVERING * limit for limit in limits_of(z, shares))
    whole = Calibration(*places.statistics(shares), subject, limits, people=len(names))
    strongest = [whole.strongest(maps) for maps in found]
    whole = replace(
        whole, normal=_normal_table([s[one.analysed] for s, one in zip(strongest, people, strict=True)], shares)
    )
    # As results show it: interpolation to a person's own grid takes away a part of a narrow peak.
    z = [one.shown(whole.z_of(maps, one.analysed)) for maps, one in zip(found, people, strict=True)]
    tails = [[float(np.max(sign * shown.data)) for shown in z] for sign in (1, -1)]
    for one, up, down in zip(people, *tails, strict=True):
        report(f"largest z of {one.name}: +{up:.2f} -{down:.2f}")
    threshold = _beyond_next(tails, shares, len(names))
    up, down = (_one_region(z, shares, restrict_to_signs(threshold, sign)) for sign in ("increased", "decreased"))
    return replace(whole, threshold=threshold, sensitive=_one_region(z, shares, threshold), one_sided=(up[0], down[1]))


def shares_of(people: list[HealthySubject]) -> np.ndarray:
    """Each volume's weight: a person's volumes have a weight of 1 together."""
    return np.array([1.0 / sum(other.person == one.person for other in people) for one in people])


class _Places:
    """What each volume shows at each place where any is judged."""

    def __init__(self, people: list[HealthySubject]) -> None:
        self._shape, self._sigma = people[0].analysed.shape, PLACE_MM / people[0].prepared.grid.spacing_mm
        self._where = np.any([one.analysed for one in people], axis=0)
        self._judged = np.stack([one.analysed[self._where] for one in people]).astype(np.float32)
        self._values = {}
        for key in SCREENING_KEYS:
            standard = [
                (one.maps[key][self._where] - one.subject_scale[key][0]) / one.subject_scale[key][1] for one in people
            ]
            self._values[key] = np.stack(standard).astype(np.float32) * self._judged

    def statistics(self, shares: np.ndarray) -> tuple[dict[Key, np.ndarray], dict[Key, np.ndarray]]:
        """Bias and spread of each map at each place; *shares* are the volumes' weights, a person's add up to 1."""
        shares = shares.astype(np.float32)
        count = shares @ self._judged
        bias, spread = {}, {}
        for key, values in self._values.items():
            mean = shares @ values / (count + PRIOR_PEOPLE)
            square = shares @ (self._judged * (values - mean) ** 2)
            square = self._on_grid((square + PRIOR_PEOPLE) / (count + PRIOR_PEOPLE), 1.0)
            square = ndimage.gaussian_filter(square, self._sigma)
            known = self._on_grid(count, 0.0) > 0
            bias[key] = np.where(known, self._on_grid(mean, 0.0), 0.0).astype(np.float32)
            spread[key] = np.where(known, np.sqrt(square), 1.0).astype(np.float32)
        return bias, spread

    def _on_grid(self, values: np.ndarray, elsewhere: float) -> np.ndarray:
        grid = np.full(self._shape, elsewhere, np.float32)
        grid[self._where] = values
        return grid


def limits_of(maps: list[np.ndarray], shares: np.ndarray) -> tuple[float, float]:
    """Heights above and below 0 beyond which 5 % of healthy people have any voxel; *shares* are volumes' weights."""
    return tuple(_beyond([float((sign * values).max()) for values in maps], shares) for sign in (1, -1))


def _beyond(maxima: list[float], shares: np.ndarray) -> float:
    """The :data:`TAIL` quantile of a Gumbel distribution with the maxima's mean and standard deviation."""
    mean = float(np.average(maxima, weights=shares))
    spread = float(np.sqrt(np.average((np.array(maxima) - mean) ** 2, weights=shares)))
    scale = spread * np.sqrt(6.0) / np.pi
    return mean - np.euler_gamma * scale - scale * np.log(-np.log(TAIL))


def _beyond_next(tails: list[list[float]], shares: np.ndarray, people: int) -> tuple[float, float]:
    """The :data:`TAIL` quantile of each tail for one more person: that mean and spread come from few people widens it.

    Student's t for the prediction of the next value, with the two tails' pooled variance (extremes of a standard
    normal map spread alike above and below, and a variance from six people is poor); with many people it is the
    normal quantile.
    """
    means = np.array([np.average(tail, weights=shares) for tail in tails])
    variance = (
        np.mean(
            [np.average((np.array(tail) - mean) ** 2, weights=shares) for tail, mean in zip(tails, means, strict=True)]
        )
        * people
        / (people - 1)
    )
    margin = np.sqrt(variance * (1 + 1 / people)) * t.ppf(TAIL, len(tails) * (people - 1))
    return tuple(float(mean + margin) for mean in means)


def _one_region(z: list[Volume], shares: np.ndarray, threshold: tuple[float, float]) -> tuple[float, float]:
    """The lowest thresholds, in one proportion to *threshold*, with at most one region a brain on average.

    A tail whose threshold is infinite has none.
    """

    def too_low(scale: float) -> bool:
        lower = tuple(scale * limit for limit in threshold)
        return np.average([len(find_regions(one, one, lower)[1]) for one in z], weights=shares) > 1.0

    scale, step = 1.0, STEP
    while scale > step and not too_low(scale - step):
        scale -= step
    while step > FINEST_STEP:
        step /= 2
        if not too_low(scale - step):
            scale -= step
    return tuple(scale * limit for limit in threshold)


def _normal_table(values: list[np.ndarray], shares: np.ndarray) -> np.ndarray:
    """Quantiles of the statistic beside the standard normal ones, (2, N), both increasing."""
    z = np.linspace(-3.0, 3.0, 49)
    each = np.stack([np.quantile(v, norm.cdf(z)) for v in values])
    mean = np.average(each, axis=0, weights=shares)
    return np.stack([np.maximum.accumulate(mean + 1e-6 * np.arange(len(z))), z])


def install(calibration: Calibration, folder: Path, people: list[HealthySubject]) -> None:
    """Write the calibration that *people* gave and seal it in the model's manifest."""
    digest = save_calibration(calibration, folder / FILE)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["calibration"] = {
        "sha256": digest,
        "people": calibration.people,
        "volumes": sorted(one.name for one in people),
        "threshold": [round(t, 3) for t in calibration.threshold],
        "sensitive": [round(t, 3) for t in calibration.sensitive],
        "alone": [round(t, 3) for t in calibration.one_sided],
        "limits": {name: [round(v, 3) for v in limit] for name, limit in calibration.limits.items()},
    }
    path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
