"""``faanomaly doctor``: what is installed, which devices there are, and whether a detection can run.

It works where no other package is installed.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import re
import sys
import tempfile
from dataclasses import asdict, dataclass, field

from ..._version import __version__
from ...errors import FAError
from ...models.registry import models_dir, verify_model
from ...runtime import hardware
from ...runtime.requirements import REQUIRED, install_command

MIN_PYTHON = (3, 10)


@dataclass
class Findings:
    """What is installed and available; the fields are the keys of ``doctor --json``.

    Attributes
    ----------
    version, python
        Of FAAnomaly and of Python.
    packages
        Required package -> installed version, None where it is not installed.
    cores
        That this process may use.
    memory_gb
        ``total`` and ``available``; None where the system does not say.
    cpu_features
        Instructions that make bfloat16 networks fast -> whether the CPU has them, None where the system does not say.
    devices
        That torch can use, the best first.
    models
        Bundled model -> ``verified``, or what is wrong with it.
    temporary_folder
        Where temporary files are written.
    missing
        Modules to install.
    problems
        Everything else that keeps a detection from running, one sentence each.
    """

    version: str = __version__
    python: str = ""
    packages: dict[str, str | None] = field(default_factory=dict)
    cores: int = 1
    memory_gb: dict[str, float | None] = field(default_factory=dict)
    cpu_features: dict[str, bool | None] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    models: dict[str, str] = field(default_factory=dict)
    temporary_folder: str = ""
    missing: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def can_run(self) -> bool:
        """Whether a detection can run here."""
        return not self.missing and not self.problems


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Print the findings; raises ``FAError('missing')``, which names what keeps the engine from running."""
    findings = examine()
    print(json.dumps({**asdict(findings), "can_run": findings.can_run}, indent=2) if args.json else as_text(findings))
    sys.stdout.flush()
    if findings.can_run:
        return 0
    wrong = list(findings.problems)
    fix = "Install FAAnomaly again"
    if findings.missing:
        names = [REQUIRED[module] for module in findings.missing]
        wrong.insert(0, f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing")
        fix = f"Install with: {install_command(findings.missing)}"
    raise FAError("missing", "FAAnomaly cannot run here", "; ".join(wrong), fix)


def examine() -> Findings:
    """Collect all findings; raises nothing."""
    findings = Findings(
        python=platform.python_version(),
        cores=hardware.cores(),
        memory_gb=hardware.memory_gb(),
        cpu_features=hardware.cpu_features(),
    )
    if sys.version_info < MIN_PYTHON:
        findings.problems.append(f"Python is older than {'.'.join(map(str, MIN_PYTHON))}")
    for module, requirement in REQUIRED.items():
        version = installed_version(module, requirement)
        findings.packages[requirement_name(requirement)] = version
        if version is None or not new_enough(version, requirement):
            findings.missing.append(module)
    _examine_devices(findings)
    _examine_arrays(findings)
    _examine_models(findings)
    _examine_temporary_folder(findings)
    return findings


def installed_version(module: str, requirement: str) -> str | None:
    """The version of an installed package, which is not imported; None when it is not installed."""
    try:
        if importlib.util.find_spec(module) is None:
            return None
    except (ImportError, ValueError):
        return None
    try:
        return importlib.metadata.version(requirement_name(requirement))
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def requirement_name(requirement: str) -> str:
    """Name of the package that a requirement is about.

    Examples
    --------
    >>> requirement_name("torch>=2.2")
    'torch'
    """
    return requirement.partition(">=")[0]


def new_enough(version: str, requirement: str) -> bool:
    """Whether *version* meets the ``>=`` of *requirement*; a version without numbers is accepted.

    Examples
    --------
    >>> new_enough("2.13.0+cpu", "torch>=2.2"), new_enough("2.1.2", "torch>=2.2")
    (True, False)
    """
    oldest = requirement.partition(">=")[2]
    return not re.match(r"\d", version) or _numbers(version) >= _numbers(oldest)


def _numbers(version: str) -> list[int]:
    leading = re.match(r"[\d.]*", version)
    return [int(number) for number in leading.group().split(".") if number] if leading else []


def _examine_devices(findings: Findings) -> None:
    if "torch" in findings.missing:
        return
    try:
        findings.devices = hardware.devices()
    except Exception as error:  # a broken torch fails in many ways: missing libraries, illegal instructions
        reason = f": {str(error).splitlines()[0][:150]}" if str(error) else ""
        findings.problems.append(f"torch cannot be loaded ({type(error).__name__}{reason})")


def _examine_arrays(findings: Findings) -> None:
    if not findings.devices or "numpy" in findings.missing:
        return
    try:
        hardware.check_arrays()
    except Exception as error:
        torch, numpy = findings.packages["torch"], findings.packages["numpy"]
        reason = (str(error).splitlines() or [type(error).__name__])[0][:150]
        findings.problems.append(f"torch {torch} cannot exchange arrays with NumPy {numpy} ({reason})")


def _examine_models(findings: Findings) -> None:
    try:
        folder = models_dir()
    except FAError as error:
        findings.problems.append(f"{error.what} ({error.why})")
        return
    for manifest in sorted(folder.glob("*/manifest.json")):
        try:
            verify_model(manifest.parent)
            state = "verified"
        except (FAError, OSError) as error:
            state = error.what if isinstance(error, FAError) else str(error)
            findings.problems.append(state)
        findings.models[manifest.parent.name] = state
    if not findings.models:
        findings.problems.append(f"no model is bundled in {folder}")


def _examine_temporary_folder(findings: Findings) -> None:
    try:
        findings.temporary_folder = tempfile.gettempdir()
        with tempfile.TemporaryFile() as file:
            file.write(b"FAAnomaly")
    except OSError as error:
        findings.problems.append(f"no temporary folder can be written ({error.strerror or error})")


def as_text(findings: Findings) -> str:
    """The findings as a table."""
    features = ", ".join(f"{name} {_yes(has)}" for name, has in findings.cpu_features.items())
    memory = ", ".join(
        f"{'unknown' if size is None else f'{size} GB'} {name}" for name, size in findings.memory_gb.items()
    )
    rows = [("FAAnomaly", findings.version), ("Python", findings.python)]
    rows += [(name, version or "not installed") for name, version in findings.packages.items()]
    rows += [
        ("CPU", f"{findings.cores} core{'s' if findings.cores > 1 else ''}; {features}"),
        ("memory", memory),
        ("devices", ", ".join(findings.devices) or "unknown"),
        ("temporary", findings.temporary_folder or "none"),
    ]
    rows += [(f"model {name}", state) for name, state in findings.models.items()]
    rows.append(("can run", _yes(findings.can_run)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {value}" for name, value in rows)


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "unknown"}[value]
