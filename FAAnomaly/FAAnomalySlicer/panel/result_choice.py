"""Which result of the input is shown; keeping and removing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer.util
from slicer.i18n import tr as _

from ..scene.result_list import ResultNodes, find_results, keep_result, remove_result, results_of, show_result
from .panel_context import PanelContext


class ResultChoice:
    """The selector of results and its two buttons.

    Parameters
    ----------
    context
        Of the panel.
    volume
        Returns the analysed volume, or None.
    leave
        Called before the shown result is removed: the views let go of it.
    changed
        Called after another result was chosen, and after one was kept or removed.
    """

    def __init__(
        self,
        context: PanelContext,
        volume: Callable[[], Any],
        leave: Callable[[], None],
        changed: Callable[[], None],
    ) -> None:
        self._ui, self._volume, self._leave, self._changed = context.ui, volume, leave, changed
        self._listed: list[tuple[int, str]] = []
        self._listing = False
        choose, ui = context.guarded(self._choose), self._ui
        ui.resultSelector.connect("currentIndexChanged(int)", lambda index: None if self._listing else choose())
        ui.resultKeepButton.connect("clicked(bool)", context.guarded(self._keep))
        ui.resultRemoveButton.connect("clicked(bool)", context.guarded(self._remove))

    def update(self) -> None:
        """List the results of the volume, the last one on top."""
        shown = find_results(self._volume())
        listed = [(result.number, result.label()) for result in reversed(results_of(self._volume()))]
        selector = self._ui.resultSelector
        self._listing = True
        if listed != self._listed:
            self._listed = listed
            selector.clear()
            for number, label in listed:
                selector.addItem(label, number)
        selector.currentIndex = next((row for row, one in enumerate(listed) if shown and one[0] == shown.number), -1)
        self._listing = False
        selector.enabled = bool(listed)
        self._ui.resultKeepButton.enabled = shown is not None and not shown.kept()
        self._ui.resultRemoveButton.enabled = shown is not None

    def _choose(self) -> None:
        number = self._ui.resultSelector.itemData(self._ui.resultSelector.currentIndex)
        chosen = next((result for result in results_of(self._volume()) if result.number == number), None)
        if chosen is not None:
            show_result(self._volume(), chosen)
        self._changed()

    def _keep(self) -> None:
        shown = self._shown()
        if shown is not None:
            keep_result(self._volume(), shown)
        self._changed()

    def _remove(self) -> None:
        shown = self._shown()
        if shown is None:
            return
        text = _("Remove this result from the scene, with its volumes, segmentation, table and report?\n\n{label}")
        if slicer.util.confirmOkCancelDisplay(text.format(label=shown.label()), windowTitle=_("Remove a result")):
            self._leave()
            remove_result(self._volume(), shown)
            self._changed()

    def _shown(self) -> ResultNodes | None:
        return find_results(self._volume())
