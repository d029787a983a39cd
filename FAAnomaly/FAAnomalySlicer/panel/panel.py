"""The panel as a whole: its sections follow one parameter node."""

from __future__ import annotations

from typing import Any, Protocol

import vtk

from ..events.debounce import Debouncer
from ..scene.choices import PanelParameters, Shown
from .advanced import AdvancedSection
from .input import InputSection
from .log import LogSection
from .packages import Packages
from .panel_context import Observer, PanelContext
from .preview import PreviewSection
from .region import RegionSection
from .results import ResultsSection
from .run import RunSection


class Section(Protocol):
    """A part of the panel."""

    def update(self) -> None:
        """Follow the parameter node."""


class Panel:
    """Makes the sections and updates them.

    Parameters
    ----------
    ui
        The widgets of ``Resources/UI/FAAnomaly.ui`` by their names.
    logic
        ``FAAnomalyLogic``.
    """

    def __init__(self, ui, logic) -> None:
        context = self._context = PanelContext(ui, logic)
        self._connected: PanelParameters | None = None
        self._gui_tag: Any = None
        self.input, self.region = InputSection(context), RegionSection(context)
        self._packages = Packages(context)
        self.run = RunSection(context, self._packages, [lambda: self.input.problem, lambda: self.region.problem])
        self.results, self.preview = ResultsSection(context), PreviewSection(context, self._packages)
        self.advanced, self.log = AdvancedSection(context, self._packages), LogSection(context)
        self.run.ended.connect(self._on_ended)
        self._sections: list[Section] = [
            self.input,
            self.region,
            self.run,
            self.results,
            self.preview,
            self.advanced,
        ]
        self._again = Debouncer(self._show_again)
        self._watch = Observer([vtk.vtkCommand.ModifiedEvent], self._on_parameters_changed)

    @property
    def message(self):
        """The inline :class:`~.message.Message`."""
        return self._context.message

    def setParameterNode(self, parameters: PanelParameters | None) -> None:
        """Show *parameters*, a ``FAAnomalyParameterNode``; None while there is none.

        The widgets stay tied to the last one meanwhile: in Slicer 5.10 each new tie leaves an observer behind.
        """
        self._context.parameters = parameters
        self._watch.watch(parameters.parameterNode if parameters is not None else None)
        if parameters is not None and parameters is not self._connected:
            self._disconnect()
            self._connected = parameters
            # Not `connectGui`, which in Slicer 5.10 returns no tag.
            self._gui_tag = parameters.connectParametersToGui(_widgets_by_parameter(self._context.ui))
        elif parameters is not None:
            self._show_again()
            self._again.trigger()  # the selectors list the nodes of a scene that was read only after this turn
        self.update()

    def _show_again(self) -> None:
        """Read the parameter node anew: references of a scene that was read are known only at its end."""
        if self._context.parameters is not None:
            self._context.parameters.parameterNode.Modified()

    def _disconnect(self) -> None:
        if self._connected is not None:
            self._connected.disconnectGui(self._gui_tag)
        self._connected = self._gui_tag = None

    def update(self) -> None:
        """Every section follows the parameter node."""
        for section in self._sections:
            section.update()

    def sceneCloses(self) -> None:
        """The scene is about to be closed: cancel, forget all nodes."""
        self.run.cancel()
        self.preview.turn_off()
        self.setParameterNode(None)
        self.input.sceneCloses()
        self.region.sceneCloses()
        self.results.sceneCloses()
        self._context.message.clear()

    def enter(self) -> None:
        """The module is opened, perhaps for the first time since a restart that an installation needed."""
        self._context.problems_changed.emit()
        self._packages.resume()
        self.input.preselect()
        self.results.enter()
        self.run.look_for_devices()

    def exit(self) -> None:
        """Another module is opened: the preview must not follow a box that is used there."""
        self.preview.turn_off()
        self.results.exit()

    def close(self) -> None:
        """Cancel, observe nothing any more."""
        self._packages.stop()
        self._again.stop()
        self.run.cancel()
        self.preview.turn_off()
        self.setParameterNode(None)
        self._disconnect()
        for section in (self.input, self.region, self.run, self.results, self.advanced, self.log):
            section.close()

    def _on_ended(self, detection) -> None:
        # After the preview the same region is shown in full quality.
        shown = Shown.EXPECTED if self.preview.on else Shown.Z_MAP
        self.preview.turn_off()
        self.results.show_new(detection, shown)

    def _on_parameters_changed(self, caller, event) -> None:
        self.update()


def _widgets_by_parameter(ui) -> dict[str, Any]:
    """Parameter -> the widget whose property ``SlicerParameterName`` is its name."""
    named = ((widget.property("SlicerParameterName"), widget) for widget in vars(ui).values())
    return {str(name): widget for name, widget in named if name}
