"""Results: content of the views, threshold, regions."""

from __future__ import annotations

import math
from typing import Any

import slicer
from slicer.i18n import tr as _

from FAAnomalyLib.anomaly.regions import restrict_to_signs
from FAAnomalyLib.errors import FAError

from ..events.debounce import Debouncer
from ..runs.threshold_updater import ThresholdUpdater
from ..scene import color_tables, detectable_change, geometry
from ..scene.choices import PanelParameters, Shown, Signs, ThresholdMode
from ..scene.region_table import regions_of
from ..scene.result_list import ResultNodes, find_results
from ..scene.segments import show_surface
from ..scene.tensor_fa import ROLE as FA_OF_TENSORS
from ..scene.threshold import THRESHOLD, UNNAMED, both_tails
from ..views.brain_outline import BrainOutline
from ..views.comparison_layout import Comparison
from ..views.slice_views import in_world, jump_to
from ..worker_client.qt_process import QtTimer
from .export import Exporter
from .panel_context import Observer, PanelContext, show_text, unexpected
from .region_table import RegionTable
from .result_choice import ResultChoice
from .shortcuts import Shortcuts
from .threshold_choice import applied_threshold, calibrated_threshold, wanted_threshold
from .tracts import TractsSection

THRESHOLD_MS = 10
SURFACE_MS = 400
MIN_THRESHOLD, MAX_THRESHOLD = 2.0, 15.0
"""Ends of the slider; the upper one grows with the largest value of the map."""
BELOW_THRESHOLD = 0.5
"""Where the colours begin, as a share of the threshold, with "show below the threshold"."""
THRESHOLD_FORMATS = {"both": "+{0:.1f}, −{1:.1f}", "increased": "+{0:.1f}", "decreased": "−{1:.1f}"}
"""Signs -> text of their thresholds (increased, decreased)."""


