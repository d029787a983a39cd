"""The text of "Copy diagnostics": everything that a maintainer needs, and nothing that identifies a patient."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from slicer.i18n import tr as _

PACKAGES = ("torch", "numpy", "scipy", "nibabel", "scikit-image", "SimpleITK", "vtk")
LOG_LINES = 200
LINE_LENGTH = 1000
HIDDEN = "<path>"
OWN_PARTS = ("FAAnomalyLib", "FAAnomalySlicer", "site-packages")
"""Parts of paths of program files; such a path locates an error and is kept."""

_FILE_ENDINGS = r"\.(?:nii(?:\.gz)?|nrrd|nhdr|mha|mhd|dcm|mgz|mrk\.json|mrb|img|hdr)"
_BEGIN = r"(?:(?<![A-Za-z])[A-Za-z]:[\\/]|\\\\|(?<![\w.:/\\])/(?=[^\s/]))"
_PATH = re.compile(
    rf"""(?P<quote>["']){_BEGIN}[^"'\n]*(?P=quote)"""  # in quotes, which mark its end
    # Otherwise a blank belongs to it when a separator or the ending of a volume's name follows later in the line.
    rf"""|{_BEGIN}(?:[^\s"'<>|]|[ ](?=[^"'<>|\n]*?(?:[\\/]|{_FILE_ENDINGS}\b)))*"""
)
_FILE_NAME = re.compile(rf"[^\s\"'<>|/\\]+{_FILE_ENDINGS}\b", re.IGNORECASE)


def diagnostics_text(
    application=None,
    *,
    engine_version: str | None = None,
    facts: Mapping[str, object] | None = None,
    request: Mapping[str, object] | None = None,
    findings: Mapping[str, object] | None = None,
    log: Iterable[str] = (),
    private: Iterable[str] = (),
) -> str:
    """The whole text.

    Parameters
    ----------
    application
        ``slicer.app``; ``None`` outside Slicer.
    engine_version
        As :attr:`~..worker_client.client.EngineClient.engine_version`.
    facts
        Further lines, such as the device and the model in use and the last error.
    request
        Method and parameters of the last job; of a path only the ending is shown.
    findings
        Of :class:`~..worker_client.environment_check.EnvironmentCheck`.
    log
        Lines of the log; the last 200 are shown, without paths.
    private
        Names that must not appear: of the input's node, file and patient.
    """
    secrets = [word for word in private if len(word) > 2]
    lines = [*_versions(application, engine_version)]
    lines += [f"{name}: {value}" for name, value in (facts or {}).items()]
    lines += _section(_("Last request"), [f"{name}: {_shown_value(value)}" for name, value in (request or {}).items()])
    lines += _section(_("Environment of the engine"), [f"{name}: {value}" for name, value in (findings or {}).items()])
    lines += _section(_("Log"), list(log)[-LOG_LINES:])
    return "\n".join(without_names(line, secrets) for line in lines) + "\n"


def without_names(line: str, private: Iterable[str] = ()) -> str:
    """*line* without names of folders and files, except of programs' own files, and without the words in *private*."""
    line = line[:LINE_LENGTH]
    for word in sorted(private, key=len, reverse=True):
        line = line.replace(word, "<private>")
    line = _PATH.sub(_hide, line)
    home = str(Path.home())
    if len(home) > 1:
        line = line.replace(home, "~").replace(home.replace("\\", "/"), "~")
    return _FILE_NAME.sub(lambda match: "<file>" + _ending(match.group()), line)


def _hide(match: re.Match) -> str:
    path, quote = match.group(), match.group("quote") or ""
    bare = path.strip(quote) if quote else path
    first, blank, rest = (bare, "", "") if quote else bare.partition(" ")
    if any(part in first for part in OWN_PARTS) or first.startswith((sys.prefix + os.sep, sys.base_prefix + os.sep)):
        return quote + first + quote + blank + _PATH.sub(_hide, rest)
    return quote + HIDDEN + _ending(bare) + quote


def _ending(path: str) -> str:
    match = re.search(rf"{_FILE_ENDINGS}\b", path, re.IGNORECASE)
    return match.group() if match else ""


def _shown_value(value: object) -> str:
    if isinstance(value, (str, os.PathLike)) and re.search(r"[\\/]", os.fspath(value)):
        return HIDDEN + _ending(os.fspath(value))
    return str(value)


def _versions(application, engine_version: str | None) -> list[str]:
    slicer = _("not running")
    if application is not None:
        slicer = f"{application.applicationVersion} (revision {application.revision})"
    packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES)
    return [
        f"FAAnomaly: {engine_version or _('engine not started')}",
        f"Slicer: {slicer}",
        f"System: {platform.platform()}, {platform.machine()}, {os.cpu_count()} cores",
        f"Python: {platform.python_version()}",
        f"Packages: {packages}",
    ]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "-"


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []
