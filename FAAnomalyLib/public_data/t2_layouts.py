"""Folders of IXI, BraTS 2021 and MSLUB as published: which files are whose T2 image, lesions and brain mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets.file_names import ENDINGS
from ..errors import FAError

MASK_ENDS = ("_brain_mask", "_brainmask", "_mask", "_bet_mask")
"""What brain masks are called, after the name of the subject or of the image."""


@dataclass(frozen=True)
class T2Scan:
    """One subject of a published data set.

    Attributes
    ----------
    name
        Of the subject, as published.
    image
        T2-weighted image.
    lesions
        Segmentation, above 0 where there is a lesion; None for healthy people.
    brain
        Brain mask on the image's grid; None where none was found.
    problem
        Why the subject cannot be used; empty otherwise.
    """

    name: str
    image: Path
    lesions: Path | None = None
    brain: Path | None = None
    problem: str = ""


@dataclass(frozen=True)
class T2Layout:
    """How a data set is published.

    Attributes
    ----------
    name
        At the command line.
    example
        A path of it, for messages.
    stripped
        Whether its images are published without skull.
    validation
        How many of the ``published`` subjects choose the threshold; 0 for healthy people, who are all learned from.
    published
        Number of subjects.
    find
        The subjects of a folder.
    """

    name: str
    example: str
    stripped: bool
    validation: int
    published: int
    find: Callable[[Path], list[T2Scan]]


def find_scans(layout: str, folder: Path, masks: Path | None = None) -> list[T2Scan]:
    """The subjects of a data set, by name.

    Parameters
    ----------
    layout
        One of :data:`LAYOUTS`.
    folder
        The unpacked data set, or a folder that holds it.
    masks
        Folder of brain masks: the subject's name or that of its image, alone or with one of :data:`MASK_ENDS`; they
        take the place of those beside the images.

    Raises
    ------
    FAError
        ``bad-input`` when there is no such folder, or no subject in it.
    """
    for place in (folder, *([masks] if masks is not None else [])):
        if not place.is_dir():
            raise FAError("bad-input", f"There is no folder {place}", "", "Check the path")
    known = LAYOUTS[layout]
    scans = sorted(known.find(folder), key=lambda scan: scan.name)
    if not scans:
        raise FAError(
            "bad-input", f"No subject of {layout} found in {folder}", f"files like {known.example} are looked for", ""
        )
    if masks is None:
        return scans
    return [_with_mask(scan, masks) for scan in scans]


def _with_mask(scan: T2Scan, masks: Path) -> T2Scan:
    stems = [f"{stem}{end}" for stem in (scan.name, _stem(scan.image)) for end in ("", *MASK_ENDS)]
    found = [masks / f"{stem}{ending}" for stem in stems for ending in ENDINGS]
    mask = next((path for path in found if path.is_file()), None)
    problem = scan.problem or ("" if mask is not None else f"there is no {scan.name}_mask.nii.gz in {masks}")
    return T2Scan(scan.name, scan.image, scan.lesions, mask, problem)


def _ixi(folder: Path) -> list[T2Scan]:
    """``IXI002-Guys-0828-T2.nii.gz``, all in one folder or below it."""
    scans = []
    for image in _files(folder, "IXI*-T2"):
        name = _stem(image).removesuffix("-T2")
        masks = [image.with_name(f"{stem}{ending}") for stem in _beside(image, name) for ending in ENDINGS]
        scans.append(T2Scan(name, image, None, next((path for path in masks if path.is_file()), None)))
    return _once(scans)


def _brats(folder: Path) -> list[T2Scan]:
    """``BraTS2021_00000/BraTS2021_00000_t2.nii.gz`` with ``_seg.nii.gz`` beside it."""
    scans = []
    for image in _files(folder, "BraTS2021_*_t2"):
        name = _stem(image).removesuffix("_t2")
        lesions = next(iter(_files(image.parent, f"{name}_seg", deep=False)), None)
        problem = "" if lesions is not None else f"there is no {name}_seg.nii.gz beside its image"
        masks = [image.with_name(f"{stem}{ending}") for stem in _beside(image, name) for ending in ENDINGS]
        scans.append(T2Scan(name, image, lesions, next((path for path in masks if path.is_file()), None), problem))
    return _once(scans)


def _mslub(folder: Path) -> list[T2Scan]:
    """``patient01`` with ``T2W``, ``consensus`` and ``brainmask`` in the names of its files, in any folder below it.

    Where a patient has both a ``raw`` and a ``preprocessed`` folder, files of the latter are taken: its images lie on
    one grid, which the consensus of the raters is drawn on.
    """
    scans = []
    patients = sorted(path for path in folder.rglob("patient*") if path.is_dir() and path.name[7:].isdigit())
    for patient in (path for path in patients if "raw" not in path.relative_to(folder).parts):
        files = [path for path in _files(patient, "*") if "raw" not in path.relative_to(patient).parts[:-1]]
        images, lesions, masks = (
            [path for path in files if any(word in path.name.lower() for word in words)]
            for words in (("t2w",), ("consensus",), ("brainmask", "brain_mask"))
        )
        images = [path for path in images if path not in lesions and path not in masks]
        problem = next(
            (
                f"{len(found)} files with {word} in their names were found, one is needed"
                for found, word in ((images, "T2W"), (lesions, "consensus"))
                if len(found) != 1
            ),
            f"{len(masks)} brain masks were found" if len(masks) > 1 else "",
        )
        first = [next(iter(found), None) for found in (images, lesions, masks)]
        scans.append(T2Scan(patient.name, first[0] or patient, first[1], first[2], problem))
    return _once(scans)


def _once(scans: Sequence[T2Scan]) -> list[T2Scan]:
    """One scan for each name; names that occur twice are a problem of that subject."""
    first: dict[str, T2Scan] = {}
    for scan in scans:
        known = first.get(scan.name)
        first[scan.name] = scan
        if known is not None:
            first[scan.name] = T2Scan(
                scan.name, known.image, known.lesions, known.brain, f"{known.image} and {scan.image} are both of it"
            )
    return list(first.values())


def _files(folder: Path, stem: str, deep: bool = True) -> list[Path]:
    """NIfTI files whose name without ending fits the pattern *stem*, in order; hidden ones are left out."""
    search = folder.rglob if deep else folder.glob
    found = [path for ending in ENDINGS for path in search(f"{stem}{ending}")]
    return sorted({path for path in found if path.is_file() and not path.name.startswith(".")})


def _beside(image: Path, name: str) -> list[str]:
    return [f"{stem}{end}" for stem in (_stem(image), name) for end in MASK_ENDS]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


LAYOUTS = {
    layout.name: layout
    for layout in (
        T2Layout("ixi", "IXI002-Guys-0828-T2.nii.gz", False, 0, 560, _ixi),
        T2Layout("brats21", "BraTS2021_00000/BraTS2021_00000_t2.nii.gz", True, 100, 1251, _brats),
        T2Layout("mslub", "patient01/patient01_T2W.nii.gz", False, 10, 30, _mslub),
    )
}
"""By name. The numbers of validation subjects are those of Behrendt et al. (2023), whom the thesis follows."""
