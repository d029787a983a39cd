"""The best setting of a comparator is chosen by the other people, and its rows are those of the setting."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from FAAnomalyLib.evaluation.best_settings import rows_of_best_settings, settings_of_people
from FAAnomalyLib.evaluation.methods import registry, residual_zmap
from FAAnomalyLib.evaluation.methods.choices import chosen_methods, every_method
from FAAnomalyLib.evaluation.methods.registry import MethodContext, registered_methods
from FAAnomalyLib.evaluation.methods.residual_zmap import register_residual_zmap
from FAAnomalyLib.evaluation.rows import FAANOMALY
from FAAnomalyLib.evaluation.tables.summary import method_order, summarise
from FAAnomalyLib.volume import Volume

OWN, NARROW, WIDE = "template z-map", "template z-map over 1.5 mm", "template z-map over 6 mm"
BEST = "template z-map, best setting"


def planted(method: str, person: str, dice: float) -> dict:
    return {"method": method, "person": person, "dice": dice, "kind": "sphere", "diameter": 16, "change": 0.2}


def rows_of(dice: dict[str, dict[str, list[float]]]) -> list[dict]:
    return [planted(m, person, d) for m, people in dice.items() for person, all_of in people.items() for d in all_of]


DICE = {
    OWN: {"A": [0.4], "B": [0.3], "C": [0.4]},
    # Best of all for C alone, and B's many anomalies count no more than one.
    NARROW: {"A": [0.1], "B": [0.45, 0.45, 0.45], "C": [0.9]},
    WIDE: {"A": [0.9], "B": [0.2], "C": [0.0]},
    FAANOMALY: {"A": [0.7], "B": [0.7], "C": [0.7]},
}
EXPECTED = {"A": NARROW, "B": NARROW, "C": WIDE}
"""Means over the other two: A .35 .675 .1; B .4 .5 .45; C .35 .275 .55."""


def test_the_other_people_choose():
    untouched = [
        {"method": method, "person": person, "regions": 1.0, "of": method} for method in DICE for person in "ABC"
    ]
    rows, healthy = rows_of_best_settings(rows_of(DICE), untouched)
    assert settings_of_people(healthy) == {BEST: EXPECTED}
    assert {row["person"]: row["of"] for row in healthy} == EXPECTED
    assert all(row["method"] == BEST for row in (*rows, *healthy))
    assert sorted(row["dice"] for row in rows) == sorted(DICE[NARROW]["A"] + DICE[NARROW]["B"] + DICE[WIDE]["C"])


def test_one_setting_is_no_choice_and_nobody_else_no_reason_to_leave_it():
    alone = {name: people for name, people in DICE.items() if name in (OWN, FAANOMALY)}
    assert rows_of_best_settings(rows_of(alone), []) == ([], [])
    only_a = {name: {"A": people["A"]} for name, people in DICE.items()}
    rows, _ = rows_of_best_settings(rows_of(only_a), [])
    assert [row["setting"] for row in rows] == [OWN]


def test_the_best_one_stands_in_the_table_behind_its_method():
    rows, _ = rows_of_best_settings(rows_of(DICE), [])
    complete = [{**row, "false_regions": 0.0, "found": 0.0} for row in (*rows_of(DICE), *rows)]
    assert [entry["method"] for entry in summarise(complete)] == [FAANOMALY, OWN, BEST, NARROW, WIDE]
    assert method_order().index(BEST) == method_order().index(OWN) + 1


def test_settings_take_part_only_where_they_are_asked_for():
    names = [choice.entry.name for choice in chosen_methods("template-z-map,mean-white-matter", set(), settings=True)]
    assert names == [OWN, NARROW, WIDE, *(f"mean white matter{end}" for end in ("", " over 1.5 mm", " over 6 mm"))]
    assert all(choice.entry.setting_of is None for choice in (*chosen_methods(None, set()), *every_method()[0]))


def test_a_setting_smooths_as_it_says_and_a_brain_is_predicted_once(monkeypatch):
    registered_methods()
    monkeypatch.setattr(registry, "_METHODS", {})
    monkeypatch.setattr(residual_zmap, "standardised_residual", lambda residual, mask, sigma: np.full((2, 2, 2), sigma))
    monkeypatch.setattr(residual_zmap, "analysed_voxels", lambda prepared: prepared.brain)
    predicted = []

    def predict(prepared, analysed):
        predicted.append(prepared)
        return np.zeros((2, 2, 2), np.float32)

    entry = register_residual_zmap("flat", predict, 5)
    brains = [prepared_stand_in(), prepared_stand_in()]
    for brain in brains:
        context = MethodContext(SimpleNamespace(), lambda volume, brain=brain: brain)
        sigmas = {
            one.name: float(one.create(context).scoring.score(Volume(np.zeros((2, 2, 2)), np.eye(4))).score.max())
            for one in registry._METHODS.values()
        }
        assert sigmas == {"flat": 1.5, "flat over 1.5 mm": 0.75, "flat over 6 mm": 3.0}
    assert predicted == brains
    assert entry.setting_of is None and {one.setting_of for one in registry._METHODS.values()} == {None, "flat"}


class Prepared(SimpleNamespace):
    """Everything of a prepared subject that a residual's z-map looks at, on one grid of 2 mm."""

    __hash__ = object.__hash__

    def __eq__(self, other):
        return self is other


def prepared_stand_in() -> Prepared:
    grid = SimpleNamespace(
        spacing_mm=2.0,
        priors=SimpleNamespace(white_matter=None),
        mask_to_native=lambda mask: mask,
        to_native=lambda data: data,
    )
    ones = np.ones((2, 2, 2), bool)
    return Prepared(grid=grid, brain=ones, native_brain=ones, fa=np.zeros((2, 2, 2), np.float32))
