"""The table of regions on the panel; a click makes the views jump."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from typing import Any

from slicer.i18n import tr as _

from FAAnomalyLib.result import Region, place

from ..events.debounce import Debouncer
from ..events.signal import Signal
from ..scene.stored_anatomy import all_matches, best_match, is_about, names_of

ROWS_PER_TURN = 25
"""Rows filled in one turn of the event loop: Qt's cells are slow to make."""
TRACT_COLUMN, TRACT_WIDTH = 5, 150
"""The column of tracts, and its largest width in pixels: longer names are elided, the tool tip has them whole."""


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
        self._text = ""
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
        table.setColumnWidth(TRACT_COLUMN, min(table.columnWidth(TRACT_COLUMN), TRACT_WIDTH))
        table.setColumnHidden(TRACT_COLUMN, all(region.anatomy is None for region in regions))
        self._filling = False

    @property
    def current(self) -> Region | None:
        """The region whose row is the current one."""
        return self.at(self._table.currentRow())

    def at(self, row: int) -> Region | None:
        """The region of a row; None where there is none."""
        return self._regions[row] if 0 <= row < len(self._regions) else None

    def step(self, rows: int) -> None:
        """Go *rows* down, or up where it is negative, to the last or first row at most; hidden ones do not count."""
        seen = [row for row, region in enumerate(self._regions) if self._is_meant(region)]
        if seen:
            current = self._table.currentRow()
            place = bisect_left(seen, current)
            if rows > 0 and current not in seen:
                place -= 1
            self._table.setCurrentCell(seen[min(max(place + rows, 0), len(seen) - 1)], 0)

    def filter(self, text: str) -> None:
        """Show only the regions in a tract that *text* means."""
        self._text = text
        for row, region in enumerate(self._regions):
            self._table.setRowHidden(row, not self._is_meant(region))

    def _is_meant(self, region: Region) -> bool:
        return is_about(self._text, names_of(region.anatomy))

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
                item.setToolTip(_tool_tip(shown))
                self._table.setItem(row, column, item)
            self._table.setRowHidden(row, not self._is_meant(shown))
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


def _tool_tip(region: Region) -> str:
    """The region's sentence, and all of its tracts with their shares where there are several."""
    several = region.anatomy is not None and len(region.anatomy.tracts) > 1
    return f"{region.sentence()}\n\n{all_matches(region.anatomy)}" if several else region.sentence()


def _cells(region: Region) -> list[tuple[str, bool]]:
    """Text and whether it is a number, for each column."""
    sign = _("increased") if region.sign == "increased" else _("decreased")
    return [
        (str(region.label), True),
        (sign, False),
        (f"{region.volume_ml:.1f}", True),
        (f"{region.mean_difference:+.2f} ± {region.mean_difference_sd:.2f}", True),
        (f"{region.peak_z:+.1f}", True),
        (best_match(region.anatomy), False),
        (place(region.peak_ras), False),
    ]
