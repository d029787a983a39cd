"""Which FA maps a folder holds, and whose they are."""

from dataclasses import replace
from pathlib import Path

import pytest

from FAAnomalyLib.datasets.cohort import CohortSubject, find_subjects, split_people
from FAAnomalyLib.errors import FAError


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")
    return folder


def test_fa_maps_are_found_with_their_people(tmp_path):
    touch(tmp_path, "b_FA.nii.gz", "a_fa.nii.gz", "a_mask.nii.gz", "b_MD.nii.gz", "._a_FA.nii.gz", "c_FA.txt")
    a = CohortSubject("a", "a", tmp_path / "a_fa.nii.gz", tmp_path / "a_mask.nii.gz")
    b = CohortSubject("b", "b", tmp_path / "b_FA.nii.gz")
    assert find_subjects(tmp_path) == [a, b]
    people = tmp_path / "people.csv"
    people.write_text("\ufefffile,person,age\nb,Ann,30\na,Ann,31\nz,Zoe,9\n", encoding="utf-8")
    assert [subject.person for subject in find_subjects(tmp_path, people)] == ["Ann", "Ann"]
    people.write_text("file,person\nb,Bob\n")
    assert find_subjects(tmp_path, people) == [replace(b, person="Bob")]
    people.write_text("file,person\nb_FA.nii.gz,Bob\n")
    assert find_subjects(tmp_path, people) == [replace(b, person="Bob")]
    people.write_text("file,person\nc,Cat\n")
    with pytest.raises(FAError, match="names none of the FA maps"):
        find_subjects(tmp_path, people)


def test_other_names_serve_where_none_ends_in_fa(tmp_path):
    touch(tmp_path, "one.nii", "two.nii.gz", "two_mask.nii.gz")
    assert [subject.person for subject in find_subjects(tmp_path)] == ["one", "two"]


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
        find_subjects(folder, people)
    assert caught.value.code == "bad-input"


def test_held_out_people_stand_on_one_side():
    cohort = [CohortSubject(name, name[0].upper(), Path(f"{name}_FA.nii.gz")) for name in ("a1", "b", "a2", "c")]
    a1, b, a2, c = cohort
    assert split_people(cohort, ["A"]) == ([b, c], [a1, a2])
    assert split_people(cohort, []) == (cohort, [])
    for held_out, words in ((["A", "a"], "nobody called a"), (["A", "B", "C"], "Nobody is left")):
        with pytest.raises(FAError, match=words) as caught:
            split_people(cohort, held_out)
        assert caught.value.code == "bad-request"
