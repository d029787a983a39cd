"""The outline of the brain in the 3D views: a light, transparent surface round the surfaces of the regions."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
from scipy import ndimage
from slicer.i18n import tr as _

from ..events.scheduling import Steps, in_background, run_in_steps
from ..events.timer import Timer
from ..scene import geometry
from ..scene.result_list import results_of
from ..scene.scope import Scope
from .smooth_surface import contour, smoothed, with_normals

SPACING_MM = 3.0
"""The surface is made on about this grid, so that each step of it takes a few milliseconds."""
BRAIN_SHARE = 0.05
"""Without a result of the whole brain, a voxel counts as brain above this share of the largest value."""
CLOSED, PAD = 3, 5
"""Voxels of that grid: what is closed, from both sides, and the empty rim."""
COLOUR, OPACITY = (0.85, 0.82, 0.78), 0.15


class BrainOutline:
    """The surface of one volume at a time; it is not saved with the scene and not listed among the user's data.

    Parameters
    ----------
    timer
        Makes the turns of the event loop in which the surface is made.
    """

    def __init__(self, timer: Timer) -> None:
        self.node: Any = None
        self._timer = timer
        self._shown: tuple = ()

    def show(self, volume) -> None:
        """Show the outline of *volume* soon, and centre the 3D views on it; None removes it."""
        source = _source(volume) if volume is not None else None
        wanted = (volume.GetID(), source.GetID(), source.GetImageData().GetMTime()) if source is not None else ()
        if wanted == self._shown:
            return
        self._shown = wanted
        self._remove()
        if wanted:
            run_in_steps(self._steps(volume, source), self._timer, lambda: self._shown != wanted)

    def _steps(self, volume, source) -> Steps[None]:
        data, affine = geometry.voxels(source), geometry.ijk_to_ras(source)
        inside, to_ras = yield in_background(lambda: coarse_mask(data, affine, source is not volume), self._timer)
        surface = contour(inside)
        yield
        surface = smoothed(surface)
        yield
        surface = with_normals(surface, to_ras)
        yield
        if volume.GetScene() is not None:
            self._add(volume, surface)
        yield
        manager = slicer.app.layoutManager()
        if manager is not None and self.node is not None:
            manager.resetThreeDViews()

    def _add(self, volume, surface) -> None:
        scene = volume.GetScene()
        node = slicer.vtkMRMLModelNode()
        node.SetName(_("{name} outline of the brain").format(name=volume.GetName()))
        node.SetSaveWithScene(False)
        node.SetHideFromEditors(True)
        node.SetAndObservePolyData(surface)
        self.node = scene.AddNode(node)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetSaveWithScene(False)
        display.SetColor(*COLOUR)
        display.SetOpacity(OPACITY)
        display.SetVisibility2D(False)
        node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())

    def _remove(self) -> None:
        node, self.node = self.node, None
        if node is not None and node.GetScene() is not None:
            node.GetScene().RemoveNode(node)


def _source(volume):
    """What tells the brain: the difference of the whole brain's result, which is 0 around it, else the map itself."""
    whole = [result.difference for result in results_of(volume) if result.scope() == Scope() and result.difference]
    source = whole[-1] if whole else volume
    return source if source.GetImageData() is not None else None


def coarse_mask(data_kji: np.ndarray, ijk_to_ras: np.ndarray, analysed: bool) -> tuple[np.ndarray, np.ndarray]:
    """The inside of the brain on a coarse grid, smoothed.

    Parameters
    ----------
    data_kji
        FA, or with *analysed* a difference, which is 0 where nothing was analysed.
    ijk_to_ras
        float64 (4, 4).

    Returns
    -------
    inside
        float32 (k, j, i), 0.5 at the outline and 0 at every face of the grid.
    to_ras
        float64 (4, 4) from the coarse (i, j, k) to RAS mm.
    """
    spacing = np.linalg.norm(ijk_to_ras[:3, :3], axis=0)
    step = np.maximum(1, np.round(SPACING_MM / spacing)).astype(int)
    coarse = np.nan_to_num(data_kji[:: step[2], :: step[1], :: step[0]])
    mask = coarse != 0 if analysed else coarse > BRAIN_SHARE * coarse.max()
    # Grooves and ventricles of low FA are closed: this is the brain's outline and not its surface.
    mask = ndimage.binary_fill_holes(ndimage.binary_closing(np.pad(mask, PAD), iterations=CLOSED))
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + np.bincount(labels.ravel())[1:].argmax()
    to_ras = ijk_to_ras @ np.diag([*step, 1.0])
    to_ras[:3, 3] -= to_ras[:3, :3] @ np.full(3, float(PAD))
    inside = ndimage.gaussian_filter(mask.astype(np.float32), 1.0)
    for axis in range(3):
        faces = np.moveaxis(inside, axis, 0)
        faces[0] = faces[-1] = 0.0
    return inside, to_ras
