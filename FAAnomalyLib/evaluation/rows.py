"""Rows of metrics: one scored volume and the ground truth -> flat dicts, one for each method.

The keys are stored in records and in ``evaluation.json``, so they keep their names: ``found`` (anomaly detected),
``found_untouched`` (detected by chance), ``false_regions`` (false-positive regions), ``judged_share`` (share of voxels
with a z), ``leak``, ``told`` (numbers of the provenance), ``free_response`` (FROC points).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..anomaly.regions import restrict_to_signs
from ..result import Result
from .cases import LESION, Case
from .methods.thesis_rule import thesis_rule
from .metrics.froc import froc_points
from .metrics.healthy import healthy_z_statistics
from .metrics.regionwise import apply_threshold, detected_and_false_positives, false_positive_components
from .metrics.voxelwise import average_precision, best_dice, leakage, overlap
from .planting.truth import GroundTruth, HealthyReference

FAANOMALY, SENSITIVE = "FAAnomaly", "FAAnomaly, sensitive threshold"
ONE_SIDED = {"increased": f"{SENSITIVE}, increases alone", "decreased": f"{SENSITIVE}, decreases alone"}
"""Sign that is reported -> method; it is scored where that sign was planted."""
THESIS_RULE, ALL_POSITIVE = "raw difference, thesis' rule", "all positive"


def healthy_rows(method: str, result: Result, reference: HealthyReference, seconds: float | None) -> list[dict]:
    """Rows of an untouched brain: the method's own threshold first, then the lower ones of its calibration."""
    return [
        {"method": name, **healthy_row(one, reference, seconds)}
        for name, one in {method: result, **at_sensitive_thresholds(result)}.items()
    ]


def healthy_row(result: Result, reference: HealthyReference, seconds: float | None) -> dict:
    """Regions, distribution of z over the white matter, and cost of an untouched brain."""
    return {
        "regions": len(result.regions),
        "any_region": float(bool(result.regions)),
        **healthy_z_statistics(result.z_map.data, reference.white_matter),
        **_cost(result, seconds),
    }


def planted_row(result: Result, truth: GroundTruth, untouched_prediction: np.ndarray, seconds: float | None) -> dict:
    """Every metric of one method on one planted anomaly.

    Voxels are ranked (AUPRC, best Dice, prevalence) over the white matter by z times the planted sign; segmented
    voxels count wherever they lie.

    Parameters
    ----------
    result
        The scored volume with the anomaly.
    truth
        What was changed.
    untouched_prediction
        The method's expected FA (X, Y, Z) of the brain without the anomaly.
    seconds
        Run time; None where it was not measured.
    """
    white_matter = truth.reference.white_matter
    score = result.z_map.data[white_matter] * (1.0 if truth.case.change > 0 else -1.0)
    inside = truth.mask[white_matter]
    detected, false_positives = detected_and_false_positives(result, truth.mask, truth.case.sign)
    return {
        **_truth_facts(truth),
        **overlap(result.segmentation.data, truth.case.label, truth.mask),
        "auprc": average_precision(score, inside),
        "dice_best": best_dice(score, inside),
        "found": float(detected),
        "false_regions": false_positives,
        "leak": leakage(untouched_prediction, result.expected.data, truth.mask, truth.effective_change),
        "judged_share": float((result.z_map.data[truth.mask] != 0).mean()),
        **_cost(result, seconds),
    }


def detector_rows(
    result: Result, truth: GroundTruth, untouched: Mapping[str, np.ndarray], seconds: float | None
) -> list[dict]:
    """Rows of the method under evaluation on one planted anomaly.

    First its automatic threshold with the FROC points, then the lower thresholds of its calibration, then two rules
    for comparison: the thesis' on the method's difference map, and all white matter called anomalous.

    *untouched* holds the arrays of :func:`untouched_arrays` for the same brain; the others are as for
    :func:`planted_row`.
    """
    mask, case, before = truth.mask, truth.case, untouched["pseudo_healthy"]
    rows = [
        {
            "method": FAANOMALY,
            **planted_row(result, truth, before, seconds),
            "found_untouched": chance_detection(untouched["segmentation"], mask, case),
            "free_response": froc_points(result, mask, case.sign),
        }
    ]
    for name, lower in at_sensitive_thresholds(result, (case.sign,)).items():
        row = {
            "method": name,
            "found_untouched": chance_detection(untouched[name], mask, case),
            **planted_row(lower, truth, before, seconds),
        }
        if name == ONE_SIDED[case.sign]:
            row["free_response"] = froc_points(result, mask, case.sign, case.sign)
        rows.append(row)
    return [
        *rows,
        {"method": THESIS_RULE, **thesis_row(result, truth)},
        {"method": ALL_POSITIVE, **all_positive_row(truth)},
    ]


