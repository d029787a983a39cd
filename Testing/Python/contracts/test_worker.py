"""The worker as Slicer meets it: a real process, JSON lines in and out, with a fake detector inside."""

from __future__ import annotations

import json
import os
import queue
import shutil
import stat
import subprocess
import sys
import threading
import time
from dataclasses import fields
from pathlib import Path

import pytest

import FAAnomalyLib
from FAAnomalyLib.errors import EXIT_STATUS
from FAAnomalyLib.pipeline.detector import STAGES
from FAAnomalyLib.reporting.result_files import RESULT_FILES
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.result import Region
from FAAnomalyLib.worker.messages import PROTOCOL
from support.fakes import fake_engine
from support.paths import ROOT

pytestmark = pytest.mark.slow

TIMEOUT = 60
"""Long, because it is only waited for in full when the worker hangs."""


class Session:
    """A worker process; every line it prints must be JSON."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, fake_engine.__file__, "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.messages: queue.Queue = queue.Queue()
        self.stderr = b""
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._drain)]
        for thread in self._threads:
            thread.start()
        self.hello = self.next()

    def _read(self):
        for line in self.process.stdout:
            self.messages.put((time.monotonic(), json.loads(line)))

    def _drain(self):
        self.stderr = self.process.stderr.read()

    def raw(self, text: str) -> None:
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def send(self, request_id, method, **params) -> None:
        self.raw(json.dumps({"id": request_id, "method": method, "params": params}) + "\n")

    def next(self) -> dict:
        return self.messages.get(timeout=TIMEOUT)[1]

    def answer(self) -> dict:
        """The next message that is no progress."""
        while (message := self.next())["type"] == "progress":
            pass
        return message

    def end(self) -> int:
        if not self.process.stdin.closed:
            self.process.stdin.close()
        status = self.process.wait(TIMEOUT)
        for thread in self._threads:
            thread.join(TIMEOUT)
        return status


@pytest.fixture
def session():
    """A worker of the test's own."""
    session = Session()
    yield session
    session.process.kill()
    session.end()


@pytest.fixture(scope="module")
def lasting():
    """One worker for all tests that leave it running and idle."""
    session = Session()
    yield session
    assert session.end() == 0


def test_hello_then_two_requests_with_one_model(session, tmp_path):
    assert session.hello["type"] == "hello" and session.hello["id"] is None
    assert (session.hello["version"], session.hello["protocol"]) == (FAAnomalyLib.__version__, PROTOCOL)
    for number in (1, 2):
        out = tmp_path / str(number)
        session.send(number, "detect", input="brain.nii", output=str(out))
        progress = session.next()
        assert progress["type"] == "progress" and progress["id"] == number
        assert set(progress) == {"type", "id", "fraction", "stage", "eta_s"}
        answer = session.answer()
        assert (answer["type"], answer["id"], answer["output"]) == ("result", number, str(out))
        assert answer["regions"][0]["peak_z"] == -6.5
        assert answer["warnings"] == [f"model made 1, call {number}"]
        assert sorted(path.name for path in out.iterdir()) == sorted(RESULT_FILES)
        assert all(Path(file).is_file() for file in answer["files"].values())
    session.send("three", "inpaint", input="brain.nii", output=str(tmp_path / "3"), region="m.nii")
    assert session.answer()["id"] == "three"
    assert json.loads((tmp_path / "3" / "result.json").read_text())["method"] == "inpaint"
    session.send("four", "preview", input="brain.nii", output=str(tmp_path / "4"), region="m.nii")
    shown = session.answer()
    assert set(shown) == {"type", "id", "output", "files", "seconds"} and shown["output"] == str(tmp_path / "4")
    assert [str(path) for path in (tmp_path / "4").iterdir()] == [shown["files"]["expected"]]


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_results_are_private(lasting, tmp_path):
    lasting.send(1, "detect", input="brain.nii", output=str(tmp_path / "a" / "out"))
    assert lasting.answer()["type"] == "result"
    assert stat.S_IMODE((tmp_path / "a" / "out").stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (tmp_path / "a" / "out").iterdir())


