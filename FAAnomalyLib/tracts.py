"""What a result says of tracts: where a region lies, and how each tract compares with healthy people."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class TractShare:
    """A tract that a region lies in.

    Attributes
    ----------
    tract, abbreviation, side, group
        As in the atlas.
    share_of_region
        Share of the region's volume that belongs to the tract, in [0, 1]. Tracts cross, so that the shares of several
        may add up to more than 1.
    share_of_tract
        Share of the tract's streamline-weighted volume that lies in the region, in [0, 1].
    """

    tract: str
    abbreviation: str
    side: str
    group: str
    share_of_region: float
    share_of_tract: float

    def words(self) -> str:
        """The tract with both shares.

        >>> TractShare("left arcuate fasciculus", "AF L", "left", "association", 0.64, 0.08).words()
        'left arcuate fasciculus (64 % of the region; 8 % of the tract)'
        """
        shares = f"{_percent(self.share_of_region)} of the region; {_percent(self.share_of_tract)} of the tract"
        return f"{self.tract} ({shares})"


@dataclass(frozen=True)
class RegionAnatomy:
    """Where a region lies in a tract atlas.

    Attributes
    ----------
    tracts
        Best match first; empty when the region lies in none.
    nearest, distance_mm
        The nearest tract and its distance from the region when it lies in none; else None.
    """

    tracts: tuple[TractShare, ...] = ()
    nearest: str | None = None
    distance_mm: float | None = None

    def words(self) -> str:
        """Where the region lies, in plain words.

        >>> RegionAnatomy((), "left uncinate fasciculus", 4.2).words()
        'in no tract of the atlas (the nearest is the left uncinate fasciculus, 4 mm away)'
        >>> RegionAnatomy().words()
        'outside the atlas'
        """
        if self.tracts:
            return f"in the {self.tracts[0].words()}"
        if self.nearest is None:
            return "outside the atlas"
        return f"in no tract of the atlas (the nearest is the {self.nearest}, {self.distance_mm:.0f} mm away)"


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.01 or share == 0 else "< 1 %"


@dataclass(frozen=True)
class TractScore:
    """One tract of a brain beside what healthy people show: a row of ``tracts.csv``.

    Attributes
    ----------
    tract, abbreviation, side, group
        As in the atlas.
    coverage
        Share of the tract that was analysed, in [0, 1]; below 0.4 the tract is not judged and the rest is None.
    mean_fa, expected_fa
        Streamline-weighted mean FA of the tract, and the mean that is expected of a healthy person with this brain's
        level of FA.
    expected_se
        Standard error of the expectation for one more healthy person, FA; None without norms, as ``z``.
    difference
        Mean minus expected FA.
    z
        The difference as a standard normal value.
    verdict
        ``typical``, ``increased`` or ``decreased`` by the threshold of tracts, or ``not judged``.
    share_increased, share_decreased
        Share of the tract in regions of increased, of decreased FA, in [0, 1].
    asymmetry, asymmetry_z
        Left minus right, FA, beside what is expected, and its z; None for a tract without a twin.
    profile
        FA, expected FA and its standard error at 20 places along the tract, three tuples; None where too little of a
        place is seen.
    """

    tract: str
    abbreviation: str
    side: str
    group: str
    coverage: float
    mean_fa: float | None = None
    expected_fa: float | None = None
    expected_se: float | None = None
    difference: float | None = None
    z: float | None = None
    verdict: str = "not judged"
    share_increased: float = 0.0
    share_decreased: float = 0.0
    asymmetry: float | None = None
    asymmetry_z: float | None = None
    profile: tuple[tuple[float | None, ...], ...] = ()


def tracts_csv(scores: Iterable[TractScore]) -> str:
    """The table of tracts as CSV text, one line a tract; empty cells where nothing is known.

    >>> tracts_csv([]).strip().split(",")[:4]
    ['tract', 'abbreviation', 'side', 'group']
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    names = [field.name for field in fields(TractScore) if field.name != "profile"]
    rows.writerow(names)
    rows.writerows([getattr(score, name) for name in names] for score in scores)
    return out.getvalue()


def profiles_csv(scores: Iterable[TractScore]) -> str:
    """FA along each tract as CSV text, one line a place from 0 to 19; empty cells where nothing is known.

    >>> profiles_csv([]).strip()
    'tract,place,fa,expected_fa,expected_se'
    """
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("tract", "place", "fa", "expected_fa", "expected_se"))
    for score in scores:
        for place, values in enumerate(zip(*score.profile, strict=True)):
            rows.writerow((score.tract, place, *values))
    return out.getvalue()
