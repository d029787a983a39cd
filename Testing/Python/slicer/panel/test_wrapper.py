"""The panel on Slicer 5.10's parameterNodeWrapper, which leaves observers at the parameter node."""

import slicer_harness

slicer_harness.require()

import gc
import sys

import pytest
import slicer
import vtk

from support.phantoms.mrml_volumes import GRIDS, add_volume, brainlike


@pytest.fixture
def modules_put_back():
    """The other tests keep the classes that they have imported."""

    def ours():
        return {name: module for name, module in sys.modules.items() if name.startswith("FAAnomaly")}

    before = ours()
    yield
    for name in ours():
        del sys.modules[name]
    sys.modules.update(before)


def change(panel, seed: int) -> None:
    """Another seed on the panel arrives at the parameter node, and one in the node on the panel."""
    panel.ui.seedSpinBox.value = seed
    assert panel.logic.getParameterNode().seed == seed
    panel.logic.getParameterNode().seed = seed + 1
    assert panel.ui.seedSpinBox.value == seed + 1


def test_no_wrapper_is_collected_before_its_node(leaking_wrapper, bench, modules_put_back):
    panel = bench()
    panel.choose(add_volume(brainlike(), GRIDS["ras"]))
    for _ in range(2):
        panel.widget.exit()
        panel.widget.enter()
        slicer.mrmlScene.Clear(0)
        gc.collect()
        change(panel, 5)
    node = panel.logic.getParameterNode().parameterNode
    panel.widget.onReload()
    reloaded = slicer.modules.FAAnomalyWidget
    panel.widget = None
    gc.collect()
    node.Modified()  # calls what is observed, leaked or not
    change(reloaded, 7)
    panel.panel.close()
    reloaded.logic.close()
    del reloaded
    gc.collect()
    node.Modified()


def test_entering_the_module_again_observes_nothing_more(leaking_wrapper, bench):
    panel = bench()
    node = panel.logic.getParameterNode().parameterNode
    assert panel.logic.getParameterNode() is panel.logic.getParameterNode()

    def observers() -> int:
        """How many are called; each tag is larger than the one before."""
        tag = node.AddObserver(vtk.vtkCommand.UserEvent, lambda caller, event: None)
        node.RemoveObserver(tag)
        return tag

    before = observers()
    for _ in range(3):
        panel.widget.exit()
        panel.widget.enter()
    slicer.mrmlScene.StartState(slicer.vtkMRMLScene.ImportState)
    slicer.mrmlScene.EndState(slicer.vtkMRMLScene.ImportState)
    slicer.mrmlScene.Clear(0)
    watching = 4  # leaving and entering, three times, and the scene: the panel's own observer, which it removes
    assert observers() - before <= 1 + watching
