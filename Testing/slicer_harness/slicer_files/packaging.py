"""``slicer.packaging``: says what would be installed; nothing ever is.

``requests`` is the list of everything that was asked for; a test may put a function into ``installing``, which is
called with the requirements instead of pip.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

requests: list[dict] = []
installing = None


def load_requirements(path) -> list[Requirement]:
    """The requirements in a file."""
    lines = (line.partition("#")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def _requirements(requirements) -> list[Requirement]:
    if isinstance(requirements, (str, Requirement)):
        requirements = [requirements]
    return [entry if isinstance(entry, Requirement) else Requirement(entry) for entry in requirements]


def pip_check(req) -> bool:
    """Whether everything is installed in a version that fits."""
    for requirement in _requirements(req):
        if requirement.marker and not requirement.marker.evaluate():
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            return False
        if not requirement.specifier.contains(version, prereleases=True):
            return False
    return True


def pip_install(
    requirements,
    constraints=None,
    no_deps_requirements=None,
    skip_packages=None,
    blocking=True,
    show_progress=True,
    requester=None,
    logCallback=None,
    completedCallback=None,
):
    """Write down what was asked for."""
    wanted = (
        [str(entry) for entry in _requirements(requirements)]
        if not isinstance(requirements, str)
        else requirements.split()
    )
    requests.append({"requirements": wanted, "requester": requester, "constraints": constraints})
    if installing is not None:
        installing(wanted)
    return [] if skip_packages else None


def pip_uninstall(requirements, blocking=True, requester=None, logCallback=None, completedCallback=None):
    """Write down what should go."""
    requests.append({"uninstall": [str(entry) for entry in _requirements(requirements)], "requester": requester})


def pip_ensure(
    requirements,
    constraints=None,
    skip_packages=None,
    prompt_install=True,
    prompt_restart=True,
    requester=None,
    skip_in_testing=True,
    show_progress=True,
):
    """Install what is missing, after a question; RuntimeError when the user declines."""
    import slicer

    missing = [entry for entry in _requirements(requirements) if not pip_check(entry)]
    if not missing or (skip_in_testing and slicer.app.testingEnabled()):
        return None
    if prompt_install:
        names = "\n".join(f"- {entry}" for entry in missing)
        if not slicer.util.confirmOkCancelDisplay(
            "Python packages need to be installed. Continue?",
            f"{requester or ''} Install Python Packages",
            detailedText=names,
        ):
            raise RuntimeError("User declined package installation")
    return pip_install(
        [str(entry) for entry in missing],
        constraints,
        skip_packages=skip_packages,
        show_progress=show_progress,
        requester=requester,
    )
