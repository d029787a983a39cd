"""Tells a widget of nodes that come, go or change, for as long as the widget lives."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakMethod

import shiboken6


def weakly(method: Callable) -> Callable:
    """A callback for VTK that calls *method* without arguments, and does nothing once its widget is gone.

    VTK's objects outlive the widgets; they must not keep them alive.
    """
    reference = WeakMethod(method)

    def callback(*_) -> None:
        alive = living(reference)
        if alive is not None:
            alive()

    return callback


def living(reference: WeakMethod) -> Callable | None:
    """The method of a widget that Qt has not deleted."""
    method = reference()
    return method if method is not None and shiboken6.isValid(method.__self__) else None


class SceneObserver:
    """Observes one scene at a time and the nodes of some classes in it.

    *changed* is called after such nodes, their names or their attributes changed; *about_to_remove* with one of them
    before it goes. Both are methods of the widget.
    """

    def __init__(self, changed: Callable[[], None], about_to_remove: Callable[[object], None]):
        self._changed, self._about_to_remove = weakly(changed), WeakMethod(about_to_remove)
        self._scene, self._classes, self._tags, self._node_tags = None, [], [], {}

    def observe(self, scene, classes: list[str]) -> None:
        """Leave the former scene, which may be None, for this one and these classes."""
        import vtk

        self.release()
        self._scene, self._classes = scene, list(classes)
        if scene is None:
            return

        def added(caller, event, node) -> None:
            if self._concerns(node):
                self._watch(node)
                self._changed()

        def removed(caller, event, node) -> None:
            self._forget(node)
            about_to_remove = living(self._about_to_remove)
            if about_to_remove is not None and self._concerns(node):
                about_to_remove(node)

        added.CallDataType = removed.CallDataType = vtk.VTK_OBJECT
        self._tags = [
            scene.AddObserver(scene.NodeAddedEvent, added),
            scene.AddObserver(scene.NodeAboutToBeRemovedEvent, removed),
        ]
        for event in (scene.EndBatchProcessEvent, scene.EndImportEvent, scene.EndCloseEvent, scene.EndRestoreEvent):
            self._tags.append(scene.AddObserver(event, self._changed))
        for node in scene.GetNodes():
            if self._concerns(node):
                self._watch(node)

    def _concerns(self, node) -> bool:
        return any(node.IsA(name) for name in self._classes)

    def _watch(self, node) -> None:
        if node not in self._node_tags:
            seen = [_listed(node)]

            def modified(caller, event) -> None:
                if _listed(node) != seen[0]:
                    seen[0] = _listed(node)
                    # Listing everything anew is dear in Python, where Slicer's C++ changes one row; the end of the
                    # batch lists it once.
                    if not self._scene.IsBatchProcessing():
                        self._changed()

            self._node_tags[node] = node.AddObserver("ModifiedEvent", modified)

    def _forget(self, node) -> None:
        tag = self._node_tags.pop(node, None)
        if tag is not None:
            node.RemoveObserver(tag)

    def release(self, *_) -> None:
        """Leave the scene."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        for node, tag in self._node_tags.items():
            node.RemoveObserver(tag)
        self._tags, self._node_tags = [], {}


def _listed(node) -> tuple:
    """What decides whether and how a node is listed."""
    return (
        node.GetName(),
        node.GetHideFromEditors(),
        tuple((name, node.GetAttribute(name)) for name in node.GetAttributeNames()),
    )
