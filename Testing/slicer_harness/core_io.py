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

WRITERS = {
    "vtkMRMLSegmentationNode": "SegmentationFile",
    "vtkMRMLVolumeNode": "VolumeFile",
    "vtkMRMLMarkupsNode": "MarkupsFile",
    "vtkMRMLTableNode": "TableFile",
    "vtkMRMLTransformNode": "TransformFile",
    "vtkMRMLColorNode": "ColorTableFile",
    "vtkMRMLModelNode": "ModelFile",
    "vtkMRMLTextNode": "TextFile",
}

NODES = {
    "SegmentationFile": "vtkMRMLSegmentationNode",
    "TableFile": "vtkMRMLTableNode",
    "TransformFile": "vtkMRMLLinearTransformNode",
    "TextFile": "vtkMRMLTextNode",
    "ModelFile": "vtkMRMLModelNode",
}
"""Types whose files any storage node of this class reads."""


def bare_name(path: str) -> str:
    """The name that Slicer gives a node by default: the file's, up to its first dot."""
    return Path(path).name.partition(".")[0]


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
    def fileWriterExtensions(self, node) -> list[str]:
        """Formats such as ``NRRD (.nrrd)``."""
        storage = node.CreateDefaultStorageNode()
        storage.UnRegister(None)
        storage.SetScene(self.mrml.scene)  # which knows the formats of volumes
        formats = storage.GetSupportedWriteFileTypes()
        return [formats.GetValue(index) for index in range(formats.GetNumberOfValues())]

    @invokable
    def extractKnownExtension(self, path: str, node) -> str:
        """The longest extension of the node's formats that the path ends with, or an empty text."""
        endings = [entry.rpartition("(")[2].rstrip(")") for entry in self.fileWriterExtensions(node)]
        return max((ending for ending in endings if path.lower().endswith(ending)), key=len, default="")

    @invokable
    def exportNodes(self, identifiers, paths, properties: dict, harden: bool, messages=None) -> bool:
        """Write copies of nodes, in world coordinates when *harden*; their own files and transforms stay."""
        aside = self.slicer.vtkMRMLScene()
        self.mrml.scene.CopyRegisteredNodesToScene(aside)
        for identifier, path in zip(identifiers, paths, strict=True):
            node = self.mrml.scene.GetNodeByID(identifier)
            copy = aside.AddNewNodeByClass(node.GetClassName())
            copy.CopyContent(node, harden)
            if harden and node.GetParentTransformNode() is not None:
                self._harden(aside, copy, node.GetParentTransformNode())
            copy.AddDefaultStorageNode(path)
            storage = copy.GetStorageNode()
            storage.SetFileName(path)
            storage.SetUseCompression(properties.get("useCompression", True))
            if not storage.WriteData(copy):
                return self._failed(messages, f"The node could not be written: {path}")
        return True

    def _harden(self, scene, copy, parent) -> None:
        import vtk

        matrix = vtk.vtkMatrix4x4()
        if not parent.GetMatrixTransformToWorld(matrix):
            raise NotImplementedError("the harness hardens linear transforms only")
        transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(matrix)
        copy.SetAndObserveTransformNodeID(transform.GetID())
        copy.HardenTransform()

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
        scene, logics, name = self.mrml.scene, self.mrml.logics, properties.get("name") or bare_name(path)
        if kind == "VolumeFile":
            return [self._read_volume(path, name, properties)]
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

    def _read_volume(self, path: str, name: str, properties: dict):
        options = (
            (1 if properties.get("labelmap") else 0)
            | (2 if properties.get("center") else 0)
            | (4 if properties.get("singleFile") else 0)
        )
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
