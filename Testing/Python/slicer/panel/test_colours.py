"""What the z-map shows follows the threshold, and an empty result says so."""

import slicer_harness

slicer_harness.require()

import numpy as np
import pytest
import slicer
import vtk

from support.drivers.panel_bench import results_of
from support.phantoms.mrml_volumes import GRIDS, add_volume, brainlike


@pytest.fixture
def analysed(bench):
    """The panel after a run; its volume."""
    volume = add_volume(brainlike((30, 34, 28)), GRIDS["oblique"], "FA of somebody")
    panel = bench()
    panel.choose(volume)
    panel.run()
    return panel, volume


def test_the_colours_begin_where_the_regions_do(analysed):
    panel, volume = analysed

    def begins() -> tuple[float, float]:
        """The smallest value above, and the largest below 0, that has a colour."""
        display = results_of(volume).zMap.GetDisplayNode()
        table = display.GetColorNode().GetLookupTable()
        low, high = display.GetWindowLevelMin(), display.GetWindowLevelMax()
        shown = [n for n in range(256) if table.GetTableValue(n)[3] > 0]
        edges = [low + n * (high - low) / 256 for n in range(257)]
        return (
            min((edges[n] for n in shown if n > 127), default=np.inf),
            max((edges[n + 1] for n in shown if n < 128), default=-np.inf),
        )

    assert begins() == (5.0, -5.0)
    panel.ui.thresholdSlider.value = 8.0
    panel.until(lambda: begins() == (8.0, -8.0), 5)
    panel.ui.belowThresholdCheckBox.checked = True
    panel.until(lambda: begins() == (4.0, -4.0), 5)
    panel.ui.signsSelector.setCurrentIndex(2)
    panel.until(lambda: begins() == (np.inf, -4.0), 5)
    panel.ui.belowThresholdCheckBox.checked = False
    panel.until(lambda: begins() == (np.inf, -8.0), 5)
    display = results_of(volume).zMap.GetDisplayNode()
    display.SetWindowLevelMinMax(-20, 20)
    panel.ui.opacitySlider.value = 0.3
    panel.settle()
    assert display.GetWindowLevelMax() == 20, "the user's window stays until the threshold moves"


def test_nothing_found_is_said_and_has_no_errors_in_3d(analysed, tmp_path):
    panel, volume = analysed
    window, before = vtk.vtkStringOutputWindow(), vtk.vtkOutputWindow.GetInstance()
    vtk.vtkOutputWindow.SetInstance(window)
    try:
        panel.ui.thresholdSlider.maximum = 40
        panel.ui.thresholdSlider.value = 40
        panel.until(lambda: panel.ui.regionsTable.rowCount == 0)
        assert panel.ui.summaryLabel.text == "No region beyond the threshold."
        panel.ui.surfacesCheckBox.checked = True
        panel.settle(0.6)
        assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
        slicer.mrmlScene.Clear(0)
        slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
        panel.settle(0.6)
    finally:
        vtk.vtkOutputWindow.SetInstance(before)
    assert "egmentation" not in window.GetOutput() and "Convert" not in window.GetOutput(), window.GetOutput()


def test_the_results_section_opens_with_results(bench):
    volume = add_volume(brainlike((30, 34, 28)), GRIDS["ras"])
    panel = bench()
    panel.choose(volume)
    assert panel.ui.resultsSection.collapsed
    panel.run()
    assert not panel.ui.resultsSection.collapsed
    panel.choose(None)
    assert panel.ui.resultsSection.collapsed
