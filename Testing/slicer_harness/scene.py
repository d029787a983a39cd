"""The MRML side of the application: a real scene, the application logic and the logics of the modules."""

from __future__ import annotations

from pathlib import Path

from .terminologies import write_terminologies

LOGICS = {
    "Annotations": "vtkSlicerAnnotationModuleLogic",
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    "Data": "vtkSlicerDataModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "SceneViews": "vtkSlicerSceneViewsModuleLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Texts": "vtkSlicerTextsLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}
"""Module -> class of its logic, as far as the wheel has them. Their SetMRMLScene registers the node classes."""


class MrmlSide:
    """Scene and logics. The application logic does not keep the others alive: this object does."""

    def __init__(self, slicer, folder: str):
        import vtk

        self.scene = slicer.vtkMRMLScene()
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        self.scene.AddNode(crosshair)

        self.application_logic = slicer.vtkSlicerApplicationLogic()
        self.application_logic.SetMRMLScene(self.scene)
        self.application_logic.SetTemporaryPath(folder)
        self.application_logic.SetHomeDirectory(folder)
        self.application_logic.SetShareDirectory("share")
        (Path(folder) / "share" / "ColorFiles").mkdir(parents=True)
        self.slice_logics, self.view_logics = vtk.vtkCollection(), vtk.vtkCollection()
        self.application_logic.SetSliceLogics(self.slice_logics)
        self.application_logic.SetViewLogics(self.view_logics)

        # The module's own logic, which also knows legends, as Slicer's Colors module puts it in place.
        colours = slicer.vtkSlicerColorLogic()
        colours.SetMRMLApplicationLogic(self.application_logic)
        colours.SetMRMLScene(self.scene)
        colours.AddDefaultColorNodes()
        self.logics = {"Colors": colours}
        self.application_logic.SetModuleLogic("Colors", colours)
        for name, class_name in LOGICS.items():
            logic = getattr(slicer, class_name)()
            if name == "Terminologies":
                write_terminologies(Path(folder) / "terminologies")
                logic.SetModuleShareDirectory(str(Path(folder) / "terminologies"))
            logic.SetMRMLApplicationLogic(self.application_logic)
            logic.SetMRMLScene(self.scene)
            self.application_logic.SetModuleLogic(name, logic)
            self.logics[name] = logic
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(self.scene, True)
        self._make_bundles_readable(slicer, folder)
        self._cleared: int | None = None

    def _make_bundles_readable(self, slicer, folder: str) -> None:
        """Reading an .mrb asks for a cache directory, whatever is in it."""
        self.remote_io = slicer.vtkMRMLRemoteIOLogic()
        cache = Path(folder) / "cache"
        cache.mkdir()
        (cache / ".slicer-cache").touch()
        self.remote_io.GetCacheManager().SetRemoteCacheDirectory(str(cache))
        self.data_io = slicer.vtkDataIOManagerLogic()
        self.data_io.SetMRMLApplicationLogic(self.application_logic)
        self.application_logic.SetMRMLSceneDataIO(self.scene, self.remote_io, self.data_io)

    def clear(self) -> None:
        """Close the scene as the application does, then remove the modules' parameter nodes as well.

        Nothing happens where no node came, went or changed since this was done last.
        """
        if self._cleared == self._latest_change():
            return
        self.scene.Clear(0)
        for node in list(self.scene.GetNodesByClass("vtkMRMLScriptedModuleNode")):
            self.scene.RemoveNode(node)
        self._cleared = self._latest_change()

    def _latest_change(self) -> int:
        """VTK's count of changes at the latest one of the scene, its list of nodes or a node."""
        nodes = self.scene.GetNodes()
        return max(self.scene.GetMTime(), nodes.GetMTime(), *(node.GetMTime() for node in nodes))
