"""Which file of the Slicer side may import which: only from its floor and from floors below, and never in a circle."""

from __future__ import annotations

import ast
from functools import cache

from support.paths import MODULE as ROOT

PACKAGE = "FAAnomalySlicer"

FLOORS = [
    {"events"},
    {"worker_client"},
    {"scene"},
    {"views"},
    {"runs"},
    {"setup"},
    {"logic", "panel"},
    {"self_test"},
]
"""From the ground up; a name stands for a folder or a file."""

WITHOUT_SCENE = {
    "events",
    "worker_client",
    "scene.atlas_place",
    "scene.choices",
    "scene.model_list",
    "scene.nrrd_writer",
    "scene.region_search",
    "scene.stored_anatomy",
}
"""Folders and files that run the engine's process or hold values; of Slicer they may import the translations."""

FILES = {
    ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts): path
    for path in sorted((ROOT / PACKAGE).rglob("*.py"))
    if "__pycache__" not in path.parts
}
MODULES = {name.removesuffix(".__init__"): path for name, path in FILES.items() if name != "__init__"}


def imported_names(node: ast.AST, module: str) -> set[str]:
    """Full names that an import statement of *module* names; those of the package begin with a dot."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    if not isinstance(node, ast.ImportFrom):
        return set()
    if not node.level:
        return {node.module}
    is_folder = module + ".__init__" in FILES
    here = module.split(".") if is_folder else module.split(".")[:-1]
    base = [*here[: len(here) + 1 - node.level], *(node.module.split(".") if node.module else [])]
    return {
        "." + ".".join([*base, alias.name]) if ".".join([*base, alias.name]) in MODULES else "." + ".".join(base)
        for alias in node.names
    }


@cache
def syntax_tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    return frozenset(name for node in ast.walk(syntax_tree(module)) for name in imported_names(node, module))


def internal_imports(module: str) -> set[str]:
    """The files of the package that *module* imports."""
    return {name[1:] for name in imports(module) if name[0] == "." and name[1:] in MODULES} - {module}


def floor(module: str) -> int:
    return next((number for number, rooms in enumerate(FLOORS) if module.split(".")[0] in rooms), -1)


def report(violations: list[str]) -> str:
    return "\n" + "\n".join(violations)


def test_every_file_has_its_floor():
    present = {name.split(".")[0] for name in MODULES}
    assert present == set().union(*FLOORS), "FLOORS and the folders differ"
    assert WITHOUT_SCENE <= set(MODULES)


def test_a_file_imports_nothing_from_floors_above():
    violations = [
        f"{module} imports {other}, which lies above"
        for module in MODULES
        for other in sorted(internal_imports(module))
        if floor(other) > floor(module)
    ]
    assert not violations, report(violations)


def test_there_is_no_circle():
    done: set[str] = set()

    def walk(module, path):
        assert module not in path, f"a circle: {' -> '.join([*path, module])}"
        if module not in done:
            for other in sorted(internal_imports(module)):
                walk(other, [*path, module])
            done.add(module)

    for module in MODULES:
        walk(module, [])
    assert sum(len(internal_imports(module)) for module in MODULES) > 100, "imports were not read"


def test_the_package_names_itself_by_dots():
    """So that it works under whatever name its folder is found."""
    violations = [
        f"{module} imports {name}"
        for module in MODULES
        for name in sorted(imports(module))
        if name.split(".")[0] in (PACKAGE, "FAAnomaly")
    ]
    assert not violations, report(violations)


def test_what_runs_the_engine_imports_no_scene():
    modules = [name for name in MODULES if name in WITHOUT_SCENE or name.split(".")[0] in WITHOUT_SCENE]
    violations = [
        f"{module} imports {name}"
        for module in modules
        for name in sorted(imports(module))
        if name.split(".")[0] in ("slicer", "vtk", "vtkmodules", "mrml") and name != "slicer.i18n"
    ]
    assert len(modules) > 20 and not violations, report(violations)


def test_qt_is_imported_where_it_is_used():
    """A script without widgets can load everything."""
    violations = [
        f"{module}:{node.lineno} imports {name} with the file"
        for module in MODULES
        for node in syntax_tree(module).body
        for name in sorted(imported_names(node, module))
        if name.split(".")[0] in ("qt", "ctk", "slicerqt")
    ]
    assert not violations, report(violations)
