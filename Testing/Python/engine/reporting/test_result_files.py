"""Result files appear together or not at all."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest

import FAAnomalyLib.reporting.result_files as output
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.reporting.result_files import RESULT_FILES, check_folder, finish_interrupted, write_result
from support.fakes import fake_engine


def report(result):
    return "<html>µ</html>"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_all_files_are_written_into_a_new_folder(tmp_path):
    folder = tmp_path / "new" / "deep"
    result = fake_engine.fake_result()
    write_result(result, folder, report)
    assert names(folder) == sorted(RESULT_FILES)
    for stem, volume in result.volumes().items():
        read, _ = load_volume(folder / f"{stem}.nii.gz")
        np.testing.assert_array_equal(read.data, volume.data.astype(np.float32))
        np.testing.assert_allclose(read.affine, fake_engine.AFFINE, atol=1e-5)
    assert json.loads((folder / "result.json").read_text())["regions"][0]["sign"] == "decreased"
    assert (folder / "regions.csv").read_text().splitlines()[1].startswith("1,decreased,10,1.2500")
    assert (folder / "report.html").read_text(encoding="utf-8") == "<html>µ</html>"


def test_result_json_is_renamed_last_and_an_old_one_removed_first(tmp_path, monkeypatch):
    write_result(fake_engine.fake_result(), tmp_path, report)
    seen = []
    replace = os.replace

    def watch(source, target):
        if os.path.dirname(target) == str(tmp_path):
            seen.append((os.path.basename(target), (tmp_path / "result.json").exists()))
        replace(source, target)

    monkeypatch.setattr(output.os, "replace", watch)
    write_result(fake_engine.fake_result(2), tmp_path, report)
    assert [name for name, _ in seen] == list(RESULT_FILES)
    assert not any(complete for _, complete in seen)
    assert len(json.loads((tmp_path / "result.json").read_text())["regions"]) == 2


@pytest.mark.parametrize("failing", ["save", "text", "rename"])
@pytest.mark.parametrize("new_folder", [True, False])
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path, monkeypatch, failing, new_folder):
    folder = tmp_path / "parent" / "out" if new_folder else tmp_path
    full = OSError(errno.ENOSPC, "No space left on device")
    replace = os.replace

    def fail(*_, **__):
        raise full

    def fail_late(source, target):
        if str(target).endswith("report.html"):
            raise full
        replace(source, target)

    if failing == "save":
        monkeypatch.setattr("nibabel.save", fail)
    elif failing == "text":
        monkeypatch.setattr(output.Path, "write_text", fail)
    else:
        monkeypatch.setattr(output.os, "replace", fail_late)
    with pytest.raises(FAError, match="No space left") as caught:
        write_result(fake_engine.fake_result(), folder, report)
    assert caught.value.code == "bad-input"
    assert ".writing" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_failed_write_keeps_an_earlier_result(tmp_path, monkeypatch):
    write_result(fake_engine.fake_result(), tmp_path, report)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr("nibabel.save", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(FAError):
        write_result(fake_engine.fake_result(3), tmp_path, report)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_interrupt_while_writing_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("nibabel.save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_result(fake_engine.fake_result(), tmp_path / "out", report)
    assert names(tmp_path) == []


def test_a_failing_report_writes_nothing(tmp_path):
    with pytest.raises(ValueError):
        write_result(fake_engine.fake_result(), tmp_path / "out", lambda _: (_ for _ in ()).throw(ValueError("x")))
    assert names(tmp_path) == []


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_folders_place_is_refused(tmp_path, below):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(FAError, match="is a file") as caught:
        check_folder(tmp_path / "out" / below)
    assert caught.value.exit_status == 2
    assert (tmp_path / "out").read_text() == "mine"


def test_a_folder_in_a_results_place_is_refused(tmp_path):
    (tmp_path / "z_map.nii.gz").mkdir()
    with pytest.raises(FAError, match="z_map.nii.gz is a folder"):
        check_folder(tmp_path)


@pytest.mark.skipif(os.name == "nt" or getattr(os, "geteuid", int)() == 0, reason="root may write everywhere")
def test_a_closed_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(FAError, match="closed"):
        check_folder(tmp_path / "out")


def test_a_closed_folder_is_refused_whoever_asks(tmp_path, monkeypatch):
    monkeypatch.setattr(output.os, "access", lambda path, mode: False)
    with pytest.raises(FAError, match="closed"):
        check_folder(tmp_path / "out")


def test_checking_creates_nothing(tmp_path):
    check_folder(tmp_path / "a" / "b")
    assert names(tmp_path) == []


# ---- nothing of the user's is lost


@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_a_file_that_is_read_is_never_replaced(tmp_path, link):
    """Also beside a result of ours, where the input is that run's own pseudo-healthy map."""
    write_result(fake_engine.fake_result(), tmp_path, report)
    source = tmp_path / "pseudo_healthy.nii.gz"
    if link is not None:
        source = tmp_path / "input.nii.gz"
        link(tmp_path / "pseudo_healthy.nii.gz", source)
    with pytest.raises(FAError, match="would replace the file .* which is read") as caught:
        check_folder(tmp_path, ["absent.nii.gz", str(source)])
    assert caught.value.exit_status == 2
    assert check_folder(tmp_path, [str(tmp_path / "absent.nii.gz"), "(in memory)"]) == tmp_path


