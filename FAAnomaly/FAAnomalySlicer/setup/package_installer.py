"""What the engine needs in Slicer's Python: a check that loads nothing, and the installation after one consent."""

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
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

TORCH = Requirement("torch>=2.2")
"""Not in the requirements file: only the PyTorch extension knows which build fits the graphics card."""
MODULES = {"scikit-image": "skimage", "Pillow": "PIL"}
"""Package -> name in an import statement, where the two differ."""
CONSENT_KEY = "FAAnomaly/installation"
CONSENT_SECONDS = 7 * 24 * 3600
"""How long a consent holds over a restart of Slicer."""


def read_requirements(path: str | Path) -> list[Requirement]:
    """The packages in a requirements file, without comments and options of pip."""
    lines = (line.partition(" #")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def installed_version(requirement: Requirement) -> str | None:
    """The version of an installed package, ``unknown`` where it tells none, ``None`` where it is absent.

    Imports nothing. A package in the user's own folder counts as absent: the engine does not look there.
    """
    try:
        spec = importlib.util.find_spec(MODULES.get(requirement.name, requirement.name))
    except (ImportError, ValueError):
        return None
    if spec is None or (spec.origin is None and not spec.submodule_search_locations):
        return None
    place = spec.origin or next(iter(spec.submodule_search_locations))
    if Path(site.getusersitepackages()) in Path(place).parents:
        return None
    try:
        return importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def is_met(requirement: Requirement) -> bool:
    """Whether an installed package meets *requirement*; one that tells no version is trusted."""
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
    """

    def __init__(self, requirements: str | Path, ask: Callable[[str], bool], settings) -> None:
        self._wanted = [TORCH, *read_requirements(requirements)]
        self._ask, self._settings = ask, settings

    def missing(self) -> list[Requirement]:
        """What has to be installed; fast, loads nothing."""
        importlib.invalidate_caches()
        return [requirement for requirement in self._wanted if not is_met(requirement)]

    def pending(self) -> bool:
        """Whether an installation that the user agreed to before a restart can go on now: call :meth:`ensure`."""
        missing = self.missing()
        return bool(missing) and self._agreed(missing) and (TORCH not in missing or _has_pytorch_extension())

    def ensure(self) -> None:
        """Install what is missing; returns at once when nothing is.

        Raises
        ------
        FAError
            ``missing`` when the user declines, the PyTorch extension is absent, or the installation fails.
        RuntimeError
            On another thread than the main one: pip's windows would crash Slicer.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("packages can only be installed on the main thread")
        missing = self.missing()
        if missing:
            if not self._agreed(missing) and not self._ask(consent_text(missing)):
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
            self._remember(missing)  # whatever comes first, a restart is likely
            self._check_pytorch_extension()
        try:
            if TORCH in missing:
                _install_torch()
            _install_packages([requirement for requirement in missing if requirement != TORCH])
        except FAError:
            self._settings.remove(CONSENT_KEY)  # a failure is not tried again without being asked for
            raise
        still = self.missing()
        if still:
            self._settings.remove(CONSENT_KEY)
            raise FAError(
                "missing",
                _("Python packages are still missing"),
                _names(still),
                _("Restart Slicer and run again; pip's messages are in the Python console"),
            )

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

    def _remember(self, missing: list[Requirement]) -> None:
        self._settings.setValue(
            CONSENT_KEY, json.dumps({"python": sys.prefix, "packages": sorted(map(str, missing)), "time": time.time()})
        )

    def _agreed(self, missing: list[Requirement]) -> bool:
        try:
            consent = json.loads(self._settings.value(CONSENT_KEY))
            return (
                consent["python"] == sys.prefix
                and 0 <= time.time() - consent["time"] < CONSENT_SECONDS
                and set(map(str, missing)) <= set(consent["packages"])
            )
        except (TypeError, ValueError, KeyError):
            return False  # there is none, or it is not ours


def consent_text(missing: Sequence[Requirement]) -> str:
    """The one question: what, how large, from where, for whom."""
    lines = [
        _("FAAnomaly needs Python packages that are not installed in Slicer yet:"),
        "",
        *(f"    {requirement}" for requirement in missing),
        "",
    ]
    if TORCH in missing:
        lines.append(_("PyTorch is 0.2 to 3 GB, depending on the graphics card, and takes some minutes."))
    lines += [
        _("They are downloaded from the internet into this Slicer only. Slicer may have to be restarted."),
        "",
        _("Install them now?"),
    ]
    return "\n".join(lines)


def _has_pytorch_extension() -> bool:
    return importlib.util.find_spec("PyTorchUtils") is not None


def _install_torch() -> None:
    import PyTorchUtils

    try:
        logic = PyTorchUtils.PyTorchUtilsLogic()
        logic.installTorch(askConfirmation=False, torchVersionRequirement=str(TORCH.specifier))
    except Exception as error:
        importlib.invalidate_caches()
        if not is_met(TORCH):
            raise _failed(_("PyTorch could not be installed"), error) from error
        # The extension also imports it into Slicer, which can fail without harm: the engine has a process of its own.
        logging.warning("FAAnomaly: PyTorch is installed, but Slicer itself cannot load it: %s", error)


def _install_packages(missing: list[Requirement]) -> None:
    if not missing:
        return
    try:
        try:
            from slicer.packaging import pip_ensure  # Slicer 5.12 and later
        except ImportError:
            from slicer.util import pip_install

            pip_install([str(requirement) for requirement in missing])
        else:
            pip_ensure(missing, prompt_install=False, requester="FAAnomaly")
    except Exception as error:
        raise _failed(_("{packages} could not be installed").format(packages=_names(missing)), error) from error


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
