"""Two runs never write to one folder, and a run that was killed keeps nobody out."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

import FAAnomalyLib.io.run_lock as run_lock
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.run_lock import NAME, only_run_in
from support.paths import ROOT

HOLD = """
import sys
from pathlib import Path
from FAAnomalyLib.io.run_lock import only_run_in
with only_run_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that runs in the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_run_is_refused_until_the_first_has_ended(other, tmp_path):
    with pytest.raises(FAError, match=f"Another run is going on in .*process {other.pid}") as caught:
        with only_run_in(tmp_path):
            pytest.fail("two runs")
    assert caught.value.exit_status == 2
    assert (tmp_path / NAME).read_text() == str(other.pid)
    other.communicate("")
    assert not (tmp_path / NAME).exists()
    with only_run_in(tmp_path):
        assert (tmp_path / NAME).read_text() == str(os.getpid())


def test_a_killed_run_keeps_nobody_out(other, tmp_path):
    other.kill()
    other.wait()
    assert (tmp_path / NAME).exists()
    with only_run_in(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_the_same_process_is_refused_as_well(tmp_path):
    with only_run_in(tmp_path), pytest.raises(FAError, match="Another run"):
        with only_run_in(tmp_path):
            pass


def test_folders_that_stay_empty_are_removed(tmp_path):
    with only_run_in(tmp_path / "a" / "b"):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ZeroDivisionError), only_run_in(tmp_path / "a" / "b"):
        (tmp_path / "a" / "kept").touch()
        raise ZeroDivisionError
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]


def test_a_disk_without_locks_does_not_stop_a_run(tmp_path, monkeypatch):
    def unknown(handle: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_lock, "_lock", unknown)
    with only_run_in(tmp_path):
        assert (tmp_path / NAME).exists()
    assert list(tmp_path.iterdir()) == []
