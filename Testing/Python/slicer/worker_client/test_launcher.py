"""The real engine behind the client: how it is started, found and examined."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import slicer_harness

slicer_harness.require()

import FAAnomalyLib
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.worker import messages as worker
from FAAnomalySlicer.worker_client import launcher as engine
from FAAnomalySlicer.worker_client import session as worker_session
from FAAnomalySlicer.worker_client.environment_check import EnvironmentCheck
from FAAnomalySlicer.worker_client.qt_process import QtProcess, QtTimer
from FAAnomalySlicer.worker_client.subprocess_process import PollTimer, SubprocessProcess
from FAAnomalySlicer.worker_client.termination import Timeouts
from support.drivers.engine_bench import LONGEST, Bench, is_running

pytestmark = pytest.mark.slow

SLOW = Timeouts(start=60_000, cancel=20_000, kill=5_000)


@pytest.fixture(params=["subprocess", "qt"])
def bench(request):
    bench = Bench(request.param)
    yield bench
    bench.close()


@pytest.fixture
def program(tmp_path):
    """Makes an empty program of a given name and returns its path."""

    def make(folder: str, name: str) -> str:
        path = tmp_path / folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return str(path)

    return make


def test_slicers_python_comes_first(program, monkeypatch):
    in_path, beside = program("bin", "PythonSlicer"), program("python", "PythonSlicer")
    monkeypatch.setattr(sys, "executable", program("python", "python3.12"))
    monkeypatch.setenv("PATH", os.path.dirname(in_path))
    assert engine.find_python() == in_path
    monkeypatch.setenv("PATH", "")
    assert engine.find_python() == beside
    os.unlink(beside)
    assert engine.find_python() == sys.executable


@pytest.mark.parametrize("executable", ["SlicerApp-real", ""])
def test_a_program_that_is_no_python_is_not_taken_for_one(program, monkeypatch, executable):
    monkeypatch.setattr(sys, "executable", program("bin", executable) if executable else "")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FAError, match="Slicer's Python was not found") as raised:
        engine.engine_command("worker")
    assert raised.value.code == "missing"


def test_the_environment_of_the_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    environment = engine.engine_environment()
    folder, before = environment["PYTHONPATH"].split(os.pathsep)
    assert (Path(folder) / "FAAnomalyLib" / "worker" / "server.py").is_file() and before == str(tmp_path)
    assert all(environment[name] == "1" for name in ("PYTHONUTF8", "PYTHONUNBUFFERED", "PYTHONNOUSERSITE"))
    monkeypatch.delenv("PYTHONPATH")
    assert engine.engine_environment()["PYTHONPATH"] == folder


def test_plugins_of_slicers_itk_are_not_loaded_by_the_engine(monkeypatch):
    assert engine.engine_environment()["ITK_AUTOLOAD_PATH"] is None
    # Slicer's launcher sets it for the program that it starts, whatever the environment was.
    code = (
        "import atexit, runpy, os, sys; sys.argv = ['x', '--version']\n"
        "atexit.register(lambda: print(os.environ.get('ITK_AUTOLOAD_PATH')))\n"
        "runpy.run_module('FAAnomalyLib', run_name='__main__')"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "ITK_AUTOLOAD_PATH": "/plugins", "PYTHONPATH": str(engine.engine_root())},
        capture_output=True,
        text=True,
    )
    assert said.stdout.splitlines()[-1] == "None", said.stderr


@pytest.mark.parametrize("place", ["", "FAAnomalyLib"])
def test_an_engine_that_pip_installed_is_not_taken_for_this_one(place, tmp_path):
    here, version = engine.engine_root(), FAAnomalyLib.__version__
    assert engine.refuse_other_engine({"version": version, "folder": str(here / place)}) is None
    assert engine.refuse_other_engine({"version": version}) is None, "an engine that does not tell its folder"
    for hello in ({"version": version, "folder": str(tmp_path / place)}, {"version": "0.0.1", "folder": str(here)}):
        error = engine.refuse_other_engine(hello)
        assert error.code == "missing" and "pip_uninstall" in error.fix and str(here) in error.why


def test_the_panels_side_imports_the_engine_beside_it(tmp_path):
    """Not one that pip has installed into Slicer, which comes first on the path."""
    (tmp_path / "FAAnomalyLib").mkdir()
    (tmp_path / "FAAnomalyLib" / "__init__.py").touch()
    code = (
        "import slicer_harness; slicer_harness.install()\n"
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); before = list(sys.path)\n"
        "import FAAnomaly, FAAnomalyLib; print(FAAnomalyLib.__file__)\n"
        "assert sys.path[: len(before)] == before"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(slicer_harness.__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert said.stdout.splitlines()[-1:] == [FAAnomalyLib.__file__], said.stderr


def test_both_sides_speak_the_same_protocol():
    assert worker.PROTOCOL == worker_session.PROTOCOL


def real(bench, **environment):
    return bench.client(
        timeouts=SLOW,
        command=engine.engine_command("worker"),
        environment={**engine.engine_environment(), **environment},
    )


def test_hello_a_bad_request_and_shutdown(bench, tmp_path, monkeypatch):
    # A working folder with a file that is called like a module must not matter.
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    client = real(bench)
    job = bench.finish(
        client.submit("detect", {"input": str(tmp_path / "fa.nrrd"), "output": str(tmp_path / "out"), "mask_size": 5})
    )
    assert job.state == "failed" and job.error.code == "bad-request"
    assert "mask size 5 is none of" in job.error.why
    assert client.engine_version == FAAnomalyLib.__version__
    job = bench.finish(client.submit("paint", {}))
    assert job.error.code == "bad-request" and "Unknown method 'paint'" in job.error.what
    job = bench.finish(client.submit("detect", {"input": "a", "output": "b", "colour": 1}))
    assert "Unknown option colour" in job.error.what
    assert len(bench.pids) == 1 and client.status == "ready"
    client.shutdown()
    bench.until(lambda: client.status == "stopped")
    assert not is_running(bench.pids[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["json.py"]


def test_a_crash_of_the_real_interpreter_says_where(bench):
    client = real(bench)
    client.start()
    bench.until(lambda: client.status == "ready")
    os.kill(bench.pids[0], 11)
    bench.until(lambda: client.status == "stopped")
    assert any("Fatal Python error: Segmentation fault" in line for line in client.recent_log)


@pytest.mark.parametrize("event_loop", [False, True])
def test_a_client_of_either_kind(event_loop):
    client = engine.connect_engine(event_loop)
    assert client.status == "stopped"
    client.start()
    end = time.monotonic() + LONGEST * 2
    while client.status != "ready":
        assert time.monotonic() < end, list(client.recent_log)
        wait(client, event_loop)
    client.shutdown()
    while client.status != "stopped":
        assert time.monotonic() < end
        wait(client, event_loop)


def wait(pollable, event_loop):
    pollable.poll(0.02)
    if event_loop:
        import qt

        qt.QCoreApplication.processEvents()
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("event_loop", [False, True])
def test_the_examination(event_loop):
    process, timer = (QtProcess, QtTimer()) if event_loop else (SubprocessProcess, PollTimer())
    check = EnvironmentCheck(process, engine.engine_command("doctor", "--json"), engine.engine_environment(), timer)
    ends = []
    check.finished.connect(lambda *end: ends.append(end))
    check.start()
    end = time.monotonic() + 4 * LONGEST
    while not ends:
        assert time.monotonic() < end
        wait(check, event_loop)
    ((findings, error),) = ends
    assert error is None and findings["version"] == FAAnomalyLib.__version__
    assert "cpu" in findings["devices"] and set(findings) >= {"packages", "models", "missing", "problems", "can_run"}


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import sys; sys.exit('faanomaly: no models')", "no models"),
        ("print('[1, 2]')", "exit status 0"),
    ],
)
def test_an_examination_that_fails_tells_why(code, says):
    check = EnvironmentCheck(SubprocessProcess, [sys.executable, "-c", code], {}, PollTimer())
    ends = []
    check.finished.connect(lambda *end: ends.append(end))
    check.start()
    while not ends:
        check.poll(0.1)
    assert ends[0][0] is None and says in ends[0][1].why


@pytest.mark.parametrize("stop", ["by hand", "by time"])
def test_an_examination_can_be_stopped(stop):
    check = EnvironmentCheck(
        SubprocessProcess,
        [sys.executable, "-S", "-c", "import time; time.sleep(600)"],
        {},
        PollTimer(),
        max_ms=300 if stop == "by time" else 60_000,
    )
    ends = []
    check.finished.connect(lambda *end: ends.append(end))
    check.start()
    if stop == "by hand":
        check.stop()
    while not ends:
        check.poll(0.1)
    assert ends[0][0] is None and "SIGTERM" in ends[0][1].why


def test_the_real_worker_kept_in_an_odd_place_is_found(tmp_path, monkeypatch, bench):
    # As installed: the library lies beside other modules, in a folder with blanks and other letters.
    folder = tmp_path / "Slicer 5.12 Lékař"
    source = Path(FAAnomalyLib.__file__).parent
    shutil.copytree(source, folder / "FAAnomalyLib", ignore=shutil.ignore_patterns("__pycache__"))
    client = real(bench, PYTHONPATH=str(folder))
    job = bench.finish(client.submit("detect", {"input": "", "output": str(tmp_path / "out")}))
    assert "no input volume" in job.error.why
