"""Which FA maps a folder holds, and whose they are."""

from dataclasses import replace
from pathlib import Path

import pytest

from FAAnomalyLib.datasets.cohort import CohortSubject, find_subjects, split_people
from FAAnomalyLib.datasets.folds import read_folds
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


def test_other_measures_beside_fa_are_nobody(tmp_path):
    """A folder of FSL maps, uncompressed, with a mask of each and the hidden files of macOS."""
    for number in ("01", "02"):
        touch(
            tmp_path, *(f"s{number}_{word}.nii" for word in ("FA", "MD", "L1", "b0", "FA_mask")), f"._s{number}_FA.nii"
        )
    found = find_subjects(tmp_path)
    assert [(one.name, one.person, one.path.name) for one in found] == [
        ("s01", "s01", "s01_FA.nii"),
        ("s02", "s02", "s02_FA.nii"),
    ]
    assert [one.mask for one in found] == [tmp_path / "s01_FA_mask.nii", tmp_path / "s02_FA_mask.nii"]


def test_names_of_bids_tell_map_person_and_mask(tmp_path):
    for session in ("sub-01_ses-1", "sub-01_ses-2", "sub-02"):
        stem = f"{session}_space-ACPC"
        touch(tmp_path, *(f"{stem}_model-tensor_param-{word}_dwimap.nii.gz" for word in ("fa", "md", "rd")))
        touch(tmp_path, f"{stem}_desc-brain_mask.nii.gz")
    found = find_subjects(tmp_path)
    assert [one.person for one in found] == ["sub-01", "sub-01", "sub-02"]
    assert all("param-fa" in one.path.name for one in found)
    assert found[2].name == "sub-02_space-ACPC_model-tensor"
    assert found[2].mask == tmp_path / "sub-02_space-ACPC_desc-brain_mask.nii.gz"


def test_a_folder_without_fa_is_refused(tmp_path):
    touch(tmp_path, "a_MD.nii", "a_L1.nii.gz", "sub-01_param-md_dwimap.nii.gz", "a_mask.nii")
    with pytest.raises(FAError, match="No FA map found"):
        find_subjects(tmp_path)


def test_one_map_twice_is_refused(tmp_path):
    touch(tmp_path, "a_FA.nii", "a_FA.nii.gz")
    with pytest.raises(FAError, match="both called a"):
        find_subjects(tmp_path)


@pytest.mark.parametrize(
    "table",
    [
        "file;person\ra;Jörg\r".encode("cp1252"),
        "sep=;\r\nfile;person;age\r\na;Jörg;31,5\r\n".encode("utf-8-sig"),
        "File\tPerson\r\na\tJörg\r\n\r\n".encode("utf-16"),
        ' file , "person"\n"a",Jörg \n,\n'.encode(),
        "person;file\nJörg;a_FA.nii.gz\n".encode(),
    ],
)
def test_tables_of_spreadsheet_programs(tmp_path, table):
    touch(tmp_path, "a_FA.nii.gz")
    people = tmp_path / "people.csv"
    people.write_bytes(table)
    assert [one.person for one in find_subjects(tmp_path, people)] == ["Jörg"]


def test_folds_may_be_separated_by_semicolons(tmp_path):
    table = tmp_path / "folds.csv"
    table.write_text("person;model\nAnn;fold0\n")
    assert read_folds(table) == {"Ann": (tmp_path / "fold0").resolve()}
    table.write_text("person;model\nAnn\n")
    with pytest.raises(FAError, match="lacks its"):
        read_folds(table)


def test_other_names_serve_where_none_ends_in_fa(tmp_path):
    touch(tmp_path, "one.nii", "two.nii.gz", "two_mask.nii.gz")
    assert [subject.person for subject in find_subjects(tmp_path)] == ["one", "two"]


@pytest.mark.parametrize(
    ("csv", "words"),
    [
        (None, "no folder"),
        ("file,person\nz,Zoe\n", "names none of the FA maps"),
        ("name,who\na,Ann\n", "lacks a column file or person"),
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
