"""What healthy people show in regions drawn over them, by the region's size.

A large hole is filled less surely than a small one, and of more voxels some stand out: spread and thresholds of a
drawn region belong to its size. Sizes are edges of cubes: a region of any form counts as the cube of its volume of
brain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import FAError

Limits = tuple[float, float]
"""Positive heights above and below 0, for increases and for decreases."""
ROUNDING = 1.05
"""A region may be larger than the largest calibrated one by this factor of its edge: so much the voxels of a native
grid round a box."""


@dataclass(frozen=True)
class SizeLimits:
    """What healthy people show in drawn regions of one size.

    Attributes
    ----------
    inpainter_spread
        Standard deviation of the inpainter's standardised residual in a hole of this size.
    spread
        Standard deviation of the evidence (:mod:`.drawn_region`), which becomes 1.
    threshold
        z of ``--threshold auto``: one healthy region in twenty is beyond, for each sign.
    sensitive
        z of ``--threshold sensitive``: one in ten, for each sign.
    one_sided
        The same where one sign alone is searched: one in five.
    """

    inpainter_spread: float
    spread: float
    threshold: Limits
    sensitive: Limits
    one_sided: Limits

    def values(self) -> list[float]:
        """All eight numbers in the order of the fields."""
        return [self.inpainter_spread, self.spread, *self.threshold, *self.sensitive, *self.one_sided]

    @classmethod
    def of(cls, values: Sequence[float]) -> SizeLimits:
        """The inverse of :meth:`values`."""
        a, b, up, down, up2, down2, up1, down1 = map(float, values)
        return cls(a, b, (up, down), (up2, down2), (up1, down1))


@dataclass(frozen=True)
class RegionLimits:
    """Limits of drawn regions by size.

    A default one stands for a calibration without drawn regions: its numbers are a guess, a tenth beyond those of six
    healthy people (:mod:`Testing.Benchmarks.drawn_regions`) in their largest regions.

    Attributes
    ----------
    edges_mm
        Edges of cubes, increasing.
    limits
        For each edge.
    people
        Number of healthy people behind them; 0 for none.
    """

    edges_mm: tuple[float, ...] = (60.0,)
    limits: tuple[SizeLimits, ...] = (SizeLimits(3.2, 0.95, (5.5, 5.5), (4.8, 4.8), (4.2, 4.2)),)
    people: int = 0

    def at(self, edge_mm: float) -> SizeLimits:
        """The limits of a region as large as a cube of this edge, interpolated; below the smallest edge its limits.

        Raises
        ------
        FAError
            ``bad-request`` beyond the largest edge.

        Examples
        --------
        >>> known = RegionLimits((10.0, 20.0), (SizeLimits.of([1.0] * 8), SizeLimits.of([3.0] * 8)))
        >>> known.at(15.0).threshold, known.at(5.0).spread
        ((2.0, 2.0), 1.0)
        >>> known.at(30.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        FAAnomalyLib.errors.FAError: The drawn region is too large to be judged: it holds 27 ml of brain, ...
        """
        largest = self.edges_mm[-1]
        if edge_mm > ROUNDING * largest:
            raise FAError(
                "bad-request",
                "The drawn region is too large to be judged",
                f"it holds {edge_mm**3 / 1000:.0f} ml of brain, as much as a cube of {edge_mm:.0f} mm; healthy people "
                f"are known in regions up to {largest**3 / 1000:.0f} ml, a cube of {largest:.0f} mm",
                "Analyze the whole brain, or draw a smaller region",
            )
        table = np.array([one.values() for one in self.limits])
        return SizeLimits.of([float(np.interp(edge_mm, self.edges_mm, column)) for column in table.T])


def edge_of(millilitres: float) -> float:
    """Edge in mm of the cube of a volume.

    >>> round(edge_of(64.0), 6)
    40.0
    """
    return float(np.cbrt(1000.0 * millilitres))
