"""Follows the threshold slider: the search runs in a thread, one at a time, and the newest value wins."""

from __future__ import annotations

from collections.abc import Callable

from ..events.scheduling import in_background
from ..events.timer import Timer
from ..scene.threshold import prepare_search, show_found


class ThresholdUpdater:
    """Applies thresholds to result nodes without keeping the event loop waiting.

    What was found is shown even when a newer value waits already, so that something moves while the slider does.

    Parameters
    ----------
    shown
        Called with the regions once segmentation and table hold them.
    failed
        Called with the exception when a search was impossible.
    """

    def __init__(self, timer: Timer, shown: Callable[[list], None], failed: Callable[[Exception], None]) -> None:
        self._timer, self._shown, self._failed = timer, shown, failed
        self._wanted: tuple | None = None
        self._searching: tuple | None = None

    def follow(self, nodes, threshold: tuple[float, float], signs: str) -> None:
        """Apply *threshold* to *nodes* (:class:`~.results.ResultNodes`) soon; forget what waited."""
        self._wanted = (nodes, threshold, signs)
        if self._searching is None:
            self._begin()

    def stop(self) -> None:
        """Forget what waits, and what is being sought."""
        self._wanted = self._searching = None

    def _begin(self) -> None:
        asked, self._wanted = self._wanted, None
        nodes, threshold, signs = asked
        image = nodes.zMap.GetImageData() if nodes.zMap is not None else None
        version = image.GetMTime() if image else 0
        try:
            search = prepare_search(nodes, threshold, signs)
        except Exception as error:
            self._failed(error)
            return
        self._searching = asked
        in_background(search, self._timer, lambda selection, error: self._end(asked, image, version, selection, error))

    def _end(self, asked: tuple, image, version: int, selection, error: Exception | None) -> None:
        if self._searching is not asked:
            return  # stopped
        self._searching = None
        nodes = asked[0].present()
        if error is not None:
            self._failed(error)
        elif nodes.zMap is not None and nodes.zMap.GetImageData() is image:
            if image.GetMTime() == version:
                self._shown(show_found(nodes, selection))
            else:
                self._wanted = self._wanted or asked  # the voxels were changed meanwhile
        if self._wanted is not None and self._searching is None:
            self._begin()
