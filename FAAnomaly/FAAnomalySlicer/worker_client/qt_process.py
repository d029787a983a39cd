"""A child process on Qt's event loop. Its output is delivered in short turns, so that the panel stays responsive."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..events.signal import Signal
from .line_buffer import LineBuffer
from .process import ProcessExit, is_other_process, signal_process

TURN_SECONDS = 0.008
"""How long listeners are called before other events are processed."""
PAUSE_MS = 1
"""Between two turns. Not 0: Qt would begin the next one before it checks its timers."""
CHUNK_BYTES = 4096
"""Bytes that are split into lines at once."""


class QtProcess:
    """A :class:`~.process.Process` over ``qt.QProcess``.

    Parameters
    ----------
    application
        ``slicer.app``, whose end the process does not outlive; by default Qt's own view of the application.
    """

    def __init__(self, application: Any = None) -> None:
        self._application = application
        self.line, self.log, self.ended = Signal(), Signal(), Signal()
        self._process: Any = None  # a QProcess; held here because Qt kills the process of a deleted one
        self._out, self._err = LineBuffer(), LineBuffer()
        self._waiting: deque[tuple[Signal, Callable[[], list]]] = deque()
        self._ready: deque[tuple[Signal, object]] = deque()
        self._scheduled = False
        self._running = False
        self._over = False
        self._adopted: int | None = None

    @property
    def running(self) -> bool:
        """See :class:`~.process.Process`."""
        return self._running

    def start(self, command: list[str], environment: Mapping[str, str | None]) -> None:
        """See :class:`~.process.Process`."""
        import qt

        self._running = True
        process = self._process = qt.QProcess()
        variables = qt.QProcessEnvironment.systemEnvironment()
        for name, value in environment.items():
            if value is None:
                variables.remove(name)
            else:
                variables.insert(name, value)
        process.setProcessEnvironment(variables)
        process.connect("readyReadStandardOutput()", self._on_output)
        process.connect("readyReadStandardError()", self._on_error_output)
        process.connect("finished(int,QProcess::ExitStatus)", self._on_finished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._on_error)
        self._application = self._application or qt.QCoreApplication.instance()
        self._application.connect("aboutToQuit()", self._block_signals)
        process.start(command[0], command[1:])

    def write(self, line: str) -> None:
        """See :class:`~.process.Process`."""
        if self._alive():
            self._process.write(line.encode("utf-8") + b"\n")

    def close_input(self) -> None:
        """See :class:`~.process.Process`."""
        if self._alive():
            # Writes what the pipe takes and does not wait: while Slicer quits no event loop would write it any more.
            self._process.waitForBytesWritten(0)
            self._process.closeWriteChannel()

    def adopt(self, pid: object) -> None:
        """See :class:`~.process.Process`."""
        if self._alive() and is_other_process(pid, self._process.processId()):
            self._adopted = pid

    def terminate(self) -> None:
        """See :class:`~.process.Process`. A launcher is left to end after the program that it launched."""
        if self._alive():
            if self._adopted is None:
                self._process.terminate()
            else:
                signal_process(self._adopted, by_force=False)

    def kill(self) -> None:
        """See :class:`~.process.Process`."""
        if self._alive():
            if self._adopted is not None:
                signal_process(self._adopted, by_force=True)
            self._process.kill()

    def poll(self, seconds: float = 0.0) -> None:
        """Without effect: Qt's event loop delivers."""

    def _alive(self) -> bool:
        return self._process is not None and not self._over

    def _on_output(self) -> None:
        self._put_bytes(self.line, self._out, bytes(self._process.readAllStandardOutput().data()))

    def _on_error_output(self) -> None:
        self._put_bytes(self.log, self._err, bytes(self._process.readAllStandardError().data()))

    def _on_error(self, error) -> None:
        import qt

        if error == qt.QProcess.FailedToStart:  # `finished` does not come then
            self._end(ProcessExit("failed-to-start", None, self._process.errorString()))

    def _on_finished(self, code, status) -> None:
        import qt

        self._on_output()
        self._on_error_output()
        crashed = status == qt.QProcess.CrashExit
        # Where there are signals Qt gives the number of the signal as the exit code.
        self._end(
            ProcessExit(
                "crash" if crashed else "exit",
                -code if crashed and os.name == "posix" else code,
                self._process.errorString() if crashed else "",
            )
        )

    def _end(self, ending: ProcessExit) -> None:
        self._over = True
        self._waiting += [(self.line, self._out.flush), (self.log, self._err.flush), (self.ended, lambda: [ending])]
        self._schedule()

    def _block_signals(self) -> None:
        # Once the application has quit Qt deletes the QProcess, which ends the process and would emit `finished`.
        self._process.blockSignals(True)

    def _put_bytes(self, signal: Signal, buffer: LineBuffer, data: bytes) -> None:
        for start in range(0, len(data), CHUNK_BYTES):
            self._waiting.append((signal, partial(buffer.feed, data[start : start + CHUNK_BYTES])))
        self._schedule()

    def _schedule(self) -> None:
        import qt

        if (self._waiting or self._ready) and not self._scheduled:
            self._scheduled = True
            qt.QTimer.singleShot(PAUSE_MS, self._deliver)

    def _deliver(self) -> None:
        # Before any listener is called: one that opens a dialog must not delay later output.
        self._scheduled = False
        until = time.monotonic() + TURN_SECONDS
        while time.monotonic() < until and self._deliver_one():
            pass
        self._schedule()

    def _deliver_one(self) -> bool:
        while not self._ready and self._waiting:
            signal, values = self._waiting.popleft()
            self._ready.extend((signal, value) for value in values())
        if not self._ready:
            return False
        signal, value = self._ready.popleft()
        if signal is self.ended:
            self._release()
        signal.emit(value)
        return True

    def _release(self) -> None:
        self._running = False
        self._application.disconnect("aboutToQuit()", self._block_signals)
        self._process.deleteLater()
        self._process = None


class QtTimer:
    """A :class:`~..events.timer.Timer` of Qt's event loop."""

    def after(self, ms: int, function: Callable[[], None]) -> None:
        """See :class:`~..events.timer.Timer`."""
        import qt

        qt.QTimer.singleShot(ms, function)

    def poll(self) -> None:
        """Without effect: Qt's event loop calls back."""
