"""Log: the lines of the engine."""

from __future__ import annotations

import time

from .panel_context import PanelContext


class LogSection:
    """Appends lines as they come, in batches."""

    def __init__(self, context: PanelContext) -> None:
        from ..events.debounce import Debouncer

        self._text = context.ui.logText
        self._lines: list[str] = []
        self._flush = Debouncer(self._show, 100)
        self._log = context.logic.detections.log
        self._log.connect(self._on_line)

    def close(self) -> None:
        """Disconnect."""
        self._log.disconnect(self._on_line)
        self._flush.stop()

    def _on_line(self, line: str) -> None:
        self._lines.append(f"{time.strftime('%H:%M:%S')}  {line}")
        self._flush.trigger()

    def _show(self) -> None:
        # One call for many lines: an engine in trouble can write thousands.
        lines, self._lines = self._lines[-500:], []
        self._text.appendPlainText("\n".join(lines))
