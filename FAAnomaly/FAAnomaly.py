"""The 3D Slicer module FA Anomaly. Everything it does is in the package ``FAAnomalySlicer``."""

from __future__ import annotations

import importlib
import sys
import unittest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import slicer
from slicer import vtkMRMLMarkupsROINode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


def _import_engine() -> None:
    """Import the engine of this extension, before any other that pip may have installed into Slicer.

    Installed, it lies beside this file; in a source checkout, one folder up. Slicer's path has only the former.
    """
    for folder in Path(__file__).resolve().parents[:2]:
        if (folder / "FAAnomalyLib" / "__init__.py").is_file():
            if str(folder) not in sys.path:
                sys.path.append(str(folder))
            sys.path.insert(0, str(folder))
            try:
                importlib.import_module("FAAnomalyLib")
            finally:
                sys.path.remove(str(folder))
            return


_import_engine()

from FAAnomalySlicer.scene.choices import (
    Device,
    MaskSize,
    MaskType,
    Orientation,
    RegionMode,
    Sampler,
    Shown,
    Signs,
    ThresholdMode,
)
from FAAnomalySlicer.scene.parameter_wrapper import wrapper_of

if TYPE_CHECKING:
    from FAAnomalySlicer.setup.package_installer import Installer

RESOURCES = Path(__file__).resolve().parent / "Resources"
PACKAGES = ("FAAnomalySlicer", "FAAnomalyLib")
README = "https://github.com/faanomaly/SlicerFAAnomaly#readme"
"""A page of its own in Slicer's documentation does not exist."""


class FAAnomaly(ScriptedLoadableModule):
    """The module's metadata, which Slicer reads before it is opened."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("FA Anomaly")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Diffusion")]
        self.parent.dependencies = []
        self.parent.contributors = ["The FAAnomaly contributors"]
        self.parent.helpText = _(
            "<p>Shows what a fractional anisotropy (FA) map of a brain would look like if the brain were healthy, "
            "where it deviates, how strongly and how surely. A diffusion model hides parts of the map and fills them "
            "in from what surrounds them.</p>"
            "<p>Choose an FA volume and press <b>Apply</b>; or draw a box and see the healthy tissue appear inside "
            "it.</p><p><b>Research software. Nothing here is a diagnosis.</b></p>"
        )
        self.parent.helpText += _('<p>More in the <a href="{url}">README of FAAnomaly</a>.</p>').format(url=README)
        self.parent.acknowledgementText = _(
            "<p>Began as the Master's thesis <i>Unsupervised anomaly detection on brain fractional anisotropy maps by "
            "inpainting with denoising diffusion probabilistic models</i>, whose methods are kept as an exact "
            "baseline. Research software: nothing here is a diagnosis.</p>"
        )
        slicer.app.connect("startupCompleted()", register_sample_data)
        slicer.app.connect("startupCompleted()", register_layout)


def may_install(text: str) -> bool:
    """Ask the user; no while Slicer tests itself, because the question then answers itself with yes."""
    return not slicer.app.testingEnabled() and slicer.util.confirmOkCancelDisplay(text)


def register_layout() -> None:
    """Register the comparison layout with Slicer."""
    from FAAnomalySlicer.views.comparison_layout import register_layout as register

    register()


def register_sample_data() -> None:
    """Register the bundled brain with Slicer's Sample Data module."""
    from FAAnomalySlicer.scene.sample_data import register_sample_data as register

    register(str(RESOURCES / "Icons" / "FAAnomalySample.png"))


