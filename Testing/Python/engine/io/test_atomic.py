"""A file appears whole or not at all."""

from __future__ import annotations

import os
import stat
import sys

import pytest

from FAAnomalyLib.io.atomic import atomic_write, cannot_write

FORMS = pytest.mark.parametrize("unique_suffix", [None, ".nii.gz"])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@FORMS
@pytest.mark.parametrize("sync", [False, True])
def test_the_target_appears_at_the_end(tmp_path, unique_suffix, sync):
    target = tmp_path / "map.nii.gz"
    with atomic_write(target, unique_suffix=unique_suffix, sync=sync) as temporary:
        temporary.write_bytes(b"whole")
        assert temporary.parent == tmp_path and not target.exists()
        assert unique_suffix is None or temporary.name.endswith(unique_suffix)
    assert target.read_bytes() == b"whole" and names(tmp_path) == ["map.nii.gz"]


@FORMS
@pytest.mark.parametrize("error", [OSError(28, "full"), KeyboardInterrupt()], ids=["full disk", "interrupted"])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, unique_suffix, error):
    target = tmp_path / "map.nii.gz"
    target.write_bytes(b"old")
    with pytest.raises(type(error)), atomic_write(target, unique_suffix=unique_suffix) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert target.read_bytes() == b"old" and names(tmp_path) == ["map.nii.gz"]


@FORMS
def test_a_target_that_cannot_be_replaced_leaves_nothing(tmp_path, unique_suffix):
    target = tmp_path / "map.nii.gz"
    target.mkdir()
    with pytest.raises(OSError), atomic_write(target, unique_suffix=unique_suffix) as temporary:
        temporary.write_bytes(b"whole")
    assert names(tmp_path) == ["map.nii.gz"]


def test_what_a_killed_process_left_is_overwritten(tmp_path):
    (tmp_path / "checkpoint.pt.partial").write_bytes(b"half of a much longer file")
    with atomic_write(tmp_path / "checkpoint.pt") as temporary, open(temporary, "wb") as handle:
        handle.write(b"whole")
    assert names(tmp_path) == ["checkpoint.pt"] and (tmp_path / "checkpoint.pt").read_bytes() == b"whole"


def test_two_writers_do_not_meet(tmp_path):
    target = tmp_path / "subject.npz"
    with atomic_write(target, unique_suffix=".npz") as first, atomic_write(target, unique_suffix=".npz") as second:
        assert first != second
        first.write_bytes(b"1")
        second.write_bytes(b"2")
    assert target.read_bytes() == b"1" and names(tmp_path) == ["subject.npz"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
@FORMS
def test_the_file_has_the_mode_of_any_new_file(tmp_path, unique_suffix):
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a", unique_suffix=unique_suffix) as temporary:
            temporary.write_bytes(b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    for unique_suffix in (None, ".npz"):
        with pytest.raises(OSError), atomic_write(tmp_path / "absent" / "a", unique_suffix=unique_suffix) as temporary:
            temporary.write_bytes(b"")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("itk::ERROR\nReason: disk full.\n"), "disk full"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_error_names_file_and_reason(tmp_path, error, reason):
    said = cannot_write(tmp_path / "a.nii", error)
    assert (said.code, said.why) == ("bad-input", reason) and "a.nii" in said.what
