"""The layout that compares, on Slicer's own layout logic: what it shows, and that the user's own always comes back."""

import slicer_harness

slicer_harness.require()

from types import SimpleNamespace

import numpy as np
import pytest
import slicer
import slicer.util

from FAAnomalySlicer.scene.region_table import regions_of
from FAAnomalySlicer.views.comparison_layout import LAYOUT_ID
from FAAnomalySlicer.views.slice_views import in_world
from slicer_harness.layout import qSlicerLayoutManager
from support.drivers.panel_bench import node_ids, results_of
from support.phantoms.mrml_volumes import GRIDS, add_volume, brainlike

pytestmark = pytest.mark.slow

USERS = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView


class Arrangement:
    """What Slicer's layout manager does without its widgets: a slice logic for every view that the layout makes."""

    def __init__(self, scene) -> None:
        self._scene, self._before = scene, node_ids()
        self.logic = slicer.vtkMRMLLayoutLogic()
        self.logic.SetMRMLScene(scene)
        self.node = self.logic.GetLayoutNode()
        self._slices = {}
        self._tag = self.node.AddObserver("ModifiedEvent", self._make_views)
        self.choose(USERS)

    @property
    def shown(self) -> int:
        return self.node.GetViewArrangement()

    def choose(self, number: int) -> None:
        self.node.SetViewArrangement(number)

    def views(self) -> dict:
        """The views on the screen: name -> (slice node, composite node)."""
        found = self.logic.GetViewNodes()
        nodes = [found.GetItemAsObject(index) for index in range(found.GetNumberOfItems())]
        return {
            node.GetLayoutName(): (node, self._slices[node.GetLayoutName()].GetSliceCompositeNode())
            for node in nodes
            if node.IsA("vtkMRMLSliceNode")
        }

    def layers(self) -> dict:
        """View -> (background, foreground, label)."""
        return {
            name: (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), composite.GetLabelVolumeID())
            for name, (_, composite) in self.views().items()
        }

    def draw(self, pixels: int) -> None:
        """Let the application have widgets of this width and height for all views that there are."""
        views = {}
        for name, logic in self._slices.items():
            logic.ResizeSliceNode(pixels, pixels)
            parts = {"slice_node": logic.GetSliceNode(), "composite_node": logic.GetSliceCompositeNode()}
            views[name] = SimpleNamespace(name=name, logic=logic, **parts)
        running = slicer_harness.application()
        running.application.layout_manager = qSlicerLayoutManager(running.mrml, views)

    def close(self) -> None:
        """Leave the scene with the views that it had before."""
        self.node.RemoveObserver(self._tag)
        for logic in self._slices.values():
            logic.SetMRMLScene(None)
        self.logic.SetMRMLScene(None)
        for name in ("vtkMRMLLayoutNode", "vtkMRMLAbstractViewNode", "vtkMRMLSliceCompositeNode"):
            for node in slicer.util.getNodesByClass(name):
                if node.GetID() not in self._before:
                    self._scene.RemoveNode(node)

    def _make_views(self, caller, event) -> None:
        found = self.logic.GetViewNodes()
        for index in range(found.GetNumberOfItems()):
            node = found.GetItemAsObject(index)
            name = node.GetLayoutName()
            if node.IsA("vtkMRMLSliceNode") and name not in self._slices:
                logic = slicer.vtkMRMLSliceLogic()
                logic.SetMRMLScene(node.GetScene())
                logic.SetSliceNode(node)
                self._slices[name] = logic


@pytest.fixture
def arrangement(scene):
    made = Arrangement(scene)
    yield made
    made.close()


@pytest.fixture
def analysed(bench, arrangement):
    """The panel after a run, in the user's layout; its volume."""
    volume = add_volume(brainlike(), GRIDS["oblique"], "FA of somebody")
    panel = bench()
    panel.choose(volume)
    panel.run()
    assert arrangement.shown == USERS
    return panel, volume


