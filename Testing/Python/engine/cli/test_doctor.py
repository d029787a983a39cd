"""The doctor works where nothing is installed and says what is missing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from FAAnomalyLib.cli.commands import doctor
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.runtime import hardware
from FAAnomalyLib.runtime.requirements import REQUIRED
from FAAnomalyLib.runtime.resources import OVERRIDE, resources_dir
from support.fakes import fake_model
from support.paths import ROOT

BLOCKER = """
import sys
BLOCKED = set(sys.argv.pop(1).split(","))
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
from FAAnomalyLib.cli import main
status = main(sys.argv[1:])
assert not BLOCKED & set(sys.modules)
sys.exit(status)
"""


@pytest.fixture
def resources(tmp_path):
    """A resources folder with one sound model."""
    fake_model.make(tmp_path, "default")
    return tmp_path


def run_without(blocked, resources, *words):
    return subprocess.run(
        [sys.executable, "-c", BLOCKER, ",".join(blocked), *words],
        cwd=ROOT,
        text=True,
        capture_output=True,
        env={**os.environ, OVERRIDE: str(resources)},
    )


def test_without_torch_it_says_so_in_one_line_and_exits_5(resources):
    done = run_without(["torch"], resources, "doctor")
    assert done.returncode == 5
    assert done.stderr.count("\n") == 1
    assert "torch>=2.2 is missing" in done.stderr and "-m pip install 'torch>=2.2'" in done.stderr
    assert re.search(r"^torch +not installed$", done.stdout, re.M)
    assert re.search(r"^model default +verified$", done.stdout, re.M)


def test_without_anything_it_still_works(resources):
    done = run_without(REQUIRED, resources, "doctor", "--json")
    assert done.returncode == 5
    found = json.loads(done.stdout)
    assert found["missing"] == list(REQUIRED) and found["can_run"] is False
    assert set(found["packages"].values()) == {None}
    assert all(requirement in done.stderr for requirement in REQUIRED.values())


def test_a_detection_without_a_package_names_it_and_exits_5(resources, tmp_path):
    out = tmp_path / "out"
    done = run_without(["numpy"], resources, "detect", "a.nii", "-o", str(out))
    assert done.returncode == 5 and done.stderr.count("\n") == 1
    assert "numpy is not installed" in done.stderr and not out.exists()


@pytest.fixture
def sound(monkeypatch, resources):
    """A machine on which everything is fine."""
    monkeypatch.setenv(OVERRIDE, str(resources))
    monkeypatch.setattr(doctor, "installed_version", lambda module, requirement: "9.9")
    monkeypatch.setattr(hardware, "devices", lambda: ["cuda (H)", "cpu"])
    return resources


def run_doctor(capsys, *words):
    from FAAnomalyLib.cli.application import main

    status = main(["doctor", *words])
    return (status, *capsys.readouterr())


def test_a_sound_machine_can_run(sound, capsys):
    status, out, err = run_doctor(capsys)
    assert status == 0 and err == ""
    assert re.search(r"^can run +yes$", out, re.M) and re.search(r"^devices +cuda \(H\), cpu$", out, re.M)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda model: (model / "weights.pt").write_bytes(b"weightz"), "altered or damaged"),
        (lambda model: (model / "weights.pt").unlink(), "are missing"),
        (lambda model: (model / "manifest.json").write_text("{"), "manifest of the model"),
        (lambda model: (model / "manifest.json").write_text("[]"), "does not fit this version"),
        (lambda model: (model / "manifest.json").unlink(), "no model is bundled"),
    ],
)
def test_a_damaged_model_is_told(sound, capsys, harm, says):
    harm(sound / "Models" / "default")
    status, _, err = run_doctor(capsys)
    assert status == 5 and says in err and err.count("\n") == 1


def test_an_old_torch_counts_as_missing(sound, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "installed_version", lambda module, requirement: "2.1.9+cpu")
    status, _, err = run_doctor(capsys)
    assert status == 5 and "'torch>=2.2'" in err and "numpy" not in err


def test_a_broken_torch_is_told(sound, monkeypatch, capsys):
    def broken():
        raise OSError("libgomp.so.1: cannot open shared object file\nmore")

    monkeypatch.setattr(hardware, "devices", broken)
    status, _, err = run_doctor(capsys)
    assert status == 5 and "torch cannot be loaded (OSError: libgomp" in err and err.count("\n") == 1


def test_an_unwritable_temporary_folder_is_told(sound, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", full)
    status, _, err = run_doctor(capsys)
    assert status == 5 and "No space left" in err


def test_cpu_features(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "CPUINFO", tmp_path / "cpuinfo")
    assert hardware.cpu_features() == {"avx512_bf16": None, "amx_bf16": None}
    (tmp_path / "cpuinfo").write_text("model name\t: X\nflags\t\t: fpu avx512f avx512_bf16\n")
    assert hardware.cpu_features() == {"avx512_bf16": True, "amx_bf16": False}


def test_memory(monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "MEMINFO", tmp_path / "meminfo")
    assert set(hardware.memory_gb()) == {"total", "available"}
    (tmp_path / "meminfo").write_text("MemTotal:       16000000 kB\nMemAvailable:    8000000 kB\n")
    assert hardware.memory_gb() == {"total": 16.4, "available": 8.2}


@pytest.mark.parametrize(
    ("version", "requirement", "fits"),
    [
        ("2.13.0+cpu", "torch>=2.2", True),
        ("2.2.0", "torch>=2.2", True),
        ("2.1.2", "torch>=2.2", False),
        ("1.0", "numpy", True),
        ("unknown", "torch>=2.2", True),
    ],
)
def test_versions_are_compared_as_numbers(version, requirement, fits):
    assert doctor.new_enough(version, requirement) is fits


def test_the_packages_are_those_of_the_project_file():
    listed = re.search(r"^dependencies = \[(.*?)^\]", (ROOT / "pyproject.toml").read_text(), re.M | re.S).group(1)
    assert sorted(re.findall(r'"(.+?)"', listed)) == sorted(REQUIRED.values())


def test_resources_are_found_or_missing(monkeypatch, tmp_path):
    import FAAnomalyLib.runtime.resources as resources

    monkeypatch.delenv(OVERRIDE, raising=False)
    monkeypatch.setattr(resources, "__file__", str(tmp_path / "FAAnomalyLib" / "runtime" / "resources.py"))
    (tmp_path / "Resources" / "Icons").mkdir(parents=True)
    with pytest.raises(FAError) as caught:
        resources_dir()
    assert caught.value.code == "missing"
    (tmp_path / "FAAnomalyResources" / "Models").mkdir(parents=True)
    assert resources_dir() == tmp_path / "FAAnomalyResources"
    (tmp_path / "Resources" / "Models").mkdir()
    assert resources_dir() == tmp_path / "Resources"
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "nowhere"))
    with pytest.raises(FAError, match="is no folder"):
        resources_dir()
    monkeypatch.setenv(OVERRIDE, str(tmp_path))
    assert resources_dir() == tmp_path


def test_a_torch_that_cannot_exchange_arrays_is_named(monkeypatch):
    """Torch that merely lacks its own bridge to NumPy will do: see ``runtime/test_arrays.py``."""

    def broken(*_, **__):
        raise RuntimeError("no buffers\nmore")

    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "frombuffer", broken)
    findings = doctor.examine()
    assert not findings.can_run
    problem = next(text for text in findings.problems if "cannot exchange arrays with NumPy" in text)
    assert "(no buffers)" in problem and "\n" not in problem