class ResultsSection:
    """Shows the results of the chosen input, from a run or from a loaded scene."""

    def __init__(self, context: PanelContext) -> None:
        self._context, self._ui = context, context.ui
        self._nodes: ResultNodes | None = None
        self._key: tuple = ()
        self._following = False
        self._slider_limit = 0
        self._extreme_key: tuple = ()
        self._extreme_z = 0.0
        self._colored: tuple = ()
        self._table = RegionTable(self._ui.regionsTable)
        self._table.chosen.connect(self._jump)
        self._tracts = TractsSection(context, lambda: self._nodes, self._table)
        self._comparison = Comparison()
        self._choice = ResultChoice(context, lambda: self._input, self._leave_result, self._follow_result)
        self.exporter = Exporter(context, lambda: self._nodes)
        self._threshold = Debouncer(self._apply_threshold, THRESHOLD_MS)
        self._updater = ThresholdUpdater(QtTimer(), self._on_threshold_applied, self._on_threshold_failed)
        self._surfaces = Debouncer(self._show_surfaces, SURFACE_MS)
        self._outline = BrainOutline(QtTimer())
        node = slicer.vtkMRMLNode
        self._refresh = Debouncer(self.update)
        self._results = Observer(  # a script may add a result, too
            [node.ReferenceAddedEvent, node.ReferenceModifiedEvent, node.ReferenceRemovedEvent],
            lambda caller, event: self._refresh.trigger(),
        )
        self._buttons = self._connect()

    def _connect(self) -> dict[Shown, Any]:
        """Connect the widgets; the button of each content of the views."""
        ui, context = self._ui, self._context
        buttons = {
            Shown.INPUT: ui.showInputButton,
            Shown.EXPECTED: ui.showExpectedButton,
            Shown.Z_MAP: ui.showZMapButton,
            Shown.PSEUDO_HEALTHY: ui.showHealthyButton,
        }
        for shown, button in buttons.items():
            button.connect("clicked(bool)", context.guarded(self._toggling(shown)))
        ui.thresholdSlider.connect("valueChanged(double)", self._on_slider)
        ui.compareCheckBox.connect("clicked(bool)", context.guarded(self._compare))
        self._shortcuts = self._make_shortcuts()
        return buttons

    def _make_shortcuts(self) -> Shortcuts:
        return Shortcuts(
            self._ui.resultsSection,
            {
                "1": self._showing(Shown.INPUT),
                "2": self._showing(Shown.EXPECTED),
                "3": self._showing(Shown.Z_MAP),
                "4": self._showing(Shown.PSEUDO_HEALTHY),
                "N": lambda: self._table.step(1),
                "P": lambda: self._table.step(-1),
            },
        )

    def update(self) -> None:
        """Follow the parameter node, and find the results of its input."""
        parameters = self._context.parameters
        volume = self._input
        self._results.watch(volume)
        nodes = find_results(volume)
        self._choice.update()
        key = _identity(nodes)
        if key != self._key:
            self._key, self._nodes = key, nodes
            self._ui.resultsSection.collapsed = nodes is None
            self._tracts.show_result()
            self._show_regions(regions_of(nodes.table) if nodes and nodes.table else [])
            self.exporter.update()
            self._update_comparison()
        elif nodes is not None and self._nodes is not None:
            self._nodes.shownTracts = nodes.shownTracts
            self._tracts.update_buttons()
        ready = nodes is not None and nodes.zMap is not None
        self._enable(nodes is not None, ready)
        if parameters is None:
            return
        for shown, button in self._buttons.items():
            button.checked = parameters.shown is shown
        self._context.views.set_opacity(parameters.opacity)
        self._comparison.set_opacity(parameters.opacity)
        self._comparison.set_orientation(parameters.orientation.value, self._place())
        if nodes is not None and ready:
            self._follow_threshold(nodes, parameters)
        if (parameters.surfaces and ready) != self._surfaces_shown():
            self._surfaces.trigger()
        self._outline.show(self._input if parameters.surfaces and ready else None)

    def _enable(self, present: bool, ready: bool) -> None:
        """Follow whether there is a result (*present*) and a z-map of it (*ready*)."""
        self._ui.resultsSection.enabled = present
        for widget in (
            self._ui.thresholdSlider,
            self._ui.thresholdSelector,
            self._ui.signsSelector,
            self._ui.opacitySlider,
            self._ui.surfacesCheckBox,
            self._ui.belowThresholdCheckBox,
            self._ui.orientationSelector,
        ):
            widget.enabled = ready
        if not ready and not slicer.mrmlScene.IsImporting():  # a scene brings its layout before its results
            self._comparison.end()
        self._ui.compareCheckBox.enabled = ready and self._comparison.possible
        self._ui.compareCheckBox.checked = self._comparison.shown

    def show_new(self, detection, shown: Shown) -> None:
        """A run has ended: list its regions and show *shown*."""
        self._key = ()
        self.update()
        if self._nodes is None:  # its input was removed meanwhile
            self._ui.resultsSection.collapsed = False
            self._show_regions(detection.regions)
            return
        self._show(shown)

    def enter(self) -> None:
        """The module is opened: its keys work."""
        self._shortcuts.install()

    def exit(self) -> None:
        """Another module is opened: restore the user's layout, keep the layers; the keys are the user's again."""
        self._shortcuts.uninstall()
        self._comparison.end()
        self.update()

    def sceneCloses(self) -> None:
        """All results are about to be removed."""
        for pending in (self._threshold, self._updater, self._surfaces, self._refresh):
            pending.stop()
        self._results.watch(None)
        self._outline.show(None)
        self._context.views.forget()
        self._comparison.end()
        self._key, self._nodes, self._colored = (), None, ()
        self._table.show([], None)
        self._tracts.clear()

    def close(self) -> None:
        """Restore the views."""
        for pending in (self._threshold, self._updater, self._surfaces, self._refresh):
            pending.stop()
        self._results.watch(None)
        self._outline.show(None)
        self._tracts.stop()
        self._shortcuts.uninstall()
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
            # A second click restores the user's layers.
            self._show(Shown.OWN if self._context.views.shown == shown.value else shown)

        return toggle

    def _showing(self, shown: Shown):
        """What a key does; unlike a second click, a second press changes nothing."""

        def show() -> None:
            if self._nodes is not None and self._context.views.shown != shown.value:
                self._show(shown)

        return self._context.guarded(show)

    def _leave_result(self) -> None:
        """The shown result is about to be removed."""
        self._threshold.stop()
        self._updater.stop()
        self._context.views.restore()

    def _follow_result(self) -> None:
        """Another result was chosen, or the shown one was kept or removed: the views go on as they were."""
        parameters = self._context.require_parameters()
        self.update()
        if parameters.shown is not Shown.OWN:
            self._show(parameters.shown if self._nodes is not None else Shown.OWN)

    def _show(self, shown: Shown) -> None:
        views, parameters = self._context.views, self._context.require_parameters()
        try:
            if shown is Shown.OWN:
                views.restore()
            else:
                views.show(shown.value, self._input, self._nodes or ResultNodes())
        finally:
            parameters.shown = Shown(views.shown or "own")
            self.update()

    def _compare(self) -> None:
        if self._comparison.shown:
            self._comparison.end()
        else:
            self._show_comparison()
        self.update()

    def _update_comparison(self) -> None:
        """Show these results in the comparison layout: a scene may have been saved in it."""
        if self._comparison.shown and self._nodes is not None and self._nodes.zMap is not None:
            self._show_comparison()

    def _show_comparison(self) -> None:
        parameters, nodes = self._context.require_parameters(), self._nodes or ResultNodes()
        orientation = parameters.orientation.value
        self._comparison.show(self._input, nodes, parameters.opacity, orientation, self._place())

    def _place(self) -> list[float] | None:
        """Where the chosen region has its peak, world RAS mm."""
        region = self._table.current
        if region is None or self._nodes is None or self._nodes.zMap is None:
            return None
        return in_world(region.peak_ras, self._nodes.zMap)

    def _jump(self, region) -> None:
        if self._nodes is not None and self._nodes.zMap is not None:
            jump_to(region.peak_ras, self._nodes.zMap)

    # Threshold: the parameter node holds the wanted one, the segmentation the applied one.

    def _follow_threshold(self, nodes: ResultNodes, parameters: PanelParameters) -> None:
        slider = self._ui.thresholdSlider
        wanted = wanted_threshold(nodes, parameters)
        up, down, signs = wanted
        height = down if signs == Signs.DECREASED.value else up
        self._following = True
        slider.maximum = max(MAX_THRESHOLD, math.ceil(height), self._slider_limit)
        slider.minimum = min(MIN_THRESHOLD, height)
        slider.value = height
        self._following = False
        for number, mode in enumerate((ThresholdMode.AUTOMATIC, ThresholdMode.SENSITIVE)):
            values = calibrated_threshold(nodes, mode, parameters.signs)
            text = _("run again") if values is None else THRESHOLD_FORMATS[signs].format(*values)
            self._ui.thresholdSelector.setItemText(number, f"{mode.label()}: {text}")
        if wanted != applied_threshold(nodes):
            self._threshold.trigger()
        self._follow_colors(nodes, parameters)

    def _follow_colors(self, nodes: ResultNodes, parameters: PanelParameters) -> None:
        """Let the z-map's colours begin where the present segments do, or at half of it if that is wanted."""
        applied = applied_threshold(nodes)
        state = (nodes.zMap.GetID(), applied, parameters.belowThreshold)
        if applied is None or state == self._colored or not color_tables.is_signed(nodes.zMap):
            return
        self._colored = state
        up, down, signs = applied
        ends = restrict_to_signs((up, down), signs)
        limit = color_tables.WINDOW_FACTOR * max(end for end in ends if end < math.inf)
        share = BELOW_THRESHOLD if parameters.belowThreshold else 1.0
        color_tables.show_beyond(nodes.zMap, share * ends[0], share * ends[1], limit)

    def _on_slider(self, value: float) -> None:
        parameters = self._context.parameters
        if not self._following and parameters is not None:
            was = parameters.StartModify()
            parameters.thresholdMode, parameters.threshold = ThresholdMode.BY_HAND, value
            parameters.EndModify(was)

    def _apply_threshold(self) -> None:
        nodes, parameters = self._nodes, self._context.parameters
        if nodes is None or parameters is None:
            return
        wanted = wanted_threshold(nodes, parameters)
        if wanted != applied_threshold(nodes):
            up, down, signs = wanted
            self._updater.follow(nodes.present(), (up, down), signs)

    def _on_threshold_applied(self, regions: list) -> None:
        if self._context.parameters is not None:
            self._show_regions(regions)
            if self._nodes is not None and self._nodes.zMap is not None:
                self._follow_colors(self._nodes, self._context.parameters)
            if self._context.parameters.surfaces:
                self._surfaces.trigger()

    def _on_threshold_failed(self, error: Exception) -> None:
        self._context.message.show_error(error if isinstance(error, FAError) else unexpected(error))

    def _show_regions(self, regions: list) -> None:
        self._table.show(regions, self._nodes.zMap if self._nodes else None)
        self._slider_limit = 0
        if self._nodes is not None and self._nodes.zMap is not None:
            self._slider_limit = math.ceil(self._largest_z(self._nodes.zMap))
        self._tracts.show_regions(regions)
        self._ui.regionsTable.visible = self._ui.regionsLabel.visible = bool(regions)
        show_text(self._ui.summaryLabel, _summary(regions, self._nodes) if self._nodes is not None else "")

    def _largest_z(self, zMap) -> float:
        """The largest |z|, computed again only when the voxels have changed."""
        image = zMap.GetImageData()
        if image is None:
            return 0.0
        if self._extreme_key != (image, image.GetMTime()):
            z = geometry.voxels(zMap)  # VTK's own range takes several times as long
            self._extreme_key, self._extreme_z = (image, image.GetMTime()), max(float(z.max()), -float(z.min()))
        return self._extreme_z

    def _surfaces_shown(self) -> bool:
        segmentation = self._nodes.segmentation if self._nodes else None
        display = segmentation.GetDisplayNode() if segmentation else None
        return bool(display and display.GetVisibility3D())

    def _show_surfaces(self) -> None:
        parameters = self._context.parameters
        if self._nodes is not None and self._nodes.segmentation is not None and parameters is not None:
            show_surface(self._nodes.segmentation, parameters.surfaces)


def _summary(regions: list, nodes: ResultNodes) -> str:
    applied = applied_threshold(nodes)
    if not regions and applied is not None and nodes.zMap is not None:
        up, down, signs = applied
        of_run = both_tails(nodes.zMap.GetAttribute(THRESHOLD))
        return detectable_change.sentence(nodes.zMap, (up, down), of_run, signs)
    if not regions:
        return _("No region beyond the threshold.")
    counts = {sign: sum(region.sign == sign for region in regions) for sign in ("increased", "decreased")}
    told = _("{increased} with increased, {decreased} with decreased FA.").format(**counts)
    why = nodes.table.GetAttribute(UNNAMED) if nodes.table is not None else None
    return _("{told} Without the names of tracts: {why}.").format(told=told, why=why.rstrip(".")) if why else told


def _identity(nodes: ResultNodes | None) -> tuple:
    """Changes when a node is another one or holds other voxels."""
    if nodes is None:
        return ()
    image = nodes.zMap.GetImageData() if nodes.zMap is not None else None
    return (*(node.GetID() for node in nodes.nodes().values()), image.GetMTime() if image else 0)
