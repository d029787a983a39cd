"""State and signals that the sections of the panel share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..events.signal import Signal
from ..runs.detection_run import DetectionRun
from ..scene.choices import PanelParameters
from ..views.slice_views import SliceViews
from .message import Message


class PanelContext:
    """The widgets, the logic and the present state.

    Attributes
    ----------
    ui
        The widgets by their names.
    logic
        ``FAAnomalyLogic``.
    parameters
        The scene's ``FAAnomalyParameterNode``; ``None`` while a scene is closed.
    detection
        The run in progress, or ``None``.
    message
        The inline message.
    views
        The slice views.
    problems_changed
        Emitted when something other than the parameter node may have changed what can be run.
    run_starts
        Emitted before a run starts: it needs the engine for itself.
    """

    def __init__(self, ui, logic) -> None:
        self.ui, self.logic = ui, logic
        self.parameters: PanelParameters | None = None
        self.detection: DetectionRun | None = None
        self.message = Message(ui)
        self.views = SliceViews()
        self.problems_changed, self.run_starts = Signal(), Signal()

    def require_parameters(self) -> PanelParameters:
        """:attr:`parameters`; raises ``FAError('bad-request')`` while a scene is closed."""
        if self.parameters is None:
            raise FAError("bad-request", _("the scene is being closed"))
        return self.parameters

    def guarded(self, action: Callable[[], None]) -> Callable[..., None]:
        """A slot that calls *action* and shows its errors instead of printing them."""

        def slot(*_) -> None:
            self.message.clear()
            try:
                action()
            except FAError as error:
                self.message.show_error(error)
            except Exception as error:
                self.message.show_error(unexpected(error))
                raise

        return slot


def show_text(label, text: str) -> None:
    """Put *text* into a label; an empty one is hidden."""
    label.text = text
    label.visible = bool(text)


def unexpected(error: Exception) -> FAError:
    """An unforeseen exception as a message for the user."""
    return FAError(
        "bug",
        _("Something unexpected happened"),
        f"{type(error).__name__}: {error}",
        _("Please report it with the text of 'Copy diagnostics'"),
    )


class Observer(slicer.util.VTKObservationMixin):
    """Observes the same events of one node at a time."""

    def __init__(self, events: list, callback: Callable) -> None:
        super().__init__()
        self._events, self._callback = events, callback
        self.node: Any = None

    def watch(self, node) -> None:
        """Observe *node* and no other; None observes nothing."""
        if node is not self.node:
            self.removeObservers()
            self.node = node
            for event in self._events if node is not None else ():
                self.addObserver(node, event, self._callback)
