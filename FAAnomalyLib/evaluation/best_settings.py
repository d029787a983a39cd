"""The best setting of each comparator, chosen for every person by what the settings find in the other people.

A comparator that was tried in one setting alone may have lost by that setting. The choice must not see the person whom
it is judged on, nor may it be made anew for every kind of anomaly, which nobody knows beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence

from .methods.registry import registered_methods
from .metrics.bootstrap import means_of_people


def best_of_its_settings(method: str) -> str:
    """Name of the rows of a comparator's best setting.

    Examples
    --------
    >>> best_of_its_settings("template z-map")
    'template z-map, best setting'
    """
    return f"{method}, best setting"


def rows_of_best_settings(planted: Sequence[dict], healthy: Sequence[dict]) -> tuple[list[dict], list[dict]]:
    """Rows of every comparator of which more than one setting was scored, under :func:`best_of_its_settings`.

    For each person the setting with the highest mean Dice over the anomalies of the other people, a person counting
    once; of equal ones the first, and the comparator's own where there is nobody else.

    Parameters
    ----------
    planted, healthy
        :attr:`~.experiment.Rows.planted` and :attr:`~.experiment.Rows.healthy`.

    Returns
    -------
    planted, healthy : list of dict
        Copies of rows of the chosen settings; ``setting`` says which.
    """
    chosen: tuple[list[dict], list[dict]] = ([], [])
    for settings in _families({row["method"] for row in planted}):
        own = [row for row in planted if row["method"] in settings]
        for person in dict.fromkeys(row["person"] for row in own):
            best = _best(settings, [row for row in own if row["person"] != person])
            for rows, into in ((planted, chosen[0]), (healthy, chosen[1])):
                into += [
                    {**row, "method": best_of_its_settings(settings[0]), "setting": best}
                    for row in rows
                    if row["person"] == person and row["method"] == best
                ]
    return chosen


def settings_of_people(healthy: Sequence[dict]) -> dict[str, dict[str, str]]:
    """Which setting was chosen: comparator's name -> person -> setting; *healthy* as returned above."""
    chosen: dict[str, dict[str, str]] = {}
    for row in healthy:
        chosen.setdefault(row["method"], {})[row["person"]] = row["setting"]
    return chosen


def _families(scored: set[str]) -> list[list[str]]:
    """Names of the scored settings of every comparator of which there are several, its own first."""
    families: dict[str, list[str]] = {}
    for method in registered_methods():
        if method.name in scored:
            families.setdefault(method.setting_of or method.name, []).append(method.name)
    return [settings for name, settings in families.items() if len(settings) > 1 and name in settings]


def _best(settings: list[str], others: list[dict]) -> str:
    def dice(setting: str) -> float:
        means = means_of_people((row["person"], row["dice"]) for row in others if row["method"] == setting)
        return float(means.mean()) if means.size else 0.0

    return max(settings, key=dice)
