"""The experiment ``tracts``: what is planted, what counts as found, and the tables."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.anatomy.tract_atlas import load_atlas
from FAAnomalyLib.evaluation.tracts import naming
from FAAnomalyLib.evaluation.tracts.changes import (
    SHARES,
    TractChange,
    changed_voxels,
    outcome,
    planned_changes,
)
from FAAnomalyLib.evaluation.tracts.experiment import TractResults
from FAAnomalyLib.evaluation.tracts.naming import Naming, name_spheres
from FAAnomalyLib.evaluation.tracts.tables import csv_text, markdown
from FAAnomalyLib.geometry.subject_to_atlas import SubjectToAtlas
from FAAnomalyLib.pipeline.anatomy import atlas_folder
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.model_grid import ModelGrid, PreparedSubject
from FAAnomalyLib.result import Result
from FAAnomalyLib.tracts import TractScore
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


def test_every_tract_is_changed_by_every_change_over_every_share():
    planned = planned_changes(np.random.default_rng(0))
    assert len(planned) == 4 * 3 * 4 == len({(c.tract, c.change, c.share) for c in planned})
    assert all(0 <= case.start and max(case.places) <= 19 for case in planned)


def result_with(verdict, label, where):
    empty = Volume(np.zeros(where.shape, np.float32), np.eye(4))
    segmentation = empty.with_data(np.where(where, label, 0).astype(np.uint8))
    scores = [
        TractScore("left a", "a L", "left", "g", 1.0, 0.3, 0.4, 0.02, -0.1, -4.0, verdict),
        TractScore("b", "b", "both", "g", 1.0, 0.3, 0.4, 0.02, 0.1, 4.0, "increased"),
    ]
    return Result(empty, empty, empty, empty, segmentation, tracts=scores)


@pytest.mark.parametrize(
    ("verdict", "label", "by_table", "by_regions"),
    [("decreased", 2, True, True), ("typical", 2, False, True), ("increased", 1, False, False)],
)
def test_a_change_is_found_by_its_own_sign_alone(verdict, label, by_table, by_regions):
    where = np.zeros((6, 6, 6), bool)
    where[2:4, 2:4, 2:4] = True
    found = outcome(result_with(verdict, label, where), TractChange("left a", -0.1, 1.0, 0), where)
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
