"""The package that Slicer's build would make: complete, and able to work from where it is installed, alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import slicer_harness
from support.drivers import installed_run
from support.drivers.extension_build import install
from support.paths import ROOT

pytestmark = pytest.mark.slow

BESIDE_THE_SCRIPTS = ["Resources/Atlas", "Resources/Models", "Resources/SampleData", "Resources/Template"]
"""What the engine brings along; the rest of the top Resources folder is for the catalogue and the README."""

TOLD = """
import atexit, json, runpy, sys

def tell():
    files = {name: module.__file__ for name, module in sys.modules.items()
             if name.partition(".")[0] == "FAAnomalyLib" and getattr(module, "__file__", None)}
    with open(told, "w", encoding="utf-8") as stream:
        json.dump(files, stream)

told = sys.argv.pop(1)
atexit.register(tell)
runpy.run_module("FAAnomalyLib", run_name="__main__", alter_sys=True)
"""
"""``python -m FAAnomalyLib``, which at its end also says which files its modules came from."""


@pytest.fixture(scope="module")
def extension(tmp_path_factory):
    """The extension, installed where file names are not the plainest."""
    return install(tmp_path_factory.mktemp("Größe und Maß é 脳"))


def files(folder: Path) -> set[str]:
    """Every file of the checkout below *folder* that is the project's, relative to the checkout."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


@pytest.mark.fast
def test_every_file_is_packaged_and_every_packaged_file_is_there(extension):
    wanted = files(ROOT / "FAAnomaly") | files(ROOT / "FAAnomalyLib")
    # Type checkers look at what pip has installed; inside Slicer nothing reads py.typed.
    wanted = {path for path in wanted if not path.endswith(("CMakeLists.txt", "py.typed"))}
    wanted = wanted.union(*(files(ROOT / folder) for folder in BESIDE_THE_SCRIPTS))
    listed = {file.source for file in extension.packaged()}
    assert sorted(wanted - listed) == [], "name these in CMakeLists.txt or FAAnomaly/CMakeLists.txt"
    assert sorted(listed - wanted) == [], "these are packaged and should not be"


def test_the_installed_files_are_the_sources(extension):
    there = {path.relative_to(extension.modules).as_posix() for path in extension.modules.rglob("*") if path.is_file()}
    assert there == {file.target for file in extension.packaged()}
    for file in extension.packaged():
        assert (extension.modules / file.target).read_bytes() == (ROOT / file.source).read_bytes(), file.target


def test_scripts_are_scripts_and_resources_are_not(extension):
    for file in extension.packaged():
        assert (file.kind == "SCRIPTS") == file.target.endswith(".py"), file


def test_slicer_finds_one_module(extension):
    # Slicer takes every Python file at the top of that folder for a module.
    assert [path.name for path in extension.modules.glob("*.py")] == ["FAAnomaly.py"]
    assert extension.unit_tests() == ["FAAnomaly.py"]


@pytest.mark.fast
def test_the_lists_name_every_file():
    for path in ("CMakeLists.txt", "FAAnomaly/CMakeLists.txt"):
        assert "GLOB" not in (ROOT / path).read_text(encoding="utf-8").upper()


def environment(extension) -> dict[str, str]:
    """Of a process that knows FAAnomaly only from where it is installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FAANOMALY"))}
    return {**kept, "PYTHONPATH": str(extension.modules), "PYTHONDONTWRITEBYTECODE": "1"}


def strangers(came_from: dict[str, str], extension) -> dict[str, str]:
    """Those modules whose files do not lie in the installed folder."""
    return {
        name: file
        for name, file in came_from.items()
        if not Path(file).resolve().is_relative_to(extension.modules.resolve())
    }


def test_the_installed_engine_can_run_on_its_own(extension, tmp_path):
    """Everything that it needs is beside it, and its weights are whole; the next test has it detect."""
    told = tmp_path / "told.json"
    done = subprocess.run(
        [sys.executable, "-c", TOLD, str(told), "doctor", "--json"],
        cwd=tmp_path,
        env=environment(extension),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["models"] == {"inpainter": "verified"} and said["missing"] == []

    came_from = json.loads(told.read_text(encoding="utf-8"))
    assert "FAAnomalyLib" in came_from and not strangers(came_from, extension)


def test_the_installed_module_detects_in_slicer(extension, tmp_path):
    reason = slicer_harness.unavailable()
    if reason:
        pytest.skip(reason)
    told = tmp_path / "told.json"
    variables = environment(extension)
    variables["PYTHONPATH"] += os.pathsep + str(ROOT / "Testing")
    done = subprocess.run(
        [sys.executable, installed_run.__file__, str(extension.modules), str(told)],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(told.read_text(encoding="utf-8"))
    assert {"FAAnomaly", "FAAnomalySlicer.logic", "FAAnomalyLib.errors"} <= set(found["files"])
    assert not strangers(found["files"], extension)
    assert found["shapes_agree"] and found["icon"]
    assert found["lowest_z"] < -3 and found["regions"] >= 1 and found["segments"] == 2
