"""The second look: suspects are hidden whole, nothing of them reaches what fills them, and two fills are all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.anomaly import refinement as second_look
from FAAnomalyLib.anomaly.calibration import COMBINATIONS, Calibration
from FAAnomalyLib.anomaly.candidates import analysis_mask, candidate_mask, screen
from FAAnomalyLib.anomaly.refinement import refill_candidates
from FAAnomalyLib.anomaly.scoring import small_and_large_residuals
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting.fusion import Inpainted, fuse_passes
from FAAnomalyLib.inpainting.volume_inpainter import Sampling
from support import tiny_brain as tb

CHANGE = 0.25
UNCALIBRATED = Calibration()


class Looked:
    """A head after its first look, and what a second look needs."""

    def __init__(self, inpainter, change: float = 0.0) -> None:
        self.inpainter, self.prepared = inpainter, tb.prepared(*tb.head(1, change))
        self.by_size = tb.roamed(self.prepared, inpainter)
        priors = self.prepared.grid.priors
        analysed = analysis_mask(self.prepared.brain, priors.white_matter, self.by_size[16].covered, tb.MM)
        residuals = small_and_large_residuals(self.prepared.fa, self.by_size)
        self.first = screen(self.prepared.fa, priors, analysed, *residuals, tb.MM, UNCALIBRATED)

    def again(self, on_progress=None, **other) -> Inpainted | None:
        given = {
            "inpainter": self.inpainter,
            "prepared": self.prepared,
            "first": self.first,
            "calibration": UNCALIBRATED,
            "sampling": Sampling(),
            "on_progress": on_progress,
            **other,
        }
        return refill_candidates(**given)


@pytest.fixture(scope="module")
def inpainter():
    return tb.inpainter()


@pytest.fixture(scope="module")
def ill(inpainter) -> Looked:
    return Looked(inpainter, CHANGE)


@pytest.fixture(scope="module")
def well(inpainter) -> Looked:
    return Looked(inpainter)


@pytest.fixture(scope="module")
def found(ill) -> Inpainted:
    return ill.again()


class Fills(list):
    """What the network was asked to fill: (FA, hole, prior, answer); ``calls`` counts the network's calls."""

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


@pytest.fixture
def bends(monkeypatch) -> list:
    """What the template was bent by: (prior, FA, result)."""
    made, warp_template = [], second_look.warp_template

    def watched(priors, fa, spacing_mm):
        made.append((priors, fa, warp_template(priors, fa, spacing_mm)))
        return made[-1][2]

    monkeypatch.setattr(second_look, "warp_template", watched)
    return made


# ---- what is hidden


def test_the_suspects_are_hidden_whole(ill, found):
    asked = candidate_mask(UNCALIBRATED.strongest(ill.first.maps), tb.MM, ill.first.analysed)
    np.testing.assert_array_equal(found.covered, asked & ill.prepared.brain)
    lesion = tb.ball() & ill.first.analysed
    assert lesion.sum() > 50 and found.covered[lesion].mean() > 0.95
    assert found.covered.sum() < 0.1 * ill.prepared.brain.sum()


def test_the_limits_decide_who_is_suspect(ill, fills):
    """Suspects come from the first look's maps in units of their own limits."""
    strict = {name: (600.0, 600.0) for name in COMBINATIONS}
    assert ill.again(calibration=Calibration(limits=strict)) is None and not fills
    # A decrease is no suspect here, whatever its limits are.
    assert ill.again(calibration=Calibration(limits={name: (600.0, 12.0) for name in COMBINATIONS})) is None
    assert ill.again(calibration=Calibration(limits={name: (12.0, 600.0) for name in COMBINATIONS})) is not None


def test_what_lies_outside_the_brain_is_not_filled(ill, monkeypatch):
    brain = ill.prepared.brain
    rim = ndimage.binary_dilation(brain) & ~brain
    corner = tuple(np.argwhere(rim)[0])
    poking_out = tb.ball(corner, 12.0)
    assert (poking_out & ~brain).any() and (poking_out & brain).any()
    monkeypatch.setattr(second_look, "candidate_mask", lambda *a: poking_out)
    np.testing.assert_array_equal(ill.again().covered, poking_out & brain)
    monkeypatch.setattr(second_look, "candidate_mask", lambda *a: poking_out & ~brain)
    assert ill.again() is None


