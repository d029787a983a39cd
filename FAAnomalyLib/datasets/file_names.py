"""What the names of files say: which are FA maps, of whom, and where their brain masks are."""

from __future__ import annotations

import re
from pathlib import Path

ENDINGS = (".nii.gz", ".nii")
BIDS_FA = re.compile(r"_param-fa(?=_|$)", re.IGNORECASE)
"""An FA map as QSIRecon and BIDS derivatives name it, for instance ``sub-01_model-tensor_param-fa_dwimap``."""
BIDS_PERSON = re.compile(r"(sub-[A-Za-z0-9]+)(?=_|$)")
OTHER_MEASURES = frozenset(
    "md ad rd mo mk ak rk ga adc trace tensor dwi dwimap b0 s0 l1 l2 l3 v1 v2 v3 bval bvec color colour rgb dec "
    "mask brainmask t1 t1w t2 t2w flair".split()
)
"""Last words of the names of files that lie beside FA maps."""


def fa_maps(folder: Path) -> list[Path]:
    """FA maps in a folder, by their names, in the order of the names.

    Files that end in ``_FA`` or hold the BIDS entity ``param-fa``; where there is none, all NIfTI files but masks and
    those whose last word names another measure. Hidden files are left out: other programs leave them.
    """
    files = [p for p in sorted(folder.glob("[!.]*")) if p.name.lower().endswith(ENDINGS) and not p.is_dir()]
    named = [p for p in files if _words(p)[-1] == "fa" or (BIDS_FA.search(_stem(p)) and "mask" not in _words(p))]
    return named or [p for p in files if "mask" not in p.name.lower() and _words(p)[-1] not in OTHER_MEASURES]


def subject_name(path: Path) -> str:
    """File name without its ending, and without the words that make it an FA map.

    Examples
    --------
    >>> subject_name(Path("data/ann1_FA.nii.gz"))
    'ann1'
    >>> subject_name(Path("sub-01_space-ACPC_model-tensor_param-fa_dwimap.nii.gz"))
    'sub-01_space-ACPC_model-tensor'
    """
    stem = _stem(path)
    if BIDS_FA.search(stem):
        return re.sub(r"_dwimap$", "", BIDS_FA.sub("", stem))
    return stem[:-3] if stem.lower().endswith("_fa") else stem


def person_name(subject: str) -> str:
    """The person of a subject where no table tells it: BIDS' ``sub-``, else the subject is a person of its own.

    Examples
    --------
    >>> person_name("sub-01_ses-2_space-ACPC"), person_name("ann1")
    ('sub-01', 'ann1')
    """
    named = BIDS_PERSON.match(subject)
    return named[1] if named else subject


def mask_of(path: Path) -> Path:
    """Where the brain mask of an FA map is; the first of the usual places if there is none.

    Examples
    --------
    >>> mask_of(Path("ann1_FA.nii.gz")).name
    'ann1_mask.nii.gz'
    """
    name = subject_name(path)
    stems = [f"{name}_mask", f"{_stem(path)}_mask"]
    if BIDS_PERSON.match(name):
        stems.append(re.sub(r"_model-[A-Za-z0-9]+", "", name) + "_desc-brain_mask")
    places = [path.with_name(stem + ending) for stem in stems for ending in ENDINGS]
    return next((place for place in places if place.is_file()), places[0])


def _stem(path: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE)


def _words(path: Path) -> list[str]:
    return re.split(r"[_.\-\s]+", _stem(path).lower())
