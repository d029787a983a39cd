"""Palette: fitted, stored without anybody's brain, verified, and a mean of draws that finds a planted change."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.methods import palette
from FAAnomalyLib.evaluation.methods.registry import MethodContext
from FAAnomalyLib.evaluation.methods.scoring_method import FitOptions
from FAAnomalyLib.models.manifest import trained_on
from support.phantoms import tiny_brain, tiny_training

pytestmark = pytest.mark.slow


@pytest.fixture
def people(tmp_path):
    return [CohortSubject("a", "A", tmp_path / "a_FA.nii.gz"), CohortSubject("b", "B", tmp_path / "b_FA.nii.gz")]


@pytest.fixture
def fitted(people, tmp_path, monkeypatch):
    heads = [tiny_training.subject(f"{one.name}_FA.nii.gz", one.person, 1) for one in people]
    monkeypatch.setattr(palette, "prepare_subjects", lambda *_: heads)
    monkeypatch.setattr(palette, "TINY_RECIPE", replace(palette.TINY_RECIPE, steps=5, crop=(16, 16, 16)))
    folder = tmp_path / "model"
    folder.mkdir()
    palette.fit(people, FitOptions(folder, "tiny", "cpu", 3, lambda line: None, tiny_training.template()))
    return folder


def test_palette_finds_a_planted_change_by_the_mean_of_its_draws(fitted, people):
    subjects = {}

    def context(seed: int) -> MethodContext:
        return MethodContext(people[0], lambda volume: subjects[id(volume)], seed=seed, model=fitted, device="cpu")

    volumes = []
    for change in (0.0, -0.3):
        fa, brain = tiny_brain.head(change=change)
        volumes.append(tiny_brain.as_volume(fa))
        subjects[id(volumes[-1])] = tiny_brain.prepared(fa, brain)
    method = palette.Palette(context(1))
    before, after = (method.score(volume) for volume in volumes)
    ball = tiny_brain.ball() & (after.score != 0)
    assert ball.any() and (after.score - before.score)[ball].mean() < -1.0
    assert after.score[ball].mean() < after.score[~tiny_brain.ball() & (after.score != 0)].mean() - 1.0
    assert np.array_equal(method.score(volumes[1]).score, after.score)
    assert not np.array_equal(palette.Palette(context(2)).score(volumes[1]).expected, after.expected), (
        "it is stochastic"
    )
    # Eight passes, two draws of two steps each, and one call for the variance.
    assert after.provenance["network_evaluations"] == 8 * (2 * 2 + 1)


def test_what_is_stored_tells_who_it_is_from_and_is_verified(fitted, people):
    manifest = json.loads((fitted / "model" / "manifest.json").read_text())
    assert trained_on(manifest) == {"a_FA.nii.gz", "b_FA.nii.gz"}
    assert not list(fitted.rglob("*.npz")), "no brain is stored with the model"
    context = MethodContext(people[0], lambda volume: None, model=fitted, device="cpu")
    weights = fitted / "model" / "weights.pt"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(FAError, match="altered|damaged|changed|SHA|hash"):
        palette.Palette(context)
    (fitted / palette.SAMPLING).write_text("{}")
    with pytest.raises(FAError, match="no fitted Palette"):
        palette.Palette(context)
    with pytest.raises(FAError, match="needs a model"):
        palette.Palette(replace(context, model=None))
