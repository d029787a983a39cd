"""What is missing in Slicer's Python, and its installation; nothing is ever really installed."""

from __future__ import annotations

import importlib.util
import json
import site
import subprocess
import sys
import threading
import types
from contextlib import contextmanager

import pytest

import slicer_harness

slicer_harness.require()

from packaging.requirements import Requirement

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.runtime.requirements import REQUIRED
from FAAnomalySlicer.setup import package_installer as install
from FAAnomalySlicer.setup.package_installer import CONSENT_KEY, TORCH, Installer, installed_version, is_met
from support.paths import REQUIREMENTS

BUNDLED = {"numpy", "SimpleITK"}
"""Brought by every Slicer from 5.10 and not listed: their versions are Slicer's own affair."""


class Settings(dict):
    """As much of ``QSettings`` as is used."""

    def value(self, key):
        return self.get(key)

    def setValue(self, key, value):
        assert isinstance(value, str)
        self[key] = value

    def remove(self, key):
        self.pop(key, None)


class World:
    """Slicer's Python as the installer sees it: which packages there are, and what installing would do."""

    def __init__(self, monkeypatch, tmp_path):
        self.packages: dict[str, str | None] = {}
        self.done: list = []
        self.asked: list[str] = []
        self.answer = True
        self.settings = Settings()
        self.busy: list[str] = []
        self.pip_error: Exception | None = None
        self.torch_error: Exception | None = None
        self.file = tmp_path / "requirements.txt"
        self.file.write_text("# besides torch\nnibabel\n--no-cache-dir\n\nscikit-image>=0.20 # for labels\n")
        self.patch = monkeypatch
        monkeypatch.setattr(install, "installed_version", lambda requirement: self.packages.get(requirement.name))
        for name in ("slicer.packaging", "PyTorchUtils"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        self.with_pip_ensure()

    def with_pip_ensure(self):
        """Slicer 5.12."""

        def pip_ensure(requirements, prompt_install=True, requester=None):
            assert not prompt_install and requester == "FAAnomaly"
            self.install([str(requirement) for requirement in requirements])

        self.patch.setitem(sys.modules, "slicer.packaging", types.SimpleNamespace(pip_ensure=pip_ensure))

    def without_pip_ensure(self):
        """Slicer 5.10."""
        self.patch.setitem(sys.modules, "slicer.packaging", None)
        self.patch.setitem(sys.modules, "slicer.util", types.SimpleNamespace(pip_install=self.install))

    def with_pytorch_extension(self, installs=True):
        world = self

        class PyTorchUtilsLogic:
            def installTorch(self, askConfirmation=False, forceComputationBackend=None, torchVersionRequirement=None):
                assert not askConfirmation
                world.done.append(f"torch{torchVersionRequirement}")
                if installs:
                    world.packages["torch"] = "2.13.0+cpu"
                if world.torch_error:
                    raise world.torch_error

        module = types.ModuleType("PyTorchUtils")
        module.PyTorchUtilsLogic = PyTorchUtilsLogic
        module.__spec__ = importlib.util.spec_from_loader("PyTorchUtils", None)
        self.patch.setitem(sys.modules, "PyTorchUtils", module)

    def install(self, requirements):
        assert all(isinstance(requirement, str) for requirement in requirements)
        if self.pip_error:
            raise self.pip_error
        self.done += requirements
        self.packages.update({Requirement(text).name: "5.0" for text in requirements})

    def ask(self, text):
        self.asked.append(text)
        return self.answer

    def installer(self):
        """As after a start of Slicer: only the settings are remembered."""
        return Installer(self.file, self.ask, self.settings, self.waiting)

    @contextmanager
    def waiting(self, text):
        self.busy.append(text)
        yield

    def ensure(self):
        self.installer().ensure()

    def failure(self) -> FAError:
        with pytest.raises(FAError) as raised:
            self.ensure()
        assert raised.value.code == "missing" and raised.value.fix
        return raised.value


@pytest.fixture
def world(monkeypatch, tmp_path):
    return World(monkeypatch, tmp_path)


def test_the_file_lists_what_the_engine_needs_and_slicer_lacks():
    listed = {str(requirement) for requirement in install.read_requirements(REQUIREMENTS)}
    assert listed | BUNDLED | {str(TORCH)} == set(REQUIRED.values())
    for module, requirement in REQUIRED.items():
        name = Requirement(requirement).name
        assert install.MODULES.get(name, name) == module


@pytest.mark.slow
def test_versions_are_told_without_loading_anything():
    code = f"""
import sys; sys.path[:0] = {sys.path!r}
import slicer_harness; slicer_harness.require()
from FAAnomalySlicer.setup.package_installer import Installer
before = set(sys.modules)
print([str(r) for r in Installer({str(REQUIREMENTS)!r}, None, None).missing()])
print(sorted({{"torch", "nibabel", "skimage"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-2:] == ["[]", "[]"], done.stdout + done.stderr


def test_a_package_is_there_or_not(monkeypatch, tmp_path):
    assert installed_version(Requirement("numpy")) and is_met(Requirement("numpy>=1.20"))
    assert not is_met(Requirement("numpy>=999"))
    assert installed_version(Requirement("no-such-package")) is None
    (tmp_path / "homemade.py").write_text("raise SystemExit('imported!')")
    (tmp_path / "emptyname").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert installed_version(Requirement("homemade")) == "unknown" and is_met(Requirement("homemade>=3"))
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(tmp_path))
    assert installed_version(Requirement("homemade")) is None, "the engine does not look in the user's own folder"


@pytest.mark.parametrize(
    ("version", "met"),
    [
        ("2.2", True),
        ("2.13.0+cu128", True),
        ("2.2.0a0+git1", False),
        ("3.0.0.dev1", True),
        ("2.1.2", False),
        ("unknown", True),
        (None, False),
    ],
)
def test_which_torch_will_do(monkeypatch, version, met):
    monkeypatch.setattr(install, "installed_version", lambda _: version)
    assert is_met(TORCH) is met


def test_nothing_missing_asks_nothing(world):
    world.packages = {"torch": "2.5", "nibabel": "5.3", "scikit-image": "0.24"}
    world.ensure()
    assert world.asked == world.done == [] and not world.installer().pending()


@pytest.mark.parametrize("slicer", ["5.10", "5.12"])
def test_everything_after_one_question(world, slicer):
    world.packages = {"scikit-image": "0.19"}
    world.with_pytorch_extension()
    if slicer == "5.10":
        world.without_pip_ensure()
    world.ensure()
    assert world.done == ["torch>=2.2", "nibabel", "scikit-image>=0.20"]
    (question,) = world.asked
    assert all(name in question for name in ("torch>=2.2", "nibabel", "scikit-image>=0.20", "GB", "internet"))
    assert world.settings == {}
    told = [("PyTorch" in text, "nibabel" in text) for text in world.busy]
    # pip_ensure of 5.12 has a window of its own
    assert told == ([(True, False), (False, True)] if slicer == "5.10" else [(True, False)])
    world.ensure()
    assert len(world.asked) == 1


def test_without_torch_no_extension_is_needed(world):
    world.packages = {"torch": "2.5", "nibabel": "5.3"}
    world.ensure()
    assert world.done == ["scikit-image>=0.20"] and "GB" not in world.asked[0]


def test_a_refusal_installs_nothing_and_is_asked_again(world):
    world.with_pytorch_extension()
    world.answer = False
    error = world.failure()
    assert "nibabel" in error.why and world.done == [] and world.settings == {}
    world.failure()
    assert len(world.asked) == 2


def test_without_the_pytorch_extension_it_goes_on_after_the_restart(world):
    error = world.failure()
    assert "PyTorch" in error.what and "Extensions Manager" in error.fix and "restart" in error.fix
    assert world.done == [], "nothing is half installed"
    assert not world.installer().pending(), "the extension is still absent"
    world.failure()
    assert len(world.asked) == 1, "the user has agreed already"

    world.with_pytorch_extension()
    assert world.installer().pending()
    world.ensure()
    assert world.done == ["torch>=2.2", "nibabel", "scikit-image>=0.20"] and len(world.asked) == 1
    assert not world.installer().pending() and world.settings == {}


@pytest.mark.parametrize(
    "change", [{"time": 0}, {"time": "soon"}, {"python": "/another/Slicer"}, {"packages": ["nibabel"]}, {"time": 4e9}]
)
def test_an_agreement_holds_for_what_it_was_about(world, change):
    world.failure()
    world.settings[CONSENT_KEY] = json.dumps({**json.loads(world.settings[CONSENT_KEY]), **change})
    world.with_pytorch_extension()
    assert not world.installer().pending()
    world.ensure()
    assert len(world.asked) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null"])
def test_a_spoilt_agreement_is_none(world, text):
    world.settings[CONSENT_KEY] = text
    world.with_pytorch_extension()
    assert not world.installer().pending()
    world.ensure()
    assert len(world.asked) == 1


def test_a_failure_tells_its_cause_and_is_not_repeated_unasked(world):
    world.with_pytorch_extension()
    world.pip_error = subprocess.CalledProcessError(1, "pip install")
    error = world.failure()
    assert "nibabel" in error.what and "exit status 1" in error.why
    assert not world.installer().pending()
    world.pip_error = None
    world.ensure()
    assert len(world.asked) == 2


def test_torch_that_fails(world):
    world.with_pytorch_extension(installs=False)
    world.torch_error = ValueError("no wheel fits")
    error = world.failure()
    assert "PyTorch" in error.what and error.why == "no wheel fits" and world.done == ["torch>=2.2"]


def test_torch_that_is_installed_but_that_slicer_cannot_load_is_no_failure(world, caplog):
    world.with_pytorch_extension()
    world.torch_error = OSError("c10.dll")
    world.ensure()
    assert "c10.dll" in caplog.text and "nibabel" in world.done


def test_an_installation_that_did_nothing_is_told(world):
    # As pip_ensure while Slicer runs its tests.
    world.packages = {"torch": "2.5"}
    world.patch.setitem(sys.modules, "slicer.packaging", types.SimpleNamespace(pip_ensure=lambda *_, **__: None))
    assert "still missing" in world.failure().what


def test_never_on_another_thread(world):
    caught = []

    def run():
        try:
            world.ensure()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(caught) == 1 and world.asked == world.done == []


def test_versions_are_read_once_while_packages_stay_at_their_place(monkeypatch, tmp_path):
    read = []
    known = install.importlib.metadata.version
    monkeypatch.setattr(install.importlib.metadata, "version", lambda name: read.append(name) or known(name))
    (tmp_path / "requirements.txt").write_text("numpy\npackaging\nhomemade>=3\n")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "homemade.py").write_text("raise SystemExit('imported!')")
    installer = Installer(tmp_path / "requirements.txt", None, None)
    with monkeypatch.context() as inside:
        inside.syspath_prepend(tmp_path / "one")
        installer.missing()
        first = list(read)
        assert {"numpy", "packaging", "homemade"} <= set(first)
        installer.missing()
        assert "numpy" not in read[len(first) :] and "homemade" not in read[len(first) :]
    assert "homemade>=3" in map(str, installer.missing()), "it has gone"


def test_with_slicers_own_settings_and_packaging(monkeypatch, tmp_path, settings, pip, pytorch_extension):
    (tmp_path / "requirements.txt").write_text("faanomaly-test-package>=2\n")  # on no computer
    packages: dict[str, str] = {}
    monkeypatch.setattr(install, "installed_version", lambda requirement: packages.get(requirement.name))
    pip.installing = lambda requirements: packages.update({Requirement(text).name: "9.0" for text in requirements})
    pytorch_extension.installing = lambda: packages.update(torch="2.13.0+cpu")
    asked: list[str] = []
    installer = Installer(tmp_path / "requirements.txt", lambda text: asked.append(text) or True, settings)
    assert not installer.pending()
    installer.ensure()
    assert len(asked) == 1 and pytorch_extension.calls[0]["torchVersionRequirement"] == ">=2.2"
    (request,) = pip.requests
    assert request["requirements"] == ["faanomaly-test-package>=2"] and request["requester"] == "FAAnomaly"
    assert settings.value(CONSENT_KEY) is None and not installer.missing()
