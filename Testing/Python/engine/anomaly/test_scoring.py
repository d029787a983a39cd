"""A whole brain: the first look decides, the refinement refills."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from FAAnomalyLib.anomaly import scoring
from FAAnomalyLib.anomaly.calibration import Calibration
from FAAnomalyLib.anomaly.residual_maps import SCREENING_KEYS
from FAAnomalyLib.anomaly.scoring import Scores, score_brain
from FAAnomalyLib.anomaly.screening import residual_and_variance
from FAAnomalyLib.inpainting.fusion import Inpainted
from FAAnomalyLib.inpainting.sampling import Sampling
from support.phantoms import tiny_brain as tb

CHANGE = -0.25


@pytest.fixture(scope="module")
def inpainter():
    return tb.inpainter()


@lru_cache
def first_look(inpainter, change: float):
    """A brain and what holes of both sizes give, which no test alters."""
    prepared = tb.prepared(*tb.head(1, change))
    return prepared, tb.inpainted(prepared, inpainter)


def scored(inpainter, change: float, calibration: Calibration | None = None) -> Scores:
    prepared, inpainted = first_look(inpainter, change)
    return score_brain(inpainter, prepared, inpainted, calibration or Calibration(), Sampling())


@pytest.fixture(scope="module")
def ill(inpainter) -> Scores:
    return scored(inpainter, CHANGE, tb.WIDE)


@pytest.fixture(scope="module")
def healthy(inpainter) -> Scores:
    return scored(inpainter, 0.0, tb.WIDE)


# ---- a whole brain


def test_a_change_stands_out_with_its_sign(ill, healthy):
    lesion = tb.ball() & ill.analysed
    assert lesion.sum() > 50
    assert ill.z[lesion].mean() < 2.0 * healthy.z.min()
    assert (ill.z[lesion] < healthy.z.min()).mean() > 0.8
    for one in (ill, healthy):
        assert one.z.dtype == np.float32 and one.z.shape == tb.SHAPE and np.isfinite(one.z).all()
        assert not one.z[~one.analysed].any() and one.z[one.analysed].any()


def test_what_it_took_is_told(ill, healthy):
    assert healthy.hidden_share == 0.0 and 0.0 < ill.hidden_share < 0.5
    assert ill.inpainted.evaluations == healthy.inpainted.evaluations + 1


@pytest.mark.slow
def test_the_refinements_content_stands_where_it_hid_something(inpainter, monkeypatch):
    looks = []
    refill_candidates = scoring.refill_candidates
    monkeypatch.setattr(scoring, "refill_candidates", lambda *a: looks.append(refill_candidates(*a)) or looks[-1])
    prepared, first = first_look(inpainter, CHANGE)
    found = score_brain(inpainter, prepared, first, Calibration(), Sampling())
    (again,) = looks
    hole = again.covered
    assert hole.any() and found.hidden_share == (hole & found.analysed).sum() / found.analysed.sum()
    assert found.inpainted.evaluations == first.evaluations + again.evaluations
    for name in ("mean", "variance"):
        values = getattr(found.inpainted, name)
        np.testing.assert_array_equal(values[hole], getattr(again, name)[hole])
        np.testing.assert_array_equal(values[~hole], getattr(first, name)[~hole])
    np.testing.assert_array_equal(found.inpainted.covered, first.covered | hole)
    # Where a lesion was hidden, healthy tissue is shown.
    lesion = tb.ball() & found.analysed & hole
    assert lesion.sum() > 0.8 * (tb.ball() & found.analysed).sum()
    truth = tb.head(1)[0]
    # Healthy as it is, the same place is filled 0.04 too low.
    assert abs((found.inpainted.mean - truth)[lesion].mean()) < 0.3 * abs(CHANGE)


@pytest.mark.slow
def test_the_refinement_has_no_say_in_z(inpainter, ill, monkeypatch):
    """What it fills is shown; whether there is a change was decided before."""
    wild = Inpainted(np.full(tb.SHAPE, 0.9, np.float32), np.full(tb.SHAPE, 9.0, np.float32), tb.ball(), 5)
    for answer in (None, wild):
        monkeypatch.setattr(scoring, "refill_candidates", lambda *a, answer=answer: answer)
        found = scored(inpainter, CHANGE, tb.WIDE)
        np.testing.assert_array_equal(found.z, ill.z)
        np.testing.assert_array_equal(found.analysed, ill.analysed)
    assert (found.inpainted.mean[tb.ball()] == np.float32(0.9)).all()
    assert found.hidden_share == (tb.ball() & ill.analysed).sum() / ill.analysed.sum()


@pytest.mark.slow
def test_z_is_the_first_looks_strongest_map_on_the_normal_scale(inpainter, monkeypatch):
    firsts = []
    screen = scoring.screen
    monkeypatch.setattr(scoring, "screen", lambda *a: firsts.append(screen(*a)) or firsts[-1])
    # Far limits: there is no candidate, and the statistic lies within the table.
    known = tb.calibration(limit=60.0)
    found = scored(inpainter, CHANGE, known)
    (first,) = firsts
    np.testing.assert_array_equal(first.analysed, found.analysed)
    brought = known.brought_to(first_look(inpainter, CHANGE)[0].grid.priors.displacement)
    assert not np.array_equal(brought.bias[SCREENING_KEYS[0]], known.bias[SCREENING_KEYS[0]])
    statistic = known.strongest(brought.combined(first.maps, first.analysed, first.subject_scale))
    expected = known.to_normal(statistic)
    np.testing.assert_array_equal(found.z[found.analysed], expected[found.analysed])
    assert np.abs(expected - statistic)[found.analysed].max() > 0.1, "the table changes nothing"
    assert expected[~found.analysed].any(), "the table leaves 0 at 0: the next line cannot fail"
    assert not found.z[~found.analysed].any(), "0 stands for 'not analysed', whatever the table says of 0"


@pytest.mark.slow
def test_the_populations_limits_decide_which_clusters_are_candidates(inpainter):
    many = scored(inpainter, CHANGE, tb.calibration(limit=6.0))
    few = scored(inpainter, CHANGE, tb.calibration(limit=600.0))
    assert many.hidden_share > 0.0 and few.hidden_share == 0.0
    assert many.inpainted.evaluations == few.inpainted.evaluations + 1


@pytest.mark.slow
def test_what_the_network_expects_has_no_say_in_z(inpainter, ill):
    """It follows wide changes; whether it does, or fails altogether, z is the same."""
    prepared, first = first_look(inpainter, CHANGE)
    wild = Inpainted(1.0 - first.mean, 9.0 * first.variance, ~first.covered)
    found = score_brain(inpainter, prepared, wild, tb.WIDE, Sampling())
    np.testing.assert_array_equal(found.z, ill.z)
    np.testing.assert_array_equal(found.analysed, ill.analysed)


def test_a_residual_is_told_where_something_was_inpainted():
    fa, part = np.full((2, 2, 2), 0.5, np.float32), np.ones((2, 2, 2), bool)
    part[0] = False
    residual, variance = residual_and_variance(fa, Inpainted(np.full_like(fa, 0.4), np.full_like(fa, 0.02), part))
    np.testing.assert_allclose(residual, np.where(part, 0.1, 0.0), atol=1e-6)
    assert residual.dtype == np.float32 and (variance == np.float32(0.02)).all()


@pytest.mark.slow
def test_nothing_analysed_is_nothing_found(inpainter):
    prepared, inpainted = first_look(inpainter, CHANGE)
    grey = replace(prepared.grid.priors, white_matter=np.zeros(tb.SHAPE, np.float32))
    prepared = replace(prepared, grid=replace(prepared.grid, warped=grey))
    found = score_brain(inpainter, prepared, inpainted, tb.calibration(), Sampling())
    assert not found.analysed.any() and not found.z.any() and found.hidden_share == 0.0