def expected(volume) -> dict:
    nodes = results_of(volume)
    return {
        "FAAnomalyInput": (volume.GetID(), None, None),
        "FAAnomalyHealthy": (nodes.expected.GetID(), None, None),
        "FAAnomalyZMap": (volume.GetID(), nodes.zMap.GetID(), None),
    }


def test_three_linked_axial_views_of_equal_brightness(analysed, arrangement):
    panel, volume = analysed
    volume.GetDisplayNode().SetAutoWindowLevel(False)
    volume.GetDisplayNode().SetWindowLevelMinMax(0.1, 0.6)
    panel.ui.compareCheckBox.click()
    assert arrangement.shown == LAYOUT_ID and panel.ui.compareCheckBox.checked
    assert arrangement.layers() == expected(volume) and list(arrangement.views()) == list(expected(volume))
    for node, composite in arrangement.views().values():
        assert node.GetOrientation() == "Axial" and composite.GetLinkedControl() and composite.GetHotLinkedControl()
    display = results_of(volume).expected.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx((0.1, 0.6))
    assert len({node.GetLayoutLabel() for node, _ in arrangement.views().values()}) == 3


def test_the_views_are_turned_about_the_chosen_region_and_the_users_are_left_alone(analysed, arrangement):
    """Slicer's own slice logics fit ours to the brain."""
    panel, volume = analysed
    arrangement.draw(300)
    red, nodes = arrangement.views()["Red"][0], results_of(volume)
    red.SetFieldOfView(40.0, 40.0, 1.0)
    users = slicer.util.arrayFromVTKMatrix(red.GetSliceToRAS())
    panel.ui.compareCheckBox.click()
    panel.ui.compareCheckBox.click()
    arrangement.draw(300)  # there are views of the layout once it was shown
    panel.ui.regionsTable.setCurrentCell(1, 0)
    place = in_world(regions_of(nodes.table)[1].peak_ras, nodes.zMap)
    red.GetSliceToRAS().DeepCopy(slicer.util.vtkMatrixFromArray(users))
    panel.ui.compareCheckBox.click()
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    low, high = np.array(bounds[::2]), np.array(bounds[1::2])
    for row, (orientation, axis) in enumerate((("Axial", 2), ("Coronal", 1), ("Sagittal", 0))):
        panel.ui.orientationSelector.setCurrentIndex(row)
        panel.settle()
        shown = [other for other in range(3) if other != axis]
        for node, _ in arrangement.views().values():
            at = slicer.util.arrayFromVTKMatrix(node.GetSliceToRAS())[:3, 3]
            assert node.GetOrientation() == orientation and at[axis] == pytest.approx(place[axis], abs=1e-3)
            np.testing.assert_allclose(at[shown], ((low + high) / 2)[shown], atol=3.0)
            assert (np.array(node.GetFieldOfView()[:2]) > 0.9 * (high - low)[shown]).all(), "all of the brain is seen"
    np.testing.assert_array_equal(slicer.util.arrayFromVTKMatrix(red.GetSliceToRAS()), users)
    assert red.GetFieldOfView()[:2] == (40.0, 40.0)


def test_without_a_chosen_region_turned_views_stay_where_they_were(analysed, arrangement):
    panel, volume = analysed
    panel.ui.compareCheckBox.click()
    panel.ui.regionsTable.setCurrentCell(-1, -1)
    for node, _ in arrangement.views().values():
        node.JumpSliceByCentering(10.0, -20.0, 15.0)
    panel.ui.orientationSelector.setCurrentIndex(1)
    panel.settle()
    for node, _ in arrangement.views().values():
        assert node.GetOrientation() == "Coronal" and node.GetSliceOffset() == pytest.approx(-20.0)


