"""Runs an :class:`EngineClient` on the fake worker, over either kind of process, and watches what becomes of it."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from FAAnomalySlicer.worker_client.client import EngineClient
from FAAnomalySlicer.worker_client.qt_process import QtProcess, QtTimer
from FAAnomalySlicer.worker_client.subprocess_process import PollTimer, SubprocessProcess
from FAAnomalySlicer.worker_client.termination import Timeouts
from support.fakes import fake_worker

LONGEST = 120.0
"""Seconds; only waited for when something hangs."""
PATIENT = Timeouts(start=60_000, cancel=60_000, kill=60_000)
QUICK = Timeouts(start=60_000, cancel=300, kill=300)
"""For workers that do not do what they are told."""


class Bench:
    """One client and the processes it started.

    Parameters
    ----------
    kind
        ``subprocess`` or ``qt``.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.clients: list[EngineClient] = []
        self.pids: list[int] = []

    def client(
        self,
        mode: str = "normal",
        timeouts: Timeouts = PATIENT,
        command: list[str] | None = None,
        environment: dict[str, str] | None = None,
    ) -> EngineClient:
        """A client whose worker behaves like *mode*."""
        process, timer = (QtProcess, QtTimer()) if self.kind == "qt" else (SubprocessProcess, PollTimer())

        def make_process():
            made = process()
            start = made.start

            def start_and_note(*arguments):
                start(*arguments)
                inner = made._process
                if inner is not None:
                    self.pids.append(inner.pid if self.kind == "subprocess" else inner.processId())

            made.start = start_and_note
            return made

        client = EngineClient(
            make_process,
            command or [sys.executable, "-S", fake_worker.__file__, mode],
            {"PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", **(environment or {})},
            timer,
            timeouts,
        )
        client.states = []
        client.state.connect(client.states.append)
        self.clients.append(client)
        return client

    def until(self, condition, longest: float = LONGEST) -> None:
        """Go on until *condition* holds; fails when it never does."""
        end = time.monotonic() + longest
        while not condition():
            assert time.monotonic() < end, "it never came"
            self.pump(0.02)

    def pump(self, seconds: float) -> None:
        """Let *seconds* pass."""
        if self.kind == "qt":
            import qt

            end = time.monotonic() + seconds
            while True:
                qt.QCoreApplication.processEvents()
                if time.monotonic() >= end:
                    break
                time.sleep(0.001)
        else:
            for client in self.clients:
                client.poll(seconds)

    def finish(self, job):
        """Go on until *job* is over and return it."""
        self.until(lambda: job.over)
        return job

    def close(self) -> None:
        """End everything that still runs, and check that nothing survives."""
        for client in self.clients:
            client.shutdown()
        self.until(lambda: all(client.status == "stopped" for client in self.clients))
        self.until(lambda: not any(is_running(pid) for pid in self.pids))


def ask(client, name="fa", **params):
    """Submit a job that collects its progress in ``heard`` and its ends in ``ends``."""
    job = client.submit("detect", {"input": f"/tmp/{name}.nrrd", "output": "/tmp/out", **params})
    job.heard, job.ends = [], []
    job.progress.connect(lambda *progress: job.heard.append(progress))
    job.finished.connect(lambda ended: job.ends.append((ended, client.job, client.status)))
    return job


class LoopWatch:
    """Measures how long Qt's event loop is kept waiting by this program, in a ``with`` block that runs the loop.

    Attributes
    ----------
    longest
        Longest time between two ticks of a 5 ms timer, in seconds, without the time in which the operating system
        gave the processor to others.
    """

    def __enter__(self) -> LoopWatch:
        import qt

        self.longest = 0.0
        self._last = _own_time()
        self._timer = qt.QTimer()
        self._timer.setInterval(5)
        self._timer.connect("timeout()", self._tick)
        self._timer.start()
        return self

    def __exit__(self, *_) -> None:
        self._tick()
        self._timer.stop()

    def _tick(self) -> None:
        now = _own_time()
        self.longest = max(self.longest, now - self._last)
        self._last = now


def _own_time() -> float:
    waited_for_a_processor = int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    return time.monotonic() - waited_for_a_processor


def is_running(pid: int) -> bool:
    """Whether process *pid* exists and is no zombie."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def children_of(pid: int) -> list[int]:
    """The processes that *pid* started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
