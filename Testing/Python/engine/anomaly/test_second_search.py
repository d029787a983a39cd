"""The second search: what is too dark is let go by the template, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly.calibration import Calibration
from FAAnomalyLib.anomaly.scoring import search_brain
from FAAnomalyLib.anomaly.screening import screen
from FAAnomalyLib.anomaly.second_search import search_twice
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.preprocessing.deformable_registration import warped
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject
from FAAnomalyLib.preprocessing.template import TemplatePriors
from support.phantoms import tiny_brain as tb

pytestmark = pytest.mark.slow

DECREASE, INCREASE = -0.25, 0.25


@pytest.fixture(scope="module")
def dark() -> PreparedSubject:
    return tb.prepared(*tb.head(1, DECREASE))


def statistic_of(screening, displacement) -> np.ndarray:
    known = Calibration()
    return known.strongest(known.combined(screening.maps, screening.analysed, screening.subject_scale))


@pytest.fixture
def let_go(monkeypatch) -> list:
    """What the template was not to follow."""
    hidden, plain = [], PreparedSubject.not_following

    def watched(self, part):
        hidden.append(part)
        return plain(self, part)

    monkeypatch.setattr(PreparedSubject, "not_following", watched)
    return hidden


def following(prepared: PreparedSubject) -> PreparedSubject:
    """The brain with a template that has drawn grey matter, or what lies beside the head, into the ball."""
    grid, priors = prepared.grid, prepared.grid.priors
    displacement = priors.displacement.copy()
    displacement[0] += 8.0 * ndimage.gaussian_filter(tb.ball().astype(np.float32), 1.0)
    plain = grid.template.priors
    fa, white_matter, brain = warped(np.stack([plain.fa, plain.white_matter, plain.brain]), displacement)
    return replace(prepared, grid=replace(grid, warped=TemplatePriors(fa, white_matter, brain, displacement)))


def test_a_dark_place_that_the_template_has_followed_is_let_go_and_stands_out_more(dark, let_go):
    followed = following(dark)
    first = screen(followed)
    once = statistic_of(first, None)
    second, twice = search_twice(followed, first, statistic_of)
    (hidden,) = let_go
    assert hidden[tb.ball() & first.analysed].mean() > 0.5
    expected = screen(followed.not_following(hidden))
    np.testing.assert_array_equal(second.analysed, expected.analysed)
    np.testing.assert_array_equal(twice, statistic_of(expected, None))
    known = [one.analysed[tb.ball()].mean() for one in (screen(dark), first, second)]
    assert known[1] < 0.8 * known[0] and known[2] > known[1] + 0.1, "some of the white matter comes back to it"
    assert twice[tb.ball()].mean() < 1.1 * once[tb.ball()].mean() < 0


def test_a_bright_place_is_searched_once(let_go):
    bright = tb.prepared(*tb.head(1, INCREASE))
    first = screen(bright)
    second, statistic = search_twice(bright, first, statistic_of)
    assert statistic[tb.ball() & first.analysed].max() > 3.0
    (hidden,) = let_go
    assert not hidden[tb.ball()].any()
    if not hidden.any():
        assert second is first


def test_the_detection_searches_so(dark):
    found = search_brain(dark, Calibration())
    expected, statistic = search_twice(dark, screen(dark), statistic_of)
    np.testing.assert_array_equal(found.statistic, statistic)
    np.testing.assert_array_equal(found.analysed, expected.analysed)


def test_it_can_be_cancelled_between_its_parts(dark):
    looks: list[int] = []

    def check():
        looks.append(1)
        if len(looks) == 2:
            raise FAError("cancelled", "Cancelled", "", "")

    with pytest.raises(FAError):
        search_twice(dark, screen(dark), statistic_of, check)
    assert len(looks) == 2
