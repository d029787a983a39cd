"""Self-test of the whole: the panel is driven as a person drives it, on the bundled sample, with the real engine."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import slicer
import slicer.util

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.result import Region

from ..panel.export import VOLUMES
from ..runs.detection_run import CANCELLED, DONE, RUNNING, DetectionRun
from ..scene import geometry
from ..scene.choices import RegionMode, ThresholdMode
from ..scene.sample_data import sample_path

MAX_SECONDS = 1800.0
"""How long a run may take; a slow processor needs minutes."""
REACTION_SECONDS = 60.0
"""How long anything else may take."""
TURN_MS = 10
"""How long events are handled between two looks at what is waited for."""
MAX_DISTANCE_MM = 15.0
"""Between the planted anomaly and the strongest region."""
BOX_MM = 30.0


class PanelTour:
    """The panel's functions one after the other; a failure is an ``AssertionError`` that says what was expected.

    Parameters
    ----------
    widget
        ``FAAnomalyWidget``, set up and entered. The scene is empty.
    say
        Called with a sentence before each step.
    """

    def __init__(self, widget, say: Callable[[str], None]) -> None:
        self._widget, self._ui, self._logic, self._say = widget, widget.ui, widget.logic, say
        self._regions: list[Region] = []

    def take(self) -> str:
        """Take every step that can be taken here; returns what could not be done and why, or an empty text."""
        steps = [
            self.load_sample,
            self.analyse,
            self.move_threshold,
            self.analyse_box,
            self.export,
            self.close_scene_during_run,
        ]
        for number, step in enumerate(steps):
            problem = "" if number == 0 else self._missing_packages()
            if problem:
                left_out = " ".join(step.__doc__ or "" for step in steps[number:])
                return f"{problem} Not tested therefore: {left_out}"
            self._say(step.__doc__ or "")
            step()
        return ""

    def load_sample(self) -> None:
        """The bundled sample is loaded."""
        self._ui.sampleButton.click()
        self._until(lambda: self._volume is not None, "the sample as input")
        self._until(lambda: self._ui.inputCheckLabel.text != "", "the check of the input")

    def analyse(self) -> None:
        """The whole brain is analysed, and the planted anomaly is found."""
        detection = self._run()
        nodes, volume = detection.outcome(), self._volume
        for node in (nodes.zMap, nodes.difference, nodes.expected, nodes.pseudoHealthy):
            assert np.allclose(geometry.ijk_to_ras(node), geometry.ijk_to_ras(volume)), f"{node.GetName()} is elsewhere"
            assert geometry.voxels(node).shape == geometry.voxels(volume).shape
        strongest = next((region for region in detection.regions if region.sign == "decreased"), None)
        assert strongest is not None, "no region of decreased FA was found"
        distance = float(np.linalg.norm(np.subtract(strongest.centroid_ras, planted_centre())))
        assert distance <= MAX_DISTANCE_MM, f"the region is {distance:.0f} mm from the planted anomaly"
        self._regions = detection.regions

    def move_threshold(self) -> None:
        """The threshold is moved, and table and segments follow."""
        slider, parameters = self._ui.thresholdSlider, self._parameters
        regions, lowest = len(self._regions), slider.minimum
        slider.value = slider.maximum
        self._until(lambda: self._rows == 0, "no region beyond the largest z")
        slider.value = lowest
        self._until(lambda: self._rows >= max(regions, 1), "regions beyond the lowest threshold")
        parameters.thresholdMode = ThresholdMode.AUTOMATIC
        self._until(lambda: self._rows == regions, "the regions of the automatic threshold")

    def analyse_box(self) -> None:
        """A box is analysed alone, and nothing outside it changes."""
        roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "self-test box")
        roi.CreateDefaultDisplayNodes()
        roi.SetCenter(*self._regions[0].centroid_ras)
        roi.SetSize(BOX_MM, BOX_MM, BOX_MM)
        parameters = self._parameters
        parameters.roi, parameters.regionMode = roi, RegionMode.BOX
        nodes = self._run().outcome()
        changed = np.abs(geometry.voxels(nodes.pseudoHealthy) - geometry.voxels(self._volume)) > 1e-6
        inside = geometry.roi_mask(roi, self._volume)
        assert changed[inside].any(), "the box was not filled"
        assert not changed[~inside].any(), "something outside the box has changed"
        parameters.regionMode = RegionMode.WHOLE_BRAIN

    def export(self) -> None:
        """Volumes, table and report are exported, and the z-map is the same when it is read again."""
        exporter, folder = self._widget.panel.results.exporter, Path(tempfile.mkdtemp(dir=slicer.app.temporaryPath))
        try:
            exporter.write_volumes(folder)
            exporter.write_table(folder / "regions.csv")
            exporter.write_report(folder / "report.html")
            written = [path.name for path in folder.iterdir() if path.stat().st_size > 0]
            for name in (*VOLUMES.values(), "regions.csv", "report.html"):
                assert any(path.endswith(name) for path in written), f"{name} is not among {written}"
            (path,) = folder.glob("*z_map.nii.gz")
            again = slicer.util.loadVolume(str(path), {"show": False})
            shown = exporter.nodes.zMap
            assert np.allclose(geometry.ijk_to_ras(again), geometry.ijk_to_ras(shown), atol=1e-4)
            assert np.allclose(geometry.voxels(again), geometry.voxels(shown), atol=1e-4)
            slicer.mrmlScene.RemoveNode(again)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def close_scene_during_run(self) -> None:
        """The scene is closed during a run, which ends and leaves nothing behind."""
        detection = self._start()
        self._until(lambda: detection.state == RUNNING or detection.over, "the engine at work")
        slicer.mrmlScene.Clear()
        self._until(lambda: detection.over and self._logic.detections.running is None, "the end of the cancelled run")
        assert detection.state == CANCELLED, f"the run ended as {detection.state}: {detection.error}"
        left = slicer.util.getNodesByClass("vtkMRMLVolumeNode")
        assert not left, f"left in the scene: {[node.GetName() for node in left]}"
        assert not self._ui.applyButton.enabled, "a run could start without a volume"

    @property
    def _parameters(self):
        return self._logic.getParameterNode()

    @property
    def _volume(self):
        return self._parameters.inputVolume

    @property
    def _rows(self) -> int:
        return self._ui.regionsTable.rowCount

    def _missing_packages(self) -> str:
        """Why the engine cannot run. Installs what is missing, after one question, unless Slicer tests itself."""
        installer = self._logic.installer()
        if installer.missing() and not slicer.app.testingEnabled():
            try:
                installer.ensure()
            except FAError as error:
                return f"{error}."
        missing = ", ".join(map(str, installer.missing()))
        return f"The engine was not run, because Python packages are missing: {missing}." if missing else ""

    def _start(self) -> DetectionRun:
        button = self._ui.applyButton
        self._until(lambda: button.enabled, f"a run that can start ({button.toolTip})")
        button.click()
        detection = self._logic.detections.running
        assert detection is not None, f"no run has started: {self._widget.panel.message.text}"
        return detection

    def _run(self) -> DetectionRun:
        detection = self._start()
        self._until(lambda: detection.over, "the end of the run", MAX_SECONDS)
        assert detection.state == DONE, f"the run ended as {detection.state}: {detection.error}"
        self._until(lambda: self._rows == len(detection.regions), "a row for each region")
        return detection

    @staticmethod
    def _until(condition: Callable[[], bool], what: str, seconds: float = REACTION_SECONDS) -> None:
        import qt

        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
            loop = qt.QEventLoop()
            qt.QTimer.singleShot(TURN_MS, loop.quit)
            loop.exec_()


def planted_centre() -> np.ndarray:
    """Centre of the anomaly that was planted in the sample, in RAS mm."""
    path = sample_path().with_name("sample_truth.nii.gz")
    truth = slicer.util.loadVolume(str(path), {"show": False})
    k, j, i = np.argwhere(geometry.voxels(truth) > 0.5).mean(axis=0)
    centre = geometry.ijk_to_ras(truth) @ [i, j, k, 1.0]
    slicer.mrmlScene.RemoveNode(truth)
    return centre[:3]
