"""The registry of methods: a new one is run and scored beside the others, with what it asked for."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.evaluation.methods import registry
from FAAnomalyLib.evaluation.methods.harmonic_zmap import HARMONIC_ZMAP
from FAAnomalyLib.evaluation.methods.registry import (
    MethodChoice,
    MethodContext,
    RegisteredMethod,
    register,
    registered_methods,
)
from FAAnomalyLib.evaluation.methods.template_zmap import TEMPLATE_ZMAP
from FAAnomalyLib.evaluation.rows import ALL_POSITIVE, FAANOMALY, THESIS_RULE
from FAAnomalyLib.evaluation.tables.formats import csv_text, markdown
from FAAnomalyLib.evaluation.tables.summary import method_order, summarise, summarise_healthy
from FAAnomalyLib.result import Result
from FAAnomalyLib.volume import Volume
from support.drivers.evaluation_bench import Knowing, of, run

pytestmark = pytest.mark.slow


class FlatExpectation:
    """Expects FA 0.4 everywhere, more or less."""

    def __init__(self, context: MethodContext) -> None:
        self.context = context
        self.identity = f"flat {context.thresholds} {context.seed}"

    def score(self, volume: Volume) -> Result:
        noise = 0.0 if self.context.seed is None else np.random.default_rng(self.context.seed).normal()
        expected = volume.with_data(np.full(volume.shape, 0.4 + 0.01 * noise, np.float32))
        difference = volume.with_data(np.where(volume.data > 0, volume.data - expected.data, 0.0).astype(np.float32))
        z = volume.with_data(20.0 * difference.data)
        return Result(volume, expected, difference, z, *find_regions(z, difference, self.context.thresholds))


@pytest.fixture
def empty_place(monkeypatch):
    """What is registered in a test is gone after it."""
    registered_methods()
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))


def test_the_comparators_are_registered_with_what_they_need():
    own = [method for method in registered_methods() if method.setting_of is None]
    assert own[:2] == [TEMPLATE_ZMAP, HARMONIC_ZMAP]
    for method in own[:2]:
        assert method.needs_template and method.needs_calibration
        assert not method.needs_network and not method.is_stochastic


def test_a_registered_method_is_scored_beside_the_others(empty_place, aligned, tmp_path, subjects, template):
    contexts: list[MethodContext] = []

    def create(context: MethodContext) -> FlatExpectation:
        contexts.append(context)
        return FlatExpectation(context)

    register(RegisteredMethod("flat", create, position=15, needs_calibration=True))
    own = [method.name for method in registered_methods() if method.setting_of is None]
    assert own[:3] == [TEMPLATE_ZMAP.name, "flat", HARMONIC_ZMAP.name]
    rows = run(tmp_path, subjects[::2], template)
    assert len(of(rows.planted, "flat")) == len(of(rows.planted, FAANOMALY)) == 4
    for row in of(rows.planted, "flat"):
        assert 0 <= row["auprc"] <= 1 and row["leak"] == 0.0 and row["seconds"] > 0
        assert len(row["threshold_z"] or ()) == 0, "its provenance has none"
    assert [len(row["threshold_z"]) for row in of(rows.healthy, "flat")] == [2] * 2
    limits = {context.subject.person: context.thresholds for context in contexts if context.thresholds != (inf, inf)}
    highest = {
        person: max(row["z_highest"] for row in of(rows.healthy, "flat") if row["person"] == person) for person in "AB"
    }
    assert limits["A"][0] == pytest.approx(highest["B"]) and limits["B"][0] == pytest.approx(highest["A"])
    assert all(context.seed is None for context in contexts)
    table = summarise(rows.planted)
    assert [entry["method"] for entry in table if entry["signs"] == "both"] == [
        name for name in method_order() if name in {row["method"] for row in rows.planted}
    ]
    assert "| flat | sphere 16 (20 mm) | ±0.2 |" in markdown(table, summarise_healthy(rows.healthy))
    assert csv_text(table).count("flat,sphere") == 3
    assert method_order()[-2:] == [THESIS_RULE, ALL_POSITIVE]


def test_a_method_that_needs_no_calibration_keeps_its_thresholds(aligned, tmp_path, subjects, template):
    flat = MethodChoice(RegisteredMethod("flat", lambda c: FlatExpectation(replace(c, thresholds=(4.0, 4.0)))))
    rows = run(tmp_path, subjects[:1], template, methods=(flat,))
    (healthy,) = of(rows.healthy, "flat")
    assert healthy["regions"] > 0 and healthy["threshold_z"] is None


def test_a_stochastic_method_gets_the_seed_and_is_resumed(aligned, tmp_path, subjects, template):
    made: list[MethodContext] = []

    def create(context: MethodContext) -> FlatExpectation:
        made.append(context)
        return FlatExpectation(context)

    flat = MethodChoice(RegisteredMethod("flat", create, is_stochastic=True, needs_network=True))
    reports: list = []
    first = run(tmp_path, subjects[:1], template, methods=(flat,), progress=lambda *report: reports.append(report))
    assert [context.seed for context in made] == [3]
    fractions = [fraction for fraction, _, _ in reports]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    calls: list = []
    again = run(tmp_path, subjects[:1], template, lambda s: Knowing(s, calls), resume=True, methods=(flat,))
    assert not calls and again == first


def test_a_name_is_taken_once(empty_place):
    with pytest.raises(ValueError, match="already a method called 'template z-map'"):
        register(TEMPLATE_ZMAP)
