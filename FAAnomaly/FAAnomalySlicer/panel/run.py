"""Run: one button that starts and cancels, the progress, and the outcome."""

from __future__ import annotations

import time

import slicer
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.request import DetectRequest

from ..events.debounce import Debouncer
from ..events.signal import Signal
from ..runs.detection_run import CANCELLED, DONE, READING, WRITING, DetectionRun
from ..scene.choices import Device, PanelParameters, RegionMode, ThresholdMode, request_options
from ..setup.device_probe import DeviceProbe, expected_device
from ..worker_client.qt_process import QtProcess, QtTimer
from . import estimate
from .packages import Packages
from .panel_context import PanelContext

MAX_PROGRESS = 1000
"""Maximum of the progress bar."""
STAGES = {
    WRITING: _("Writing the volume"),
    "reading": _("Reading the volume"),
    "loading the model": _("Loading the model"),
    "registration": _("Registering to the template"),
    "filling holes": _("Filling holes"),
    "second look": _("Refining candidate regions"),
    "scoring": _("Scoring"),
    READING: _("Reading the results"),
}
"""Stage in the engine's protocol -> text on the panel."""


class RunSection:
    """Apply, progress, message.

    Parameters
    ----------
    context, packages
        Of the panel.
    problems
        Functions that each return a sentence that says why no run can start, or nothing.

    Attributes
    ----------
    ended
        Emits the :class:`~..runs.detection_run.DetectionRun` when it is done.
    """

    def __init__(self, context: PanelContext, packages: Packages, problems: list) -> None:
        self._context, self._ui = context, context.ui
        self._packages, self._problems = packages, [lambda: packages.problem, *problems]
        self.ended = Signal()
        self._asked_to_start = self._cancelling = False
        self._started = 0.0
        self._kind = ""
        self._estimated_kind = ""
        self._probe: DeviceProbe | None = None
        self._end = Debouncer(self._emit_ended)
        self._ended_run: DetectionRun | None = None
        self._ui.progressBar.maximum = MAX_PROGRESS
        self._ui.applyButton.connect("clicked(bool)", context.guarded(self._on_apply))
        context.problems_changed.connect(self.update)

    def update(self) -> None:
        """Enable and name the button, and show why it is disabled."""
        ui, parameters = self._ui, self._context.parameters
        running = self._context.detection is not None
        reasons = [] if running else self.reasons()
        ui.applyButton.text = _("Cancelling…") if self._cancelling else _("Cancel") if running else _("Apply")
        ui.applyButton.enabled = not reasons and not self._cancelling
        if running:
            ui.applyButton.toolTip = _("Stop the run; nothing of it is left in the scene.")
        else:
            ui.applyButton.toolTip = "\n".join(
                [_("Cannot start:"), *(f"• {reason}" for reason in reasons)] if reasons else [_("Find anomalies.")]
            )
            if parameters is not None:
                self._show_estimate(parameters)

    def look_for_devices(self) -> None:
        """Find out, once, what a run will be computed on."""
        if self._probe is None:
            self._probe = DeviceProbe(lambda: QtProcess(slicer.app), QtTimer())
            self._probe.found.connect(self._on_device_found)
            self._probe.start()

    def close(self) -> None:
        """End the look for a graphics card."""
        if self._probe is not None:
            self._probe.found.disconnect(self._on_device_found)
            self._probe.stop()

    def _on_device_found(self) -> None:
        if self._context.detection is None and self._context.parameters is not None:
            self._show_device(self._context.parameters)

    def reasons(self) -> list[str]:
        """The reasons why no run can start, one sentence each."""
        parameters = self._context.parameters
        if parameters is None:
            return [_("the scene is being closed")]
        request = DetectRequest.from_dict(
            {**request_options(parameters), "input": "input" if parameters.inputVolume else ""}
        )
        problems = [*request.problems(), *(problem() for problem in self._problems)]
        return [sentence for sentence in problems if sentence]

    def start(self) -> None:
        """Start a run with the panel's choices. Raises ``FAError`` when it cannot."""
        context, parameters = self._context, self._context.require_parameters()
        context.message.clear()
        self._packages.ensure()
        context.run_starts.emit()
        choices = request_options(parameters)
        if parameters.regionMode is RegionMode.BOX:
            choices["roi"] = parameters.roi
        elif parameters.regionMode is RegionMode.SEGMENT:
            choices["segment"] = (parameters.segmentation, parameters.segmentID)
        mode = parameters.thresholdMode
        choices["threshold"] = parameters.threshold if mode is ThresholdMode.BY_HAND else mode.value
        self._kind, self._started = estimate.kind_of_run(parameters), time.monotonic()
        detection = context.logic.start(parameters.inputVolume, signs=parameters.signs.value, **choices)
        context.detection = detection
        detection.progress.connect(self._on_progress)
        detection.finished.connect(self._on_finished)
        self._ui.progressBar.value = 0
        self._ui.statusLabel.text = _("Starting…")
        self._ui.deviceLabel.text = estimate.device_of_last(slicer.app.userSettings(), self._kind) or _("being chosen…")
        self.update()

    def cancel(self) -> None:
        """Ask the run to stop."""
        if self._context.detection is not None:
            self._cancelling = True
            self._context.detection.cancel()
            self._ui.statusLabel.text = _("Cancelling…")
            self.update()

    def _on_apply(self) -> None:
        if self._context.detection is None:
            self.start()
        else:
            self.cancel()

    def _on_progress(self, fraction: float, stage: str, eta: float | None) -> None:
        if self._cancelling:
            return
        self._ui.progressBar.value = round(MAX_PROGRESS * fraction)
        text = STAGES.get(stage, stage)
        if eta is not None:
            text += _(", about {time} left").format(time=estimate.duration(eta))
        self._ui.statusLabel.text = text

    def _on_finished(self, detection: DetectionRun) -> None:
        context, ui = self._context, self._ui
        seconds = time.monotonic() - self._started
        context.detection, self._cancelling = None, False
        ui.progressBar.value = MAX_PROGRESS if detection.state == DONE else 0
        ui.deviceLabel.text = ""
        ui.statusLabel.text = ""
        self.update()
        if detection.state == DONE:
            device = str(detection.provenance.get("device", ""))
            estimate.store_duration(slicer.app.userSettings(), self._kind, seconds, device)
            ui.statusLabel.text = _("Done in {time}.").format(time=estimate.duration(seconds))
            ui.deviceLabel.text = device
            context.message.show_remarks(detection.warnings)
            self._ended_run = detection
            self._end.trigger()  # in a turn of its own, so that each is short
        elif detection.state == CANCELLED:
            ui.statusLabel.text = _("Cancelled.")
        elif detection.error is not None:
            ui.statusLabel.text = _("Failed.")
            self._show_failure(detection.error)

    def _emit_ended(self) -> None:
        if self._context.parameters is not None:
            self.ended.emit(self._ended_run)
        self._ended_run = None

    def _show_failure(self, error: FAError) -> None:
        parameters, remedy = self._context.parameters, None
        if error.code == "out-of-memory" and parameters is not None and parameters.device is not Device.CPU:
            remedy = _("Run again on the processor"), self._context.guarded(self._run_on_cpu)
        self._context.message.show_error(error, remedy, popup=True)

    def _run_on_cpu(self) -> None:
        self._context.require_parameters().device = Device.CPU
        self.start()

    def _show_estimate(self, parameters: PanelParameters) -> None:
        ui, settings, kind = self._ui, slicer.app.userSettings(), estimate.kind_of_run(parameters)
        if kind == self._estimated_kind:
            return  # the message of the last run stays until other options are chosen
        self._estimated_kind = kind
        seconds = estimate.seconds_of_last(settings, kind)
        self._show_device(parameters)
        if seconds is None:
            ui.statusLabel.text = _("A whole brain takes 20 s to 1 min on a processor, less on a graphics card.")
        else:
            ui.statusLabel.text = _("Takes about {time} here, as the last such run did.").format(
                time=estimate.duration(seconds)
            )

    def _show_device(self, parameters: PanelParameters) -> None:
        """What it was computed on the last time, else what is expected."""
        last = estimate.device_of_last(slicer.app.userSettings(), estimate.kind_of_run(parameters))
        card = self._probe.card if self._probe is not None else None
        self._ui.deviceLabel.text = last or expected_device(parameters.device, card)