def test_both_fills_hide_all_of_it_and_the_second_is_the_answer(ill, fills):
    found = ill.again()
    assert len(fills) == fills.calls == found.evaluations == 2
    for fa, hole, _, _ in fills:
        np.testing.assert_array_equal(hole, found.covered)
        np.testing.assert_array_equal(fa, ill.prepared.fa)
    (guess, _, _), (mean, variance, _) = (answer for *_, answer in fills)
    np.testing.assert_allclose(found.mean[found.covered], mean, atol=1e-6)
    np.testing.assert_allclose(found.variance[found.covered], variance, rtol=1e-5)
    assert np.abs(mean - guess).max() > 1e-3, "the fills are the same: nothing is tested"


# ---- nothing of them leaks


def test_the_voxels_of_a_suspect_do_not_reach_what_fills_it(ill, found):
    """As long as the template is the same one, to the bit."""
    hidden = found.covered
    other = np.where(hidden, 1.0 - ill.prepared.fa, ill.prepared.fa).astype(np.float32)
    assert np.abs(other - ill.prepared.fa)[hidden].mean() > 0.1
    again = ill.again(prepared=replace(ill.prepared, fa=other))
    for name in ("covered", "mean", "variance"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))


def test_through_the_template_bent_at_first_hardly_anything_of_them_gets_through(ill, found):
    healthy, brain = tb.head(1)
    rebent = tb.prepared(np.where(found.covered, healthy, ill.prepared.fa).astype(np.float32), brain)
    assert np.abs(rebent.grid.priors.fa - ill.prepared.grid.priors.fa).max() > 0.01
    through = np.abs(ill.again(prepared=rebent).mean - found.mean)[found.covered & tb.ball()]
    assert through.mean() < 0.05 * CHANGE


def test_the_template_is_bent_by_what_fills_a_suspect_not_by_the_suspect(ill, fills, bends):
    found = ill.again()
    (_, _, before, (guess, _, _)), (_, _, after, _) = fills
    ((priors, fa, warped),) = bends
    assert before is ill.prepared.grid.priors and after is warped
    assert priors is ill.prepared.grid.template.priors, "a bent template was bent once more"
    np.testing.assert_array_equal(fa[~found.covered], ill.prepared.fa[~found.covered])
    np.testing.assert_allclose(fa[found.covered], guess, atol=1e-6)
    lesion = found.covered & tb.ball()
    assert fa[lesion].mean() < ill.prepared.fa[lesion].mean() - 0.6 * CHANGE


def test_it_leaks_less_than_the_first_look(ill, well, found):
    """A change that is its own surroundings is partly repeated by the first look, hardly by the second."""
    plain = well.again(first=ill.first)
    np.testing.assert_array_equal(plain.covered, found.covered)
    first_looks = [fuse_passes(look.by_size.values(), tb.SHAPE) for look in (ill, well)]
    lesion = tb.ball() & ill.first.analysed & found.covered
    first, second = (float((a.mean - b.mean)[lesion].mean()) / CHANGE for a, b in (first_looks, (found, plain)))
    assert first > 0.15 and abs(second) < 0.5 * first


# ---- nobody is suspect


def test_without_suspects_nothing_is_asked(well, fills, bends):
    told: list[float] = []
    assert well.again(told.append, calibration=tb.WIDE) is None
    assert not fills and fills.calls == 0 and not bends and not told


# ---- progress and cancelling


@pytest.mark.parametrize("sampling", [Sampling(), Sampling("ddim", 3, 1, 0)], ids=["mean", "ddim"])
def test_every_network_call_is_announced_and_can_be_the_one_before_which_it_stops(ill, fills, sampling):
    shares: list[float] = []
    found = ill.again(shares.append, sampling=sampling)
    assert len(shares) == fills.calls == found.evaluations == 2 * (1 if sampling.sampler == "mean" else 3 + 1)
    np.testing.assert_allclose(shares, np.arange(len(shares)) / len(shares), atol=1e-9)
    for stop in range(len(shares)):
        fills.calls, told = 0, []

        def cancelled(share, told=told, stop=stop):
            if len(told) == stop:
                raise FAError("cancelled", "Cancelled", "", "")
            told.append(share)

        with pytest.raises(FAError):
            ill.again(cancelled, sampling=sampling)
        assert fills.calls == stop
