"""The private folder for volumes that travel."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

import slicer_harness

slicer_harness.require()

from FAAnomalyLib.errors import FAError
from FAAnomalySlicer.worker_client import workspace as room
from FAAnomalySlicer.worker_client.workspace import Workspace, is_alive


@pytest.fixture
def parent(tmp_path):
    return tmp_path / "Slicer töst"


@pytest.fixture
def workspace(parent):
    workspace = Workspace(parent)
    yield workspace
    workspace.close()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_folders_are_private_whatever_the_umask(workspace, parent):
    before = os.umask(0)
    try:
        assert workspace.root is None and not parent.exists(), "nothing is made before the first job"
        first, second = workspace.new_folder(), workspace.new_folder(needed_bytes=1000)
    finally:
        os.umask(before)
    assert first != second and first.parent == second.parent == workspace.root and workspace.root.parent == parent
    assert mode(first) == mode(second) == mode(workspace.root) == 0o700
    assert f"-{os.getpid()}-" in workspace.root.name


def test_a_job_s_folder_and_then_everything_is_removed(workspace, parent):
    first, second = workspace.new_folder(), workspace.new_folder()
    (first / "out").mkdir()
    (first / "out" / "z.nii.gz").write_bytes(b"x")
    workspace.remove(first)
    workspace.remove(first)
    assert not first.exists() and second.exists()
    workspace.close()
    workspace.close()
    assert list(parent.iterdir()) == [] and workspace.root is None
    assert workspace.new_folder().is_dir()


@pytest.mark.parametrize("elsewhere", ["", ".", "..", "../other"])
def test_only_folders_of_jobs_are_removed(workspace, parent, elsewhere):
    folder = workspace.new_folder()
    (parent / "other").mkdir()
    with pytest.raises(ValueError):
        workspace.remove(Path(os.path.normpath(workspace.root / elsewhere)))
    assert folder.is_dir() and (parent / "other").is_dir()


def test_it_is_made_anew_when_somebody_cleaned_up(workspace, parent):
    shutil.rmtree(workspace.new_folder().parent.parent)
    assert workspace.new_folder().is_dir()


@pytest.mark.slow
def test_everything_goes_when_python_ends(parent):
    code = (
        "from FAAnomalySlicer.worker_client.workspace import Workspace; import sys; "
        "print((Workspace(sys.argv[1]).new_folder() / 'x').write_text('patient'))"
    )
    code = f"import sys; sys.path[:0] = {sys.path!r}; import slicer_harness; slicer_harness.require(); {code}"
    done = subprocess.run([sys.executable, "-c", code, str(parent)], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines()[-1] == "7", done.stderr
    assert list(parent.iterdir()) == []


def test_folders_of_dead_processes_are_removed_and_nothing_else(workspace, parent):
    dead = subprocess.Popen([sys.executable, "-S", "-c", ""])
    dead.wait()
    alive = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
    try:
        parent.mkdir()
        (parent / "elsewhere").mkdir()
        (parent / "elsewhere" / "file").write_text("keep")
        stale = parent / f"FAAnomaly-{dead.pid}-abc123_x"
        (stale / "job-1").mkdir(parents=True)
        (stale / "job-1" / "input.nrrd").write_bytes(b"patient")
        kept = [parent / f"FAAnomaly-{alive.pid}-abc123", parent / "FAAnomaly-notes", parent / "FAAnomaly-12x-abc"]
        for folder in kept:
            folder.mkdir()
        link = parent / f"FAAnomaly-{dead.pid}-link"
        link.symlink_to(parent / "elsewhere")
        file = parent / f"FAAnomaly-{dead.pid}-file"
        file.write_text("keep")
        workspace.new_folder()
        assert not stale.exists()
        assert all(folder.is_dir() for folder in kept) and link.is_symlink() and file.is_file()
        assert (parent / "elsewhere" / "file").read_text() == "keep"
    finally:
        alive.kill()
        alive.wait()


def test_folders_of_other_users_are_left(workspace, parent, monkeypatch):
    dead = subprocess.Popen([sys.executable, "-S", "-c", ""])
    dead.wait()
    stale = parent / f"FAAnomaly-{dead.pid}-abc"
    stale.mkdir(parents=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: 4711)
        room.remove_stale_folders(parent)
    assert stale.is_dir()
    room.remove_stale_folders(parent)
    assert not stale.exists()


def test_which_processes_are_alive(monkeypatch):
    assert is_alive(os.getpid()) and is_alive(1)
    assert not is_alive(2**22 + 5) and not is_alive(10**30)

    def denied(pid, number):
        raise PermissionError

    monkeypatch.setattr(os, "kill", denied)
    assert is_alive(4711), "it runs, for somebody else"


def test_a_disk_without_room_is_one_clear_error(workspace, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "free")(3 * 2**20))
    with pytest.raises(FAError) as refused:
        workspace.new_folder(needed_bytes=2**30)
    assert refused.value.code == "bad-input" and "full" in refused.value.what
    assert "1024 MB are needed, 3 MB are free" in refused.value.why and str(workspace.root) in refused.value.why


@pytest.mark.parametrize(
    ("number", "says"), [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EACCES, "cannot be written")]
)
def test_an_error_while_writing_is_one_clear_error(workspace, number, says):
    workspace.new_folder()
    with pytest.raises(FAError) as refused, workspace.writing():
        raise OSError(number, os.strerror(number))
    assert says in refused.value.what and os.strerror(number) in refused.value.why and refused.value.fix


def test_a_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FAError, match="cannot be written"):
        Workspace(tmp_path / "file").new_folder()
