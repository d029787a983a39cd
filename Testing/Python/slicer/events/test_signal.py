"""Signals between plain Python objects."""

from __future__ import annotations

import sys

import pytest

import slicer_harness

slicer_harness.require()

from FAAnomalySlicer.events.signal import Signal


@pytest.fixture
def shown(monkeypatch):
    """The errors that Python would have shown."""
    shown = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, trace: shown.append(error))
    return shown


def test_listeners_are_called_in_order_and_once():
    signal, heard = Signal(), []

    def first(*args):
        heard.append(("first", args))

    def second(*args):
        heard.append(("second", args))

    for listener in (first, second, first):
        signal.connect(listener)
    signal.emit(1, "a")
    assert heard == [("first", (1, "a")), ("second", (1, "a"))]
    signal.disconnect(first)
    signal.disconnect(first)
    signal.emit()
    assert heard[2:] == [("second", ())]


def test_a_raising_listener_stops_nobody_and_is_shown_once(shown):
    signal, heard = Signal(), []

    def bad(value):
        raise ValueError(value)

    signal.connect(bad)
    signal.connect(heard.append)
    for value in (1, 2, 3):
        signal.emit(value)
    assert heard == [1, 2, 3]
    assert [error.args for error in shown] == [(1,)]
    signal.disconnect(bad)
    signal.connect(bad)
    signal.emit(4)
    assert [error.args for error in shown] == [(1,), (4,)]


def test_listeners_may_disconnect_each_other_and_connect_others_meanwhile():
    signal, heard = Signal(), []

    def first():
        signal.disconnect(second)
        signal.connect(third)

    def second():
        heard.append("second")

    def third():
        heard.append("third")

    signal.connect(first)
    signal.connect(second)
    signal.emit()
    assert heard == []
    signal.emit()
    assert heard == ["third"]


def test_what_a_listener_may_not_swallow_is_passed_on():
    signal = Signal()

    def leave():
        raise KeyboardInterrupt

    signal.connect(leave)
    with pytest.raises(KeyboardInterrupt):
        signal.emit()
