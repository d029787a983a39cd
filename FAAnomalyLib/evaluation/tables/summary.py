"""Results table: rows of single volumes -> means over people for every method and kind of anomaly."""

from __future__ import annotations

from collections.abc import Sequence

from ..best_settings import best_of_its_settings
from ..cases import LESION
from ..methods.registry import registered_methods
from ..metrics.bootstrap import mean_over_people
from ..metrics.froc import froc_curve, sensitivity_at_false_positives
from ..rows import ALL_POSITIVE, FAANOMALY, ONE_SIDED, SENSITIVE, THESIS_RULE, by_paper_rule

SCORES = {
    "dice": "Dice",
    "iou": "IoU",
    "auprc": "AUPRC",
    "prevalence": "prevalence",
    "dice_best": "best Dice (oracle)",
    "found": "found",
    "found_untouched": "found untouched",
    "false_regions": "false regions",
    "found_one_false": "found at 1 false region",
    "leak": "leak",
}
"""Key -> column of the table, in its order."""
FURTHER_SCORES = ("sensitivity", "precision", "judged_share", "effective_change", "truth_ml", "seconds", "evaluations")
"""Averaged as well, for JSON and CSV."""
HEALTHY_SCORES = (
    "any_region",
    "regions",
    "z_mean",
    "z_sd",
    "z_beyond_2",
    "z_beyond_3",
    "z_above_3",
    "z_below_3",
    "z_highest",
    "z_lowest",
    "judged_share",
    "seconds",
    "evaluations",
)


def method_order() -> list[str]:
    """Names of all methods in the order of the tables."""
    comparators = []
    for method in registered_methods():
        comparators.append(method.name)
        if method.setting_of is None:
            comparators.append(best_of_its_settings(method.name))
        if method.paper_rule is not None:
            comparators.append(by_paper_rule(method.name))
    return [FAANOMALY, SENSITIVE, *ONE_SIDED.values(), *comparators, THESIS_RULE, ALL_POSITIVE]


def summarise(rows: Sequence[dict], seed: int = 0) -> list[dict]:
    """Means over people for every method and kind of anomaly, each sign by itself and both together.

    Parameters
    ----------
    rows
        :attr:`~.experiment.Rows.planted`.
    seed
        Of the bootstrap.

    Returns
    -------
    list of dict
        ``method``, ``kind``, ``diameter`` (voxels of 1.25 mm, 0 for lesion shapes), ``change`` (absolute where both
        signs are together), ``signs`` (``+``, ``-`` or ``both``); for every name in :data:`SCORES` and
        :data:`FURTHER_SCORES` a :func:`~.bootstrap.mean_over_people`; ``free_response``, a
        :func:`~.froc.froc_curve`. In the order of the tables.
    """
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        sign = "+" if row["change"] > 0 else "-"
        groups.setdefault((row["method"], row["kind"], row["diameter"], row["change"], sign), []).append(row)
        groups.setdefault((row["method"], row["kind"], row["diameter"], abs(row["change"]), "both"), []).append(row)
    table = []
    for (method, kind, diameter, change, signs), members in groups.items():
        if signs == "both" and len({row["change"] for row in members}) < 2:
            continue
        entry = {"method": method, "kind": kind, "diameter": diameter, "change": change, "signs": signs}
        for name in (*SCORES, *FURTHER_SCORES):
            entry[name] = mean_over_people([(row["person"], row.get(name)) for row in members], seed)
        entry["free_response"] = froc_curve(members, seed)
        entry["found_one_false"] = sensitivity_at_false_positives(members, entry["free_response"], seed)
        table.append(entry)
    order = method_order()
    table.sort(
        key=lambda entry: (
            order.index(entry["method"]),
            entry["kind"] == LESION,
            -abs(entry["change"]),
            entry["diameter"],
            ("both", "+", "-").index(entry["signs"]),
        )
    )
    return table


def summarise_healthy(rows: Sequence[dict], seed: int = 0) -> list[dict]:
    """Means over people of what each method reports in untouched brains.

    Parameters
    ----------
    rows
        :attr:`~.experiment.Rows.healthy`.
    seed
        Of the bootstrap.

    Returns
    -------
    list of dict
        ``method``, and for every name in :data:`HEALTHY_SCORES` a :func:`~.bootstrap.mean_over_people`.
    """
    table = []
    for method in method_order():
        members = [row for row in rows if row["method"] == method]
        if members:
            means = {
                name: mean_over_people([(row["person"], row.get(name)) for row in members], seed)
                for name in HEALTHY_SCORES
            }
            table.append({"method": method, **means})
    return table