@parameterNodeWrapper
class FAAnomalyParameterNode:
    """Everything on the panel, saved in the scene.

    Input and region
        inputVolume, regionMode, roi, roiVisible, segmentation, segmentID, maskType, maskSize
    How it is inpainted
        model (name or folder), sampler, steps (0: the sampler's own), samples, seed, device
    Display
        shown, opacity (0..1), thresholdMode, threshold (z, by hand), signs, surfaces,
        belowThreshold (the z-map's colours begin at half the threshold), orientation (of the views side by side)

    The results are not among them: the input volume refers to them, so that each volume has its own. The panel sees
    these fields as :class:`FAAnomalySlicer.scene.choices.PanelParameters`.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    regionMode: RegionMode = RegionMode.WHOLE_BRAIN
    roi: vtkMRMLMarkupsROINode
    roiVisible: bool = True
    segmentation: vtkMRMLSegmentationNode
    segmentID: str
    maskType: MaskType = MaskType.CUBIC
    maskSize: MaskSize = MaskSize.SIZE_16

    model: str = "default"
    sampler: Sampler = Sampler.MEAN
    steps: Annotated[int, WithinRange(0, 1000)] = 0
    samples: Annotated[int, WithinRange(1, 64)] = 1
    seed: Annotated[int, WithinRange(0, 2**31 - 1)] = 0
    device: Device = Device.AUTO

    shown: Shown = Shown.OWN
    opacity: Annotated[float, WithinRange(0, 1)] = 0.7
    thresholdMode: ThresholdMode = ThresholdMode.AUTOMATIC
    threshold: Annotated[float, WithinRange(1, 100)] = 5.0
    signs: Signs = Signs.BOTH
    surfaces: bool = False
    belowThreshold: bool = False
    orientation: Orientation = Orientation.AXIAL


class FAAnomalyWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's place in Slicer; :class:`FAAnomalySlicer.panel.panel.Panel` is the panel."""

    def __init__(self, parent=None) -> None:
        self.logic = None
        self.panel = None
        VTKObservationMixin.__init__(self)
        ScriptedLoadableModuleWidget.__init__(self, parent)

    def setup(self) -> None:
        """Build the panel; called once, with or without a main window."""
        from FAAnomalySlicer.panel.panel import Panel

        ScriptedLoadableModuleWidget.setup(self)
        form = slicer.util.loadUI(self.resourcePath("UI/FAAnomaly.ui"))
        self.layout.addWidget(form)
        self.ui = slicer.util.childWidgetVariables(form)
        form.setMRMLScene(slicer.mrmlScene)
        self.logic = FAAnomalyLogic()
        self.panel = Panel(self.ui, self.logic)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndImport)
        self.panel.setParameterNode(self.logic.getParameterNode())

    def cleanup(self) -> None:
        """Slicer closes the module: cancel the run, end the engine, remove the observers."""
        self.removeObservers()
        if self.panel:
            self.panel.close()
            self.logic.close()
            self.panel = None

    def enter(self) -> None:
        """The module is opened."""
        if self.panel is None:
            return
        self.panel.setParameterNode(self.logic.getParameterNode())
        self.panel.enter()

    def exit(self) -> None:
        """Another module is opened; a run continues."""
        if self.panel is not None:
            self.panel.exit()

    def onSceneStartClose(self, caller, event) -> None:
        """The scene is about to be closed, and the parameter node with it."""
        self.panel.sceneCloses()

    def onSceneEndClose(self, caller, event) -> None:
        """An empty scene gets its parameter node."""
        self.panel.setParameterNode(self.logic.getParameterNode())

    def onSceneEndImport(self, caller, event) -> None:
        """A scene was loaded: show its parameters and its results."""
        self.panel.setParameterNode(self.logic.getParameterNode())

    def onReload(self) -> None:
        """Developers' reload: the module's packages are imported again as well."""
        for name in [name for name in sys.modules if name.split(".")[0] in PACKAGES]:
            del sys.modules[name]
        importlib.invalidate_caches()
        ScriptedLoadableModuleWidget.onReload(self)


class FAAnomalyLogic(ScriptedLoadableModuleLogic):
    """The interface for scripts; works without a main window.

    >>> nodes = slicer.modules.faanomaly.widgetRepresentation().self().logic.run(volumeNode)

    or, without the panel, ``FAAnomaly.FAAnomalyLogic().run(volumeNode)``.
    """

    def __init__(self) -> None:
        from FAAnomalySlicer.logic import RunManager

        ScriptedLoadableModuleLogic.__init__(self)
        self.detections = RunManager()

    def getParameterNode(self) -> FAAnomalyParameterNode:
        """The panel's choices in the scene."""
        return wrapper_of(super().getParameterNode(), FAAnomalyParameterNode)

    def installer(self) -> Installer:
        """Installs the packages of the engine, after one question."""
        from FAAnomalySlicer.setup.busy_dialog import busy_dialog
        from FAAnomalySlicer.setup.package_installer import Installer

        return Installer(RESOURCES / "requirements.txt", may_install, slicer.app.userSettings(), busy_dialog)

    def run(self, volumeNode, **options):
        """Detect, wait for the end and return the result nodes; see :meth:`FAAnomalySlicer.logic.RunManager.run`."""
        return self.detections.run(volumeNode, **options)

    def start(self, volumeNode, **options):
        """Detect in the background and return at once; see :meth:`FAAnomalySlicer.logic.RunManager.start`."""
        return self.detections.start(volumeNode, **options)

    def close(self) -> None:
        """Cancel the run and end the engine's processes."""
        self.detections.close()


class FAAnomalyTest(ScriptedLoadableModuleTest):
    """Self-test inside Slicer; ``Testing/SLICER_MANUAL.md`` says how to run it.

    What needs packages that are not installed is skipped, and the reason says what that was. Under
    ``Slicer --testing`` nothing is installed.
    """

    def setUp(self) -> None:
        """Every test begins with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self, **kwargs) -> None:
        """Slicer's developer tools: run every test, and say what was not tested."""
        not_tested = []
        for test in (self.test_scene, self.test_panel):
            self.setUp()
            try:
                test()
            except unittest.SkipTest as skipped:
                not_tested.append(str(skipped))
        self.delayDisplay(" ".join(not_tested) or _("All tests passed"))

    def test_scene(self) -> None:
        """What needs no engine."""
        from FAAnomalySlicer.self_test import scene_tests

        for test in scene_tests.TESTS:
            self.setUp()
            self.delayDisplay(test.__doc__)
            test(FAAnomalyLogic())

    def test_panel(self) -> None:
        """The panel, driven from the sample to the export."""
        from FAAnomalySlicer.self_test.panel_tour import PanelTour

        slicer.modules.faanomaly.widgetRepresentation()  # makes the widget when nobody has opened the module yet
        widget = slicer.modules.FAAnomalyWidget  # the present one, also after a reload
        if slicer.util.mainWindow() is not None:
            slicer.util.selectModule("FAAnomaly")
        widget.enter()
        try:
            not_tested = PanelTour(widget, self.delayDisplay).take()
        finally:
            widget.logic.close()
        if not_tested:
            self.skipTest(not_tested)