def untouched_arrays(result: Result) -> dict[str, np.ndarray]:
    """Arrays of an untouched brain that its planted cases are compared with; the names are stored in records.

    ``pseudo_healthy`` is the expected FA: records are older than the draw that has this name now.
    """
    return {
        "pseudo_healthy": result.expected.data,
        "z": result.z_map.data,
        "affine": result.z_map.affine,
        "segmentation": result.segmentation.data,
        **{name: lower.segmentation.data for name, lower in at_sensitive_thresholds(result).items()},
    }


def at_sensitive_thresholds(result: Result, one_sided: Iterable[str] = ONE_SIDED) -> dict[str, Result]:
    """The same z-map cut at the sensitive thresholds of its calibration, by method name.

    Empty when the provenance has no such thresholds. *one_sided* are the signs that are reported by themselves,
    beside both together.
    """
    calibration, results = result.provenance.get("calibration", {}), {}
    for method, name, signs in (
        (SENSITIVE, "sensitive_z", "both"),
        *((ONE_SIDED[sign], "alone_z", sign) for sign in one_sided),
    ):
        if name in calibration:
            thresholds = calibration[name]["increased"], calibration[name]["decreased"]
            results[method] = replace(
                apply_threshold(result, restrict_to_signs(thresholds, signs)),
                provenance={**result.provenance, "threshold_z": list(thresholds)},
            )
    return results


def chance_detection(untouched_segmentation: np.ndarray, truth: np.ndarray, case: Case) -> float:
    """1 where the brain without the anomaly already has a region of the planted sign in the truth, else 0."""
    return float((untouched_segmentation[truth] == case.label).any())


def thesis_row(result: Result, truth: GroundTruth) -> dict:
    """The method's own difference map with the thesis' threshold, which depends on the planted change.

    The rule has no sign: a voxel beyond the threshold is right wherever it lies in the truth. A region is a connected
    component of at least 0.1 ml.
    """
    difference, white_matter = result.difference.data, truth.reference.white_matter
    change = truth.effective_change if truth.case.kind == LESION else truth.case.change
    return rule_row(thesis_rule(difference, white_matter, change), difference, truth)


def by_paper_rule(method: str) -> str:
    """Name of a method's row with the decision rule of its own paper.

    Examples
    --------
    >>> by_paper_rule("pDDPM")
    "pDDPM, paper's rule"
    """
    return f"{method}, paper's rule"


def rule_row(found: np.ndarray, score: np.ndarray, truth: GroundTruth) -> dict:
    """Metrics of a decision rule without signs: a voxel that it finds is right wherever it lies in the truth.

    A region is a connected component of at least 0.1 ml.

    Parameters
    ----------
    found
        bool (X, Y, Z): what the rule finds.
    score
        (X, Y, Z): voxels of the white matter are ranked by its magnitude.
    truth
        What was changed.
    """
    white_matter = truth.reference.white_matter
    ranked, inside = np.abs(score[white_matter]), truth.mask[white_matter]
    return {
        **_truth_facts(truth),
        **overlap(found.astype(np.uint8), 1, truth.mask),
        "auprc": average_precision(ranked, inside),
        "dice_best": best_dice(ranked, inside),
        "found": float((found & truth.mask).any()),
        "false_regions": false_positive_components(found, truth.mask, truth.reference.volume.voxel_ml),
    }


def all_positive_row(truth: GroundTruth) -> dict:
    """All white matter called anomalous: the scores of no information."""
    facts, white_matter = _truth_facts(truth), truth.reference.white_matter
    return {
        **facts,
        **overlap(white_matter.astype(np.uint8), 1, truth.mask),
        "auprc": facts["prevalence"],
        "dice_best": best_dice(np.zeros(np.count_nonzero(white_matter)), truth.mask[white_matter]),
        "found": 1.0,
        "false_regions": 0,
    }


def _truth_facts(truth: GroundTruth) -> dict:
    return {
        "effective_change": truth.effective_change,
        "truth_ml": truth.reference.millilitres(truth.mask),
        "prevalence": float(np.count_nonzero(truth.mask) / np.count_nonzero(truth.reference.white_matter)),
    }


def _cost(result: Result, seconds: float | None) -> dict:
    """Run time, network evaluations, threshold, and every number of the provenance."""
    provenance = result.provenance
    threshold = provenance.get("threshold_z")
    return {
        "seconds": seconds,
        "evaluations": provenance.get("network_evaluations"),
        "told": {name: value for name, value in provenance.items() if isinstance(value, (int, float))},
        "threshold_z": list(threshold) if isinstance(threshold, (list, tuple)) else threshold,
    }
