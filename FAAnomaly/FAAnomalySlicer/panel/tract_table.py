"""The table of tracts on the panel, the most unusual on top; a click shows a tract or hides it."""

from __future__ import annotations

from slicer.i18n import tr as _

from FAAnomalyLib.tracts import TractScore

from ..events.debounce import Debouncer
from ..events.signal import Signal
from ..scene import terminology
from ..scene.stored_anatomy import is_about
from ..scene.tract_scores import by_strength

ROWS_PER_TURN = 25
"""Rows filled in one turn of the event loop: Qt's cells are slow to make."""


class TractTable:
    """Fills a ``QTableWidget``.

    Attributes
    ----------
    chosen
        Emits the name of the tract whose row was clicked.
    """

    def __init__(self, table) -> None:
        import qt

        self.chosen = Signal()
        self._table = table
        self._scores: list[TractScore] = []
        self._marked: set[str] = set()
        self._text = ""
        self._filled = 0
        self._more = Debouncer(self._fill)
        # Names get what the numbers leave; longer ones are elided, the tool tip has them whole.
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.Stretch)
        table.connect("cellClicked(int,int)", self._on_row)

    def show(self, scores: list[TractScore]) -> None:
        """Show *scores*, one row each."""
        self._scores, self._filled = by_strength(scores), 0
        self._table.setRowCount(len(scores))
        self._fill()
        self._table.resizeColumnsToContents()

    def mark(self, names: list[str]) -> None:
        """Tick the tracts that are shown in the views."""
        changed, self._marked = self._marked ^ set(names), set(names)
        for row in range(self._filled):
            if self._scores[row].tract in changed:
                self._tick(row)

    def filter(self, text: str) -> None:
        """Show only the tracts that *text* means."""
        self._text = text
        for row in range(len(self._scores)):
            self._hide_unless_meant(row)

    def _fill(self) -> None:
        """Fill the next rows; the others in later turns of the event loop."""
        import qt

        begin, self._filled = self._filled, min(self._filled + ROWS_PER_TURN, len(self._scores))
        for row in range(begin, self._filled):
            score = self._scores[row]
            beyond = score.verdict in ("increased", "decreased")
            colour = qt.QBrush(qt.QColor.fromRgbF(*_dark(terminology.color(score.verdict)))) if beyond else None
            for column, (text, right) in enumerate(_cells(score)):
                item = qt.QTableWidgetItem(text)
                item.setTextAlignment((qt.Qt.AlignRight if right else qt.Qt.AlignLeft) | qt.Qt.AlignVCenter)
                item.setToolTip(_tool_tip(score))
                if colour is not None:
                    item.setForeground(colour)
                self._table.setItem(row, column, item)
            self._tick(row)
            self._hide_unless_meant(row)
        if self._filled < len(self._scores):
            self._more.trigger()

    def _tick(self, row: int) -> None:
        import qt

        item = self._table.item(row, 0)
        item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)  # the click on the row ticks it, not the box
        item.setCheckState(qt.Qt.Checked if self._scores[row].tract in self._marked else qt.Qt.Unchecked)

    def _hide_unless_meant(self, row: int) -> None:
        score = self._scores[row]
        self._table.setRowHidden(row, not is_about(self._text, [(score.tract, score.abbreviation)]))

    def _on_row(self, row: int, column: int) -> None:
        if 0 <= row < len(self._scores):
            self.chosen.emit(self._scores[row].tract)


def _dark(colour: tuple[float, ...]) -> tuple[float, ...]:
    """A colour that is read on a light ground."""
    brightness = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
    factor = min(1.0, 0.4 / brightness) if brightness else 1.0
    return tuple(factor * part for part in colour)


def _cells(score: TractScore) -> list[tuple[str, bool]]:
    """Text and whether it is a number, for each column; a dash where nothing is known."""
    verdicts = {
        "increased": _("increased"),
        "decreased": _("decreased"),
        "typical": _("typical"),
        "not judged": _("not judged"),
    }
    return [
        (score.tract, False),
        (_number(score.mean_fa, ".3f"), True),
        (_number(score.expected_fa, ".3f"), True),
        (_number(score.z, "+.1f"), True),
        (verdicts.get(score.verdict, score.verdict), False),
    ]


def _tool_tip(score: TractScore) -> str:
    parts = [
        f"{score.tract} ({score.abbreviation})",
        _("{share:.0%} of it was analysed").format(share=score.coverage),
    ]
    if score.difference is not None and score.expected_se is not None:
        parts.append(_("FA differs by {change:+.3f} ± {se:.3f}").format(change=score.difference, se=score.expected_se))
    if score.asymmetry is not None:
        parts.append(
            _("left minus right {change:+.3f}, z {z}").format(
                change=score.asymmetry, z=_number(score.asymmetry_z, "+.1f")
            )
        )
    parts.append(
        _("{up:.0%} in regions of increased, {down:.0%} in regions of decreased FA").format(
            up=score.share_increased, down=score.share_decreased
        )
    )
    return "\n".join(parts)


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
