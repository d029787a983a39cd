"""Long experiments survive: units are stored once, claims of the dead are taken over, two processes share the work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.experiments.units import Finished, Unit, UnitStore, finish_units
from FAAnomalyLib.io.claims import SUFFIX, Claims

UNITS = [Unit("square", str(n), "none", {"n": n}) for n in range(12)]


def square(unit: Unit) -> Finished:
    return Finished({"answer": unit.setting["n"] ** 2}, {"n": np.array(unit.setting["n"])})


def test_a_rerun_computes_nothing_twice_and_mends_what_is_damaged(tmp_path):
    calls: list[str] = []

    def counted(unit: Unit) -> Finished:
        calls.append(unit.name)
        if len(calls) == 5:
            raise FAError("cancelled", "Cancelled")
        return square(unit)

    store = UnitStore(tmp_path)
    with pytest.raises(FAError, match="Cancelled"):
        finish_units(UNITS, counted, store, lambda done: None)
    finish_units(UNITS, counted, UnitStore(tmp_path), lambda done: None)
    assert len(calls) == 13 and len(set(calls)) == 12
    assert [store.read(unit).row["answer"] for unit in UNITS] == [n**2 for n in range(12)]
    (store.folder / f"{UNITS[3].name}.npz").write_bytes(b"damaged")
    assert store.read(UNITS[3]) is None and not store.has(UNITS[3])
    assert not list(store.folder.glob(f"*{SUFFIX}"))


def test_two_processes_share_the_units(tmp_path):
    calls: list[str] = []

    def slowly(unit: Unit) -> Finished:
        calls.append(unit.name)
        time.sleep(0.005)
        return square(unit)

    stores = [UnitStore(tmp_path) for _ in range(2)]
    threads = [threading.Thread(target=finish_units, args=(UNITS, slowly, s, lambda done: None)) for s in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(calls) == sorted(unit.name for unit in UNITS)


def test_a_map_that_cannot_be_used_is_left_out_and_a_bug_is_not(tmp_path):
    def failing(unit: Unit) -> Finished:
        raise FAError("bad-input" if unit is UNITS[0] else "bug", "Broken")

    store = UnitStore(tmp_path)
    finish_units(UNITS[:1], failing, store, lambda done: None)
    assert store.read(UNITS[0]).row == {"left_out": "Broken"}
    with pytest.raises(FAError):
        finish_units(UNITS[1:2], failing, store, lambda done: None)
    assert not store.has(UNITS[1])


def test_a_living_claim_is_respected_and_a_dead_one_taken_over(tmp_path):
    first, second = Claims(tmp_path), Claims(tmp_path)
    with first.claim("a") as ours, second.claim("a") as theirs:
        assert ours and not theirs
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    host = first._owner["host"]
    path = tmp_path / f"a{SUFFIX}"
    path.write_text(json.dumps({"host": host, "pid": int(gone.stdout), "token": "x"}))
    with second.claim("a") as ours:
        assert ours
    path.write_text(json.dumps({"host": "another", "pid": 1, "token": "y"}))
    with second.claim("a") as ours:
        assert not ours, "another machine's claim is fresh"
    os.utime(path, (time.time() - 1000,) * 2)
    with second.claim("a") as ours:
        assert ours, "nobody has touched it for a long time"
    assert not path.exists()
