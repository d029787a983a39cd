"""Threads sleep while they wait where other programs want the cores, and a user's own choice stays."""

from __future__ import annotations

import sys

import pytest

from FAAnomalyLib.runtime.waiting_threads import sleep_while_waiting_where_busy


@pytest.fixture(autouse=True)
def before_torch(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)


def unknown():
    raise OSError


@pytest.mark.parametrize(
    ("before", "load", "after"),
    [
        ({}, lambda: (0.1, 3.0, 3.0), {}),
        ({}, lambda: (1.0, 0.0, 0.0), {"OMP_WAIT_POLICY": "PASSIVE"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, lambda: (1.0, 0.0, 0.0), {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"GOMP_SPINCOUNT": "9"}, lambda: (1.0, 0.0, 0.0), {"GOMP_SPINCOUNT": "9"}),
        ({}, None, {}),
        ({}, unknown, {}),
    ],
)
def test_it_depends_on_the_load_and_on_the_user(before, load, after):
    sleep_while_waiting_where_busy(before, load)
    assert before == after


def test_once_torch_is_there_it_is_too_late(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", object())
    environment: dict[str, str] = {}
    sleep_while_waiting_where_busy(environment, lambda: (9.0, 9.0, 9.0))
    assert not environment
