"""Refinement: candidates are hidden whole, and nothing of them reaches what fills them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly.calibration import COMBINATIONS, Calibration
from FAAnomalyLib.anomaly.candidates import candidate_mask
from FAAnomalyLib.anomaly.refinement import refill_candidates
from FAAnomalyLib.anomaly.screening import screen
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting.fusion import Inpainted
from FAAnomalyLib.inpainting.sampling import Sampling
from support.phantoms import tiny_brain as tb

pytestmark = pytest.mark.slow

CHANGE = 0.25
UNCALIBRATED = Calibration()


class Screened:
    """A head after screening, and what a refinement needs."""

    def __init__(self, inpainter, change: float = 0.0) -> None:
        self.inpainter, self.prepared = inpainter, tb.prepared(*tb.head(1, change))
        self.inpainted = tb.inpainted(self.prepared, inpainter)
        self.screening = screen(self.prepared)

    def candidates(self, calibration: Calibration = UNCALIBRATED) -> np.ndarray:
        one = self.screening
        combined = calibration.combined(one.maps, one.analysed, one.subject_scale)
        return candidate_mask(calibration.strongest(combined), tb.MM, one.analysed)

    def refilled(self, on_progress=None, **other) -> Inpainted | None:
        given = {
            "inpainter": self.inpainter,
            "prepared": self.prepared,
            "candidates": None,
            "sampling": Sampling(),
            "on_progress": on_progress,
            **other,
        }
        if given["candidates"] is None:
            given["candidates"] = self.candidates()
        return refill_candidates(**given)


@pytest.fixture(scope="module")
def inpainter():
    return tb.inpainter()


@pytest.fixture(scope="module")
def ill(inpainter) -> Screened:
    return Screened(inpainter, CHANGE)


@pytest.fixture(scope="module")
def well(inpainter) -> Screened:
    return Screened(inpainter)


@pytest.fixture(scope="module")
def refilled(ill) -> Inpainted:
    return ill.refilled()


class Fills(list):
    """What the network was asked to fill: (FA, hole, priors, answer); ``calls`` counts the network's calls."""

    calls = 0


@pytest.fixture
def fills(inpainter, monkeypatch) -> Fills:
    made, fill = Fills(), type(inpainter).fill

    def watched(self, fa, hole, sampling, on_step=None, priors=None):
        # As the real one does: told before every call, which may raise.
        def told(done, total):
            if on_step is not None:
                on_step(done, total)
            made.calls += 1

        answer = fill(self, fa, hole, sampling, told, priors)
        made.append((fa.copy(), hole.copy(), priors, answer))
        return answer

    monkeypatch.setattr(type(inpainter), "fill", watched)
    return made


# ---- what is hidden


def test_the_candidates_are_hidden_whole(ill, refilled):
    np.testing.assert_array_equal(refilled.covered, ill.candidates() & ill.prepared.brain)
    lesion = tb.ball() & ill.screening.analysed
    assert lesion.sum() > 50 and refilled.covered[lesion].mean() > 0.95
    assert refilled.covered.sum() < 0.1 * ill.prepared.brain.sum()


def test_the_limits_decide_which_clusters_are_candidates(ill, fills):
    """Candidates come from the screening maps in units of their own limits."""

    def refilled(up: float, down: float) -> Inpainted | None:
        return ill.refilled(candidates=ill.candidates(Calibration(limits=dict.fromkeys(COMBINATIONS, (up, down)))))

    assert refilled(600.0, 600.0) is None and not fills
    # A decrease is no candidate here, whatever its limits are.
    assert refilled(600.0, 12.0) is None
    assert refilled(12.0, 600.0) is not None


def test_what_lies_outside_the_brain_is_not_filled(ill):
    brain = ill.prepared.brain
    rim = ndimage.binary_dilation(brain) & ~brain
    corner = tuple(np.argwhere(rim)[0])
    poking_out = tb.ball(corner, 12.0)
    assert (poking_out & ~brain).any() and (poking_out & brain).any()
    np.testing.assert_array_equal(ill.refilled(candidates=poking_out).covered, poking_out & brain)
    assert ill.refilled(candidates=poking_out & ~brain) is None


