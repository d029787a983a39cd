"""The experiment ``tracts``: what is planted, what counts as found, and the tables."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from FAAnomalyLib.anatomy.tract_atlas import load_atlas, save_atlas
from FAAnomalyLib.anomaly.calibration import Calibration
from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.experiments.units import Finished
from FAAnomalyLib.evaluation.tracts import experiment, naming
from FAAnomalyLib.evaluation.tracts.changes import (
    SHARES,
    TRACTS,
    TractChange,
    changed_voxels,
    outcome,
    planned_changes,
)
from FAAnomalyLib.evaluation.tracts.experiment import TractDesign, TractExperiment, TractResults
from FAAnomalyLib.evaluation.tracts.judgement import Judgement
from FAAnomalyLib.evaluation.tracts.naming import Naming, name_spheres
from FAAnomalyLib.evaluation.tracts.tables import csv_text, markdown
from FAAnomalyLib.geometry.subject_to_atlas import SubjectToAtlas
from FAAnomalyLib.pipeline.anatomy import atlas_folder
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.model_grid import ModelGrid, PreparedSubject
from FAAnomalyLib.tracts import TractScore
from FAAnomalyLib.training.tract_norms_fit import PersonTracts
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb
from support.phantoms import tiny_tracts as tt

SAME = SubjectToAtlas(np.eye(4), np.zeros((3, 1, 1, 1), np.float32), np.eye(4))


@pytest.fixture(scope="module")
def atlas():
    return tt.atlas()


@pytest.mark.slow
def test_spheres_in_the_template_itself_are_named_rightly_and_never_on_the_other_side():
    template = sb.template()
    brain = template.priors.brain > 0.5
    grid = ModelGrid(template.fa, template, Alignment(np.eye(4), 1.0, "affine"))
    subject = PreparedSubject(grid, template.fa.data, brain, brain, [])
    rows = list(name_spheres(subject, load_atlas(atlas_folder("default")), seed=0))
    assert {row.tract for row in rows} >= set(naming.TRACTS) - {"middle cerebellar peduncle"}
    assert np.mean([row.first for row in rows]) > 0.65 and np.mean([row.among_three for row in rows]) > 0.9
    assert not any(row.other_side for row in rows)


def test_what_counts_as_named():
    row = Naming("left a", naming.BY_WARP, 16.0, ("right a", "b", "left a"))
    assert not row.first and row.among_three and row.other_side
    assert Naming("left a", naming.BY_WARP, 16.0, ("left a",)).first
    assert not Naming("left a", naming.BY_WARP, 16.0, ()).other_side


@pytest.mark.parametrize("share", SHARES)
def test_a_part_of_a_tract_is_as_long_as_it_should_be_and_lies_in_it(atlas, share):
    volume = tt.template().fa
    where = changed_voxels(volume, atlas, SAME, TractChange("left long tract", 0.1, share, 0))
    y = volume.affine[1, 1] * np.argwhere(where)[:, 1] + volume.affine[1, 3]
    x = volume.affine[0, 0] * np.argwhere(where)[:, 0] + volume.affine[0, 3]
    assert np.ptp(y) == pytest.approx(52 * share, abs=5.0) and x.max() < -12


def test_two_tracts_of_a_person_are_changed_by_every_change_over_every_share():
    planned = planned_changes(np.random.default_rng(0))
    assert len(planned) == 2 * 3 * 4 == len({(c.tract, c.change, c.share) for c in planned})
    assert {c.tract for seed in range(9) for c in planned_changes(np.random.default_rng(seed))} == set(TRACTS)
    assert all(0 <= case.start and max(case.places) <= 19 for case in planned)


def judgement(verdict, label, where):
    empty = Volume(np.zeros(where.shape, np.float32), np.eye(4))
    segmentation = empty.with_data(np.where(where, label, 0).astype(np.uint8))
    scores = [
        TractScore("left a", "a L", "left", "g", 1.0, 0.3, 0.4, 0.02, -0.1, -4.0, verdict),
        TractScore("b", "b", "both", "g", 1.0, 0.3, 0.4, 0.02, 0.1, 4.0, "increased"),
    ]
    return Judgement(scores, segmentation, 1)


@pytest.mark.parametrize(
    ("verdict", "label", "by_table", "by_regions"),
    [("decreased", 2, True, True), ("typical", 2, False, True), ("increased", 1, False, False)],
)
def test_a_change_is_found_by_its_own_sign_alone(verdict, label, by_table, by_regions):
    where = np.zeros((6, 6, 6), bool)
    where[2:4, 2:4, 2:4] = True
    found = outcome(judgement(verdict, label, where), TractChange("left a", -0.1, 1.0, 0), where)
    assert (found.by_table, found.by_regions, found.other_tracts, found.z) == (by_table, by_regions, 1, -4.0)


def test_the_tables_tell_shares_confusions_and_people():
    names = [
        {"tract": "left a", "placed_by": "p", "diameter_mm": 16.0, "named": ["left b"], "first": False,
         "among_three": False, "other_side": False, "subject": "s", "person": "A"},
        {"tract": "right a", "placed_by": "p", "diameter_mm": 16.0, "named": ["right a"], "first": True,
         "among_three": True, "other_side": False, "subject": "s", "person": "A"},
    ]  # fmt: skip
    changes = [
        {"tract": "left a", "change": sign * 0.1, "share": 1.0, "start": 0, "z": sign * 3.5, "by_table": sign > 0,
         "by_regions": True, "other_tracts": 0, "changed_ml": 5.0, "subject": "s", "person": "A"}
        for sign in (1, -1)
    ]  # fmt: skip
    z = np.random.default_rng(0).normal(size=(5, 40))
    text = markdown(TractResults(names, [{"tracts": ["b"], "regions": 0}], changes, z, list("ABCDE"), ["t"] * 40))
    assert "| p | 16 mm | 2 | 50% | 50% | 0 |" in text and "| a | b | 50% |" in text
    assert "| 100% | ±0.1 | 2 | 50% | 100% | 50% | 100% | 3.5 |" in text
    assert "1.00 tracts and 0.00 regions a brain" in text
    assert csv_text(names).splitlines()[1].startswith("left a,p,16.0,left b,False")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the experiment on people with faked measurements; gives the results and what was computed, by kind."""
    source = tmp_path / "atlas"
    save_atlas(tt.atlas(), source)
    monkeypatch.setattr("FAAnomalyLib.pipeline.anatomy.atlas_folder", lambda name: source)
    monkeypatch.setattr(experiment, "atlas_folder", lambda name: source)
    monkeypatch.setattr(experiment, "prepared_map", lambda subject, template: None)
    monkeypatch.setattr(experiment, "name_spheres", lambda *of: [])
    cases = [TractChange("bridge", change, 1.0, 0) for change in (0.1, -0.1)]
    monkeypatch.setattr(experiment, "planned_changes", lambda rng: cases)
    untouched = Finished({"tracts": [], "regions": 0})
    monkeypatch.setattr(TractExperiment, "_detected", lambda self, unit, subject: untouched)
    computed = []

    def measured(person, prepared, atlas):
        mean, asymmetry = np.random.default_rng([*person.encode()]).normal(size=(2, 3))
        return PersonTracts(person, mean, asymmetry, np.zeros((3, 20)))

    monkeypatch.setattr(experiment, "measure_map", measured)
    compute = TractExperiment._compute
    monkeypatch.setattr(TractExperiment, "_compute", lambda self, unit: computed.append(unit) or compute(self, unit))

    def run(people, changed, calibration_sha256="ab12"):
        cohort = []
        for name, (person, content) in people.items():
            path = tmp_path / f"{name}_FA.nii.gz"
            path.write_text(content)
            cohort.append(CohortSubject(name, person, path))
        computed.clear()
        design = TractDesign(cohort, cohort[:1], cohort[:changed], quick=True)
        found = TractExperiment(design, tmp_path / "out", tt.template(), Calibration(), calibration_sha256).run()
        return found, Counter(unit.kind for unit in computed)

    return run


