"""A cohort: a folder of FA maps, their brain masks, and the person each of them is of.

One FA map is a *subject* of the cohort. Several subjects may be scans of one *person*; splits into training and
held-out data are made by person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FAError
from ..io.volumes import load_volume
from ..preprocessing.fa_validation import validate_brain_mask, validate_fa
from ..volume import Volume
from .file_names import fa_maps, mask_of, person_name, subject_name
from .tables import read_table

PEOPLE_SHOWN = 20
"""At most so many names of people are listed in an error message."""


@dataclass(frozen=True)
class CohortSubject:
    """One FA map of a cohort.

    Attributes
    ----------
    name
        File name without its ending and without ``_FA``, see :func:`~.file_names.subject_name`.
    person
        Who the map is of.
    path
        The FA map.
    mask
        Its brain mask, for instance ``NAME_mask.nii.gz``, or None when there is none.
    """

    name: str
    person: str
    path: Path
    mask: Path | None = None

    @classmethod
    def from_file(cls, path: Path, person: str | None = None) -> CohortSubject:
        """The subject of an FA map, with the mask that lies beside it; its *person* from the name by default.

        Examples
        --------
        >>> CohortSubject.from_file(Path("ann1_FA.nii.gz"), "Ann").name
        'ann1'
        """
        name, mask = subject_name(path), mask_of(path)
        return cls(name, person_name(name) if person is None else person, path, mask if mask.is_file() else None)


def find_subjects(folder: Path, people: Path | None = None) -> list[CohortSubject]:
    """Every FA map in *folder*, in the order of the file names.

    Parameters
    ----------
    folder
        What FA maps are is told by their names, see :func:`~.file_names.fa_maps`.
    people
        CSV file, separated by commas, semicolons or tabs, with the columns ``file`` (a subject's name or file name)
        and ``person``. A map that it does not name is left out. Without it, every map is of a person of its own,
        except that maps named by BIDS are of the person that ``sub-`` names.

    Returns
    -------
    list of CohortSubject
        At least one.

    Raises
    ------
    FAError
        ``bad-input`` when there is no such folder, no FA map in it, two of one name, or *people* cannot be used.
    """
    if not folder.is_dir():
        raise FAError("bad-input", f"There is no folder {folder}", "", "Name the folder of FA maps")
    paths = fa_maps(folder)
    if not paths:
        raise FAError("bad-input", f"No FA map found in {folder}", "", "Name files like subject_FA.nii.gz")
    _check_names(paths)
    if people is None:
        return [CohortSubject.from_file(path) for path in paths]
    person_of = _read_people(people)
    subjects = [CohortSubject.from_file(p, person_of[subject_name(p)]) for p in paths if subject_name(p) in person_of]
    if not subjects:
        raise FAError(
            "bad-input",
            f"{people} names none of the FA maps in {folder}",
            f"there is {paths[0].name}, and the table begins with {next(iter(person_of), 'nothing')}",
            "Name the files as they are there",
        )
    return subjects


def split_people(
    subjects: Iterable[CohortSubject], held_out: Iterable[str]
) -> tuple[list[CohortSubject], list[CohortSubject]]:
    """Split a cohort by person.

    Parameters
    ----------
    subjects
        The cohort.
    held_out
        Names of people.

    Returns
    -------
    training, held_out : list of CohortSubject
        The subjects of everybody else, and those of the people *held_out*.

    Raises
    ------
    FAError
        ``bad-request`` for a person of whom there is no subject (a misspelt name would otherwise be trained on), and
        when nobody is left to train on.

    Examples
    --------
    >>> cohort = [CohortSubject(name, name[:3], Path(f"{name}_FA.nii.gz")) for name in ("ann1", "ann2", "bob1")]
    >>> training, held_out = split_people(cohort, ["ann"])
    >>> [subject.name for subject in training], [subject.name for subject in held_out]
    (['bob1'], ['ann1', 'ann2'])
    """
    subjects, held_out = list(subjects), set(held_out)
    people = {subject.person for subject in subjects}
    unknown = sorted(held_out - people)
    if unknown:
        raise FAError(
            "bad-request",
            f"There is nobody called {', '.join(unknown)} to hold out",
            "",
            f"Choose among {', '.join(sorted(people)[:PEOPLE_SHOWN])}",
        )
    if not people - held_out:
        raise FAError("bad-request", "Nobody is left to learn from", "every person is held out", "Hold out fewer")
    return [s for s in subjects if s.person not in held_out], [s for s in subjects if s.person in held_out]


def people_table(folder: Path, named: Path | None) -> Path | None:
    """The table of people: the one that was named, else ``people.csv`` in the folder of the maps where it is there."""
    beside = folder / "people.csv"
    return named or (beside if beside.is_file() else None)


def one_map_each(subjects: Iterable[CohortSubject]) -> list[CohortSubject]:
    """The first map of each person."""
    first: dict[str, CohortSubject] = {}
    for subject in subjects:
        first.setdefault(subject.person, subject)
    return list(first.values())


def load_subject(subject: CohortSubject) -> tuple[Volume, np.ndarray | None]:
    """Read an FA map and its brain mask, and check them.

    Returns
    -------
    volume : Volume
        FA in [0, 1] on the map's native grid.
    brain : ndarray of bool, shape (X, Y, Z), or None
        The brain mask on the same grid; None when there is no mask file.

    Raises
    ------
    FAError
        ``bad-input``, with the file's name, when the map or its mask cannot be used.
    """
    with naming(subject.path):
        volume, _ = validate_fa(load_volume(subject.path)[0])
        if subject.mask is None:
            return volume, None
        return volume, validate_brain_mask(load_volume(subject.mask)[0], volume)


def load_stripped(subject: CohortSubject) -> Volume:
    """An FA map in [0, 1] that is 0 outside its brain mask, where there is one; raises as :func:`load_subject`."""
    volume, brain = load_subject(subject)
    return volume if brain is None else volume.with_data(np.where(brain, volume.data, 0.0).astype(np.float32))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Context manager that puts a file's name in front of any ``FAError`` that does not contain it.

    Examples
    --------
    >>> with naming(Path("ann1_FA.nii.gz")):
    ...     raise FAError("bad-input", "The volume is constant")
    Traceback (most recent call last):
    FAAnomalyLib.errors.FAError: ann1_FA.nii.gz: The volume is constant
    """
    try:
        yield
    except FAError as error:
        if path.name in str(error):
            raise
        raise FAError(error.code, f"{path.name}: {error.what}", error.why, error.fix) from error


def _check_names(paths: list[Path]) -> None:
    known: dict[str, Path] = {}
    for path in paths:
        other = known.setdefault(subject_name(path), path)
        if other is not path:
            raise FAError(
                "bad-input",
                f"{other.name} and {path.name} are both called {subject_name(path)}",
                "one map would count twice",
                "Keep one of them in the folder",
            )


def _read_people(table: Path) -> dict[str, str]:
    """Subject's name -> person."""
    rows = read_table(table, ("file", "person"))
    # A name without ending is a subject's name already: "a_fa" may belong to a_fa_FA.nii.gz.
    return {subject_name(Path(row["file"])) if ".nii" in row["file"] else row["file"]: row["person"] for row in rows}
