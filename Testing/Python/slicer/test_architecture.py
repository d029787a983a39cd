"""Who may import whom on Slicer's side: rooms know only what lies below them; most need no Qt and some no scene."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3] / "FAAnomaly"
PACKAGE = "FAAnomalySlicer"

FLOORS = [
    {
        "signal",
        "parameters",
        "locations",
        "line_buffer",
        "nrrd",
        "diagnostics",
        "workspace",
        "install",
        "colours",
        "folder",
        "terminology",
        "result_files",
        "region_search",
        "report",
        "undo",
    },
    {"process", "geometry", "models", "sample_data", "segments"},
    {"qt_process", "subprocess_process", "escalation", "engine_failure", "background", "fa_check", "tensor", "table"},
    {"job", "worker_session", "engine_check", "input_store", "threshold"},
    {"engine_client", "provenance", "threshold_follower"},
    {"engine", "results"},
    {"connection", "views"},
    {"detection", "lens", "compare"},
    {"logic"},
    {"panel", "self_test"},
]
"""From the ground up; a name stands for a file or a whole folder."""

NO_SCENE = {
    "signal",
    "parameters",
    "locations",
    "line_buffer",
    "nrrd",
    "workspace",
    "process",
    "qt_process",
    "subprocess_process",
    "escalation",
    "engine_failure",
    "background",
    "job",
    "worker_session",
    "engine_check",
    "engine_client",
    "engine",
    "models",
    "region_search",
}
"""Rooms that run the engine's process or hold values; of Slicer they may know the translations."""

FILES = {
    ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts): path
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
    if "__pycache__" not in path.parts
}
MODULES = {name.removesuffix(".__init__"): path for name, path in FILES.items() if name != "__init__"}


def named(node: ast.AST, module: str) -> set[str]:
    """Full names that an import statement of *module* names; those of the package begin with a dot."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    if not node.level:
        return {node.module}
    folder = FILES.get(module + ".__init__") is not None
    here = module.split(".") if folder else module.split(".")[:-1]
    base = [*here[: len(here) + 1 - node.level], *(node.module.split(".") if node.module else [])]
    return {
        "." + ".".join([*base, alias.name]) if ".".join([*base, alias.name]) in MODULES else "." + ".".join(base)
        for alias in node.names
    }


def imports(module: str) -> set[str]:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    return {name for node in ast.walk(tree) for name in named(node, module)}


def knows(module: str) -> set[str]:
    """The rooms of the package that *module* imports."""
    return {name[1:] for name in imports(module) if name[1:] in MODULES and name[0] == "."} - {module}


def floor(module: str) -> int:
    return next((number for number, rooms in enumerate(FLOORS) if module.split(".")[0] in rooms), -1)


def test_every_file_has_its_floor():
    assert not [name for name in MODULES if floor(name) < 0], "give these a place in FLOORS"
    there = {name.split(".")[0] for name in MODULES}
    assert not set().union(*FLOORS) - there, "these are in FLOORS and not there"
    assert NO_SCENE <= there


@pytest.mark.parametrize("module", MODULES)
def test_a_file_knows_nothing_above_it(module):
    assert not [name for name in knows(module) if floor(name) > floor(module)]


def test_there_is_no_circle():
    done: set[str] = set()

    def walk(module, path):
        assert module not in path, f"a circle: {' -> '.join([*path, module])}"
        if module not in done:
            for other in sorted(knows(module)):
                walk(other, [*path, module])
            done.add(module)

    for module in MODULES:
        walk(module, [])
    assert sum(len(knows(module)) for module in MODULES) > 30


@pytest.mark.parametrize("module", MODULES)
def test_the_package_names_itself_by_dots(module):
    """So that it works under whatever name its folder is found."""
    assert not [name for name in imports(module) if name.split(".")[0] in (PACKAGE, "FAAnomaly")]


@pytest.mark.parametrize("module", sorted(NO_SCENE))
def test_what_runs_the_engine_knows_no_scene(module):
    names = {name for name in imports(module) if name.split(".")[0] in ("slicer", "vtk", "vtkmodules", "mrml")}
    assert names <= {"slicer.i18n"}


@pytest.mark.parametrize("module", MODULES)
def test_qt_is_imported_where_it_is_used(module):
    """A script without widgets can load everything."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert not {name.split(".")[0] for node in tree.body for name in named(node, module)} & {"qt", "ctk", "slicerqt"}
