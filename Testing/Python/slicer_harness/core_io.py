"""``slicer.app.coreIOManager()``: loading and saving through the wheel's own storage nodes."""

from __future__ import annotations

from pathlib import Path

from PySide6 import QtCore

from .pythonqt.declare import invokable

READERS = (
    ("SegmentationFile", (".seg.nrrd", ".seg.nhdr")),
    ("VolumeFile", (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr", ".img")),
    ("MarkupsFile", (".mrk.json",)),
    ("TableFile", (".csv", ".tsv")),
    ("TransformFile", (".h5", ".tfm", ".mat")),
    ("ColorTableFile", (".ctbl", ".cxml")),
    ("ModelFile", (".vtk", ".vtp", ".stl", ".ply", ".obj")),
    ("SceneFile", (".mrb", ".mrml")),
    ("TextFile", (".txt", ".json", ".html", ".xml")),
)
"""File type -> how its files' names end; the first that fits reads."""

WRITERS = {"vtkMRMLSegmentationNode": "SegmentationFile", "vtkMRMLVolumeNode": "VolumeFile",
           "vtkMRMLMarkupsNode": "MarkupsFile", "vtkMRMLTableNode": "TableFile",
           "vtkMRMLTransformNode": "TransformFile", "vtkMRMLColorNode": "ColorTableFile",
           "vtkMRMLModelNode": "ModelFile", "vtkMRMLTextNode": "TextFile"}

NODES = {"SegmentationFile": "vtkMRMLSegmentationNode", "TableFile": "vtkMRMLTableNode",
         "TransformFile": "vtkMRMLLinearTransformNode", "TextFile": "vtkMRMLTextNode",
         "ModelFile": "vtkMRMLModelNode"}
"""Types whose files any storage node of this class reads."""


def bare_name(path: str) -> str:
    """The name that Slicer gives a node by default: the file's, without its extension."""
    name = Path(path).name
    ending = next((e for _, endings in READERS for e in endings if name.lower().endswith(e)), Path(name).suffix)
    return name[:len(name) - len(ending)] or name


class qSlicerIOManager(QtCore.QObject):
    """Reads and writes; what it cannot do returns False and adds a user message, as in Slicer."""

    def __init__(self, slicer, mrml, application):
        super().__init__(application)
        self.slicer, self.mrml = slicer, mrml

    @invokable
    def fileType(self, path) -> str:
        name = str(path).lower()
        return next((kind for kind, endings in READERS if name.endswith(endings)), "NoFile")

    @invokable
    def fileWriterFileType(self, node, extension: str = "") -> str:
        return next((kind for name, kind in WRITERS.items() if node.IsA(name)), "NoFile")

    @invokable
    def registeredFileReaderCount(self, kind: str) -> int:
        return sum(known == kind for known, _ in READERS)

    @invokable
    def addDefaultStorageNodes(self) -> None:
        for node in list(self.mrml.scene.GetNodesByClass("vtkMRMLStorableNode")):
            if node.GetStorageNode() is None and not node.GetHideFromEditors():
                node.AddDefaultStorageNode()

    @invokable
    def loadNodes(self, kind: str, properties: dict, loaded=None, messages=None) -> bool:
        path = properties["fileName"]
        if not Path(path).exists():
            return self._failed(messages, f"The file does not exist: {path}")
        try:
            nodes = self._read(kind, path, properties)
        except RuntimeError as error:
            return self._failed(messages, str(error))
        for node in nodes:
            if properties.get("name"):
                node.SetName(self.mrml.scene.GetUniqueNameByString(properties["name"]))
            if loaded is not None:
                loaded.AddItem(node)
        return True

    @invokable
    def loadScene(self, path: str, clear: bool = True, messages=None) -> bool:
        return self.loadNodes("SceneFile", {"fileName": path, "clear": clear}, None, messages)

    @invokable
    def saveNodes(self, kind: str, properties: dict, messages=None, scene=None) -> bool:
        path = properties["fileName"]
        if kind == "SceneFile":
            return self._save_scene(path) or self._failed(messages, f"The scene could not be written: {path}")
        node = self.mrml.scene.GetNodeByID(properties["nodeID"])
        if node.GetStorageNode() is None:
            node.AddDefaultStorageNode(path)
        storage = node.GetStorageNode()
        storage.SetFileName(path)
        if "useCompression" in properties:
            storage.SetUseCompression(properties["useCompression"])
        return bool(storage.WriteData(node)) or self._failed(messages, f"The node could not be written: {path}")

    @invokable
    def exportNodes(self, *arguments) -> bool:
        """``exportNodes([parameters], hardenTransforms, messages)``: written aside, the node's own file stays."""
        maps, harden = arguments[0], arguments[1]
        messages = arguments[2] if len(arguments) > 2 else None
        for properties in maps:
            node = self.mrml.scene.GetNodeByID(properties["nodeID"])
            storage = node.CreateDefaultStorageNode()
            storage.UnRegister(None)
            storage.SetScene(self.mrml.scene)
            storage.SetFileName(properties["fileName"])
            if "useCompression" in properties:
                storage.SetUseCompression(properties["useCompression"])
            if harden and node.GetParentTransformNode():
                return self._failed(messages, "the harness exports no hardened transforms")
            if not storage.WriteData(node):
                return self._failed(messages, f"The node could not be written: {properties['fileName']}")
        return True

    def _failed(self, messages, text: str) -> bool:
        if messages is not None:
            import vtk

            messages.AddMessage(vtk.vtkCommand.ErrorEvent, text)
        return False

    def _save_scene(self, path: str) -> bool:
        scene = self.mrml.scene
        self.addDefaultStorageNodes()
        if path.endswith(".mrb"):
            return bool(scene.WriteToMRB(path, None))
        if path.endswith(".mrml"):
            return bool(scene.Commit(path))
        return bool(scene.SaveSceneToSlicerDataBundleDirectory(path, None))

    def _read(self, kind: str, path: str, properties: dict) -> list:
        scene, logics, name = self.mrml.scene, self.mrml.logics, bare_name(path)
        if kind == "VolumeFile":
            return [self._read_volume(path, properties)]
        if kind == "SceneFile":
            clear = properties.get("clear", True)
            if path.endswith(".mrb"):
                done = scene.ReadFromMRB(path, clear)
            else:
                scene.SetURL(path)
                done = scene.Connect() if clear else scene.Import()
            if not done:
                raise RuntimeError(f"The scene could not be read: {path}")
            return []
        if kind == "MarkupsFile":
            node = scene.GetNodeByID(logics["Markups"].LoadMarkups(path, name) or "")
        elif kind == "ColorTableFile":
            node = logics["Colors"].LoadColorFile(path, name)
        elif kind in NODES:
            node = scene.AddNewNodeByClass(NODES[kind], scene.GetUniqueNameByString(name))
            node.AddDefaultStorageNode(path)
            if not node.GetStorageNode().ReadData(node):
                scene.RemoveNode(node)
                node = None
            elif node.IsA("vtkMRMLDisplayableNode"):
                node.CreateDefaultDisplayNodes()
        else:
            raise RuntimeError(f"No reader for {path}")
        if node is None:
            raise RuntimeError(f"The file could not be read: {path}")
        return [node]

    def _read_volume(self, path: str, properties: dict):
        options = (1 if properties.get("labelmap") else 0) | (2 if properties.get("center") else 0) \
            | (4 if properties.get("singleFile") else 0)
        name = self.mrml.scene.GetUniqueNameByString(properties.get("name") or bare_name(path))
        node = self.mrml.logics["Volumes"].AddArchetypeVolume(path, name, options)
        if node is None:
            raise RuntimeError(f"The volume could not be read: {path}")
        if properties.get("colorNodeID"):
            node.GetDisplayNode().SetAndObserveColorNodeID(properties["colorNodeID"])
        if properties.get("show", True):
            selection = self.mrml.application_logic.GetSelectionNode()
            if node.IsA("vtkMRMLLabelMapVolumeNode"):
                selection.SetActiveLabelVolumeID(node.GetID())
            else:
                selection.SetActiveVolumeID(node.GetID())
            self.mrml.application_logic.PropagateVolumeSelection()
        return node
