"""Who may import whom: files know only what lies below them, and nothing of Slicer."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = "FAAnomalyLib"
MAX_LINES = 400

FLOORS = [
    {
        "errors",
        "progress",
        "packages",
        "resources",
        "machine",
        "channel",
        "failure",
        "formats",
        "volume",
        "request",
        "result",
        "regions",
        "box",
    },
    {
        "registration",
        "deformation",
        "prior",
        "space",
        "intake",
        "holes",
        "roi",
        "device",
        "pass_store",
        "diffusion",
        "networks",
        "evidence",
        "other_side",
    },
    {"checkpoints", "calibration", "roaming"},
    {"inpainting", "scoring"},
    {"engine", "second_look", "judgement"},
    {"detector"},
    {"training", "baselines", "evaluation"},
    {"sampling"},
    {"pictures", "report", "output", "job"},
    {"doctor", "worker", "commands", "cli", "__main__", "__init__"},
]
"""From the ground up; a name stands for a file or a whole folder of the engine."""

TORCHLESS = [
    "errors",
    "progress",
    "volume",
    "request",
    "result",
    "resources",
    "checkpoints",
    "output",
    "job",
    "doctor",
    "worker",
    "cli",
    "commands.detect",
    "commands.inpaint",
    "commands.models",
]
SLICER = {"slicer", "qt", "ctk", "vtk", "vtkmodules", "mrml", "PythonQt"}
SLICERS_OWN = {
    f"{PACKAGE}.{name}"
    for name in ("request", "errors", "volume", "result", "anomaly.regions", "preprocessing.fa_limits")
}


def sources(folder: str) -> list[Path]:
    return sorted(path for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


MODULES = {module_name(path): path for path in sources(PACKAGE)}


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file names in an import statement, wherever it stands, by its full name."""
    here = list(path.relative_to(ROOT).parent.parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(
                [*(here[: len(here) + 1 - node.level] if node.level else []), *([node.module] if node.module else [])]
            )
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                found.add(whole if whole in MODULES else base)
    return frozenset(found)


def knows(module: str) -> set[str]:
    """The engine's modules that *module* imports; the package itself holds only the version."""
    return {name for name in imports(MODULES[module]) if name in MODULES} - {module}


def room(module: str) -> str:
    return module.split(".")[1]


def floor(module: str) -> int:
    return next((number for number, rooms in enumerate(FLOORS) if room(module) in rooms), -1)


def test_every_file_has_its_floor():
    homeless = sorted(name for name in MODULES if floor(name) < 0)
    assert not homeless, f"give these a place in FLOORS: {homeless}"
    assert len(MODULES) > 20


@pytest.mark.parametrize("module", MODULES)
def test_a_file_knows_nothing_above_it(module):
    above = sorted(name for name in knows(module) if floor(name) > floor(module))
    assert not above


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


def test_process_and_networks_do_not_know_each_other():
    allowed = {"diffusion": {"diffusion", "errors", "progress"}, "networks": {"networks", "errors"}}
    for module in MODULES:
        if room(module) in allowed:
            assert {room(name) for name in knows(module)} <= allowed[room(module)], module


def test_the_engine_knows_nothing_of_slicer():
    for module, path in MODULES.items():
        assert not {name.split(".")[0] for name in imports(path)} & SLICER, module


def test_slicers_side_knows_little_of_the_engine():
    for path in sources("FAAnomaly"):
        if "Testing" not in path.parts:
            named = {name for name in imports(path) if name.split(".")[0] == PACKAGE}
            assert named <= SLICERS_OWN, path
            assert not {name.split(".")[0] for name in imports(path)} & {"torch", "nibabel", "skimage"}, path


@pytest.mark.parametrize("folder", [PACKAGE, "FAAnomaly", "Testing"])
def test_no_file_is_too_long(folder):
    lengths = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in sources(folder)}
    assert not {path: length for path, length in lengths.items() if length > MAX_LINES}


def test_the_faces_and_values_need_no_torch():
    code = f"""
import importlib, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "nibabel", "SimpleITK", "skimage", "scipy"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
for name in {TORCHLESS!r}:
    importlib.import_module("{PACKAGE}." + name)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_is_light():
    code = f"import sys, {PACKAGE}; print([m for m in ('torch', 'numpy', 'nibabel', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_package_folder_is_installed():
    listed = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for folder in {path.parent for path in sources(PACKAGE)}:
        assert f'"{".".join(folder.relative_to(ROOT).parts)}"' in listed
