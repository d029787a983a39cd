"""Which subject is in which set: made once by chance, kept in ``split.csv`` (columns ``file,set``) ever after."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..datasets.tables import read_table
from ..errors import FAError
from ..io.atomic import atomic_write, cannot_write

FILE = "split.csv"
TRAIN, VALIDATION, TEST = "train", "validation", "test"


def choose_groups(group_of: Mapping[str, str], count: int, seed: int) -> set[str]:
    """Names of *count* subjects by chance, whole groups alone, so that no group is divided.

    Groups come in an order that only *seed* and their names decide. One that would exceed *count* is passed over, so
    that fewer are chosen where the groups' sizes do not add up to it.

    Parameters
    ----------
    group_of
        Name of a subject -> its group, for instance its family.
    count
        How many subjects are wanted.
    seed
        Of the order.

    Examples
    --------
    >>> families = {"ann": "f1", "bob": "f1", "eve": "f2", "joe": "f3"}
    >>> all(({"ann", "bob"} <= chosen) == bool({"ann", "bob"} & chosen)
    ...     for chosen in (choose_groups(families, 2, seed) for seed in range(9)))
    True
    """
    members: dict[str, list[str]] = {}
    for name, group in group_of.items():
        members.setdefault(group, []).append(name)
    order = sorted(members, key=lambda group: hashlib.sha256(f"{seed} {group}".encode()).digest())
    chosen: set[str] = set()
    for group in order:
        if len(chosen) + len(members[group]) <= count:
            chosen.update(members[group])
    return chosen


def keep_split(folder: Path, wanted: Mapping[str, str], group_of: Mapping[str, str] | None = None) -> dict[str, str]:
    """The split of *folder*: that of an earlier call where one is stored, *wanted* for subjects that it does not name.

    Parameters
    ----------
    folder
        Where :data:`FILE` is, or is written.
    wanted
        Name of a subject -> its set.
    group_of
        Name -> group: a new subject goes to the set of its group where a member has one already.

    Returns
    -------
    dict
        Name -> set, for all of *wanted* and no other.

    Raises
    ------
    FAError
        ``bad-input`` when the file cannot be read or written.
    """
    stored = read_split(folder) if (folder / FILE).is_file() else {}
    groups = group_of or {}
    settled = {groups[name]: which for name, which in stored.items() if name in groups}
    split = {name: stored.get(name) or settled.get(groups.get(name, name), which) for name, which in wanted.items()}
    if split.keys() - stored.keys():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("file", "set"))
        writer.writerows(sorted({**stored, **split}.items()))
        try:
            with atomic_write(folder / FILE, unique_suffix=".csv") as temporary:
                temporary.write_text(text.getvalue(), encoding="utf-8")
        except OSError as error:
            raise cannot_write(folder / FILE, error) from error
    return split


def read_split(folder: Path) -> dict[str, str]:
    """Name of a subject -> its set; raises ``FAError('bad-input')`` for a file that cannot be used."""
    rows = read_table(folder / FILE, ("file", "set"))
    strange = sorted({row["set"] for row in rows} - {TRAIN, VALIDATION, TEST})
    if strange:
        raise FAError(
            "bad-input",
            f"{folder / FILE} cannot be used",
            f"it names the set {strange[0]}",
            f"Name {TRAIN}, {VALIDATION} or {TEST}",
        )
    return {row["file"]: row["set"] for row in rows}


def share_of(published: int, of: int, present: Sequence[str]) -> int:
    """How many of the subjects at hand are as large a share as *published* is *of* all; at least one of two or more.

    Examples
    --------
    >>> share_of(100, 1251, ["x"] * 1251), share_of(10, 30, ["x"] * 6), share_of(100, 1251, ["x"] * 3)
    (100, 2, 1)
    """
    return min(max(1, round(published / of * len(present))), max(len(present) - 1, 0)) if published else 0
