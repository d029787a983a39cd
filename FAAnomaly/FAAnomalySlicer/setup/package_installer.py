"""The engine's packages in Slicer's Python: a check that imports nothing, and the installation after one consent."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import logging
import site
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

TORCH = Requirement("torch>=2.2")
"""Not in the requirements file: the PyTorch extension chooses the build that fits the graphics card."""
MODULES = {"scikit-image": "skimage", "Pillow": "PIL"}
"""Package -> name in an import statement, where the two differ."""
CONSENT_KEY = "FAAnomaly/installation"
CONSENT_SECONDS = 7 * 24 * 3600
"""How long a consent is valid after a restart of Slicer."""


def read_requirements(path: str | Path) -> list[Requirement]:
    """The packages in a requirements file, without comments and options of pip."""
    lines = (line.partition(" #")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def installed_version(requirement: Requirement) -> str | None:
    """The version of an installed package, ``unknown`` where it has none, ``None`` where it is absent.

    Imports nothing. A package in the user's own folder counts as absent: the engine does not search there.
    """
    if place_of(requirement) is None:
        return None
    try:
        return importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def place_of(requirement: Requirement) -> str | None:
    """Path of a package that :func:`installed_version` knows; quick, since it reads no version."""
    try:
        spec = importlib.util.find_spec(MODULES.get(requirement.name, requirement.name))
    except (ImportError, ValueError):
        return None
    locations = [spec.origin, *(spec.submodule_search_locations or [])] if spec is not None else []
    place = next(filter(None, locations), None)
    return None if place is None or Path(site.getusersitepackages()) in Path(place).parents else place


def is_met(requirement: Requirement) -> bool:
    """Whether an installed package meets *requirement*; one without a version is trusted."""
    version = installed_version(requirement)
    if version is None:
        return False
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


class Installer:
    """Installs what is missing, on the main thread, after one question.

    Parameters
    ----------
    requirements
        The file with the packages besides torch.
    ask
        Shows a text and returns whether the user agrees: ``slicer.util.confirmOkCancelDisplay``.
    settings
        ``value(key)``, ``setValue(key, value)`` and ``remove(key)`` as of ``slicer.app.userSettings()``; keeps the
        consent while Slicer restarts.
    busy
        Makes a context in which a sentence is shown, as :func:`.busy_dialog.busy_dialog`; used where Slicer itself
        shows nothing while it waits.
    """

    def __init__(
        self,
        requirements: str | Path,
        ask: Callable[[str], bool],
        settings,
        busy: Callable[[str], AbstractContextManager[Any]] = nullcontext,
    ) -> None:
        self._requirements = [TORCH, *read_requirements(requirements)]
        self._ask, self._settings, self._busy = ask, settings, busy
        self._met_at: dict[str, str | None] = {}

    def missing(self) -> list[Requirement]:
        """The packages that have to be installed; imports nothing.

        Reading all versions takes longer than Slicer's main thread may wait at every Apply, so that a package which
        met its requirement counts while it stays at its place.
        """
        importlib.invalidate_caches()
        missing = []
        for requirement in self._requirements:
            name, place = str(requirement), place_of(requirement)
            if place is not None and self._met_at.get(name) == place:
                continue
            if is_met(requirement):
                self._met_at[name] = place
            else:
                missing.append(requirement)
        return missing

    def pending(self) -> bool:
        """Whether an installation that the user agreed to before a restart can continue now: call :meth:`ensure`."""
        missing = self.missing()
        return bool(missing) and self._has_consent(missing) and (TORCH not in missing or _has_pytorch_extension())

    def ensure(self, missing: list[Requirement] | None = None) -> None:
        """Install what is missing; returns at once when nothing is.

        Parameters
        ----------
        missing
            What :meth:`missing` has just said; asked again where this is left out.

        Raises
        ------
        FAError
            ``missing`` when the user declines, the PyTorch extension is absent, or the installation fails.
        RuntimeError
            On another thread than the main one: pip's windows would crash Slicer.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("packages can only be installed on the main thread")
        if missing is None:
            missing = self.missing()
        if missing:
            if not self._has_consent(missing) and not self._ask(consent_text(missing)):
                raise FAError(
                    "missing",
                    _("Python packages are missing"),
                    _names(missing),
                    _("Run again and agree to their installation"),
                )
            self._install(missing)
        self._settings.remove(CONSENT_KEY)

    def _install(self, missing: list[Requirement]) -> None:
        if TORCH in missing:
            self._store_consent(missing)  # a restart is likely
            self._check_pytorch_extension()
        try:
            if TORCH in missing:
                with self._busy(_("PyTorch is being downloaded and installed; this takes some minutes.")):
                    _install_torch()
            self._install_others([requirement for requirement in missing if requirement != TORCH])
        except FAError:
            self._settings.remove(CONSENT_KEY)  # a failed installation is not repeated without the user's request
            raise
        still_missing = self.missing()
        if still_missing:
            self._settings.remove(CONSENT_KEY)
            raise FAError(
                "missing",
                _("Python packages are still missing"),
                _names(still_missing),
                _("Restart Slicer and run again; pip's messages are in the Python console"),
            )

    def _install_others(self, missing: list[Requirement]) -> None:
        if not missing:
            return
        names = _names(missing)
        try:
            try:
                from slicer.packaging import pip_ensure  # Slicer 5.12 and later; shows pip's progress
            except ImportError:
                from slicer.util import pip_install

                with self._busy(_("{packages} are being installed.").format(packages=names)):
                    pip_install([str(requirement) for requirement in missing])
            else:
                pip_ensure(missing, prompt_install=False, requester="FAAnomaly")
        except Exception as error:
            raise _failed(_("{packages} could not be installed").format(packages=names), error) from error

    def _check_pytorch_extension(self) -> None:
        if not _has_pytorch_extension():
            raise FAError(
                "missing",
                _("The extension PyTorch is not installed in Slicer"),
                _("it installs the torch that fits this computer"),
                _(
                    "Install PyTorch in the Extensions Manager (menu View) and restart Slicer; the "
                    "installation goes on when FAAnomaly is opened again"
                ),
            )

    def _store_consent(self, missing: list[Requirement]) -> None:
        self._settings.setValue(
            CONSENT_KEY, json.dumps({"python": sys.prefix, "packages": sorted(map(str, missing)), "time": time.time()})
        )

    def _has_consent(self, missing: list[Requirement]) -> bool:
        try:
            consent = json.loads(self._settings.value(CONSENT_KEY))
            return (
                consent["python"] == sys.prefix
                and 0 <= time.time() - consent["time"] < CONSENT_SECONDS
                and set(map(str, missing)) <= set(consent["packages"])
            )
        except (TypeError, ValueError, KeyError):
            return False  # there is none, or it has another form


