"""A new method in thirty lines, from its fit to its thresholds; what ``--methods`` takes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from FAAnomalyLib.cli.application import main
from FAAnomalyLib.datasets.cohort import load_subject
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation import experiment
from FAAnomalyLib.evaluation.cases import EvaluationDesign
from FAAnomalyLib.evaluation.methods import registry
from FAAnomalyLib.evaluation.methods.choices import chosen_methods
from FAAnomalyLib.evaluation.methods.method_model import fit_method, read_method, split_for_thresholds
from FAAnomalyLib.evaluation.methods.registry import MethodChoice, RegisteredMethod, registered_methods
from FAAnomalyLib.evaluation.methods.score_map import ScoreMap
from FAAnomalyLib.evaluation.methods.scoring_method import FitOptions, ScoringEntry, register_scoring
from FAAnomalyLib.evaluation.records import RecordStore
from support.drivers import evaluation_bench


# The example of docs/architecture.md: a whole method.
class MeanLevel:
    """Expects the mean FA of the people that it was fitted to, everywhere in the brain."""

    def __init__(self, context):
        self._level = json.loads((context.model / "level.json").read_text())
        self.identity = ("mean level", self._level)

    def score(self, volume):
        brain = volume.data > 0
        expected = np.where(brain, self._level, volume.data).astype(np.float32)
        return ScoreMap(volume, volume.data - expected, expected, brain)


def fit(people, options):
    maps = [load_subject(subject)[0].data for subject in people]
    level = float(np.mean([data[data > 0].mean() for data in maps]))
    (options.folder / "level.json").write_text(json.dumps(level))


def paper_rule(result, model):
    return np.abs(result.z_map.data) > 0.3


MEAN_LEVEL = ScoringEntry("mean level", MeanLevel, position=30, fit=fit, paper_rule=paper_rule)
# End of the example.


@pytest.fixture
def mean_level(monkeypatch):
    registered_methods()
    monkeypatch.setattr(registry, "_METHODS", dict(registry._METHODS))
    return register_scoring(MEAN_LEVEL)


def test_a_method_is_fitted_and_gets_thresholds_from_people_it_has_not_seen(mean_level, subjects, template, tmp_path):
    people, held_out = split_for_thresholds(subjects, ["B"], learns=True)
    said: list[str] = []
    record = fit_method(mean_level, people, held_out, FitOptions(tmp_path, "tiny", report=said.append), template)
    assert read_method(tmp_path) == record and record.people == 1
    assert set(record.trained_on) == {"a1_FA.nii.gz", "a2_FA.nii.gz"} and record.calibrated_on == ("b1_FA.nii.gz",)
    volume, level = load_subject(held_out[0])[0], json.loads((tmp_path / "level.json").read_text())
    inside = volume.data[volume.data > 0] - np.float32(level)
    assert record.thresholds == pytest.approx((inside.max(), -inside.min()), abs=1e-6)
    (choice,) = chosen_methods(f"faanomaly,mean-level={tmp_path}", {"A", "B"})
    assert choice.entry is mean_level and choice.model_of("A") == tmp_path


def test_a_method_that_learns_is_not_chosen_without_its_model(mean_level, tmp_path):
    assert mean_level not in [choice.entry for choice in chosen_methods(None, set())]
    for words, complaint in (
        ("mean-level", "learns and needs a model"),
        ("nothing", "no method 'nothing'"),
        (f"mean-level={tmp_path}", "no fitted method"),
    ):
        with pytest.raises(FAError, match=complaint):
            chosen_methods(words, set())


def test_nobody_is_in_training_and_calibration(subjects):
    many = [replace(subjects[0], name=str(n), person=str(n // 2)) for n in range(16)]
    people, calibration = split_for_thresholds(many, [], learns=True)
    assert {s.person for s in calibration} == {"3", "7"} and not {s.person for s in people} & {"3", "7"}
    assert len(people) + len(calibration) == 16
    with pytest.raises(FAError, match="other people for the thresholds"):
        split_for_thresholds(subjects[:2], [], learns=True)


def test_a_score_map_needs_one_shape(subjects):
    volume = load_subject(subjects[0])[0]
    with pytest.raises(ValueError, match="of the volume's shape"):
        ScoreMap(volume, volume.data[1:], volume.data, volume.data > 0)


def test_the_device_reaches_the_methods(subjects, template, tmp_path, monkeypatch):
    """From the command to the method's context; "mps" is nobody's default."""
    seen, designs = [], []

    def create(context):
        seen.append(context.device)
        raise FAError("cancelled", "Enough")

    def kept(design, *_):
        designs.append(design)
        raise FAError("cancelled", "Enough")

    choices = [MethodChoice(RegisteredMethod("spy", create))]
    design = EvaluationDesign(subjects[:1], evaluation_bench.PROTOCOL, (), choices, "mps")
    provider = evaluation_bench.Provider(evaluation_bench.Knowing, template)
    with pytest.raises(FAError, match="Enough"):
        experiment.evaluate(design, provider, RecordStore(tmp_path, False))
    assert seen == ["mps"]
    monkeypatch.setattr(experiment, "evaluate", kept)
    words = ["evaluate", str(subjects[0].path.parent), "-o", str(tmp_path / "out"), "--methods", "faanomaly"]
    assert main([*words, "--device", "mps"]) == 4 and designs[0].device == "mps"
