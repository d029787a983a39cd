"""Items of the subject hierarchy. In Slicer a Qt plugin makes one for every data node; the wheel has no plugins."""

from __future__ import annotations

OWNED = (
    "vtkMRMLVolumeNode",
    "vtkMRMLSegmentationNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTableNode",
    "vtkMRMLTextNode",
    "vtkMRMLModelNode",
    "vtkMRMLTransformNode",
    "vtkMRMLSequenceNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLPlotSeriesNode",
)
"""Classes that some plugin of Slicer owns."""


def is_owned(node) -> bool:
    """Whether Slicer gives this node an item."""
    return any(node.IsA(name) for name in OWNED) and not node.GetHideFromEditors()


def keep_items(slicer, scene) -> None:
    """From now on give every data node of *scene* an item, and take it away with the node."""
    from vtk import VTK_OBJECT

    hierarchy_class = slicer.vtkMRMLSubjectHierarchyNode

    def resolve():
        return hierarchy_class.ResolveSubjectHierarchy(scene)

    def add(node, hierarchy) -> None:
        if is_owned(node) and not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def on_added(caller, event, node) -> None:
        if node.IsA("vtkMRMLSubjectHierarchyNode"):
            resolve()
        elif not scene.IsImporting():  # an imported scene brings its own hierarchy
            add(node, scene.GetSubjectHierarchyNode())

    def on_removal(caller, event, node) -> None:
        if is_owned(node) and not scene.IsClosing():
            hierarchy = scene.GetSubjectHierarchyNode()
            item = hierarchy.GetItemByDataNode(node)
            if item:
                hierarchy.RemoveItem(item, False, False)

    def on_imported(caller, event) -> None:
        hierarchy = resolve()
        for node in list(scene.GetNodes()):
            add(node, hierarchy)

    def on_closed(caller, event) -> None:
        resolve()  # closing removed the old one

    on_added.CallDataType = on_removal.CallDataType = VTK_OBJECT
    scene.AddObserver(scene.NodeAddedEvent, on_added)
    scene.AddObserver(scene.NodeAboutToBeRemovedEvent, on_removal)
    scene.AddObserver(scene.EndImportEvent, on_imported)
    scene.AddObserver(scene.EndCloseEvent, on_closed)
