"""The second look: suspects are hidden whole, nothing of them reaches what fills them, and it comes to an end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny_brain as tb

from FAAnomalyLib import second_look
from FAAnomalyLib.calibration import UNIT, Calibration, again_name
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evidence import AGAIN, YARDSTICK
from FAAnomalyLib.inpainting import Sampling, combine
from FAAnomalyLib.judgement import small_and_large
from FAAnomalyLib.scoring import FirstLook, first_look, judged_mask, suspects
from FAAnomalyLib.second_look import SecondLook, look_again, statistic

CHANGE = 0.25
UNCALIBRATED = Calibration()


class Looked:
    """A head after its first look, and what a second look needs."""

    def __init__(self, filler, change: float = 0.0) -> None:
        self.filler, self.prepared = filler, tb.prepared(*tb.head(1, change))
        self.by_size = tb.roamed(self.prepared, filler)
        prior = self.prepared.space.prior
        judged = judged_mask(self.prepared.brain, prior.white_matter, self.by_size[16].covered, tb.MM)
        small, self.large = small_and_large(self.prepared.fa, self.by_size)
        self.first = first_look(self.prepared.fa, prior, judged, small, self.large, tb.MM, UNCALIBRATED)

    def again(self, on_progress=None, **other) -> SecondLook:
        given = {"filler": self.filler, "prepared": self.prepared, "first": self.first, "large": self.large,
                 "calibration": UNCALIBRATED, "sampling": Sampling(), "on_progress": on_progress, **other}
        return look_again(**given)


@pytest.fixture(scope="module")
def filler():
    return tb.filler()


@pytest.fixture(scope="module")
def ill(filler) -> Looked:
    return Looked(filler, CHANGE)


@pytest.fixture(scope="module")
def found(ill) -> SecondLook:
    return ill.again()


@pytest.fixture
def once(monkeypatch) -> None:
    """One look, whatever it shows."""
    monkeypatch.setattr(second_look, "MOST_LOOKS", 1)


@pytest.fixture
def calls(filler, monkeypatch) -> list:
    """What every network call was asked to fill, and with which prior."""
    made, fill = [], type(filler).fill

    def counted(self, fa, hole, sampling, on_step=None, prior=None):
        # As the real one does: told before every call, which may raise.
        def told(done, total):
            if on_step is not None:
                on_step(done, total)
            made.append((fa.copy(), hole.copy(), prior))
        return fill(self, fa, hole, sampling, told, prior)

    monkeypatch.setattr(type(filler), "fill", counted)
    return made


def scripted(monkeypatch, *holes: np.ndarray) -> None:
    """Suspects by script, the last one for ever; what they are asked of is looked at by nobody."""
    left = list(holes)
    monkeypatch.setattr(second_look, "suspects", lambda *a: left.pop(0) if len(left) > 1 else left[0])


def boxes(number: int) -> list[np.ndarray]:
    """Boxes in the brain that do not overlap."""
    made = []
    for i in range(number):
        box = np.zeros(tb.SHAPE, bool)
        box[10:14, 8 + 3 * i:10 + 3 * i, 10:14] = True
        made.append(box)
    return made


# ---- what is hidden


def test_a_suspect_is_hidden_whole(ill, found):
    asked = suspects(UNCALIBRATED.strongest(ill.first.maps), tb.MM, ill.first.judged)
    assert found.hole[asked & ill.prepared.brain].all() and not found.hole[~ill.prepared.brain].any()
    lesion = tb.ball() & ill.first.judged
    assert found.hole[lesion].mean() > 0.95 and found.filled.covered[found.hole].all()
    np.testing.assert_array_equal(found.filled.covered, found.hole)


def test_every_network_call_hides_all_of_it(ill, calls, once):
    found = ill.again()
    assert len(calls) == 2 * found.looks == found.filled.evaluations
    for fa, hole, _ in calls:
        np.testing.assert_array_equal(hole, found.hole)
        np.testing.assert_array_equal(fa, ill.prepared.fa)


def test_the_voxels_of_a_suspect_do_not_reach_what_fills_it(ill, once):
    """As long as the template is the same one, to the bit."""
    found = ill.again()
    other = np.where(found.hole, 1.0 - ill.prepared.fa, ill.prepared.fa).astype(np.float32)
    assert np.abs(other - ill.prepared.fa)[found.hole].mean() > 0.1
    again = ill.again(prepared=replace(ill.prepared, fa=other))
    np.testing.assert_array_equal(again.hole, found.hole)
    np.testing.assert_array_equal(again.filled.mean, found.filled.mean)
    np.testing.assert_array_equal(again.filled.variance, found.filled.variance)


def test_through_the_template_bent_at_first_hardly_anything_of_them_gets_through(ill, once):
    found = ill.again()
    healthy, brain = tb.head(1)
    rebent = tb.prepared(np.where(found.hole, healthy, ill.prepared.fa).astype(np.float32), brain)
    again = ill.again(prepared=rebent)
    through = np.abs(again.filled.mean - found.filled.mean)[found.hole & tb.ball()]
    assert through.mean() < 0.05 * CHANGE


def test_the_template_is_bent_by_what_fills_a_suspect_not_by_the_suspect(ill, monkeypatch):
    bent, bend = [], second_look.bend
    monkeypatch.setattr(second_look, "bend", lambda prior, fa, mm: bent.append((prior, fa)) or bend(prior, fa, mm))
    found = ill.again()
    assert len(bent) == found.looks
    for prior, fa in bent:
        assert prior is ill.prepared.space.template.prior, "a bent template was bent once more"
        np.testing.assert_array_equal(fa[~found.hole], ill.prepared.fa[~found.hole])
        lesion = found.hole & tb.ball()
        assert fa[lesion].mean() < ill.prepared.fa[lesion].mean() - 0.4 * CHANGE


def test_it_leaks_less_than_the_first_look(ill, once):
    """A change that is its own surroundings is partly repeated by the first look, hardly by the second."""
    healthy = Looked(ill.filler)
    first, plain = (combine(one.by_size.values(), tb.SHAPE).mean for one in (ill, healthy))
    found = ill.again()
    again, plain_again = found.filled.mean, healthy.again(first=ill.first).filled.mean
    lesion = tb.ball() & ill.first.judged & found.hole
    leaks = [float((a - b)[lesion].mean()) / CHANGE for a, b in ((first, plain), (again, plain_again))]
    assert leaks[0] > 0.1 and abs(leaks[1]) < 0.5 * leaks[0]


def test_outside_the_suspects_the_first_look_still_speaks(ill, once):
    """The second look's maps are the fill's residual inside the hole, the large holes' outside."""
    found = ill.again()
    mean, variance = ill.large
    wild = np.where(found.hole, 9.0, mean).astype(np.float32)
    again = ill.again(large=(wild, np.where(found.hole, 9.0, variance).astype(np.float32)))
    for name, values in found.maps.items():
        np.testing.assert_array_equal(again.maps[name], values)
    moved = ill.again(large=(mean + 0.1, variance))
    assert any(np.abs(moved.maps[name] - values).max() > 1.0 for name, values in found.maps.items())
    assert set(found.maps) == {again_name(sigma) for _, sigma in AGAIN}


