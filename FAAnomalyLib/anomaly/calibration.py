"""How healthy people deviate: statistics that turn screening maps into z.

Made by :mod:`FAAnomalyLib.training.calibration_fit` from people on whom the model was not trained, and stored beside
the model's weights by :mod:`.calibration_file`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from ..preprocessing.deformable_registration import warped
from ..preprocessing.robust_statistics import LocationScale
from .region_limits import Limits, RegionLimits
from .residual_maps import (
    SCREENING_KEYS,
    TEMPLATE,
    TEMPLATE_MINMOD,
    TEMPLATE_MINMOD_IN_TRACTS,
    MapKey,
)

UNIT = 6.0
"""Height to which every map's own limit is scaled, so that maps of different scales can be compared."""
# The names are stored in calibration.npz and never change.
COMBINATIONS: dict[str, dict[MapKey, float]] = {
    "template and other side, 3 mm": {
        (TEMPLATE_MINMOD_IN_TRACTS, 3.0): 1.0,
        (TEMPLATE_MINMOD, 3.0): 0.5,
    },
    "template and other side, 5 mm": {
        (TEMPLATE_MINMOD_IN_TRACTS, 5.0): 0.7,
        (TEMPLATE_MINMOD, 5.0): 1.0,
    },
    "template and other side, 8 mm": {
        (TEMPLATE_MINMOD, 8.0): 1.0,
        (TEMPLATE, 8.0): 1.0,
    },
}
"""Weighted sums of screening maps, each for changes of its own size. The weights of the first two are near those with
the largest mean response to spheres of 10 and 20 mm and stroke shapes over the spread in healthy people (Fisher's
discriminant, none below 0); the last is wider than that, for spheres of 40 mm."""

UNCALIBRATED = dict(zip(COMBINATIONS, (12.5, 13.0, 10.2), strict=True))
"""Limits of the combinations without a calibration: a fifth beyond those of thirteen healthy people (10.4, 10.8, 8.5)
where the bias of each place is not subtracted, as ``Testing/Benchmarks/screening_power.py`` measures them."""
MIN_SHARE_OF_SCALE = 0.3
"""Smallest scale of a subject's map that is used as a divisor, in scales of healthy people (maps of real
brains: about 0.7 to 1.7, the smooth synthetic sample: 0.46)."""


