"""Tract names for scans whose files do not tell left from right."""

from __future__ import annotations

from dataclasses import replace

from ..tracts import RegionAnatomy, TractScore

SIDES = ("left ", "right ")
EITHER = "left or right "


def without_sides(anatomy: RegionAnatomy) -> RegionAnatomy:
    """The anatomy of a region whose side is unknown: every name says left or right.

    >>> from FAAnomalyLib.tracts import TractShare
    >>> share = TractShare("left arcuate fasciculus", "AF L", "left", "association", 0.6, 0.1)
    >>> without_sides(RegionAnatomy((share,))).tracts[0].tract
    'left or right arcuate fasciculus'
    """
    tracts = tuple(
        replace(
            share, tract=either_side(share.tract), abbreviation=_bare(share.abbreviation), side=_unknown(share.side)
        )
        for share in anatomy.tracts
    )
    return replace(anatomy, tracts=tracts, nearest=anatomy.nearest and either_side(anatomy.nearest))


def scores_without_sides(scores: list[TractScore]) -> list[TractScore]:
    """The same for the table of tracts: twins are told apart by ``one side`` and ``other side``."""
    return [
        replace(
            score,
            tract=_one_or_other(score.tract),
            abbreviation=_bare(score.abbreviation),
            side=_unknown(score.side),
            asymmetry=None if score.asymmetry is None else abs(score.asymmetry),
            asymmetry_z=None if score.asymmetry_z is None else abs(score.asymmetry_z),
        )
        for score in scores
    ]


def either_side(name: str) -> str:
    """A tract's name with ``left or right`` in place of its side.

    >>> either_side("right corticospinal tract"), either_side("forceps major")
    ('left or right corticospinal tract', 'forceps major')
    """
    for side in SIDES:
        if name.startswith(side):
            return EITHER + name[len(side) :]
    return name


def _one_or_other(name: str) -> str:
    for side, word in zip(SIDES, ("one side", "other side"), strict=True):
        if name.startswith(side):
            return f"{name[len(side) :]}, {word}"
    return name


def _bare(abbreviation: str) -> str:
    return abbreviation.removesuffix(" L").removesuffix(" R")


def _unknown(side: str) -> str:
    return side if side == "both" else "unknown"