def test_its_yardstick_is_the_first_looks(ill, once):
    """Its own spread is ruled by the suspects."""
    found = ill.again()
    twice = {key: (centre, 2.0 * spread) for key, (centre, spread) in ill.first.yardstick.items()}
    again = ill.again(first=replace(ill.first, yardstick=twice))
    key = AGAIN[0]
    centre, spread = ill.first.yardstick[YARDSTICK[key]]
    one, other = found.maps[again_name(key[1])], again.maps[again_name(key[1])]
    np.testing.assert_allclose(other, one / 2.0, atol=1e-5)
    assert spread > 0


# ---- its end


def test_without_suspects_nothing_is_asked(ill, monkeypatch, calls):
    scripted(monkeypatch, np.zeros(tb.SHAPE, bool))
    found = ill.again()
    assert not calls and found.filled is None and found.maps == {} and found.looks == 0 and not found.hole.any()


@pytest.mark.parametrize("moves", [1, 2, 3])
def test_it_ends_when_the_suspects_stay_the_same(ill, monkeypatch, calls, moves):
    monkeypatch.setattr(second_look, "MOST_LOOKS", 4)
    holes = boxes(moves)
    scripted(monkeypatch, *holes)
    found = ill.again()
    assert found.looks == moves and len(calls) == 2 * moves and found.filled.evaluations == 2 * moves
    np.testing.assert_array_equal(found.hole, holes[-1])


def test_it_ends_after_the_most_looks_and_when_nobody_is_suspect_any_more(ill, monkeypatch, calls):
    monkeypatch.setattr(second_look, "MOST_LOOKS", 2)
    first, second, third = boxes(3)
    scripted(monkeypatch, first, second, third)
    found = ill.again()
    assert found.looks == 2 and len(calls) == 4
    np.testing.assert_array_equal(found.hole, second)
    scripted(monkeypatch, first, np.zeros(tb.SHAPE, bool))
    found = ill.again()
    assert found.looks == 1
    # What was hidden stays known, though nobody suspects it any more.
    np.testing.assert_array_equal(found.hole, first)


