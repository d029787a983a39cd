"""Configures, builds and installs the extension with CMake, against the stand-in for Slicer in ``Testing/CMake``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.paths import ROOT, TESTING

STAND_IN = TESTING / "CMake"
SOURCES = ["CMakeLists.txt", "README.md", "LICENSE", "FAAnomaly", "FAAnomalyLib", "Resources"]
"""What the package is made from."""


def program(name: str) -> str:
    """Path of ``cmake`` or ``ninja``: the one of this Python's environment (test extra), else the machine's."""
    beside = Path(sys.executable).parent
    found = shutil.which(name, path=str(beside)) or shutil.which(name)
    assert found, f"there is no {name}; the tests' environment brings it: pip install '.[test]'"
    return found


def cmake(*words: str | Path) -> subprocess.CompletedProcess:
    """Run CMake and return what it said; it never raises."""
    return subprocess.run([program("cmake"), *map(str, words)], capture_output=True, text=True, encoding="utf-8")


def configure(source: Path, build: Path) -> subprocess.CompletedProcess:
    return cmake(
        "-S",
        source,
        "-B",
        build,
        "-G",
        "Ninja",
        f"-DCMAKE_MAKE_PROGRAM={program('ninja')}",
        f"-DSlicer_DIR={STAND_IN}",
        f"-DCMAKE_TOOLCHAIN_FILE={STAND_IN / 'no_compilers.cmake'}",
    )


@dataclass(frozen=True)
class Packaged:
    """One file that the extension's CMake lists name."""

    module: str
    kind: str
    """``SCRIPTS`` or ``RESOURCES``."""
    target: str
    """Path in the package, with ``/``."""
    source: str
    """Path in the checkout, with ``/``."""


@dataclass(frozen=True)
class Extension:
    """An extension that was built and installed from a copy of the sources."""

    source: Path
    """Where the copy of the sources was; gone, so that nothing can reach back to it."""
    build: Path
    modules: Path
    """The installed folder that Slicer would load modules from."""

    def packaged(self) -> list[Packaged]:
        lines = (self.build / "packaged_files.txt").read_text(encoding="utf-8").splitlines()
        rows = [line.split("|") for line in lines]
        return [
            Packaged(module, kind, target, Path(source).relative_to(self.source).as_posix())
            for module, kind, target, source in rows
        ]

    def unit_tests(self) -> list[str]:
        return (self.build / "slicer_tests.txt").read_text(encoding="utf-8").splitlines()

    def description(self) -> dict[str, str]:
        """Keyword -> value of the extension description that the build wrote."""
        return described(self.build / "FAAnomaly.s4ext")


def described(path: Path) -> dict[str, str]:
    """Keyword -> value of an ``.s4ext`` file."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return {keyword: value for keyword, _, value in (line.partition(" ") for line in lines)}


def install(folder: Path) -> Extension:
    """Copy the sources into *folder*, build them there and install them; asserts that every step works."""
    source, build, prefix = folder / "source", folder / "build", folder / "installed"
    source.mkdir(parents=True)
    for name in SOURCES:
        here = ROOT / name
        if here.is_dir():
            shutil.copytree(here, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(here, source / name)
    for done in (configure(source, build), cmake("--build", build), cmake("--install", build, "--prefix", prefix)):
        assert done.returncode == 0, done.stdout + done.stderr
    shutil.rmtree(source)
    (modules,) = prefix.glob("lib/Slicer-*/qt-scripted-modules")
    return Extension(source, build, modules)
