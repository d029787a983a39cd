"""Claims on pieces of work in a folder that several processes or machines share.

A claim is a small file that exists while somebody works, made with ``O_EXCL`` so that only one can make it. Its owner
touches it now and then. A claim that nobody has touched for a while, or whose process on this machine is gone, counts
as left behind and is taken over.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

STALE_SECONDS = 120.0
"""Without a sign of life for so long a claim is left behind."""
SUFFIX = ".claim"


class Claims:
    """Claims of this process in one folder.

    Times are compared with those of files in the same folder, so that clocks of machines need not agree.

    Parameters
    ----------
    folder
        Exists; local or on a network.
    stale_seconds
        See :data:`STALE_SECONDS`.
    """

    def __init__(self, folder: Path, stale_seconds: float = STALE_SECONDS) -> None:
        self._folder, self._stale = folder, stale_seconds
        self._owner = {"host": socket.gethostname(), "pid": os.getpid(), "token": uuid.uuid4().hex}

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Context manager that gives True when *name* is ours until its end, False when somebody else works on it.

        Raises ``OSError`` when the folder cannot be written.
        """
        path = self._folder / f"{name}{SUFFIX}"
        if not self._make(path) and not (self._left_behind(path) and self._take_over(path)):
            yield False
            return
        ended = threading.Event()
        alive = threading.Thread(target=self._touch, args=(path, ended), daemon=True)
        alive.start()
        try:
            yield True
        finally:
            ended.set()
            alive.join()
            if _content(path).get("token") == self._owner["token"]:
                path.unlink(missing_ok=True)

    def _make(self, path: Path) -> bool:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self._owner, file)
        return True

    def _touch(self, path: Path, ended: threading.Event) -> None:
        while not ended.wait(self._stale / 6):
            with suppress(OSError):
                os.utime(path)

    def _left_behind(self, path: Path) -> bool:
        owner = _content(path)
        if owner.get("host") == self._owner["host"] and not _alive(owner.get("pid")):
            return True
        try:
            return self._now() - path.stat().st_mtime > self._stale
        except FileNotFoundError:
            return False

    def _now(self) -> float:
        """The folder's own time."""
        probe = self._folder / f".time-{self._owner['token']}"
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)
        return now

    def _take_over(self, path: Path) -> bool:
        """Remove a claim that was left behind and make it ours; of several that try, one succeeds."""
        seen = _content(path)
        aside = path.with_name(f"{path.name}.{self._owner['token']}")
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return False
        if _content(aside) != seen:
            # Somebody was faster, and this is their new claim: it goes back.
            with suppress(OSError):
                os.rename(aside, path)
            return False
        aside.unlink(missing_ok=True)
        return self._make(path)


def _content(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _alive(pid: object) -> bool:
    """Whether a process of this machine lives; True where that cannot be told."""
    if not isinstance(pid, int) or os.name == "nt":  # on Windows a signal 0 would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def wait_for_others(seconds: float = 1.0) -> None:
    """Pause before looking again at what others work on."""
    time.sleep(seconds)
