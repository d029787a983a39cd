"""The thesis' training data: for each subject an FA volume and its white-matter mask as ``.npy`` files of one name.

Listings A.2 and A.3 read ``input/NAME.npy``, FA in [0, 1], and ``condition/NAME.npy``, 0 or 1, of the same shape. Such
a folder is made of FA maps here (:func:`prepare_pairs`), or taken as it is (:func:`find_pairs`). A volume is read when
it is its turn, so that 900 volumes of 128 cubed need no 8 GB of memory.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..datasets.cohort import CohortSubject, load_stripped
from ..datasets.file_names import person_name
from ..errors import FAError
from ..io.atomic import atomic_write, cannot_write
from ..networks.thesis.unet import WHITE_MATTER_FA
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.native_crop import NativeCrop, native_crop
from ..runtime.arrays import as_tensor

INPUT, CONDITION = "input", "condition"
"""Folders of the two files of a pair."""
MADE_FROM = "made-from-{}.json"
"""Says which map a pair was made from, for a name."""


@dataclass(frozen=True)
class VolumePair:
    """One subject of the thesis' training.

    Attributes
    ----------
    name
        File name of the FA map, or of the pair where that was given.
    person
        Who it is of.
    input, condition
        The two ``.npy`` files.
    """

    name: str
    person: str
    input: Path
    condition: Path

    @property
    def fa(self) -> Tensor:
        """FA in [0, 1], float32 (X, Y, Z), read from the file."""
        fa = _read(self.input)
        if not (np.isfinite(fa).all() and fa.min() >= 0.0 and fa.max() <= 1.0):
            raise FAError(
                "bad-input",
                f"{self.input.name} is not FA",
                f"its values lie from {fa.min():g} to {fa.max():g}, not from 0 to 1",
                "Store FA itself; it is brought to -1 to 1 in training",
            )
        return as_tensor(fa)

    @property
    def white_matter(self) -> Tensor:
        """The condition, bool (X, Y, Z), read from the file."""
        return as_tensor(_read(self.condition) > 0.5)


def find_pairs(folder: Path, shape: tuple[int, ...]) -> list[VolumePair]:
    """The pairs of a folder that holds ``input`` and ``condition``; empty where it does not.

    Parameters
    ----------
    folder
        Data folder.
    shape
        That every volume must have.

    Raises
    ------
    FAError
        ``bad-input`` for a volume of another shape, or without its condition.
    """
    if not ((folder / INPUT).is_dir() and (folder / CONDITION).is_dir()):
        return []
    pairs = []
    for path in sorted((folder / INPUT).glob("[!.]*.npy")):
        pair = VolumePair(path.name, person_name(path.stem), path, folder / CONDITION / path.name)
        for file in (pair.input, pair.condition):
            if (found := _shape(file)) != shape:
                raise FAError(
                    "bad-input",
                    f"{file} cannot be trained on",
                    "it is absent or no .npy file" if found is None else f"its shape is {found}, not {shape}",
                    "Give volumes of the recipe's grid, or name the grid with --grid",
                )
        pairs.append(pair)
    return pairs


def prepare_pairs(
    subjects: list[CohortSubject],
    voxels: int,
    centre: str,
    cache: Path,
    report: Callable[[str], None] = print,
    check: Check | None = None,
) -> list[VolumePair]:
    """Cut the thesis' cube out of every FA map, or find the result of an earlier call.

    Nothing is registered or smoothed. What lies outside the subject's brain mask, where there is one, is set to 0.

    Parameters
    ----------
    subjects
        FA maps of a cohort.
    voxels, centre
        As in :func:`~FAAnomalyLib.preprocessing.native_crop.native_crop`.
    cache
        Folder for the pairs, which several processes may share.
    report
        Called with a line for every map that is cut.
    check
        Called before every map; may raise to cancel.

    Raises
    ------
    FAError
        ``bad-input``, with the file's name, when a map cannot be used, or the cache cannot be written.
    """
    pairs = []
    for number, subject in enumerate(subjects, 1):
        if check is not None:
            check()
        pair = pair_of(subject, cache)
        stamp = cache / MADE_FROM.format(subject.name)
        key = _key(subject, voxels, centre)
        if not _is_made(pair, stamp, key):
            remarks = make_pair(subject, pair, voxels, centre).remarks()
            _write_text(stamp, json.dumps({"key": key}))
            told = "".join(f"; {remark}" for remark in remarks)
            report(f"prepared {number}/{len(subjects)} {subject.path.name}{told}")
        pairs.append(pair)
    return pairs


def pair_of(subject: CohortSubject, folder: Path) -> VolumePair:
    """The pair of a subject in *folder*, whether it is made or not."""
    name = f"{subject.name}.npy"
    return VolumePair(subject.path.name, subject.person, folder / INPUT / name, folder / CONDITION / name)


def make_pair(subject: CohortSubject, pair: VolumePair, voxels: int, centre: str) -> NativeCrop:
    """Cut one subject's cube, write its two files and return it; parameters and errors as :func:`prepare_pairs`."""
    crop = native_crop(load_stripped(subject), voxels, centre)
    _write(pair.condition, (crop.fa > np.float32(WHITE_MATTER_FA)).astype(np.uint8))
    _write(pair.input, crop.fa)
    return crop


def _key(subject: CohortSubject, voxels: int, centre: str) -> str:
    """Hash of everything that decides a pair; times of files stand for their contents."""
    files = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in (subject.path, subject.mask) if p is not None]
    return hashlib.sha256(repr((files, voxels, centre)).encode()).hexdigest()


def _is_made(pair: VolumePair, stamp: Path, key: str) -> bool:
    try:
        made = json.loads(stamp.read_text(encoding="utf-8")).get("key") == key
    except (OSError, ValueError, AttributeError):
        return False
    return made and _shape(pair.input) is not None and _shape(pair.condition) is not None


def _shape(path: Path) -> tuple[int, ...] | None:
    """Of a ``.npy`` file; None where there is none."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, EOFError):
        return None


def _read(path: Path) -> np.ndarray:
    try:
        return np.load(path, allow_pickle=False).astype(np.float32)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FAError("bad-input", f"Cannot read {path}", reason, "Put the file back, or start the run anew") from error


def _write(path: Path, data: np.ndarray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, unique_suffix=".npy") as temporary:
            np.save(temporary, data)
    except OSError as error:
        raise cannot_write(path, error) from error


def _write_text(path: Path, text: str) -> None:
    try:
        with atomic_write(path, unique_suffix=".json") as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
