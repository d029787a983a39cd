"""Results: what the views show, threshold, regions."""

from __future__ import annotations

import math

import slicer
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..events.debounce import Debouncer
from ..runs.threshold_updater import ThresholdUpdater
from ..scene import geometry
from ..scene.choices import Shown, Signs, ThresholdMode
from ..scene.region_table import regions_of
from ..scene.result_nodes import ResultNodes, recall
from ..scene.segments import show_surface
from ..scene.tensor_fa import ROLE as FA_OF_TENSORS
from ..scene.threshold import ONE_SIDED, SENSITIVE, SHOWN_SIGNS, THRESHOLD, both_tails
from ..views.comparison_layout import Comparison
from ..views.slice_views import jump_to
from ..worker_client.qt_process import QtTimer
from .export import Exporter
from .panel_context import PanelContext, show_text, unexpected
from .region_table import RegionTable

THRESHOLD_MS = 10
SURFACE_MS = 400
LOWEST, HIGHEST = 2.0, 15.0
"""Ends of the slider; the upper one grows with the map."""
OF_SIGNS = {"both": "+{0:.1f}, −{1:.1f}", "increased": "+{0:.1f}", "decreased": "−{1:.1f}"}
"""How the thresholds (increased, decreased) of the signs that are looked for are written."""


