"""Installs the engine's packages when first needed, and after a restart without a second question."""

from __future__ import annotations

import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..events.debounce import Debouncer
from .panel_context import PanelContext


class Packages:
    """Makes sure that the engine's packages are installed.

    pip's windows let the event loop run, so that buttons can be pressed meanwhile: there is one installation at a
    time, and no run during it.
    """

    def __init__(self, context: PanelContext) -> None:
        self._context = context
        self._installing = False
        self._resume = Debouncer(context.guarded(self._continue))

    @property
    def problem(self) -> str:
        """Why no run can start; empty when one can."""
        return _("Python packages are being installed") if self._installing else ""

    def ensure(self) -> None:
        """Install what is missing after one question; returns at once when nothing is.

        Raises ``FAError('missing')`` as :meth:`..setup.package_installer.Installer.ensure`, and ``bad-request`` during
        an installation.
        """
        if self._installing:
            raise FAError("bad-request", self.problem, _("it was asked for already"), _("Wait for its end"))
        installer = self._context.logic.installer()
        missing = installer.missing()
        self._set_installing(bool(missing))
        if missing:
            self._context.ui.statusLabel.text = _("Installing {packages}; Slicer waits for some minutes…").format(
                packages=", ".join(requirement.name for requirement in missing)
            )
        try:
            installer.ensure(missing)
        finally:
            self._set_installing(False)
            if missing:
                self._context.ui.statusLabel.text = ""

    def resume(self) -> None:
        """Continue, soon, an installation that the user agreed to before Slicer was restarted.

        Only where the user sees it: not in a script without a main window, and not while Slicer tests itself.
        """
        if slicer.util.mainWindow() is None or slicer.app.testingEnabled():
            return
        if not self._installing and self._context.logic.installer().pending():
            self._context.ui.statusLabel.text = _("The installation that you agreed to goes on…")
            self._resume.trigger()

    def stop(self) -> None:
        """The panel is closed."""
        self._resume.stop()

    def _continue(self) -> None:
        outcome = ""
        try:
            self.ensure()
            outcome = _("The Python packages are installed.")
        finally:
            self._context.ui.statusLabel.text = outcome

    def _set_installing(self, installing: bool) -> None:
        if installing != self._installing:
            self._installing = installing
            self._context.problems_changed.emit()