def test_the_toggle_and_the_users_views_are_left_alone(analysed, arrangement):
    panel, volume = analysed
    before = arrangement.layers()
    panel.ui.compareCheckBox.click()
    panel.ui.showHealthyButton.click()
    assert arrangement.layers() == expected(volume)
    panel.ui.showHealthyButton.click()
    panel.ui.compareCheckBox.click()
    assert arrangement.shown == USERS and not panel.ui.compareCheckBox.checked
    assert set(arrangement.layers()) == set(before) == {"Red", "Green", "Yellow"}


def test_another_module_gets_the_users_layout(analysed, arrangement):
    panel, _ = analysed
    panel.ui.compareCheckBox.click()
    panel.widget.exit()
    assert arrangement.shown == USERS
    panel.widget.enter()
    assert not panel.ui.compareCheckBox.checked and panel.ui.compareCheckBox.enabled
    panel.ui.compareCheckBox.click()
    arrangement.choose(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView)
    panel.widget.exit()
    assert arrangement.shown == slicer.vtkMRMLLayoutNode.SlicerLayoutOneUp3DView, "what the user chose meanwhile stays"


def test_closing_the_scene_gives_the_users_layout_back(analysed, arrangement):
    panel, _ = analysed
    panel.ui.compareCheckBox.click()
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert arrangement.shown == USERS
    assert not panel.ui.compareCheckBox.checked and not panel.ui.compareCheckBox.enabled
    volume = add_volume(brainlike(seed=3), GRIDS["ras"], "the next one")
    panel.choose(volume)
    panel.run()
    panel.ui.compareCheckBox.click()
    assert arrangement.shown == LAYOUT_ID and arrangement.layers() == expected(volume)


def test_the_next_run_and_another_input_are_compared(analysed, arrangement):
    panel, volume = analysed
    panel.ui.compareCheckBox.click()
    other = add_volume(brainlike(seed=4), GRIDS["ras"], "other")
    panel.choose(other)
    assert arrangement.shown == USERS and not panel.ui.compareCheckBox.checked, "it has nothing to compare yet"
    panel.run()
    panel.ui.compareCheckBox.click()
    assert arrangement.layers() == expected(other)
    panel.choose(volume)
    assert arrangement.shown == LAYOUT_ID and arrangement.layers() == expected(volume)
    for _, composite in arrangement.views().values():
        composite.SetBackgroundVolumeID(other.GetID())
    panel.run()
    assert arrangement.layers() == expected(volume)


def test_nobody_is_left_in_the_layout_without_a_way_out(analysed, arrangement):
    panel, volume = analysed
    panel.ui.compareCheckBox.click()
    slicer.mrmlScene.RemoveNode(results_of(volume).zMap)
    panel.panel.update()
    assert arrangement.shown == USERS and not panel.ui.compareCheckBox.enabled


def test_a_scene_saved_in_this_layout_is_shown_as_it_was(analysed, arrangement, tmp_path):
    panel, _ = analysed
    panel.ui.compareCheckBox.click()
    assert slicer.mrmlScene.WriteToMRB(str(tmp_path / "scene.mrb"))
    slicer.mrmlScene.Clear(0)
    panel.settle()
    assert arrangement.shown == USERS
    slicer.mrmlScene.ReadFromMRB(str(tmp_path / "scene.mrb"))
    panel.settle()
    assert arrangement.shown == LAYOUT_ID and panel.ui.compareCheckBox.checked
    assert arrangement.layers() == expected(panel.parameters.inputVolume)
    panel.ui.compareCheckBox.click()
    assert arrangement.shown not in (LAYOUT_ID, 0) and "Red" in arrangement.views()


def test_the_layout_is_known_from_slicers_start(arrangement, open_module):
    """A scene names the layout's number alone."""
    open_module.module("FAAnomaly")
    arrangement.choose(LAYOUT_ID)
    assert set(arrangement.views()) == {"FAAnomalyInput", "FAAnomalyHealthy", "FAAnomalyZMap"}
