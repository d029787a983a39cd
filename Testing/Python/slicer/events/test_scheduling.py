"""Generators of steps: each yield is a turn or waits for a future, errors and stops arrive where they belong."""

import slicer_harness

slicer_harness.require()

import threading

import pytest

from FAAnomalySlicer.events.scheduling import Future, Stopped, in_background, next_emission, run_in_steps, run_to_end
from FAAnomalySlicer.events.signal import Signal
from support.fakes.fake_process import FakeTimer


def outcome_of(future):
    outcomes = []
    future.when_done(lambda value, error: outcomes.append((value, error)))
    return outcomes


def test_every_yield_is_a_turn_and_the_return_value_is_the_outcome():
    timer, log = FakeTimer(), []

    def steps():
        log.append("first")
        yield
        log.append("second")
        return 7

    outcome = outcome_of(run_in_steps(steps(), timer))
    assert log == [] and outcome == []
    timer.pass_time(0)
    assert log == ["first", "second"] and outcome == [(7, None)]


def test_a_future_is_waited_for_and_gives_its_value_or_its_error():
    timer, value, failing = FakeTimer(), Future(), Future()

    def steps():
        first = yield value
        try:
            yield failing
        except ValueError as error:
            return first, str(error)

    outcome = outcome_of(run_in_steps(steps(), timer))
    timer.pass_time(1000)
    assert outcome == []
    value.resolve("a")
    failing.resolve(None, ValueError("b"))
    assert outcome == [(("a", "b"), None)]


def test_the_first_step_can_be_taken_at_once_and_raises_here():
    def refused():
        raise ValueError("no")
        yield

    def accepted():
        yield
        raise ValueError("later")

    timer = FakeTimer()
    with pytest.raises(ValueError, match="no"):
        run_in_steps(refused(), timer, at_once=True)
    outcome = outcome_of(run_in_steps(accepted(), timer, at_once=True))
    timer.pass_time(0)
    assert outcome[0][0] is None and str(outcome[0][1]) == "later"


@pytest.mark.parametrize("waits_for", [None, Future()], ids=["a turn", "a future"])
def test_stopped_steps_are_closed_before_the_next_one(waits_for):
    timer, closed, stopped = FakeTimer(), [], []

    def steps():
        try:
            yield waits_for
            raise AssertionError("went on")
        finally:
            closed.append(True)

    outcome = outcome_of(run_in_steps(steps(), timer, lambda: bool(stopped), at_once=True))
    stopped.append(True)
    timer.pass_time(0)
    if waits_for is not None:
        assert not closed
        waits_for.resolve(1)
    assert closed and isinstance(outcome[0][1], Stopped)


def test_an_error_arrives_even_when_stopped():
    """A cancelled run whose file could not be written has failed."""
    timer, writing = FakeTimer(), Future()

    def steps():
        yield writing

    outcome = outcome_of(run_in_steps(steps(), timer, lambda: True, at_once=True))
    writing.resolve(None, OSError("full"))
    assert isinstance(outcome[0][1], OSError)


def test_work_in_a_thread_comes_back_to_this_one():
    from FAAnomalySlicer.worker_client.subprocess_process import PollTimer

    timer = PollTimer()
    good, bad = outcome_of(in_background(threading.get_ident, timer)), outcome_of(in_background(lambda: 1 / 0, timer))
    for _ in range(1000):
        timer.poll()
        if good and bad:
            break
    assert good[0][0] not in (None, threading.get_ident()) and isinstance(bad[0][1], ZeroDivisionError)


def test_the_next_emission_of_a_signal_is_taken_once():
    signal = Signal()
    outcome = outcome_of(next_emission(signal))
    signal.emit(1)
    signal.emit(2)
    assert outcome == [(1, None)]


def test_steps_without_an_event_loop():
    def steps():
        yield
        yield
        return "end"

    assert run_to_end(steps()) == "end"
