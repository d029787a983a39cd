"""Follows the threshold slider: the search runs in a thread, one at a time, and the newest value wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..events.scheduling import in_background
from ..events.timer import Timer
from ..scene.result_list import ResultNodes
from ..scene.threshold import Selection, prepare_search, show_selection


@dataclass(frozen=True, eq=False)
class ThresholdRequest:
    """A threshold (increased, decreased) and signs for result nodes."""

    nodes: ResultNodes
    threshold: tuple[float, float]
    signs: str


@dataclass(frozen=True, eq=False)
class Search:
    """A search in progress, and the z-map's image that it reads: ``vtkImageData`` and its modification time."""

    request: ThresholdRequest
    image: Any
    mtime: int


class ThresholdUpdater:
    """Applies thresholds to result nodes without blocking the event loop.

    The outcome of a search is shown even when a newer value waits already, so that the views follow the slider while
    it moves.

    Parameters
    ----------
    shown
        Called with the regions once segmentation and table hold them.
    failed
        Called with the exception when a search was impossible.
    """

    def __init__(self, timer: Timer, shown: Callable[[list], None], failed: Callable[[Exception], None]) -> None:
        self._timer, self._shown, self._failed = timer, shown, failed
        self._waiting: ThresholdRequest | None = None
        self._search: Search | None = None

    def follow(self, nodes: ResultNodes, threshold: tuple[float, float], signs: str) -> None:
        """Apply *threshold* (increased, decreased) to *nodes* soon; a request that waits is forgotten."""
        request = ThresholdRequest(nodes, threshold, signs)
        if self._search is None:
            self._waiting = None
            self._begin(request)
        else:
            self._waiting = request

    def stop(self) -> None:
        """Forget the request that waits and the search in progress."""
        self._waiting = self._search = None

    def _begin(self, request: ThresholdRequest) -> None:
        zMap = request.nodes.zMap
        image = zMap.GetImageData() if zMap is not None else None
        mtime = image.GetMTime() if image else 0
        try:
            find = prepare_search(request.nodes, request.threshold, request.signs)
        except Exception as error:
            self._failed(error)
            return
        search = self._search = Search(request, image, mtime)
        in_background(find, self._timer).when_done(lambda selection, error: self._end(search, selection, error))

    def _end(self, search: Search, selection: Selection, error: Exception | None) -> None:
        if self._search is not search:
            return  # stopped
        self._search = None
        nodes = search.request.nodes.present()
        same_image = nodes.zMap is not None and nodes.zMap.GetImageData() is search.image
        if same_image and search.image is not None and search.image.GetMTime() != search.mtime:
            # The voxels were changed during the search, which may also be why it failed: search again.
            self._waiting = self._waiting or search.request
        elif error is not None:
            self._failed(error)
        elif same_image:
            self._shown(show_selection(nodes, selection))
        waiting = self._waiting
        if waiting is not None and self._search is None:
            self._waiting = None
            self._begin(waiting)
