"""What the sections of the panel have in common."""

from __future__ import annotations

from collections.abc import Callable

import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..events.signal import Signal
from ..views.slice_views import SliceViews
from .message import Message


class PanelContext:
    """The form, the logic and what is going on.

    Attributes
    ----------
    ui
        The widgets by their names.
    logic
        ``FAAnomalyLogic``.
    parameters
        The scene's ``FAAnomalyParameterNode``; ``None`` while a scene is closed.
    detection
        The run in progress, a :class:`~..detection.DetectionRun`, or ``None``.
    message
        The inline message.
    views
        What the slice views show.
    problems_changed
        Emitted when something other than the parameter node may have changed what can be run.
    run_starts
        Emitted before a run is asked for: it needs the engine for itself.
    """

    def __init__(self, ui, logic) -> None:
        self.ui, self.logic = ui, logic
        self.parameters = None
        self.detection = None
        self.message = Message(ui)
        self.views = SliceViews()
        self.problems_changed, self.run_starts = Signal(), Signal()

    def guarded(self, action: Callable[[], None]) -> Callable[..., None]:
        """A slot that does *action* and shows what goes wrong with it, instead of printing it."""

        def slot(*_) -> None:
            self.message.clear()
            try:
                action()
            except FAError as error:
                self.message.fail(error)
            except Exception as error:
                self.message.fail(unexpected(error))
                raise

        return slot


def show_text(label, text: str) -> None:
    """Put *text* into a label; one without a text takes no room."""
    label.text = text
    label.visible = bool(text)


def unexpected(error: Exception) -> FAError:
    """An error that nobody foresaw, as one that a person can read."""
    return FAError(
        "bug",
        _("Something unexpected happened"),
        f"{type(error).__name__}: {error}",
        _("Please report it with the text of 'Copy diagnostics'"),
    )


class Observer(slicer.util.VTKObservationMixin):
    """Watches one node at a time for the same events."""

    def __init__(self, events: list, callback: Callable) -> None:
        super().__init__()
        self._events, self._callback = events, callback
        self.node = None

    def watch(self, node) -> None:
        """Watch *node* from now on, and no other; None watches nothing."""
        if node is not self.node:
            self.removeObservers()
            self.node = node
            for event in self._events if node is not None else ():
                self.addObserver(node, event, self._callback)