@pytest.mark.parametrize("name", RESULT_FILES)
def test_files_that_no_run_has_made_are_not_replaced(tmp_path, name):
    (tmp_path / name).write_text("[1, 2]")
    with pytest.raises(FAError, match=f"{name} in .* would be replaced: there is no result.json of FAAnomaly"):
        write_result(fake_engine.fake_result(), tmp_path, report)
    assert names(tmp_path) == [name] and (tmp_path / name).read_text() == "[1, 2]"


def test_other_files_stay_beside_a_result(tmp_path):
    (tmp_path / "mine.nii.gz").write_text("mine")
    write_result(fake_engine.fake_result(), tmp_path, report)
    write_result(fake_engine.fake_result(2), tmp_path, report)
    assert names(tmp_path) == sorted([*RESULT_FILES, "mine.nii.gz"])


@pytest.mark.parametrize("moved", range(len(RESULT_FILES)))
def test_a_run_that_was_killed_while_it_wrote_is_brought_to_an_end(tmp_path, moved):
    """Killed after so many renames over an earlier result: it stays before the first one, else the new one is whole."""
    write_result(fake_engine.fake_result(1), tmp_path, report)
    write_result(fake_engine.fake_result(2), tmp_path / ".writing-x", report)
    if moved:
        (tmp_path / "result.json").unlink()
    for name in RESULT_FILES[:moved]:
        os.replace(tmp_path / ".writing-x" / name, tmp_path / name)
    finish_interrupted(tmp_path)
    assert names(tmp_path) == sorted(RESULT_FILES)
    assert len(json.loads((tmp_path / "result.json").read_text())["regions"]) == (2 if moved else 1)
    assert (tmp_path / "regions.csv").read_text().count("decreased") == (2 if moved else 1)
    check_folder(tmp_path)


def test_a_half_written_result_is_cleared(tmp_path):
    (tmp_path / ".writing-x").mkdir()
    (tmp_path / ".writing-x" / "z_map.nii.gz").write_bytes(b"half")
    (tmp_path / "mine.txt").touch()
    finish_interrupted(tmp_path)
    assert names(tmp_path) == ["mine.txt"]


@pytest.mark.parametrize("look", range(1, 7))
def test_a_cancel_while_writing_leaves_nothing(tmp_path, look):
    looks = []

    def check() -> None:
        looks.append(1)
        if len(looks) == look:
            raise FAError("cancelled", "Cancelled", "", "Start again")

    with pytest.raises(FAError) as caught:
        write_result(fake_engine.fake_result(), tmp_path / "out", report, check)
    assert str(caught.value) == "Cancelled. Start again"
    assert names(tmp_path) == []


def test_a_name_that_is_no_utf8_is_written_with_its_number(tmp_path):
    write_result(fake_engine.fake_result(), tmp_path, lambda result: os.fsdecode(b"Mus\xe9e_FA.nii"))
    assert (tmp_path / "report.html").read_text() == "Mus\\udce9e_FA.nii"