def test_cancel_stops_the_job_and_the_worker_lives_on(session, tmp_path):
    session.send(1, "detect", input="slow.nii", output=str(tmp_path / "out"))
    assert session.next()["type"] == "progress"
    session.send(2, "cancel", id=7)
    assert session.answer() == {"type": "result", "id": 2, "cancelled": False}
    session.send(3, "cancel", id=1)
    answers = [session.answer(), session.answer()]
    assert {"type": "result", "id": 3, "cancelled": True} in answers
    assert [(a["id"], a["code"]) for a in answers if a["type"] == "error"] == [(1, "cancelled")]
    assert list(tmp_path.iterdir()) == []
    session.send(4, "detect", input="brain.nii", output=str(tmp_path / "out"))
    assert session.answer()["type"] == "result"


def test_a_second_request_while_busy_is_refused(lasting, tmp_path):
    lasting.send(1, "detect", input="slow.nii", output=str(tmp_path / "1"))
    lasting.send(2, "detect", input="brain.nii", output=str(tmp_path / "2"))
    refused = lasting.answer()
    assert (refused["type"], refused["id"], refused["code"]) == ("error", 2, "bad-request")
    assert "busy" in refused["what"] and "1" in refused["why"]
    lasting.send(3, "cancel")
    assert {lasting.answer()["id"], lasting.answer()["id"]} == {1, 3}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "request_id", "says"),
    [
        ("hello?", None, "no JSON"),
        ('{"id": 1, "method": ', None, "no JSON"),
        ("[1, 2]", None, "no JSON object"),
        ('{"id": NaN, "method": "cancel"}', None, "id is neither"),
        ('{"id": 5, "method": "dance"}', 5, "Unknown method 'dance'"),
        ('{"id": 5}', 5, "Unknown method None"),
        ('{"id": 5, "method": "detect", "params": [1]}', 5, "params is no object"),
        ('{"id": 5, "method": "detect", "params": {"colour": 1}}', 5, "Unknown option colour"),
        ('{"id": 5, "method": "detect", "params": {"input": "a.nii"}}', 5, "No output folder"),
        ('{"id": 5, "method": "detect", "params": {"output": "OUT", "steps": -1, "input": "a"}}', 5, "cannot run"),
        ('{"id": 5, "method": "inpaint", "params": {"output": "OUT", "input": "a"}}', 5, "nothing to fill"),
    ],
)
def test_a_bad_line_is_answered_and_the_worker_goes_on(lasting, line, request_id, says):
    lasting.raw("\n" + line + "\n")
    answer = lasting.answer()
    assert set(answer) == {"type", "id", "code", "what", "why", "fix"}
    assert (answer["type"], answer["id"], answer["code"]) == ("error", request_id, "bad-request")
    assert says in answer["what"]
    lasting.send(9, "cancel")
    assert lasting.answer() == {"type": "result", "id": 9, "cancelled": False}


def test_a_failing_job_is_an_error_and_the_worker_goes_on(session, tmp_path):
    for kind, code in (("bad", "bad-input"), ("package", "missing"), ("bug", "bug"), ("memory", "out-of-memory")):
        session.send(kind, "detect", input=f"{kind}.nii", output=str(tmp_path / "out"))
        answer = session.answer()
        assert (answer["type"], answer["id"], answer["code"]) == ("error", kind, code)
        assert list(tmp_path.iterdir()) == []
        if code == "bug":
            session.send(1, "detect", input="brain.nii", output=str(tmp_path / "out"))
            assert session.answer()["warnings"] == ["model made 1, call 4"]
            shutil.rmtree(tmp_path / "out")
    session.send(2, "detect", input="brain.nii", output=str(tmp_path / "out"))
    assert session.answer()["warnings"] == ["model made 2, call 1"], "memory that ran out is freed"
    assert session.end() == 0
    assert session.stderr.count(b"Traceback") == 1 and b"ZeroDivisionError" in session.stderr


