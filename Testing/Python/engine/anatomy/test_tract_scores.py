"""Tract means, norms of healthy people and z: known changes come back, healthy people are standard normal."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.anatomy.tract_measures import measure_tracts, twins
from FAAnomalyLib.anatomy.tract_norms import NORMS_FILE, Spread, load_norms, save_norms
from FAAnomalyLib.anatomy.tract_scores import score_tracts
from FAAnomalyLib.anatomy.unknown_side import scores_without_sides
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.reporting.tract_section import tract_section
from FAAnomalyLib.tracts import TractScore, profiles_csv, tracts_csv
from FAAnomalyLib.training.tract_norms_fit import PersonTracts, fit_norms
from support.phantoms import tiny_tracts as tt

EVERYWHERE = np.ones(tt.SHAPE, bool)


@pytest.fixture(scope="module")
def atlas():
    return tt.atlas()


def measured(atlas, fa, analysed=EVERYWHERE):
    known = tt.template()
    return measure_tracts(atlas, fa.astype(np.float32), known.priors, analysed, known.fa.affine)


def brain_with_changed_left_tract(atlas, change, y_above=-np.inf):
    fa = tt.template().priors.fa.copy()
    tract = atlas.tracts[0]
    voxels = np.unravel_index(tract.voxels[tract.share > 0], atlas.shape)
    where = atlas.affine[1, 1] * voxels[1] + atlas.affine[1, 3] > y_above
    fa[tuple(axis[where] for axis in voxels)] += change
    return fa


def people(count=13, seed=0, sd=0.03, tracts=3):
    rng = np.random.default_rng(seed)
    level = rng.normal(0.0, 0.02, tracts)
    made = []
    for number in range(count):
        deviation = level + rng.normal(0.0, sd, tracts)
        asymmetry = np.array([deviation[0] - deviation[1]] * 2 + [np.nan] * (tracts - 2))
        made.append(PersonTracts(f"p{number}", deviation, asymmetry, np.tile(deviation[:, None], (1, 20))))
    return made


def test_a_brain_at_another_level_and_contrast_of_fa_shows_no_deviation(atlas):
    found = measured(atlas, 0.8 * tt.template().priors.fa + 0.1)
    np.testing.assert_allclose(found.deviation, 0.0, atol=1e-5)
    np.testing.assert_allclose(found.coverage, 1.0)


def test_a_changed_tract_deviates_by_its_change_and_its_twin_does_not(atlas):
    found = measured(atlas, brain_with_changed_left_tract(atlas, 0.1))
    assert found.deviation[0] == pytest.approx(0.1, abs=0.012)
    assert abs(found.deviation[1]) < 0.012
    # Left minus right, on both sides.
    assert found.asymmetry[0] == found.asymmetry[1] == pytest.approx(0.1, abs=0.005)
    assert np.isnan(found.asymmetry[2])


def test_the_profile_shows_where_along_the_tract_the_change_is(atlas):
    found = measured(atlas, brain_with_changed_left_tract(atlas, -0.1, y_above=2.0))
    along = found.profile[0] - found.expected_profile[0]
    halves = sorted([along[:9].mean(), along[11:].mean()])
    assert halves[0] == pytest.approx(-0.1, abs=0.012) and abs(halves[1]) < 0.012


def test_a_displaced_brain_is_measured_where_its_tracts_lie(atlas):
    known = tt.template()
    moved = brain_with_changed_left_tract(atlas, 0.1)
    shift = 3
    displacement = np.zeros((3, *tt.SHAPE), np.float32)
    displacement[0] = -shift  # what lies at x in the brain lies at x - 3 in the template
    fa = np.roll(moved, shift, axis=0)
    priors = type(known.priors)(known.priors.fa, known.priors.white_matter, known.priors.brain, displacement)
    found = measure_tracts(atlas, fa, priors, EVERYWHERE, known.fa.affine)
    assert found.deviation[0] == pytest.approx(0.1, abs=0.012)


def test_a_tract_that_is_hardly_seen_is_not_judged(atlas):
    half = EVERYWHERE.copy()
    half[: tt.SHAPE[0] // 2] = False
    found = measured(atlas, tt.template().priors.fa, half)
    assert (
        np.isnan(found.mean_fa[0])
        and np.isfinite(found.mean_fa[1])
        and found.coverage[2] == pytest.approx(0.5, abs=0.05)
    )
    score = score_tracts(atlas, found, fit_norms(people(), "t"), np.zeros(half.sum(), int))[0]
    assert score.verdict == "not judged" and score.z is None and score.mean_fa is None


def test_z_of_new_healthy_people_is_standard_normal():
    rng = np.random.default_rng(1)
    z = []
    for _ in range(300):
        values = rng.normal(0.01, 0.03, (12, 40))
        z.append(Spread.of(values[:11]).z(values[11]))
    flat = np.concatenate(z)
    assert abs(flat.mean()) < 0.03 and flat.std() == pytest.approx(1.0, abs=0.04)
    assert np.mean(np.abs(flat) > 1.96) == pytest.approx(0.05, abs=0.01)
    assert np.mean(np.abs(flat) > 3.0) < 0.006


def test_a_spread_of_few_people_is_drawn_to_that_of_the_typical_tract():
    rng = np.random.default_rng(2)
    values = rng.normal(0.0, 0.03, (4, 200))
    shrunk = Spread.of(values).sd
    assert shrunk.std() < 0.6 * values.std(axis=0, ddof=1).std()
    assert Spread.of(np.full((2, 3), np.nan)).sd == pytest.approx(0.02)


def test_unseen_tracts_count_for_nobody():
    values = np.array([[0.0, 0.1], [0.02, np.nan], [0.04, np.nan]])
    spread = Spread.of(values)
    np.testing.assert_allclose(spread.bias, [0.02, 0.1])
    assert spread.people.tolist() == [3, 1]


def test_norms_have_a_threshold_that_few_healthy_people_exceed_and_survive_their_file(atlas, tmp_path):
    beyond = []
    for seed in range(40):
        crowd = people(63, seed, tracts=30)
        norms = fit_norms(crowd[:13], "abc")
        z = np.stack([norms.mean.z(one.deviation) for one in crowd[13:]])
        beyond.append([(z > norms.threshold[0]).any(1).mean(), (z < -norms.threshold[1]).any(1).mean()])
    assert np.mean(beyond) == pytest.approx(0.025, abs=0.015)
    norms = fit_norms(people(), "abc")
    save_norms(norms, tmp_path)
    read = load_norms(tmp_path, atlas, "abc")
    assert read.people == 13 and read.threshold == pytest.approx(norms.threshold)
    np.testing.assert_allclose(read.profile.sd, norms.profile.sd, rtol=1e-6)
    assert load_norms(tmp_path, atlas, "another template") is None
    (tmp_path / NORMS_FILE).write_bytes(b"nonsense")
    with pytest.raises(FAError, match="damaged"):
        load_norms(tmp_path, atlas, "abc")
    (tmp_path / NORMS_FILE).unlink()
    assert load_norms(tmp_path, atlas, "abc") is None


def test_norms_need_four_people():
    with pytest.raises(FAError, match="3 people are too few"):
        fit_norms(people(3), "t")


def test_scores_tell_change_z_verdict_and_the_share_in_regions(atlas):
    fa = brain_with_changed_left_tract(atlas, -0.2)
    found = measured(atlas, fa)
    norms = fit_norms([PersonTracts(p.person, p.deviation * 0.3, p.asymmetry, p.profile) for p in people()], "t")
    labels = np.zeros(EVERYWHERE.sum(), np.uint8)
    members = found.tracts[0].members
    labels[members[: len(members) // 2]] = 2
    left, right, bridge = score_tracts(atlas, found, norms, labels)
    assert left.verdict == "decreased" and left.z < -norms.threshold[1] and right.verdict == "typical"
    assert left.difference == pytest.approx(-0.2, abs=0.04)
    assert left.mean_fa - left.expected_fa == pytest.approx(left.difference, abs=1e-4)
    assert 0.3 < left.share_decreased < 0.7 and left.share_increased == 0.0
    assert left.asymmetry_z < -3 and bridge.asymmetry_z is None
    assert all(len(row) == 20 for row in left.profile)


def test_without_norms_there_is_no_z_and_no_verdict(atlas):
    score = score_tracts(atlas, measured(atlas, tt.template().priors.fa), None, np.zeros(EVERYWHERE.sum(), int))[0]
    assert score.z is None and score.verdict == "not judged" and score.mean_fa is not None


def test_twins_are_found_by_their_names(atlas):
    assert twins(atlas) == [1, 0, None]


def scores():
    flat = tuple([0.4] * 20)
    profile = (flat, flat, tuple([0.02] * 20))
    return [
        TractScore(
            "left a", "a L", "left", "g", 0.9, 0.3, 0.45, 0.03, -0.15, -5.0, "decreased", 0.0, 0.4, -0.1, -4.0, profile
        ),
        TractScore(
            "right a", "a R", "right", "g", 0.9, 0.44, 0.45, 0.03, -0.01, -0.3, "typical", 0.0, 0.0, -0.1, -4.0, profile
        ),
        TractScore("bridge <b>", "B", "both", "g", 0.1),
    ]


def test_the_report_names_what_lies_beyond_and_every_bar():
    page = "".join(tract_section(scores(), {"increased": 3.0, "decreased": 3.2}, 13))
    assert "1 of 2 tracts departs" in page and "left a (decreased, z -5.0)" in page
    assert page.count("<title>") == 2 and "1 tracts are not judged" in page and "<b>" not in page
    quiet = [score for score in scores() if score.verdict != "decreased"]
    assert "None of 1 tracts departs" in "".join(tract_section(quiet, {"increased": 3.0, "decreased": 3.2}, 13))
    assert tract_section(scores()[2:], {"increased": 3.0, "decreased": 3.2}, 13) == []
    assert tract_section(scores(), None, 0) == []


def test_tables_have_a_line_a_tract_and_a_line_a_place():
    lines = tracts_csv(scores()).splitlines()
    assert len(lines) == 4 and lines[0].startswith("tract,abbreviation,side,group,coverage,mean_fa")
    assert lines[1].startswith("left a,a L,left,g,0.9,0.3,0.45,0.03,-0.15,-5.0,decreased")
    assert len(profiles_csv(scores()).splitlines()) == 1 + 2 * 20


def test_the_table_of_a_scan_without_sides_claims_none():
    one, other, bridge = scores_without_sides(scores())
    assert (one.tract, other.tract, bridge.tract) == ("a, one side", "a, other side", "bridge <b>")
    assert one.side == "unknown" and one.asymmetry_z == 4.0