def consent_text(missing: Sequence[Requirement]) -> str:
    """The text of the question: packages, size, source, destination."""
    lines = [
        _("FAAnomaly needs Python packages that are not installed in Slicer yet:"),
        "",
        *(f"    {requirement}" for requirement in missing),
        "",
    ]
    if TORCH in missing:
        lines.append(
            _(
                "PyTorch (torch, and torchvision, which its extension adds) is 0.2 to 3 GB to download, depending on "
                "the graphics card; the other packages are below 0.1 GB."
            )
        )
    lines += [
        _(
            "They are downloaded from the internet into this Slicer only. That takes some minutes, in which Slicer "
            "waits and may look as if it hangs. Slicer may have to be restarted afterwards."
        ),
        "",
        _("Install them now?"),
    ]
    return "\n".join(lines)


def _has_pytorch_extension() -> bool:
    return importlib.util.find_spec("PyTorchUtils") is not None


def _install_torch() -> None:
    """Let the PyTorch extension install it. Its ``installTorch`` has no argument that leaves torchvision out."""
    import PyTorchUtils

    try:
        logic = PyTorchUtils.PyTorchUtilsLogic()
        logic.installTorch(askConfirmation=False, torchVersionRequirement=str(TORCH.specifier))
    except Exception as error:
        importlib.invalidate_caches()
        if not is_met(TORCH):
            raise _failed(_("PyTorch could not be installed"), error) from error
        # The extension also imports it into Slicer, which may fail without harm: the engine is a separate process.
        logging.warning("FAAnomaly: PyTorch is installed, but Slicer itself cannot load it: %s", error)


def _failed(what: str, error: Exception) -> FAError:
    return FAError(
        "missing",
        what,
        str(error) or type(error).__name__,
        _(
            "Check the network connection and the free disk space, restart Slicer and run again; pip's "
            "messages are in the Python console"
        ),
    )


def _names(requirements: Sequence[Requirement]) -> str:
    return ", ".join(map(str, requirements))
