"""One judgement and the truth -> one flat row of numbers for each method that it tells about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ..anomaly.regions import restrict_to_signs
from ..result import DECREASED, INCREASED, Result
from .cases import LESION, Case
from .methods.comparators import thesis_rule
from .metrics.healthy import z_on_healthy
from .metrics.regionwise import cut_at, found_and_false, parts_beside
from .metrics.voxelwise import average_precision, best_dice, leakage, overlap
from .planting.truth import Anatomy

FAANOMALY, SENSITIVE = "FAAnomaly", "FAAnomaly, sensitive threshold"
ONE_SIDED = {"increased": f"{SENSITIVE}, increases alone", "decreased": f"{SENSITIVE}, decreases alone"}
"""What is looked for -> method; it is scored where that was planted."""
THESIS_RULE, ALL_POSITIVE = "raw difference, thesis' rule", "all positive"


def healthy_row(result: Result, known: Anatomy, seconds: float | None) -> dict:
    """What an untouched brain shows: regions, z over white matter, cost."""
    return {
        "regions": len(result.regions),
        "any_region": float(bool(result.regions)),
        **z_on_healthy(result.z_map.data, known.white),
        **_cost(result, seconds),
    }


def planted_row(
    result: Result,
    known: Anatomy,
    truth: np.ndarray,
    case: Case,
    change: float,
    untouched_prediction: np.ndarray,
    seconds: float | None,
) -> dict:
    """Every score of one method on one planted anomaly.

    Parameters
    ----------
    truth
        Voxels that were changed.
    change
        Their mean change of FA after clipping.
    untouched_prediction
        The method's pseudo-healthy map of the brain without the anomaly.

    Ranking (AUPRC, best Dice, prevalence) is over the white matter, by z times the planted sign;
    segmented voxels count wherever they lie.
    """
    up = case.change > 0
    score = result.z_map.data[known.white] * (1.0 if up else -1.0)
    inside = truth[known.white]
    found, false = found_and_false(result, truth, case.sign)
    return {
        **_facts(known, truth, change),
        **overlap(result.segmentation.data, INCREASED if up else DECREASED, truth),
        "auprc": average_precision(score, inside),
        "dice_best": best_dice(score, inside),
        "found": float(found),
        "false_regions": false,
        "leak": leakage(untouched_prediction, result.pseudo_healthy.data, truth, change),
        "judged_share": float((result.z_map.data[truth] != 0).mean()),
        **_cost(result, seconds),
    }


def at_lower_thresholds(result: Result, one_sided: Iterable[str] = ONE_SIDED) -> dict[str, Result]:
    """The same z-map cut at the sensitive thresholds of its calibration, by method; those that its provenance tells.

    *alone* are the signs that are looked for alone, beside both together.
    """
    told, found = result.provenance.get("calibration", {}), {}
    for method, name, signs in (
        (SENSITIVE, "sensitive_z", "both"),
        *((ONE_SIDED[sign], "alone_z", sign) for sign in one_sided),
    ):
        if name in told:
            limits = told[name]["increased"], told[name]["decreased"]
            found[method] = replace(
                cut_at(result, restrict_to_signs(limits, signs)),
                provenance={**result.provenance, "threshold_z": list(limits)},
            )
    return found


def found_by_chance(untouched_segmentation: np.ndarray, truth: np.ndarray, case: Case) -> float:
    """1 where the brain without the anomaly has a region of the planted sign in the truth already, else 0."""
    return float((untouched_segmentation[truth] == (INCREASED if case.change > 0 else DECREASED)).any())


def thesis_row(result: Result, known: Anatomy, truth: np.ndarray, case: Case, change: float) -> dict:
    """The detector's own |difference| with the thesis' threshold, which is told the planted change.

    It knows no sign: whatever is beyond the threshold counts as right where it lies in the truth. A region is a
    connected part of at least 0.1 ml.
    """
    difference = result.difference.data
    predicted = thesis_rule(difference, known.white, change if case.kind == LESION else case.change)
    score, inside = np.abs(difference[known.white]), truth[known.white]
    voxel_ml = known.volume.voxel_ml
    return {
        **_facts(known, truth, change),
        **overlap(predicted.astype(np.uint8), 1, truth),
        "auprc": average_precision(score, inside),
        "dice_best": best_dice(score, inside),
        "found": float((predicted & truth).any()),
        "false_regions": parts_beside(predicted, truth, voxel_ml),
    }


def all_positive_row(known: Anatomy, truth: np.ndarray, change: float) -> dict:
    """All white matter called anomalous: what a score is worth before any method."""
    facts = _facts(known, truth, change)
    return {
        **facts,
        **overlap(known.white.astype(np.uint8), 1, truth),
        "auprc": facts["prevalence"],
        "dice_best": best_dice(np.zeros(np.count_nonzero(known.white)), truth[known.white]),
        "found": 1.0,
        "false_regions": 0,
    }


def _facts(known: Anatomy, truth: np.ndarray, change: float) -> dict:
    return {
        "effective_change": change,
        "truth_ml": known.millilitres(truth),
        "prevalence": float(np.count_nonzero(truth) / np.count_nonzero(known.white)),
    }


def _cost(result: Result, seconds: float | None) -> dict:
    """What a judgement took, its threshold, and every number that its provenance tells."""
    told = result.provenance
    limit = told.get("threshold_z")
    numbers = {name: value for name, value in told.items() if isinstance(value, (int, float))}
    return {
        "seconds": seconds,
        "evaluations": told.get("network_evaluations"),
        "told": numbers,
        "threshold_z": list(limit) if isinstance(limit, (list, tuple)) else limit,
    }
