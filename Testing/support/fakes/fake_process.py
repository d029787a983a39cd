"""A program and a clock that do only what a test says: for what would take minutes or cannot be provoked."""

from __future__ import annotations

import json

from FAAnomalySlicer.events.signal import Signal
from FAAnomalySlicer.worker_client.process import ProcessExit


class FakeProcess:
    """Follows :class:`FAAnomalySlicer.worker_client.process.Process`; ``done`` lists what was asked of it."""

    def __init__(self) -> None:
        self.line, self.log, self.ended = Signal(), Signal(), Signal()
        self.running = False
        self.done: list = []

    @property
    def sent(self) -> list[dict]:
        """The messages written to it."""
        return [json.loads(text) for kind, text in self.done if kind == "write"]

    def start(self, command, environment):
        self.running = True
        self.done.append(("start", command))

    def write(self, line):
        self.done.append(("write", line))

    def close_input(self):
        self.done.append(("close_input", None))

    def adopt(self, pid):
        self.done.append(("adopt", pid))

    def terminate(self):
        self.done.append(("terminate", None))

    def kill(self):
        self.done.append(("kill", None))

    def poll(self, seconds=0.0):
        self.done.append(("poll", seconds))

    def say(self, **message) -> None:
        """Let it print a message."""
        self.line.emit(json.dumps(message))

    def greet(self, **fields) -> None:
        """Let it say hello."""
        self.say(**{"type": "hello", "id": None, "version": "1.2", "protocol": 1, "pid": 4321, **fields})

    def end(self, kind: str = "exit", code: int | None = 0, reason: str = "") -> None:
        """Let it end."""
        self.running = False
        self.ended.emit(ProcessExit(kind, code, reason))


class FakeTimer:
    """Follows :class:`FAAnomalySlicer.events.timer.Timer`; time passes by :meth:`pass_time`."""

    def __init__(self) -> None:
        self.now = 0
        self._due: list = []

    def after(self, ms, function):
        self._due.append((self.now + ms, function))

    def poll(self):
        pass

    def pass_time(self, ms: int) -> None:
        """Let *ms* milliseconds pass, calling what becomes due in its order."""
        end = self.now + ms
        while due := sorted((entry for entry in self._due if entry[0] <= end), key=lambda entry: entry[0]):
            self._due.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = end