def test_stray_prints_do_not_reach_the_protocol(session, tmp_path):
    session.send(1, "detect", input="noisy.nii", output=str(tmp_path / "out"))
    assert session.answer()["type"] == "result"
    session.send(2, "shutdown")
    assert session.answer() == {"type": "result", "id": 2}
    assert session.end() == 0
    assert session.stderr.count(b"a stray") == 3


def test_progress_comes_at_most_ten_times_a_second(session, tmp_path):
    session.send(1, "detect", input="busy.nii", output=str(tmp_path / "out"))
    times = []
    while True:
        at, message = session.messages.get(timeout=TIMEOUT)
        if message["type"] != "progress":
            break
        times.append(at)
    assert message["type"] == "result"
    duration = times[-1] - times[0]
    assert 3 <= len(times) <= duration * 10 + 2


def test_the_end_of_input_cancels_and_ends(session, tmp_path):
    session.send(1, "detect", input="slow.nii", output=str(tmp_path / "out"))
    assert session.next()["type"] == "progress"
    assert session.end() == 0
    assert session.answer()["code"] == "cancelled"
    assert list(tmp_path.iterdir()) == []


def test_shutdown_cancels_and_ends_though_input_stays_open(session, tmp_path):
    session.send(1, "detect", input="slow.nii", output=str(tmp_path / "out"))
    assert session.next()["type"] == "progress"
    session.send(2, "shutdown")
    assert {session.answer()["id"], session.answer()["id"]} == {1, 2}
    assert session.process.wait(TIMEOUT) == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_terminate_ends_it_cleanly(session, tmp_path):
    session.send(1, "detect", input="slow.nii", output=str(tmp_path / "out"))
    assert session.next()["type"] == "progress"
    session.process.terminate()
    assert session.answer()["code"] == "cancelled"
    assert session.process.wait(TIMEOUT) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_left_does_not_hang_the_worker(tmp_path):
    process = subprocess.Popen(
        [sys.executable, fake_engine.__file__, "worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    process.stdout.readline()
    process.stdout.close()
    request = {"id": 1, "method": "detect", "params": {"input": "brain.nii", "output": str(tmp_path / "out")}}
    _, err = process.communicate(json.dumps(request).encode(), timeout=TIMEOUT)
    assert process.returncode == 0 and b"Traceback" not in err


def test_a_stuck_job_does_not_keep_the_process_alive(tmp_path):
    code = (
        "import sys, fake_engine; fake_engine.install(); from FAAnomalyLib import cli; "
        "from FAAnomalyLib.worker import server; server.GRACE_SECONDS = 0.3; sys.exit(cli.main(['worker']))"
    )
    path = os.pathsep.join([str(ROOT), str(Path(fake_engine.__file__).parent)])
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    request = {"id": 1, "method": "detect", "params": {"input": "stuck.nii", "output": str(tmp_path / "out")}}
    process.stdin.write(json.dumps(request).encode() + b"\n")
    process.stdin.flush()
    assert b"hello" in process.stdout.readline()
    assert b"progress" in process.stdout.readline()
    started = time.monotonic()
    rest, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0 and rest == b"", "the job cannot have answered: it still sleeps"
    assert 0.25 < time.monotonic() - started < 8


def test_the_page_about_the_protocol_names_every_parameter_key_and_code():
    page = (ROOT / "docs" / "worker-protocol.md").read_text(encoding="utf-8")
    names = {field.name for kind in (DetectRequest, Region) for field in fields(kind)} | set(EXIT_STATUS)
    names |= {name.partition(".")[0] for name in RESULT_FILES if name != "result.json"} | set(STAGES) | {"done"}
    assert sorted(name for name in names if f"`{name}`" not in page) == []
    assert f"protocol version {PROTOCOL}." in page
