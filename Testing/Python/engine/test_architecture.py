"""Which file of the engine may import which: only its own room and rooms of the floors below, and nothing of Slicer."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from support.paths import ENGINE, MODULE, ROOT, TESTING

PACKAGE = ENGINE.name

FLOORS = [
    {"_discovery", "_version", "errors"},
    {"diffusion"},
    {"volume", "request", "tracts"},
    {"geometry"},
    {"result"},
    {"runtime"},
    {"io"},
    {"preprocessing"},
    {"networks"},
    {"models"},
    {"inpainting"},
    {"anomaly"},
    {"anatomy"},
    {"reporting"},
    {"pipeline"},
    {"datasets"},
    {"training"},
    {"evaluation", "synthesis"},
    {"worker"},
    {"cli"},
    {PACKAGE, "__main__"},
]
"""From the ground up. A name stands for a room (a folder) or for a file of the root; the package's own name for its
``__init__.py``, which hands out the public interface. Rooms of one floor do not import each other."""

WITHOUT_TORCH = [
    "cli.application",
    "cli.commands.detect",
    "cli.commands.doctor",
    "cli.commands.inpaint",
    "cli.commands.models",
    "diffusion.registry",
    "errors",
    "models.checkpoints",
    "models.registry",
    "networks.registry",
    "pipeline.jobs",
    "reporting.result_files",
    "request",
    "result",
    "runtime.progress",
    "runtime.resources",
    "volume",
    "worker.server",
]
"""These are imported where no numerical library but NumPy is installed, if only to tell what is missing."""

HEAVY = ("torch", "nibabel", "SimpleITK", "skimage", "scipy", "PIL")
ABSENT_IN_SLICER = ("torch", "nibabel")
"""What Slicer's own Python lacks, or is too slow to import while the panel opens."""

SLICER = {"slicer", "qt", "ctk", "vtk", "vtkmodules", "mrml", "PythonQt"}
OPEN_TO_SLICER = {
    "_version",
    "errors",
    "request",
    "result",
    "tracts",
    "volume",
    "anatomy.region_anatomy",
    "anatomy.tract_atlas",
    "anomaly.regions",
    "geometry.subject_to_atlas",
    "preprocessing.fa_limits",
}
"""What the Slicer side may import of the engine."""

MAX_LINES = 400
MAX_FUNCTION_LINES = 40
"""Without the docstring."""


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sources(ENGINE)}


@cache
def syntax(path: Path) -> list[ast.AST]:
    """Every node of a file."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file names in an import statement, wherever it stands, by its full name."""
    here = list(path.relative_to(ROOT).parent.parts)
    names = set()
    for node in syntax(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                names.add(whole if whole in MODULES else base)
    return frozenset(names)


def imported(module: str) -> set[str]:
    """The engine's modules that *module* imports."""
    return {name for name in imports(MODULES[module]) if name in MODULES} - {module}


def room(module: str) -> str:
    return module.split(".")[1] if module != PACKAGE else PACKAGE


def floor(module: str) -> int:
    return next((number for number, rooms in enumerate(FLOORS) if room(module) in rooms), -1)


def lines(violations) -> str:
    return "\n" + "\n".join(map(str, violations))


def test_a_file_imports_only_its_own_room_and_floors_below():
    rooms = {room(module) for module in MODULES}
    assert rooms == set().union(*FLOORS), f"not in FLOORS, or there alone: {rooms ^ set().union(*FLOORS)}"
    upward = [
        f"{module} imports {name}"
        for module in MODULES
        for name in sorted(imported(module))
        if room(name) != room(module) and floor(name) >= floor(module)
    ]
    assert not upward, lines(upward)
    assert sum(len(imported(module)) for module in MODULES) > 200, "hardly any import was seen: the test is blind"


def test_no_import_goes_in_a_circle():
    try:
        TopologicalSorter({module: imported(module) for module in MODULES}).prepare()
    except CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


def test_the_engine_imports_nothing_of_slicer_and_slicer_little_of_the_engine():
    wrong = [f"{module}: {name}" for module, path in MODULES.items() for name in imports(path) if top(name) in SLICER]
    for path in sources(MODULE):
        for name in imports(path):
            if (
                top(name) == PACKAGE
                and name.partition(".")[2] not in OPEN_TO_SLICER
                or top(name) in {*ABSENT_IN_SLICER, "skimage"}
            ):
                wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert not wrong, lines(wrong)


def top(name: str) -> str:
    return name.partition(".")[0]


def test_files_and_functions_are_short_and_no_class_name_is_used_twice():
    wrong = {}
    for path in [path for folder in (ENGINE, MODULE, TESTING) for path in sources(folder)]:
        if (length := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES:
            wrong[f"{path.relative_to(ROOT)}"] = f"{length} lines"
    for package in (ENGINE, MODULE):
        places = defaultdict(list)
        for path in sources(package):
            for node in syntax(path):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(path.name)
                elif isinstance(node, ast.FunctionDef) and (length := code_lines(node)) > MAX_FUNCTION_LINES:
                    wrong[f"{path.relative_to(ROOT)}: {node.name}"] = f"{length} lines"
        wrong |= {name: f"a class in each of {files}" for name, files in places.items() if len(files) > 1}
    assert not wrong, lines(wrong.items())


def code_lines(function: ast.FunctionDef) -> int:
    first = function.body[0]
    documented = ast.get_docstring(function, clean=False) is not None
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if documented else 0)


def test_the_interfaces_and_values_need_no_torch():
    there = sorted(name for name in OPEN_TO_SLICER if f"{PACKAGE}.{name}" in MODULES)
    code = f"""
import importlib, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
blocked = {HEAVY!r}
import {PACKAGE}
assert "numpy" not in sys.modules, "importing the package alone imports NumPy"
for name in {WITHOUT_TORCH!r}:
    importlib.import_module("{PACKAGE}." + name)
blocked = {ABSENT_IN_SLICER!r}
for name in {there!r}:
    importlib.import_module("{PACKAGE}." + name)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
