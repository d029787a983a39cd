"""Advanced: model, environment, diagnostics. Sampler, seed and device are bound to the parameter node by name."""

from __future__ import annotations

from pathlib import Path

import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..scene.model_list import DEFAULT, ModelInfo, models
from ..setup.diagnostics import diagnostics_text
from ..worker_client.environment_check import EnvironmentCheck
from ..worker_client.launcher import engine_command, engine_environment
from ..worker_client.qt_process import QtProcess, QtTimer
from .model_card import ModelCard
from .packages import Packages
from .panel_context import PanelContext


class AdvancedSection:
    """Chooses the model and checks the environment."""

    def __init__(self, context: PanelContext, packages: Packages) -> None:
        self._context, self._ui, self._packages = context, context.ui, packages
        self._models: list[ModelInfo] = []
        self._listing = False
        self._shown: str | None = None
        self._check: EnvironmentCheck | None = None
        self._findings: dict | None = None
        self._card = ModelCard()
        ui = self._ui
        ui.modelSelector.connect("currentIndexChanged(int)", self._on_model_chosen)
        for button, action in (
            (ui.modelFolderButton, self._choose_folder),
            (ui.modelCardButton, self._open_card),
            (ui.modelDeleteButton, self._delete),
            (ui.checkEnvironmentButton, self._start_check),
            (ui.installButton, self._install),
            (ui.copyDiagnosticsButton, self._copy),
        ):
            button.connect("clicked(bool)", context.guarded(action))

    def update(self) -> None:
        """Follow the parameter node."""
        chosen = self._context.parameters.model if self._context.parameters else None
        if chosen is not None and chosen != self._shown:
            self._shown = chosen
            self._list_models(chosen)

    def _list_models(self, chosen: str) -> None:
        available = models(chosen)
        combo = self._ui.modelSelector
        self._listing = True
        if available != self._models:
            self._models = available
            combo.clear()
            for model in available:
                combo.addItem(model.title)
        combo.currentIndex = [model.value for model in available].index(chosen)
        self._listing = False
        model = self._model
        self._ui.calibrationLabel.text = model.calibration()
        self._ui.modelCardButton.enabled = model.card.is_file()
        self._ui.modelDeleteButton.enabled = model.value != DEFAULT and model.folder.is_dir()

    def close(self) -> None:
        """End a check in progress, and close the model card."""
        self._card.close()
        if self._check is not None:
            self._check.stop()

    @property
    def _model(self) -> ModelInfo:
        return self._models[self._ui.modelSelector.currentIndex]

    def _on_model_chosen(self, index: int) -> None:
        if not self._listing and index >= 0 and self._context.parameters is not None:
            self._context.parameters.model = self._models[index].value

    def _choose_folder(self) -> None:
        import qt

        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of a trained model"))
        if not folder:
            return
        if not (Path(folder) / "manifest.json").is_file():
            raise FAError(
                "bad-request",
                _("This folder holds no model"),
                _("there is no manifest.json in it"),
                _("Choose the folder 'model' of a training run"),
            )
        self._context.require_parameters().model = folder

    def _open_card(self) -> None:
        self._card.show(self._model.card, self._model.title)

    def _delete(self) -> None:
        model = self._model
        text = _("Delete the model {name} with its weights from this computer?\n\n{folder}").format(
            name=model.title, folder=model.folder
        )
        if slicer.util.confirmOkCancelDisplay(text, windowTitle=_("Delete a model")):
            model.delete()
            self._shown = None
            self._context.require_parameters().model = DEFAULT

    def _start_check(self) -> None:
        if self._check is not None:
            return
        self._ui.environmentText.setPlainText(_("Looking…"))
        self._ui.checkEnvironmentButton.enabled = False
        self._check = EnvironmentCheck(
            lambda: QtProcess(slicer.app), engine_command("doctor", "--json"), engine_environment(), QtTimer()
        )
        self._check.finished.connect(self._on_checked)
        self._check.start()

    def _on_checked(self, findings: dict | None, error: FAError | None) -> None:
        self._check, self._findings = None, findings
        self._ui.checkEnvironmentButton.enabled = True
        self._ui.environmentText.setPlainText(findings_text(findings) if findings else str(error))

    def _install(self) -> None:
        if not self._context.logic.installer().missing():
            self._ui.environmentText.setPlainText(_("Nothing is missing."))
            return
        self._packages.ensure()
        self._ui.environmentText.setPlainText(_("Installed."))

    def _copy(self) -> None:
        slicer.app.clipboard().setText(self.diagnostics())
        self._ui.environmentText.setPlainText(_("The diagnostics are in the clipboard."))

    def diagnostics(self) -> str:
        """The text for a bug report."""
        parameters, detections = self._context.parameters, self._context.logic.detections
        client = detections.connection(event_loop=True).client
        volume = parameters.inputVolume if parameters else None
        facts = {_("Model"): self._model.title, _("Calibration"): self._model.calibration()}
        if self._context.message.error is not None:
            facts[_("Last error")] = str(self._context.message.error)
        return diagnostics_text(
            slicer.app,
            engine_version=client.engine_version,
            facts=facts,
            request=detections.last_request,
            findings=self._findings,
            log=client.recent_log,
            private=[volume.GetName()] if volume else [],
        )


def findings_text(findings: dict) -> str:
    """The findings of ``faanomaly doctor`` as text for the panel."""
    lines = [_("The engine can run here.") if findings.get("can_run") else _("The engine cannot run here.")]
    for title, values in (
        (_("Missing"), findings.get("missing")),
        (_("Problems"), findings.get("problems")),
        (_("Devices"), findings.get("devices")),
    ):
        if values:
            lines.append(f"{title}: {', '.join(map(str, values))}")
    lines += [f"{name}: {version or _('not installed')}" for name, version in findings.get("packages", {}).items()]
    lines += [
        _("Model {name}: {state}").format(name=name, state=state) for name, state in findings.get("models", {}).items()
    ]
    memory = findings.get("memory_gb", {})
    lines.append(
        _("Python {python}, {cores} cores, {memory} GB memory").format(
            python=findings.get("python"), cores=findings.get("cores"), memory=memory.get("total")
        )
    )
    return "\n".join(lines)
