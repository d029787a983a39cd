import slicer_harness

slicer_harness.require()

import qt  # noqa: E402
import slicer  # noqa: E402


def test_it_starts(scene, layout):
    assert slicer.mrmlScene is scene
    assert slicer.app.mrmlScene() is scene
    assert qt.QApplication.instance() is slicer.app
    w = slicer.qMRMLNodeComboBox()
    w.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    w.setMRMLScene(scene)
    n = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "x")
    assert w.currentNode() is n
    w.noneEnabled = True
    w.setCurrentNode(None)
    assert w.currentNode() is None
    assert layout.sliceViewNames() == ("Red", "Green", "Yellow")