def test_one_fill_hides_all_of_it_with_a_template_that_does_not_follow_it(ill, fills):
    answer = ill.refilled()
    assert len(fills) == fills.calls == answer.evaluations == 1
    ((fa, hole, priors, (mean, variance, _)),) = fills
    np.testing.assert_array_equal(hole, answer.covered)
    np.testing.assert_array_equal(fa, ill.prepared.fa)
    np.testing.assert_allclose(answer.mean[answer.covered], mean, atol=1e-6)
    np.testing.assert_allclose(answer.variance[answer.covered], variance, rtol=1e-5)
    np.testing.assert_array_equal(priors.fa, ill.prepared.not_following(hole).grid.priors.fa)
    assert np.abs(priors.fa - ill.prepared.grid.priors.fa)[hole].max() > 0.01


def test_a_template_that_volumes_lie_on_already_stays_as_it_is(ill, fills):
    aligned = replace(ill.prepared.grid, warped=None)
    ill.refilled(prepared=replace(ill.prepared, grid=aligned))
    assert fills[0][2] is aligned.priors


# ---- nothing of them leaks


def test_the_voxels_of_a_candidate_do_not_reach_what_fills_it(ill, refilled):
    """Not by themselves, to the bit; by what the template around them has followed next to nothing."""
    hidden = refilled.covered
    other = np.where(hidden, 1.0 - ill.prepared.fa, ill.prepared.fa).astype(np.float32)
    assert np.abs(other - ill.prepared.fa)[hidden].mean() > 0.1
    again = ill.refilled(prepared=replace(ill.prepared, fa=other))
    for name in ("covered", "mean", "variance"):
        np.testing.assert_array_equal(getattr(again, name), getattr(refilled, name))
    rewarped = tb.prepared(other, ill.prepared.native_brain)
    followed = (rewarped.grid.priors.fa - ill.prepared.grid.priors.fa)[hidden]
    again = ill.refilled(prepared=replace(ill.prepared, grid=rewarped.grid))
    left = (again.mean - refilled.mean)[hidden]
    assert np.sqrt((followed**2).mean()) > 0.05 and np.sqrt((left**2).mean()) < 0.35 * np.sqrt((followed**2).mean())


@pytest.mark.slow
def test_it_leaks_less_than_the_first_look(ill, well, refilled):
    """A change that is its own surroundings is partly repeated by the first look, less by the refinement.

    Not by its hidden voxels (see above), but the ball reaches beyond the hole, on these coarse voxels by whole ones.
    """
    plain = well.refilled(candidates=ill.candidates())
    np.testing.assert_array_equal(plain.covered, refilled.covered)
    first_looks = [look.inpainted for look in (ill, well)]
    lesion = tb.ball() & ill.screening.analysed & refilled.covered
    first, second = (float((a.mean - b.mean)[lesion].mean()) / CHANGE for a, b in (first_looks, (refilled, plain)))
    assert first > 0.15 and abs(second) < 0.7 * first


# ---- no candidates


def test_without_candidates_nothing_is_asked(well, fills):
    told: list[float] = []
    assert well.refilled(told.append, candidates=well.candidates(tb.WIDE)) is None
    assert not fills and fills.calls == 0 and not told


# ---- progress and cancelling


@pytest.mark.slow
@pytest.mark.parametrize("sampling", [Sampling(), Sampling("ddim", 3, 1, 0)], ids=["mean", "ddim"])
def test_every_network_call_is_announced_and_can_be_the_one_before_which_it_stops(ill, fills, sampling):
    shares: list[float] = []
    answer = ill.refilled(shares.append, sampling=sampling)
    assert len(shares) == fills.calls == answer.evaluations == (1 if sampling.sampler == "mean" else 3 + 1)
    np.testing.assert_allclose(shares, np.arange(len(shares)) / len(shares), atol=1e-9)
    for stop in range(len(shares)):
        fills.calls, told = 0, []

        def cancelled(share, told=told, stop=stop):
            if len(told) == stop:
                raise FAError("cancelled", "Cancelled", "", "")
            told.append(share)

        with pytest.raises(FAError):
            ill.refilled(cancelled, sampling=sampling)
        assert fills.calls == stop
