"""A split file: which maps of a cohort are trained on and which are held out, for instance the thesis' 900 and 72."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from ..errors import FAError
from .tables import read_table

SETS = ("train", "test")


class OfPerson(Protocol):
    """What a split looks at."""

    @property
    def name(self) -> str: ...
    @property
    def person(self) -> str: ...


Item = TypeVar("Item", bound=OfPerson)


def split_by_table(subjects: Sequence[Item], table: Path) -> tuple[list[Item], list[Item]]:
    """Split a cohort as a table says.

    Parameters
    ----------
    subjects
        The cohort.
    table
        CSV file, separated by commas, semicolons or tabs, with the columns ``file`` (a subject's name or file name) and
        ``set`` (``train`` or ``test``). Maps that it does not name are left out.

    Returns
    -------
    training, held_out : list
        In the cohort's order.

    Raises
    ------
    FAError
        ``bad-input`` when the table cannot be read, names another set, or a map that is not there; ``bad-request``
        when a person is in both sets, or nobody is left to train on.
    """
    wanted = {_plain(row["file"]): row["set"].lower() for row in read_table(table, ("file", "set"))}
    strange = sorted({value for value in wanted.values() if value not in SETS})
    missing = sorted(wanted.keys() - {_plain(subject.name) for subject in subjects})
    if strange or missing:
        reason = f"it names the set {strange[0]}" if strange else f"there is no map {', '.join(missing[:5])}"
        raise FAError("bad-input", f"{table} cannot be used", reason, "Give the columns file,set with train or test")
    training, held_out = ([s for s in subjects if wanted.get(_plain(s.name)) == which] for which in SETS)
    both = sorted({s.person for s in training} & {s.person for s in held_out})
    if both:
        raise FAError(
            "bad-request",
            f"{', '.join(both[:5])} would be trained on and held out",
            "maps of one person are in both sets",
            f"Correct {table}",
        )
    if not training:
        raise FAError("bad-request", "Nobody is left to learn from", f"{table} names nobody for train", "Correct it")
    return training, held_out


def _plain(name: str) -> str:
    """A subject's name, with or without the words and endings of a file.

    >>> _plain("ann1_FA.nii.gz"), _plain("ann1"), _plain("ann1.npy")
    ('ann1', 'ann1', 'ann1')
    """
    for ending in (".nii.gz", ".nii", ".npy"):
        name = name.removesuffix(ending)
    return name.removesuffix("_FA")
