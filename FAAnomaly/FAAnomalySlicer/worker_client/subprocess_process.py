"""A program for scripts that run no event loop: threads read and write, :meth:`poll` calls the listeners."""

from __future__ import annotations

import heapq
import io
import itertools
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO

from ..events.signal import Signal
from .line_buffer import LineBuffer
from .process import ProcessExit, is_other_process, signal_process

CHUNK = 65536
DRAIN_SECONDS = 1.0
"""How long output is waited for after the end: a launcher's child may still hold the pipes open."""


class SubprocessProcess:
    """A :class:`~.process.Process` over ``subprocess.Popen``."""

    def __init__(self) -> None:
        self.line, self.log, self.ended = Signal(), Signal(), Signal()
        self._events: queue.Queue = queue.Queue()
        self._input: queue.Queue = queue.Queue()
        self._process: subprocess.Popen | None = None
        self._adopted: int | None = None
        self._running = False

    @property
    def running(self) -> bool:
        """See :class:`~.process.Process`."""
        return self._running

    def start(self, command: list[str], environment: Mapping[str, str | None]) -> None:
        """See :class:`~.process.Process`."""
        self._running = True
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={name: value for name, value in {**os.environ, **environment}.items() if value is not None},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, ValueError) as error:
            self._events.put((self.ended, ProcessExit("failed-to-start", None, str(error))))
            return
        self._process = process
        readers = [_thread(self._read, process.stdout, self.line), _thread(self._read, process.stderr, self.log)]
        _thread(self._wait, process, readers)
        _thread(self._feed, process.stdin)

    def write(self, line: str) -> None:
        """See :class:`~.process.Process`."""
        self._input.put(line.encode("utf-8") + b"\n")

    def close_input(self) -> None:
        """See :class:`~.process.Process`."""
        self._input.put(None)

    def adopt(self, pid: object) -> None:
        """See :class:`~.process.Process`."""
        process = self._alive()
        if process is not None and is_other_process(pid, process.pid):
            self._adopted = pid

    def terminate(self) -> None:
        """See :class:`~.process.Process`. A launcher is left to end after the program that it launched."""
        process = self._alive()
        if process is not None:
            if self._adopted is not None:
                signal_process(self._adopted, by_force=False)
            elif os.name != "nt":  # where `terminate` would not ask
                process.terminate()

    def kill(self) -> None:
        """See :class:`~.process.Process`."""
        process = self._alive()
        if process is not None:
            if self._adopted is not None:
                signal_process(self._adopted, by_force=True)
            process.kill()

    def poll(self, seconds: float = 0.0) -> None:
        """See :class:`~.process.Process`. What comes in during the call waits for the next one."""
        count = self._events.qsize()
        if not count and seconds > 0 and self._running:
            try:
                self._deliver(*self._events.get(timeout=seconds))
            except queue.Empty:
                return
        for _ in range(count):
            self._deliver(*self._events.get_nowait())

    def _alive(self) -> subprocess.Popen | None:
        process = self._process
        return process if process is not None and process.poll() is None else None

    def _deliver(self, signal: Signal, value) -> None:
        if signal is self.ended:
            self._running = False
        elif not self._running:
            return  # output of a launcher's child that outlived it: nothing comes after `ended`
        signal.emit(value)

    def _read(self, stream: io.BufferedReader, signal: Signal) -> None:
        buffer = LineBuffer()
        with stream:
            while data := stream.read1(CHUNK):
                for line in buffer.feed(data):
                    self._events.put((signal, line))
        for line in buffer.flush():
            self._events.put((signal, line))

    def _feed(self, stream: IO[bytes]) -> None:
        try:
            with stream:
                while (data := self._input.get()) is not None:
                    stream.write(data)
                    stream.flush()
        except OSError:
            pass  # the program reads no more; its end is reported by the thread that waits for it

    def _wait(self, process: subprocess.Popen, readers: list[threading.Thread]) -> None:
        code = process.wait()
        for reader in readers:
            reader.join(DRAIN_SECONDS)
        self._input.put(None)
        self._events.put((self.ended, ProcessExit("crash" if code < 0 else "exit", code)))


class PollTimer:
    """A :class:`~..events.timer.Timer` whose functions are called by :meth:`poll`."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def after(self, ms: int, function: Callable[[], None]) -> None:
        """See :class:`~..events.timer.Timer`."""
        heapq.heappush(self._due, (time.monotonic() + ms / 1000, next(self._numbers), function))

    def poll(self) -> None:
        """See :class:`~..events.timer.Timer`."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()


def _thread(function: Callable, *args) -> threading.Thread:
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread
