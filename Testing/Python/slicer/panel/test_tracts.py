"""Tracts on the panel: names of regions, filter, table, and what shows a tract in the views."""

import slicer_harness

slicer_harness.require()

import pytest
import qt
import slicer
import slicer.util

from support.drivers.panel_bench import Responsiveness, results_of
from support.phantoms.mrml_volumes import GRIDS, PARENT, add_volume, brainlike, put_under

pytestmark = pytest.mark.slow

CST = "left corticospinal tract"
TRACT = 5
"""Column of the table of regions."""


@pytest.fixture
def named(bench):
    """The panel after a run with tracts; its volume."""
    volume = add_volume(brainlike((30, 34, 28)), GRIDS["oblique left-handed anisotropic"], "FA of somebody")
    put_under(volume, PARENT)
    panel = bench("tracts")
    panel.choose(volume)
    panel.run()
    return panel, volume


def shown(volume):
    node = results_of(volume).shownTracts
    return list(node.GetSegmentation().GetSegmentIDs()) if node is not None else []


def seen(table):
    return [row for row in range(table.rowCount) if not table.isRowHidden(row)]


def wait(panel):
    panel.until(lambda: not panel.panel.results._tracts.busy, 20)
    panel.settle(0.05)


def test_names_filter_table_and_shown_tracts(named):
    panel, volume = named
    ui = panel.ui
    assert ui.regionsTable.item(1, TRACT).text() == CST and not ui.regionsTable.isColumnHidden(TRACT)
    tip = ui.regionsTable.item(1, 0).toolTip()
    assert f"in the {CST}" in tip and tip.count("of the tract)") > 2
    assert not ui.tractsSection.isHidden() and ui.tractsTable.rowCount == 3
    assert [ui.tractsTable.item(row, 0).text() for row in range(3)][:2] == [CST, "right corticospinal tract"]
    cells = [ui.tractsTable.item(0, column).text() for column in range(5)]
    assert cells[1:] == ["0.450", "0.500", "-4.5", "decreased"] and ui.tractsTable.item(2, 3).text() == "–"
    colours = [ui.tractsTable.item(row, 3).foreground().color().name() for row in range(2)]
    assert colours[0] != colours[1]

    ui.tractFilter.setText("cst l")
    assert seen(ui.regionsTable) == [1] and seen(ui.tractsTable) == [0]
    panel.panel.results._table.step(1)
    assert ui.regionsTable.currentRow() == 1 and ui.showTractButton.enabled
    panel.panel.results._table.step(1)
    assert ui.regionsTable.currentRow() == 1
    ui.tractFilter.setText("nothing of this name")
    assert not seen(ui.regionsTable) and not seen(ui.tractsTable)
    ui.tractFilter.setText("")
    assert len(seen(ui.regionsTable)) == 2 and len(seen(ui.tractsTable)) == 3

    ui.thresholdSlider.value = 4.0
    panel.until(lambda: results_of(volume).table.GetAttribute("FAAnomaly.threshold") == "4.0")
    panel.settle(0.05)
    assert ui.regionsTable.item(1, TRACT).text() == CST


def test_one_click_shows_a_tract_and_another_hides_it(named):
    panel, volume = named
    ui = panel.ui
    ui.regionsTable.setCurrentCell(1, 0)
    responsiveness = Responsiveness()
    ui.showTractButton.click()
    wait(panel)
    panel.settle(0.3)
    responsiveness.stop()
    assert responsiveness.busiest < slicer_harness.HELD_UP
    assert shown(volume) == [CST] and ui.showTractButton.checked and not ui.hideTractsButton.isHidden()
    assert "FA of somebody" in results_of(volume).shownTracts.GetName()

    region = panel.panel.results._table.at(1)
    menu = panel.panel.results._tracts.menu(region)
    actions = {action.text: action for action in menu.actions()}
    assert actions[f"Show the {CST}"].checked
    other = next(text for text in actions if text.startswith("Show the ") and CST not in text)
    actions[other].trigger()
    ui.regionsTable.customContextMenuRequested(qt.QPoint(5, ui.regionsTable.rowViewportPosition(1) + 5))
    opened = qt.QApplication.activePopupWidget()
    assert [action.text for action in opened.actions()][:2] == list(actions)[:2]
    opened.close()
    wait(panel)
    assert shown(volume) == [CST, other.removeprefix("Show the ")]

    assert ui.tractsTable.item(0, 0).checkState() == qt.Qt.Checked
    ui.tractsTable.cellClicked(0, 0)
    assert len(shown(volume)) == 1 and ui.tractsTable.item(0, 0).checkState() == qt.Qt.Unchecked
    ui.hideTractsButton.click()
    assert not shown(volume) and ui.hideTractsButton.isHidden()
    ui.tractsTable.cellClicked(1, 0)
    wait(panel)
    if panel.panel.message.error is None:
        assert shown(volume) == ["right corticospinal tract"]
    else:
        assert "outside of this volume" in panel.ui.messageLabel.text


def test_a_result_without_tracts_shows_no_table_and_no_column(analysed):
    panel, _volume = analysed
    ui = panel.ui
    assert ui.tractsSection.isHidden() and ui.showTractButton.isHidden() and ui.tractFilter.isHidden()
    assert ui.regionsTable.isColumnHidden(TRACT)
    panel.ui.thresholdSlider.value = 4.0
    panel.until(lambda: "Without the names of tracts" in ui.summaryLabel.text)
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert ui.tractsTable.rowCount == 0
