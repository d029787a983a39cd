"""Odd streams, names and folders: the results are written, and the exit status is right."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from FAAnomalyLib.cli import application as cli
from FAAnomalyLib.cli.signals import stopped_at_once
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.reporting.result_files import RESULT_FILES
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.runtime.progress import CancelToken
from support.fakes import fake_engine
from support.paths import ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="shells of POSIX systems")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def shell(line: str, *words: str | bytes, **variables: str) -> subprocess.CompletedProcess:
    """Run *line*, in which ``$@`` stands for the command ``faanomaly`` and *words*."""
    command = [sys.executable, fake_engine.__file__, *words]
    return subprocess.run(
        ["sh", "-c", line, "sh", *command],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        timeout=60,
    )


def written(folder: Path) -> bool:
    return sorted(path.name for path in folder.iterdir()) == sorted(RESULT_FILES)


@pytest.mark.parametrize(
    "line",
    [
        '"$@" 2>&-',
        '"$@" >&-',
        '"$@" <&- >&- 2>&-',
        '"$@" 2>/dev/full',
        '"$@" >/dev/full',
        '"$@" >/dev/full 2>/dev/full',
    ],
)
def test_closed_or_full_streams_do_not_fail_a_run(tmp_path, line):
    if "/dev/full" in line and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell(line, "detect", "busy.nii", "-o", str(tmp_path))
    assert done.returncode == 0 and written(tmp_path)
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr
    assert (b"could not be printed (No space left on device)" in done.stderr) == (line == '"$@" >/dev/full')


@pytest.mark.parametrize("words", [("detect", "a.nii", "-o", "OUT", "--json"), ("models", "list")])
def test_what_is_asked_for_on_a_full_stream_is_an_error_of_one_line(tmp_path, words):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell('"$@" >/dev/full', *[str(tmp_path) if word == "OUT" else word for word in words])
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(b"faanomaly: Cannot write to standard output: No space left")
    assert b"bug" not in done.stderr and b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("name", ["r\u00e9sultats \u00b5".encode(), b"r\xe9sultats"], ids=["utf8", "latin1"])
@pytest.mark.parametrize("variables", [{}, ASCII, {"PYTHONIOENCODING": "ascii"}], ids=["plain", "C", "ascii"])
def test_a_folder_of_any_name_is_written_to(tmp_path, name, variables):
    folder = os.fsencode(tmp_path) + b"/" + name
    done = shell('"$@"', "detect", b"Mus\xe9e_FA.nii.gz", "-o", folder, **variables)
    assert done.returncode == 0, done.stderr
    assert written(Path(os.fsdecode(folder)))
    assert b"Results are in" in done.stdout


def test_a_home_folder_is_found_where_no_shell_has(tmp_path):
    done = shell('"$@"', "detect", "a.nii", "--output=~/results", HOME=str(tmp_path))
    assert done.returncode == 0 and written(tmp_path / "results")
    assert str(tmp_path / "results").encode() in done.stdout


def test_a_tilde_is_expanded_for_every_face(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert DetectRequest.from_dict({"input": "~/a.nii", "roi": "~"}) == DetectRequest(
        f"{tmp_path}/a.nii", roi=str(tmp_path)
    )
    with pytest.raises(FAError, match="no home folder"):
        DetectRequest.from_dict({"output": "~nobody-of-this-name/out"})
    (tmp_path / "~copy.nii").touch()
    assert DetectRequest.from_dict({"input": "~copy.nii"}).input == "~copy.nii"


def test_plug_ins_of_slicers_itk_do_not_reach_the_engine(monkeypatch, capsys):
    monkeypatch.setenv("ITK_AUTOLOAD_PATH", "/opt/Slicer/lib/ITKFactories")
    assert cli.main(["--version"]) == 0
    assert "ITK_AUTOLOAD_PATH" not in os.environ


def test_two_runs_in_one_folder(tmp_path):
    command = [sys.executable, fake_engine.__file__, "detect", "slow.nii", "-o", str(tmp_path)]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert b"judging" in first.stderr.readline()
    done = shell('"$@"', "detect", "a.nii", "-o", str(tmp_path))
    assert done.returncode == 2 and f"process {first.pid}".encode() in done.stderr
    first.kill()
    first.communicate()
    (tmp_path / ".writing-left").mkdir()
    assert shell('"$@"', "detect", "a.nii", "-o", str(tmp_path)).returncode == 0
    assert written(tmp_path)


def test_an_input_that_bears_a_results_name_is_kept(tmp_path):
    source = tmp_path / "pseudo_healthy.nii.gz"
    source.write_bytes(b"mine")
    for words in (["detect", str(source)], ["detect", "a.nii", "--region", str(source)]):
        done = shell('"$@"', *words, "-o", str(tmp_path))
        assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"which is read" in done.stderr
    done = shell('"$@"', "detect", "a.nii", "-o", str(tmp_path))
    assert done.returncode == 2 and b"would be replaced" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [source.name] and source.read_bytes() == b"mine"


def test_the_worker_says_which_copy_of_the_engine_runs():
    done = shell('"$@" </dev/null', "worker")
    hello = json.loads(done.stdout.splitlines()[0])
    assert Path(hello["folder"]) == ROOT / "FAAnomalyLib"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_an_import_at_once(number):
    """Imports take seconds and look at no token."""
    before, token = signal.getsignal(number), CancelToken()
    with pytest.raises(KeyboardInterrupt), stopped_at_once(token):
        signal.raise_signal(number)
    assert token.cancelled and signal.getsignal(number) == before