@dataclass(frozen=True)
class Calibration:
    """Statistics of healthy people on the model grid, and how they turn maps into z.

    With m a map, l and s the subject's own location and scale of it, b and d the bias and spread of healthy people at
    the voxel, w the weights of a combination c and L its limits for the sign of the value:

    * standardised map (:meth:`standardised`): ``((m - l) / s - b) / d``;
    * combination (:meth:`combined`): ``c = sum(w * standardised m)``;
    * statistic (:meth:`strongest`): the c of largest ``6 |c| / L``, scaled so and with its sign;
    * z (:meth:`z_of`): the standard normal quantile of that statistic in healthy white matter.

    A default one stands for a model without a calibration.

    Attributes
    ----------
    bias, spread
        For each key, float32 (X, Y, Z): mean and standard deviation over people of the subject-standardised map, at
        each place of the template; :meth:`brought_to` brings them to a brain.
    population_scale
        For each screening key the median person's scale of the map, FA.
    limits
        For each combination the heights beyond which 5 % of healthy people have any voxel.
    normal
        (2, N): statistic, and the standard normal quantile that it stands for in healthy white matter; both increase.
    threshold
        z of ``--threshold auto`` for increases and decreases: one healthy person in twenty is beyond, for each.
    sensitive
        z of ``--threshold sensitive``: a healthy brain shows one region on average.
    one_sided
        The same where only increases, or only decreases, are searched: one region of that sign on average.
    people
        Number of people behind it; 0 for none.
    outdated
        Whether a calibration is there, but of an earlier version's evidence, so that it has no part in this.
    regions
        What healthy people show in drawn regions, by size.
    """

    bias: dict[MapKey, np.ndarray] = field(default_factory=dict)
    spread: dict[MapKey, np.ndarray] = field(default_factory=dict)
    population_scale: dict[MapKey, float] = field(default_factory=dict)
    limits: dict[str, Limits] = field(default_factory=dict)
    normal: np.ndarray | None = None
    threshold: Limits = (1.1 * UNIT, 1.1 * UNIT)
    sensitive: Limits = (UNIT, UNIT)
    one_sided: Limits = (UNIT, UNIT)
    people: int = 0
    outdated: bool = False
    regions: RegionLimits = field(default_factory=RegionLimits)

    def brought_to(self, displacement: np.ndarray | None) -> Calibration:
        """The calibration with bias and spread of each voxel of a brain instead of each place of the template.

        Parameters
        ----------
        displacement
            (3, X, Y, Z) in voxels, of the priors that were warped to the brain
            (:class:`~FAAnomalyLib.preprocessing.template.TemplatePriors`); None for a brain that lies on the template.
        """
        if displacement is None or not self.bias:
            return self
        keys = tuple(self.bias)
        moved = warped(np.stack([self.bias[key] for key in keys] + [self.spread[key] for key in keys]), displacement)
        bias, spread = (dict(zip(keys, half, strict=True)) for half in (moved[: len(keys)], moved[len(keys) :]))
        return replace(self, bias=bias, spread=spread)

    def combined(
        self, maps: dict[MapKey, np.ndarray], analysed: np.ndarray, subject_scale: dict[MapKey, LocationScale]
    ) -> dict[str, np.ndarray]:
        """Standardised screening maps summed with the weights of each of :data:`COMBINATIONS`.

        Parameters
        ----------
        maps
            For each screening key, (X, Y, Z), FA.
        analysed
            bool (X, Y, Z).
        subject_scale
            Location and scale of each map over the subject, FA.

        Returns
        -------
        dict
            Name of the combination -> float32 (X, Y, Z), 0 outside *analysed*.
        """
        z = {
            key: self.standardised(key, values, analysed, self.plausible_scale(key, subject_scale[key]))
            for key, values in maps.items()
        }
        return {
            name: sum((w * z[key] for key, w in weights.items()), start=np.zeros(analysed.shape, np.float32))
            for name, weights in COMBINATIONS.items()
        }

    def plausible_scale(self, key: MapKey, subject_scale: tuple[float, float]) -> LocationScale:
        """The subject's own location and scale, the latter at least :data:`MIN_SHARE_OF_SCALE` of healthy people's.

        A map that is 0 nearly everywhere, as where the other side is missing, has next to no spread of its own.

        >>> known = Calibration(population_scale={("a", 3.0): 0.5})
        >>> known.plausible_scale(("a", 3.0), (0.0, 1e-6)).scale, known.plausible_scale(("a", 3.0), (0.0, 0.6)).scale
        (0.15, 0.6)
        """
        location, scale = subject_scale
        return LocationScale(location, max(scale, MIN_SHARE_OF_SCALE * self.population_scale.get(key, 0.0)))

    def standardised(
        self, key: MapKey, values: np.ndarray, analysed: np.ndarray, subject_scale: tuple[float, float]
    ) -> np.ndarray:
        """One map over the subject's own scale, less what healthy people show at the place.

        Parameters
        ----------
        key
            Whose bias and spread are taken; none where the calibration lacks the key.
        values
            The map, (X, Y, Z), FA.
        analysed
            bool (X, Y, Z).
        subject_scale
            The subject's location and scale of the map, FA.

        Returns
        -------
        numpy.ndarray
            ``((values - location) / scale - bias) / spread``, float32 (X, Y, Z), 0 outside *analysed*.

        Examples
        --------
        >>> analysed = np.array([True, True, False])
        >>> Calibration().standardised(("a", 3.0), np.array([0.1, 0.3, 0.5]), analysed, (0.1, 0.05)).tolist()
        [0.0, 4.0, 0.0]
        """
        location, scale = subject_scale
        z = (values - location) / scale
        if key in self.bias:
            z = (z - self.bias[key]) / self.spread[key]
        return np.where(analysed, z, 0.0).astype(np.float32)

    def strongest(self, maps: dict[str, np.ndarray]) -> np.ndarray:
        """The signed largest of several maps, each scaled so that its own limits lie at :data:`UNIT`.

        Parameters
        ----------
        maps
            Name -> (X, Y, Z), of :meth:`combined`; at least one.

        Returns
        -------
        numpy.ndarray
            The statistic, float32 (X, Y, Z).

        Examples
        --------
        >>> known = Calibration(limits={"a": (10.0, 20.0), "b": (5.0, 5.0)})
        >>> known.strongest({"a": np.array([10.0, -20.0]), "b": np.array([1.0, 2.5])}).tolist()
        [6.0, -6.0]
        """
        scaled = [self._scaled_to_limits(name, values) for name, values in maps.items()]
        high: np.ndarray = np.maximum.reduce(scaled)
        low: np.ndarray = np.minimum.reduce(scaled)
        return np.where(high > -low, high, low).astype(np.float32)

    def _scaled_to_limits(self, name: str, values: np.ndarray) -> np.ndarray:
        up, down = self.limits[name] if name in self.limits else (UNCALIBRATED[name],) * 2
        return np.where(values > 0, values * (UNIT / up), values * (UNIT / down))

    def z_of(self, statistic: np.ndarray, analysed: np.ndarray) -> np.ndarray:
        """:meth:`to_normal` of the analysed voxels, float32 (X, Y, Z); 0 elsewhere, whatever the table says of 0."""
        return np.where(analysed, self.to_normal(statistic), 0.0).astype(np.float32)

    def to_normal(self, statistic: np.ndarray) -> np.ndarray:
        """The statistic as a standard normal z: interpolated in :attr:`normal`, beyond its ends along the last slope.

        Parameters
        ----------
        statistic
            Any shape, of :meth:`strongest`.

        Returns
        -------
        numpy.ndarray
            float32; the statistic itself without a calibration.

        Examples
        --------
        >>> known = Calibration(normal=np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 4.0]]))
        >>> known.to_normal(np.array([-2.0, 0.5, 3.0])).tolist()
        [-4.0, 2.0, 12.0]
        """
        if self.normal is None:
            return statistic.astype(np.float32)
        x, z = self.normal
        inside = np.interp(statistic, x, z)
        below = z[0] + (z[1] - z[0]) / (x[1] - x[0]) * (statistic - x[0])
        above = z[-1] + (z[-1] - z[-2]) / (x[-1] - x[-2]) * (statistic - x[-1])
        return np.where(statistic < x[0], below, np.where(statistic > x[-1], above, inside)).astype(np.float32)


def calibrated_voxels(calibration: Calibration) -> np.ndarray:
    """Voxels at which healthy people were analysed, bool (X, Y, Z)."""
    return np.any([calibration.spread[key] != 1.0 for key in SCREENING_KEYS], axis=0)
