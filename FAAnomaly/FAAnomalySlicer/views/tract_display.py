"""Shows tracts of the atlas in the views: voxels are found in a thread, surfaces made in short steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

from ..events.scheduling import Steps, Stopped, in_background, run_in_steps, run_to_end
from ..events.timer import Timer
from ..scene.place_node import stored_place
from ..scene.result_list import ResultNodes
from ..scene.tract_segments import TractVoxels, add_tract, hide_tract, prepare_tract, shown_tracts
from .smooth_surface import contour, smoothed, with_normals

SURFACE_MM = 2.0
"""The surface is made on about this grid, the atlas's own."""
SMOOTHING_MM = 1.0
PAD = 3
"""Empty voxels round the tract."""


class TractDisplay:
    """Shows and hides tracts of results.

    Parameters
    ----------
    timer
        Makes the turns of the event loop.
    changed
        Called with the :class:`~..scene.tract_segments.TractVoxels` that are now shown, and with None after one was
        hidden.
    failed
        Called with the exception when a tract cannot be shown.
    """

    def __init__(
        self, timer: Timer, changed: Callable[[TractVoxels | None], None], failed: Callable[[Exception], None]
    ) -> None:
        self._timer, self._changed, self._failed = timer, changed, failed
        self._generation = 0
        self._coming: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether a tract is on its way."""
        return bool(self._coming)

    def toggle(self, nodes: ResultNodes, name: str) -> None:
        """Show the tract of a result soon, or hide it where it is shown."""
        if name in shown_tracts(nodes):
            self.hide(nodes, [name])
        else:
            self.show(nodes, name)

    def show(self, nodes: ResultNodes, name: str) -> None:
        """Show the tract of a result soon."""
        if name in self._coming:
            return
        generation = self._generation
        self._coming.add(name)
        steps = run_in_steps(self._steps(nodes, name), self._timer, lambda: self._generation != generation)
        steps.when_done(lambda tract, error: self._end(generation, name, tract, error))

    def hide(self, nodes: ResultNodes, names: list[str]) -> None:
        """Hide these tracts of a result."""
        for name in names:
            hide_tract(nodes, name)
        self._changed(None)

    def stop(self) -> None:
        """Forget the tracts that are on their way."""
        self._generation += 1
        self._coming.clear()

    def _steps(self, nodes: ResultNodes, name: str) -> Steps[TractVoxels | None]:
        place, find = stored_place(nodes.place), prepare_tract(nodes, name)
        tract, inside, to_ras = yield in_background(lambda: _with_surface_grid(find()), self._timer)
        surface = yield from _surface_steps(inside, to_ras)
        yield
        # The result may have been removed, or replaced by that of another run.
        current = nodes.present()
        if current.zMap is None or stored_place(current.place) != place:
            return None
        add_tract(current, tract, surface)
        nodes.shownTracts = current.shownTracts
        yield
        return tract

    def _end(self, generation: int, name: str, tract: TractVoxels | None, error: Exception | None) -> None:
        if generation != self._generation or isinstance(error, Stopped):
            return
        self._coming.discard(name)
        if error is not None:
            self._failed(error)
        elif tract is not None:
            self._changed(tract)


def show_tract(nodes: ResultNodes, name: str) -> None:
    """Show a tract of a result at once, for scripts; *name* may be its abbreviation.

    Raises
    ------
    FAError
        As :func:`~..scene.tract_segments.prepare_tract` and what it returns.
    """
    tract, inside, to_ras = _with_surface_grid(prepare_tract(nodes, name)())
    add_tract(nodes, tract, run_to_end(_surface_steps(inside, to_ras)))


def _with_surface_grid(tract: TractVoxels) -> tuple[TractVoxels, np.ndarray, np.ndarray]:
    """The tract, float32 (k, j, i) that is 0.5 at its surface, and the matrix from that grid's (i, j, k) to RAS mm."""
    spacing = np.linalg.norm(tract.ijk_to_ras[:3, :3], axis=0)
    step = np.maximum(1, np.round(SURFACE_MM / spacing)).astype(int)
    pad = PAD * step
    wide = np.pad(tract.mask, [(n, n) for n in pad[::-1]]).astype(np.float32)
    inside = ndimage.gaussian_filter(wide, SMOOTHING_MM / spacing[::-1])[:: step[2], :: step[1], :: step[0]]
    to_ras = tract.ijk_to_ras @ np.diag([*step, 1.0])
    to_ras[:3, 3] += tract.ijk_to_ras[:3, :3] @ (np.array(tract.corner) - pad)
    return tract, np.ascontiguousarray(inside), to_ras


def _surface_steps(inside: np.ndarray, to_ras: np.ndarray) -> Steps[Any]:
    surface = contour(inside)
    yield
    surface = smoothed(surface)
    yield
    return with_normals(surface, to_ras)
