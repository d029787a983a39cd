"""Whose volumes are trained on, and how they come onto the model grid."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from FAAnomalyLib.datasets.cohort import find_volumes, split_people
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.training import cohort_cache as data
from FAAnomalyLib.training.cohort_cache import prepare_subjects
from support import tiny_training


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_fa_maps_are_found_with_their_people(tmp_path):
    touch(tmp_path, "b_FA.nii.gz", "a_fa.nii.gz", "a_mask.nii.gz", "b_MD.nii.gz", "._a_FA.nii.gz", "c_FA.txt")
    assert find_volumes(tmp_path) == [("a", tmp_path / "a_fa.nii.gz"), ("b", tmp_path / "b_FA.nii.gz")]
    people = tmp_path / "people.csv"
    people.write_text("\ufefffile,person,age\nb,Ann,30\na,Ann,31\nz,Zoe,9\n", encoding="utf-8")
    assert [person for person, _ in find_volumes(tmp_path, people)] == ["Ann", "Ann"]
    people.write_text("file,person\nb,Bob\n")
    assert find_volumes(tmp_path, people) == [("Bob", tmp_path / "b_FA.nii.gz")]
    people.write_text("file,person\nb_FA.nii.gz,Bob\n")
    assert find_volumes(tmp_path, people) == [("Bob", tmp_path / "b_FA.nii.gz")]
    people.write_text("file,person\nc,Cat\n")
    with pytest.raises(FAError, match="names none of the FA maps"):
        find_volumes(tmp_path, people)


def test_other_names_serve_where_none_ends_in_fa(tmp_path):
    touch(tmp_path, "one.nii", "two.nii.gz", "two_mask.nii.gz")
    assert [person for person, _ in find_volumes(tmp_path)] == ["one", "two"]


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        (None, "no folder"),
        ("file,person\nz,Zoe\n", "names none of the FA maps"),
        ("name,who\na,Ann\n", "lacks its file"),
        ("file,person\na\n", "lacks its file"),
        (b"\xff\xfe\x00\xd8", "cannot be read"),
        ("absent", "cannot be read"),
    ],
)
def test_bad_folders_and_lists_of_people(tmp_path, csv, words):
    folder, people = touch(tmp_path, "a_FA.nii.gz"), tmp_path / "people.csv"
    if csv is None:
        folder, people = tmp_path / "nowhere", None
    elif isinstance(csv, bytes):
        people.write_bytes(csv)
    elif csv != "absent":
        people.write_text(csv)
    with pytest.raises(FAError, match=words) as caught:
        find_volumes(folder, people)
    assert caught.value.code == "bad-input"


def test_held_out_people_stand_on_one_side():
    volumes = [("A", "a1"), ("B", "b"), ("A", "a2"), ("C", "c")]
    assert split_people(volumes, ["A"]) == ([("B", "b"), ("C", "c")], [("A", "a1"), ("A", "a2")])
    assert split_people(volumes, []) == (volumes, [])
    for held_out, words in ((["A", "a"], "nobody called a"), (["A", "B", "C"], "Nobody is left")):
        with pytest.raises(FAError, match=words) as caught:
            split_people(volumes, held_out)
        assert caught.value.code == "bad-request"


def test_volumes_are_prepared_once_until_something_changes(tmp_path, monkeypatch):
    known, said = tiny_training.template(), []
    path = tmp_path / "a_FA.nii.gz"
    tiny_training.write_head(path, seed=1)

    def prepared(template=known):
        said.clear()
        return prepare_subjects([("Ann", path)], template, tmp_path / "cache", said.append)[0]

    first = prepared()
    assert said and (first.name, first.person) == ("a_FA.nii.gz", "Ann")
    truth, inside = tiny_training.head(known.fa.shape, known.fa.affine)
    assert np.corrcoef(first.fa[inside], truth[inside])[0, 1] > 0.9
    assert first.weight.max() == 1.0 and first.weight.min() == np.float32(data.OUTSIDE_WEIGHT)
    again = prepared()
    assert not said and torch.equal(first.fa, again.fa) and torch.equal(first.weight, again.weight)

    entry = tmp_path / "cache" / "a_FA.npz"
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [entry.name]
    entry.write_bytes(entry.read_bytes()[:1000])
    assert torch.equal(prepared().fa, first.fa) and said
    tiny_training.write_mask(path)
    prepared()
    assert said
    other = replace(known, fa=type(known.fa)(known.fa.data, known.fa.affine * 1.01), sha256=known.sha256)
    prepared(other)
    assert said


def test_a_bad_volume_is_named(tmp_path):
    tiny_training.write_head(tmp_path / "good_FA.nii.gz", seed=1)
    tiny_training.write_head(tmp_path / "bad_FA.nii.gz", seed=1)
    volume = data.load_subject(tmp_path / "bad_FA.nii.gz")[0]
    tiny_training.save_volume(volume.with_data(np.full(volume.shape, 0.4, np.float32)), tmp_path / "bad_FA.nii.gz")
    with pytest.raises(FAError, match="bad_FA.nii.gz: The volume is constant") as caught:
        prepare_subjects(find_volumes(tmp_path), tiny_training.template(), tmp_path / "cache", lambda text: None)
    assert caught.value.code == "bad-input"