def test_a_brain_is_judged_again_when_the_people_behind_its_norms_change_and_only_then(run):
    people = {name: (name, f"map of {name}") for name in "abcdef"}
    first, computed = run(people, 1)
    cases = computed[experiment.UNTOUCHED] + computed[experiment.CHANGE]
    assert computed[experiment.MEASURES] == 6 and cases == 3 and len(first.untouched) == cases
    assert not run(people, 1)[1]
    _, judged_otherwise = run(people, 1, "another calibration")
    assert judged_otherwise == {experiment.UNTOUCHED: 1, experiment.CHANGE: 2}
    # A rescan of the same person is no part of the person's norms.
    assert run({**people, "again": ("a", "rescan")}, 1)[1] == {experiment.MEASURES: 1}
    for more in ({**people, "g": ("g", "map of g")}, {**people, "b": ("b", "another map")}):
        _, computed = run(more, 1)
        assert computed[experiment.MEASURES] == 1
        assert computed[experiment.UNTOUCHED] + computed[experiment.CHANGE] == cases
    # The table of people alone has changed: nothing is measured again, and the people are those of the table.
    found, computed = run({**people, "c": ("b", "map of c")}, 1)
    assert sorted(found.people) == ["a", "b", "d", "e", "f"] and computed[experiment.MEASURES] == 0
    assert computed[experiment.CHANGE] == cases - 1


def test_without_an_atlas_the_experiment_ends_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("FAAnomalyLib.pipeline.anatomy.atlas_folder", lambda name: tmp_path / "absent")
    with pytest.raises(FAError) as raised:
        TractExperiment(TractDesign([], [], []), tmp_path / "out", tt.template(), Calibration(), "ab12")
    assert raised.value.code == "missing" and "atlas is not installed" in raised.value.what and raised.value.fix
