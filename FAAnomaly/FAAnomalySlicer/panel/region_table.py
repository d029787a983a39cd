"""The table of regions on the panel; a click makes the views jump."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slicer.i18n import tr as _

from FAAnomalyLib.result import Region, place

from ..events.debounce import Debouncer
from ..events.signal import Signal

ROWS_PER_TURN = 25
"""Rows filled in one turn of the event loop: Qt's cells are slow to make."""


class RegionTable:
    """Fills a ``QTableWidget``.

    Attributes
    ----------
    chosen
        Emits the :class:`~FAAnomalyLib.result.Region` whose row was clicked or reached by a key.
    """

    def __init__(self, table) -> None:
        self.chosen = Signal()
        self._table = table
        self._regions: list[Region] = []
        self._filling = False
        self._volume: Any = None
        self._filled = 0
        self._more = Debouncer(self._fill)
        table.connect("cellClicked(int,int)", self._on_row)
        table.connect("currentCellChanged(int,int,int,int)", self._on_current)

    def show(self, regions: list[Region], volumeNode) -> None:
        """Show *regions*, one row each; their positions are in the local frame of *volumeNode* (None: the world)."""
        table = self._table
        self._filling = True  # clearing the table changes its current cell
        self._regions, self._volume, self._filled = regions, volumeNode, 0
        table.setRowCount(len(regions))
        self._fill()
        table.resizeColumnsToContents()
        self._filling = False

    @property
    def current(self) -> Region | None:
        """The region whose row is the current one."""
        row = self._table.currentRow()
        return self._regions[row] if 0 <= row < len(self._regions) else None

    def step(self, rows: int) -> None:
        """Go *rows* down, or up where it is negative, to the last or first row at most."""
        if self._regions:
            row = self._table.currentRow() + rows
            self._table.setCurrentCell(min(max(row, 0), len(self._regions) - 1), 0)

    def _fill(self) -> None:
        """Fill the next rows; the others in later turns of the event loop."""
        import qt

        if self._volume is not None and self._volume.GetScene() is None:
            return  # the scene was closed
        begin, self._filled = self._filled, min(self._filled + ROWS_PER_TURN, len(self._regions))
        for row in range(begin, self._filled):
            shown = _in_world(self._regions[row], self._volume)
            for column, (text, right) in enumerate(_cells(shown)):
                item = qt.QTableWidgetItem(text)
                item.setTextAlignment((qt.Qt.AlignRight if right else qt.Qt.AlignLeft) | qt.Qt.AlignVCenter)
                item.setToolTip(shown.sentence())
                self._table.setItem(row, column, item)
        if self._filled < len(self._regions):
            self._more.trigger()

    def _on_current(self, row: int, column: int, previous_row: int, previous_column: int) -> None:
        if row != previous_row:
            self._on_row(row, column)

    def _on_row(self, row: int, column: int) -> None:
        if not self._filling and 0 <= row < len(self._regions):
            self.chosen.emit(self._regions[row])


def _in_world(region: Region, volumeNode) -> Region:
    if volumeNode is None:
        return region
    centroid, peak = (_to_world(position, volumeNode) for position in (region.centroid_ras, region.peak_ras))
    return replace(region, centroid_ras=centroid, peak_ras=peak)


def _to_world(position: tuple[float, float, float], volumeNode) -> tuple[float, float, float]:
    world = [0.0, 0.0, 0.0]
    volumeNode.TransformPointToWorld(list(position), world)
    r, a, s = world
    return r, a, s


def _cells(region: Region) -> list[tuple[str, bool]]:
    """Text and whether it is a number, for each column."""
    sign = _("increased") if region.sign == "increased" else _("decreased")
    return [
        (str(region.label), True),
        (sign, False),
        (f"{region.volume_ml:.1f}", True),
        (f"{region.mean_difference:+.2f} ± {region.mean_difference_sd:.2f}", True),
        (f"{region.peak_z:+.1f}", True),
        (place(region.peak_ras), False),
    ]
