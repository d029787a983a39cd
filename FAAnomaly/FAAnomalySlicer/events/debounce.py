"""Something to be done soon, once, however often it is asked for."""

from __future__ import annotations

from collections.abc import Callable


class Debouncer:
    """Calls *function* once, *ms* milliseconds after the first of any number of triggers.

    What follows a mouse (a slider, a dragged box) is so done at a steady pace instead of at every event.
    """

    def __init__(self, function: Callable[[], None], ms: int = 0) -> None:
        import qt

        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(ms)
        self._timer.connect("timeout()", function)

    def trigger(self, *_) -> None:
        """Ask for it; what an observer or a slot is called with is ignored."""
        if not self._timer.isActive():
            self._timer.start()

    def stop(self) -> None:
        """Forget a trigger."""
        self._timer.stop()