class ResultsSection:
    """Shows the results of the chosen input, whether a run has just made them or a scene brought them."""

    def __init__(self, context: PanelContext) -> None:
        self._context, self._ui = context, context.ui
        self._nodes: ResultNodes | None = None
        self._key: tuple = ()
        self._following = False
        self._strongest = 0
        self._highest_of: tuple = ()
        self._highest_z = 0.0
        self._table = RegionTable(self._ui.regionsTable)
        self._table.chosen.connect(self._jump)
        self._comparison = Comparison()
        self._export = Exporter(context, lambda: self._nodes)
        self._threshold = Debouncer(self._apply_threshold, THRESHOLD_MS)
        self._follower = ThresholdUpdater(QtTimer(), self._on_threshold_applied, self._on_threshold_failed)
        self._surfaces = Debouncer(self._show_surfaces, SURFACE_MS)
        ui = self._ui
        self._buttons = {
            Shown.INPUT: ui.showInputButton,
            Shown.PSEUDO_HEALTHY: ui.showHealthyButton,
            Shown.Z_MAP: ui.showZMapButton,
        }
        for shown, button in self._buttons.items():
            button.connect("clicked(bool)", context.guarded(self._toggling(shown)))
        ui.thresholdSlider.connect("valueChanged(double)", self._on_slider)
        ui.compareCheckBox.connect("clicked(bool)", context.guarded(self._compare))

    def update(self) -> None:
        """Follow the parameter node, and find the results of its input."""
        parameters = self._context.parameters
        nodes = recall(self._input)
        key = _identity(nodes)
        if key != self._key:
            self._key, self._nodes = key, nodes
            self._show_regions(regions_of(nodes.table) if nodes and nodes.table else [])
            self._export.update()
            self._compare_these()
        ready = nodes is not None and nodes.zMap is not None
        self._ui.resultsSection.enabled = nodes is not None
        for widget in (
            self._ui.thresholdSlider,
            self._ui.thresholdSelector,
            self._ui.signsSelector,
            self._ui.opacitySlider,
            self._ui.surfacesCheckBox,
        ):
            widget.enabled = ready
        if not ready and not slicer.mrmlScene.IsImporting():  # a scene brings its layout before its results
            self._comparison.end()
        self._ui.compareCheckBox.enabled = ready and self._comparison.possible
        self._ui.compareCheckBox.checked = self._comparison.shown
        if parameters is None:
            return
        for shown, button in self._buttons.items():
            button.checked = parameters.shown is shown
        self._context.views.set_opacity(parameters.opacity)
        self._comparison.set_opacity(parameters.opacity)
        if ready:
            self._follow_threshold()
        if (parameters.surfaces and ready) != self._surfaces_shown():
            self._surfaces.trigger()

    def show_new(self, detection, shown: Shown) -> None:
        """A run has ended: list what it found and show *shown*."""
        self._key = ()
        self._ui.resultsSection.collapsed = False
        self.update()
        if self._nodes is None:  # its input was removed meanwhile
            self._show_regions(detection.regions)
            return
        self._show(shown)

    def exit(self) -> None:
        """Another module is opened: the layout is the user's again, the layers stay."""
        self._comparison.end()
        self.update()

    def sceneCloses(self) -> None:
        """All results go."""
        self._threshold.stop()
        self._follower.stop()
        self._surfaces.stop()
        self._context.views.forget()
        self._comparison.end()
        self._key, self._nodes = (), None
        self._table.show([], None)

    def close(self) -> None:
        """Give the views back."""
        self._threshold.stop()
        self._follower.stop()
        self._surfaces.stop()
        self._context.views.restore()
        self._comparison.end()

    @property
    def _input(self):
        volume = self._context.parameters.inputVolume if self._context.parameters else None
        if volume is not None and volume.IsA("vtkMRMLDiffusionTensorVolumeNode"):
            return volume.GetNodeReference(FA_OF_TENSORS)
        return volume

    def _toggling(self, shown: Shown):
        def toggle() -> None:
            # A second click gives the views back to the user.
            self._show(Shown.OWN if self._context.views.shown == shown.value else shown)

        return toggle

    def _show(self, shown: Shown) -> None:
        views, parameters = self._context.views, self._context.parameters
        try:
            if shown is Shown.OWN:
                views.restore()
            else:
                views.show(shown.value, self._input, self._nodes)
        finally:
            parameters.shown = Shown(views.shown or "own")
            self.update()

    def _compare(self) -> None:
        if self._comparison.shown:
            self._comparison.end()
        else:
            self._comparison.show(self._input, self._nodes, self._context.parameters.opacity)
        self.update()

    def _compare_these(self) -> None:
        """Bring what is compared up to date: a scene may have been saved in this layout."""
        if self._comparison.shown and self._nodes is not None and self._nodes.zMap is not None:
            self._comparison.show(self._input, self._nodes, self._context.parameters.opacity)

    def _jump(self, region) -> None:
        if self._nodes is not None and self._nodes.zMap is not None:
            jump_to(region.peak_ras, self._nodes.zMap)

    # Threshold: the parameter node says what is wanted, the segmentation what was applied.

    def _calibrated(self, mode: ThresholdMode) -> tuple[float, float] | None:
        """What the model's calibration proposes for this map and the signs that are looked for, (increased, decreased).

        None for the sensitive threshold of a result of an earlier version, which knew none.
        """
        if mode is ThresholdMode.AUTOMATIC:
            return both_tails(self._nodes.zMap.GetAttribute(THRESHOLD))
        both = self._context.parameters.signs is Signs.BOTH
        text = self._nodes.zMap.GetAttribute(SENSITIVE if both else ONE_SIDED)
        return both_tails(text) if text else None

    def _wanted(self) -> tuple:
        parameters = self._context.parameters
        mode = parameters.thresholdMode
        threshold = (
            (parameters.threshold,) * 2
            if mode is ThresholdMode.BY_HAND
            else self._calibrated(mode) or self._calibrated(ThresholdMode.AUTOMATIC)
        )
        return *threshold, parameters.signs.value

    def _applied(self) -> tuple | None:
        holder = self._nodes.segmentation or self._nodes.table
        if holder is None or not holder.GetAttribute(THRESHOLD):
            return None
        return *both_tails(holder.GetAttribute(THRESHOLD)), holder.GetAttribute(SHOWN_SIGNS)

    def _follow_threshold(self) -> None:
        slider = self._ui.thresholdSlider
        up, down, signs = self._wanted()
        height = down if signs == Signs.DECREASED.value else up
        self._following = True
        slider.maximum = max(HIGHEST, math.ceil(height), self._strongest)
        slider.minimum = min(LOWEST, height)
        slider.value = height
        self._following = False
        for number, mode in enumerate((ThresholdMode.AUTOMATIC, ThresholdMode.SENSITIVE)):
            values = self._calibrated(mode)
            told = _("run again") if values is None else OF_SIGNS[signs].format(*values)
            self._ui.thresholdSelector.setItemText(number, f"{mode.label()}: {told}")
        if self._wanted() != self._applied():
            self._threshold.trigger()

    def _on_slider(self, value: float) -> None:
        parameters = self._context.parameters
        if not self._following and parameters is not None:
            was = parameters.StartModify()
            parameters.thresholdMode, parameters.threshold = ThresholdMode.BY_HAND, value
            parameters.EndModify(was)

    def _apply_threshold(self) -> None:
        if self._nodes is None or self._context.parameters is None or self._wanted() == self._applied():
            return
        up, down, signs = self._wanted()
        self._follower.follow(self._nodes.present(), (up, down), signs)

    def _on_threshold_applied(self, regions: list) -> None:
        if self._context.parameters is not None:
            self._show_regions(regions)
            if self._context.parameters.surfaces:
                self._surfaces.trigger()

    def _on_threshold_failed(self, error: Exception) -> None:
        self._context.message.fail(error if isinstance(error, FAError) else unexpected(error))

    def _show_regions(self, regions: list) -> None:
        self._table.show(regions, self._nodes.zMap if self._nodes else None)
        counts = {sign: sum(region.sign == sign for region in regions) for sign in ("increased", "decreased")}
        self._strongest = 0
        if self._nodes is not None and self._nodes.zMap is not None:
            self._strongest = math.ceil(self._highest(self._nodes.zMap))
        show_text(
            self._ui.summaryLabel,
            ""
            if self._nodes is None
            else _("{increased} with increased, {decreased} with decreased FA.").format(**counts),
        )

    def _highest(self, zMap) -> float:
        """The greatest |z|, sought again only when the voxels are others."""
        image = zMap.GetImageData()
        if image is None:
            return 0.0
        if self._highest_of != (image, image.GetMTime()):
            z = geometry.voxels(zMap)  # VTK's own range takes several times as long
            self._highest_of, self._highest_z = (image, image.GetMTime()), max(float(z.max()), -float(z.min()))
        return self._highest_z

    def _surfaces_shown(self) -> bool:
        segmentation = self._nodes.segmentation if self._nodes else None
        display = segmentation.GetDisplayNode() if segmentation else None
        return bool(display and display.GetVisibility3D())

    def _show_surfaces(self) -> None:
        parameters = self._context.parameters
        if self._nodes is not None and self._nodes.segmentation is not None and parameters is not None:
            show_surface(self._nodes.segmentation, parameters.surfaces)


def _identity(nodes: ResultNodes | None) -> tuple:
    """Changes when a node is another one or holds other voxels."""
    if nodes is None:
        return ()
    image = nodes.zMap.GetImageData() if nodes.zMap is not None else None
    return (*(node.GetID() for node in nodes.nodes().values()), image.GetMTime() if image else 0)