def test_a_few_voxels_more_or_less_are_the_same_suspects(ill, monkeypatch, calls):
    one = np.zeros(tb.SHAPE, bool)
    one[9:15, 8:16, 8:14] = True
    nearly = one.copy()
    nearly[9, 8, 8:14] = False
    monkeypatch.setattr(second_look, "MOST_LOOKS", 4)
    scripted(monkeypatch, one, nearly)
    assert ill.again().looks == 1


# ---- progress and cancelling


@pytest.mark.parametrize("sampling", [Sampling(), Sampling("ddim", 3, 1, 0)], ids=["mean", "ddim"])
def test_every_network_call_is_announced_and_can_be_the_one_before_which_it_stops(ill, monkeypatch, calls, sampling):
    monkeypatch.setattr(second_look, "MOST_LOOKS", 2)
    scripted(monkeypatch, *boxes(2))
    shares: list[float] = []
    found = ill.again(shares.append, sampling=sampling)
    assert len(shares) == len(calls) == found.filled.evaluations
    assert shares == sorted(shares) and shares[0] == 0.0 and len(set(shares)) == len(shares) and shares[-1] < 1.0
    for stop in range(0, len(shares), 3):
        scripted(monkeypatch, *boxes(2))
        calls.clear()
        told = []

        def cancelled(share, told=told, stop=stop):
            if len(told) == stop:
                raise FAError("cancelled", "Cancelled", "", "")
            told.append(share)

        with pytest.raises(FAError):
            ill.again(cancelled, sampling=sampling)
        assert len(calls) == stop


# ---- one statistic of both looks


def parts(first: np.ndarray, fine: np.ndarray, wide: np.ndarray, hole: np.ndarray) -> tuple[FirstLook, SecondLook]:
    """Both looks with given maps: *fine* is the finest of the second, *wide* all others of it."""
    name = next(iter(tb.COMBINATIONS))
    looks = {again_name(sigma): (wide if number else fine).astype(np.float32)
             for number, (_, sigma) in enumerate(AGAIN)}
    judged = np.ones(tb.SHAPE, bool)
    return FirstLook(judged, {}, {name: first.astype(np.float32)}), SecondLook(hole, None, looks, 1)


@pytest.fixture(scope="module")
def known() -> Calibration:
    """Whose limits are the unit, so that heights stay as they are."""
    return tb.calibration(limit=UNIT)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_cluster_has_the_height_of_the_strongest_and_the_shape_of_the_finest_map(known, sign):
    core, blurred, hole = (tb.ball(radius_mm=r) for r in (8.5, 14.0, 18.0))
    none = np.zeros(tb.SHAPE)
    first, second = parts(none, sign * 8.0 * core, sign * 12.0 * blurred, hole)
    z = statistic(first, second, known)
    np.testing.assert_allclose(z[core], sign * 12.0, rtol=1e-5)
    assert not z[hole & ~core].any(), "the wide map's halo is no change"
    strongest = known.strongest({**first.maps, **second.maps})
    np.testing.assert_array_equal(z[~hole], strongest[~hole])


def test_a_change_that_no_second_look_shows_clearly_stays_as_it_was(known):
    core, hole = tb.ball(radius_mm=10.0), tb.ball(radius_mm=16.0)
    first, second = parts(7.0 * core, 0.5 * core, 0.5 * core, hole)
    np.testing.assert_array_equal(statistic(first, second, known), known.strongest({**first.maps, **second.maps}))


@pytest.mark.parametrize("sign", [1, -1])
def test_both_tails_keep_their_own_height_and_no_voxel_exceeds_the_peak(known, sign):
    """In one hole, a strong change and a weak one of the other sign, seen clearly by different scales."""
    strong, weak = tb.ball((9, 12, 12), 8.0), tb.ball((16, 12, 12), 8.0)
    hole = tb.ball((9, 12, 12), 16.0) | tb.ball((16, 12, 12), 16.0)
    rng = np.random.default_rng(0)
    fine = sign * (8.0 * strong - 5.0 * weak) + rng.normal(0.0, 0.3, tb.SHAPE)
    wide = sign * (20.0 * strong - 5.5 * weak)
    first, second = parts(np.zeros(tb.SHAPE), fine, wide, hole)
    z = sign * statistic(first, second, known)
    assert z[strong].mean() > 17.0 and -7.0 < z[weak].mean() < -4.5
    strongest = sign * known.strongest({**first.maps, **second.maps})
    assert z.max() <= strongest.max() + 1e-5 and z.min() >= strongest.min() - 1e-5


def test_without_a_second_look_it_is_the_first(known):
    first, _ = parts(7.0 * tb.ball(), np.zeros(tb.SHAPE), np.zeros(tb.SHAPE), tb.ball())
    nothing = SecondLook(np.zeros(tb.SHAPE, bool), None, {}, 0)
    np.testing.assert_array_equal(statistic(first, nothing, known), known.strongest(first.maps))
