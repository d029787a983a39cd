"""A function called soon, once, however often it is triggered."""

from __future__ import annotations

from collections.abc import Callable


class Debouncer:
    """Calls *function* once, *ms* milliseconds after the first of any number of triggers.

    So work that follows the mouse (a slider, a dragged box) is done at a steady pace instead of at every event.
    """

    def __init__(self, function: Callable[[], None], ms: int = 0) -> None:
        import qt

        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(ms)
        self._timer.connect("timeout()", function)

    def trigger(self, *_) -> None:
        """Schedule the call; arguments of an observer or a slot are ignored."""
        if not self._timer.isActive():
            self._timer.start()

    def stop(self) -> None:
        """Cancel the scheduled call."""
        self._timer.stop()
