"""Keeps what the reading libraries print off standard error."""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np


@contextlib.contextmanager
def silenced(logger: Any = None) -> Iterator[list[str]]:
    """Keep warnings, *logger* and C++ code off standard error; the list holds what C++ printed, after the end."""
    printed: list[str] = []
    was = getattr(logger, "disabled", False)
    try:
        if logger is not None:
            logger.disabled = True
        with _captured_stderr(printed), warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield printed
    finally:
        if logger is not None:
            logger.disabled = was


@contextlib.contextmanager
def _captured_stderr(lines: list[str]) -> Iterator[None]:
    """Redirect the file descriptor of standard error, which C++ writes to, and collect its *lines* at the end."""
    with contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
            stack.callback(os.close, saved)
            sink = stack.enter_context(tempfile.TemporaryFile())
        except OSError:  # a windowed program may have no standard error at all: nothing to silence
            yield
            return
        os.dup2(sink.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            sink.seek(0)
            text = sink.read().decode("utf-8", "replace")
            lines.extend(line.strip() for line in text.split("\n") if line.strip())
