"""A folder of FA maps: which volumes it holds, and of whom."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import FAError
from ..io.volumes import load_volume
from ..preprocessing.fa_validation import validate_brain_mask, validate_fa
from ..volume import Volume


def find_volumes(folder: Path, people: Path | None = None) -> list[tuple[str, Path]]:
    """``(person, path)`` of every FA map in *folder*.

    FA maps are the files ending in ``_FA.nii.gz`` or ``_fa.nii.gz`` (all NIfTI files but masks when
    there is none such).  *people* is a CSV with the columns ``file`` (the stem before ``_FA``, or the
    whole name) and ``person``; a file that it does not name is left out.  Without it every file is its own person.

    Raises ``FAError('bad-input')`` when nothing is found or *people* cannot be used.
    """
    if not folder.is_dir():
        raise FAError("bad-input", f"There is no folder {folder}", "", "Name the folder of FA maps")
    # Names with a leading dot are leftovers of other programs.
    files = [p for p in sorted(folder.glob("[!.]*.nii.gz")) if p.name.lower().endswith("_fa.nii.gz")]
    if not files:
        files = [p for p in sorted(folder.glob("[!.]*.nii*")) if "mask" not in p.name.lower()]
    found = [(stem(p), p) for p in files]
    if people is not None:
        owner = _owners(people)
        named = [(owner[name], path) for name, path in found if name in owner]
        if found and not named:
            raise FAError(
                "bad-input",
                f"{people} names none of the FA maps in {folder}",
                f"there is {found[0][1].name}, and the table begins with {next(iter(owner), 'nothing')}",
                "Name the files as they are there",
            )
        found = named
    if not found:
        raise FAError("bad-input", f"No FA map found in {folder}", "", "Name files like subject_FA.nii.gz")
    return found


def _owners(people: Path) -> dict[str, str]:
    fix = "Give a CSV with the columns file,person"
    try:
        # Spreadsheets put a byte order mark in front.
        with open(people, newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, ValueError, csv.Error) as error:
        raise FAError(
            "bad-input", f"{people} cannot be read", getattr(error, "strerror", None) or str(error), fix
        ) from error
    if not all(row.get("file") and row.get("person") for row in rows):
        raise FAError(
            "bad-input", f"{people} does not say whose the files are", "a line lacks its file or its person", fix
        )
    # A name without ending is a stem already: "a_fa" may belong to a_fa_FA.nii.gz.
    return {stem(Path(row["file"])) if ".nii" in row["file"] else row["file"]: row["person"] for row in rows}


def split_people(
    volumes: list[tuple[str, Path]], held_out: list[str]
) -> tuple[list[tuple[str, Path]], list[tuple[str, Path]]]:
    """The volumes of everybody else, and those of the people *held_out*.

    Raises ``FAError('bad-request')`` for a person of whom there is no volume (a slip of the pen would
    train on them), and when nobody is left.
    """
    people = {person for person, _ in volumes}
    strangers = sorted(set(held_out) - people)
    if strangers:
        raise FAError(
            "bad-request",
            f"There is nobody called {', '.join(strangers)} to hold out",
            "",
            f"Choose among {', '.join(sorted(people)[:20])}",
        )
    if not people - set(held_out):
        raise FAError("bad-request", "Nobody is left to learn from", "every person is held out", "Hold out fewer")
    return [v for v in volumes if v[0] not in held_out], [v for v in volumes if v[0] in held_out]


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the file's name in front of an ``FAError`` that does not tell which of many files is wrong."""
    try:
        yield
    except FAError as error:
        if path.name in str(error):
            raise
        raise FAError(error.code, f"{path.name}: {error.what}", error.why, error.fix) from error


def stem(path: Path) -> str:
    """File name without its endings and without ``_FA``."""
    name = path.name.split(".nii")[0]
    return name[:-3] if name.lower().endswith("_fa") else name


def load_subject(path: Path) -> tuple[Volume, np.ndarray | None]:
    """An FA map and, where ``*_mask.nii.gz`` lies beside it, its brain mask."""
    with naming(path):
        volume, _ = validate_fa(load_volume(path)[0])
        mask_path = mask_of(path)
        return volume, validate_brain_mask(load_volume(mask_path)[0], volume) if mask_path.is_file() else None


def mask_of(path: Path) -> Path:
    """Where the brain mask of an FA map is, if there is one."""
    return path.with_name(f"{stem(path)}_mask.nii.gz")
