"""Tracts on the panel: their table, the filter, and what shows a tract in the views."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.result import Region

from ..scene.result_list import ResultNodes
from ..scene.stored_anatomy import names_of
from ..scene.tract_scores import tracts_of
from ..scene.tract_segments import TractVoxels, shown_tracts
from ..views.slice_views import jump_to
from ..views.tract_display import TractDisplay
from ..worker_client.qt_process import QtTimer
from .panel_context import PanelContext, unexpected
from .region_table import RegionTable
from .tract_table import TractTable


class TractsSection:
    """The table of tracts, the filter that it shares with the regions, and the menu of a region's row.

    Parameters
    ----------
    context
        Of the panel.
    nodes
        Returns the result that is shown, or None.
    regions
        The table of regions.
    """

    def __init__(self, context: PanelContext, nodes: Callable[[], ResultNodes | None], regions: RegionTable) -> None:
        import qt

        self._context, self._ui, self._nodes, self._regions = context, context.ui, nodes, regions
        self._table = TractTable(self._ui.tractsTable)
        self._display = TractDisplay(QtTimer(), self._on_shown, self._on_failed)
        self._jump_to_next = self._has_table = False
        self._table.chosen.connect(self._on_row)
        ui = self._ui
        ui.tractFilter.connect("textChanged(QString)", self._filter)
        ui.showTractButton.connect("clicked(bool)", context.guarded(self._show_of_region))
        ui.hideTractsButton.connect("clicked(bool)", context.guarded(self._hide_all))
        ui.regionsTable.setContextMenuPolicy(qt.Qt.CustomContextMenu)
        ui.regionsTable.connect("customContextMenuRequested(QPoint)", self._open_menu)
        regions.chosen.connect(lambda region: self.update_buttons())

    @property
    def busy(self) -> bool:
        """Whether a tract is about to be shown."""
        return self._display.busy

    def show_result(self) -> None:
        """Another result is shown, or other voxels of it."""
        self._display.stop()
        nodes = self._nodes()
        scores = tracts_of(nodes.tracts) if nodes is not None and nodes.tracts is not None else []
        self._table.show(scores)
        self._has_table = self._ui.tractsSection.visible = bool(scores)
        self.update_buttons()

    def show_regions(self, regions: list[Region]) -> None:
        """Other regions are shown."""
        named = any(region.anatomy is not None for region in regions)
        self._ui.showTractButton.visible = named
        self._ui.tractFilter.visible = named or self._has_table or bool(self._ui.tractFilter.text)
        self.update_buttons()

    def update_buttons(self) -> None:
        """Follow the current region and the tracts that are shown."""
        names, shown = names_of(self._current_anatomy()), shown_tracts(self._nodes())
        self._ui.showTractButton.enabled = bool(names)
        self._ui.showTractButton.checked = bool(names) and names[0][0] in shown
        self._ui.hideTractsButton.visible = bool(shown)
        self._table.mark(shown)

    def stop(self) -> None:
        """The scene or the panel closes."""
        self._display.stop()

    def clear(self) -> None:
        """The scene closes: nothing is listed."""
        self._display.stop()
        self._table.show([])
        self._has_table = self._ui.tractsSection.visible = False

    def menu(self, region: Region):
        """The menu of a region's row: its tracts, ticked where they are shown."""
        import qt

        menu, shown = qt.QMenu(self._ui.regionsTable), shown_tracts(self._nodes())
        for name, _short in names_of(region.anatomy):
            action = menu.addAction(_("Show the {tract}").format(tract=name))
            action.setCheckable(True)
            action.setChecked(name in shown)
            action.connect("triggered(bool)", self._context.guarded(partial(self._toggle, name)))
        if shown:
            menu.addSeparator()
            action = menu.addAction(_("Hide all tracts"))
            action.connect("triggered(bool)", self._context.guarded(self._hide_all))
        return menu

    def _open_menu(self, position) -> None:
        import qt

        region = self._regions.at(self._ui.regionsTable.rowAt(position.y()))
        if region is not None and names_of(region.anatomy):
            menu = self.menu(region)
            menu.setAttribute(qt.Qt.WA_DeleteOnClose)
            menu.popup(self._ui.regionsTable.viewport().mapToGlobal(position))

    def _current_anatomy(self):
        region = self._regions.current
        return region.anatomy if region is not None else None

    def _filter(self, text: str) -> None:
        self._regions.filter(text)
        self._table.filter(text)

    def _show_of_region(self) -> None:
        names = names_of(self._current_anatomy())
        if names:
            self._toggle(names[0][0])
        self.update_buttons()  # the button is ticked once the tract is there

    def _on_row(self, name: str) -> None:
        self._context.guarded(partial(self._toggle, name, jump=True))()

    def _toggle(self, name: str, jump: bool = False) -> None:
        nodes = self._nodes()
        if nodes is not None:
            self._jump_to_next = jump
            self._display.toggle(nodes, name)

    def _hide_all(self) -> None:
        nodes = self._nodes()
        if nodes is not None:
            self._display.hide(nodes, shown_tracts(nodes))

    def _on_shown(self, tract: TractVoxels | None) -> None:
        nodes = self._nodes()
        if tract is not None and self._jump_to_next and nodes is not None and nodes.zMap is not None:
            jump_to(tract.middle_ras, nodes.zMap)
        self.update_buttons()

    def _on_failed(self, error: Exception) -> None:
        self._context.message.show_error(error if isinstance(error, FAError) else unexpected(error))
        self.update_buttons()
