"""Pretended engines that begin as copies of one process, which has imported what they need.

Each start of Python with NumPy and SciPy took longer than the test that it was for. ``command(...)`` is the command
line of an engine of ``panel_engine.py``: ``engine_starter.py`` asks the server, which is this file as a program, for a
copy of itself with the starter's streams. To the panel it is an engine behind Slicer's launcher. The server starts with
the first engine and ends with the process of the tests.
"""

from __future__ import annotations

import atexit
import gc
import io
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

STARTER = Path(__file__).with_name("engine_starter.py")
_kept: list = []
"""The server ends when the other end of its standard input does."""


def command(environment: Mapping[str, str | None], mode: str, *arguments: str) -> list[str]:
    """The command line of an engine that behaves like *mode*; *environment* is what the panel starts engines in."""
    address = _start_server(tuple(environment.items()))
    return [sys.executable, "-I", "-S", str(STARTER), address, mode, *arguments]


@cache
def _start_server(environment: tuple[tuple[str, str | None], ...]) -> str:
    """Start the server; returns the address that it listens at."""
    folder = tempfile.mkdtemp(prefix="engines-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    address = os.path.join(folder, "server")
    variables = {**os.environ, **dict(environment)}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        process = subprocess.Popen(
            [sys.executable, __file__, str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            env={name: value for name, value in variables.items() if value is not None},
        )
    process.wait(60)  # it goes on as nobody's child, so that a test's own children are its own
    _kept.append(process.stdin)
    return address


class Server:
    """Makes the copies and tells each starter how its one ended.

    Parameters
    ----------
    listener
        Where starters connect.
    alive
        File descriptor that ends when the process of the tests does.
    """

    def __init__(self, listener: socket.socket, alive: int) -> None:
        self._listener, self._alive = listener, alive
        self._starters: dict[int, socket.socket] = {}
        self._ended, wake = os.pipe()
        for number in (self._ended, wake):
            os.set_blocking(number, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> list[str] | None:
        """In a copy: the arguments of its starter. In the server: None, when the tests are over."""
        while True:
            ready = select.select([self._alive, self._ended, self._listener, *self._starters.values()], [], [])[0]
            for pid, starter in self._starters.items():
                if starter in ready or self._alive in ready:  # the starter was killed
                    os.kill(pid, signal.SIGKILL)
            if self._alive in ready:
                return None
            if self._ended in ready:
                os.read(self._ended, 1000)
                self._tell_ends()
            if self._listener in ready:
                arguments = self._copy(self._listener.accept()[0])
                if arguments is not None:
                    return arguments

    def _tell_ends(self) -> None:
        for pid in list(self._starters):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                starter = self._starters.pop(pid)
                try:
                    starter.sendall(status.to_bytes(4, "big"))
                except OSError:
                    pass  # it was killed
                starter.close()

    def _copy(self, starter: socket.socket) -> list[str] | None:
        """Make a copy; returns the arguments in it and None in the server."""
        head, streams, _, _ = socket.recv_fds(starter, 4, 3)
        if not head:
            starter.close()  # killed before it could ask
            return None
        request = b""
        while len(request) < int.from_bytes(head, "big"):
            request += starter.recv(1 << 16)
        folder, count, *words = request.decode("utf-8", "surrogateescape").split("\0")
        pid = os.fork()
        if pid:
            self._starters[pid] = starter
            for stream in streams:
                os.close(stream)
            return None
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        _open_streams()
        ours = [self._listener, starter, *self._starters.values()]
        os.closerange(3, max([*streams, self._ended, *(one.fileno() for one in ours)]) + 1)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(word.split("=", 1) for word in words[int(count) :])
        return words[: int(count)]


def _open_streams() -> None:
    """Python's own streams, as it opens them at a start with PYTHONUTF8 and PYTHONUNBUFFERED."""
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", errors="surrogateescape", closefd=False)
    for number, name, errors in ((1, "stdout", "surrogateescape"), (2, "stderr", "backslashreplace")):
        raw = open(number, "wb", buffering=0, closefd=False)
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors=errors, write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def main(listener: int) -> int:
    """The server, and in a copy the engine."""
    if os.fork():
        os._exit(0)
    alive = os.dup(0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    sys.path.insert(0, str(Path(__file__).parents[2]))  # PYTHONSAFEPATH is set
    from support.fakes import panel_engine

    panel_engine.prepare()
    gc.freeze()  # what the copies share is not looked at, which would copy it
    arguments = Server(socket.socket(fileno=listener), alive).serve()
    return 0 if arguments is None else panel_engine.run(*arguments)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
