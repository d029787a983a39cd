"""A brain's tracts beside what healthy people show."""

from __future__ import annotations

import math

import numpy as np

from ..tracts import TractScore
from .tract_atlas import TractAtlas
from .tract_measures import TractMeasures
from .tract_norms import TractNorms


def score_tracts(
    atlas: TractAtlas, measures: TractMeasures, norms: TractNorms | None, segmentation: np.ndarray
) -> list[TractScore]:
    """One score a tract, in the order of the atlas.

    Parameters
    ----------
    atlas, measures
        The tracts, and what the brain shows of each.
    norms
        Of healthy people; without them there is no z and no verdict.
    segmentation
        int at the analysed voxels, (N,): 1 in regions of increased, 2 of decreased FA.
    """
    bias = norms.mean.bias if norms else np.zeros(len(atlas.tracts))
    z = norms.mean.z(measures.deviation) if norms else np.full(len(atlas.tracts), np.nan)
    asymmetry = measures.asymmetry - (norms.asymmetry.bias if norms else 0.0)
    asymmetry_z = norms.asymmetry.z(measures.asymmetry) if norms else np.full(len(atlas.tracts), np.nan)
    scores = []
    for number, tract in enumerate(atlas.tracts):
        words = (tract.name, tract.abbreviation, tract.side, tract.group)
        coverage = round(float(measures.coverage[number]), 4)
        if not np.isfinite(measures.mean_fa[number]):
            scores.append(TractScore(*words, coverage))
            continue
        on_grid = measures.tracts[number]
        shares = [float(on_grid.weight[segmentation[on_grid.members] == sign].sum()) for sign in (1, 2)]
        total = float(on_grid.weight.sum())
        scores.append(
            TractScore(
                *words,
                coverage,
                mean_fa=_number(measures.mean_fa[number]),
                expected_fa=_number(measures.expected_fa[number] + bias[number]),
                expected_se=_number(norms.mean.error()[number]) if norms else None,
                difference=_number(measures.deviation[number] - bias[number]),
                z=_number(z[number]),
                verdict=_verdict(z[number], norms),
                share_increased=round(shares[0] / total, 4),
                share_decreased=round(shares[1] / total, 4),
                asymmetry=_number(asymmetry[number]),
                asymmetry_z=_number(asymmetry_z[number]),
                profile=_profile(measures, norms, number),
            )
        )
    return scores


def _verdict(z: float, norms: TractNorms | None) -> str:
    if norms is None or not math.isfinite(z):
        return "not judged"
    up, down = norms.threshold
    return "increased" if z > up else "decreased" if z < -down else "typical"


def _profile(measures: TractMeasures, norms: TractNorms | None, number: int) -> tuple[tuple[float | None, ...], ...]:
    expected = measures.expected_profile[number]
    error = np.full(expected.shape, np.nan)
    if norms is not None:
        expected = expected + norms.profile.bias[number]
        error = norms.profile.error()[number]
    return tuple(tuple(_number(value) for value in row) for row in (measures.profile[number], expected, error))


def _number(value: float) -> float | None:
    """Rounded to 0.0001; None for NaN."""
    return round(float(value), 4) if math.isfinite(value) else None
