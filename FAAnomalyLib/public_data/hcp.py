"""The Human Connectome Project's FA maps as the thesis' training data: cropped pairs and a split by family.

``IN`` holds a folder for each subject with the FA map that FSL's ``dtifit`` writes, ``dti_FA.nii.gz``, below it.
HCP has twins and siblings, who are more alike than others: the restricted table (columns ``Subject`` and ``Family_ID``)
keeps a family in one set. The result is a folder that ``faanomaly train OUT --recipe thesis-conditional --split
OUT/split.csv`` takes as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..datasets.cohort import CohortSubject, find_subjects, naming
from ..datasets.file_names import ENDINGS, mask_of
from ..datasets.tables import read_table
from ..errors import FAError
from ..preprocessing.native_crop import THESIS_VOXELS
from ..request import CROP_FIELD_MM
from ..runtime.progress import CancelToken, ProgressCallback
from ..training.volume_pairs import make_pair, pair_of
from .preparation import Made, Preparation, PreparedData, prepare_all, write_manifest
from .split_file import FILE, TEST, TRAIN, choose_groups, keep_split, read_split, share_of

THESIS_TEST, THESIS_SUBJECTS = 72, 972
"""Test subjects of the thesis, among how many."""
FA_ENDINGS = tuple(f"_FA{ending}" for ending in ENDINGS)
HCP_MASK = "nodif_brain_mask"
"""Brain mask that HCP puts beside its diffusion data."""


@dataclass(frozen=True)
class HcpSubject:
    """One subject.

    Attributes
    ----------
    name
        Of the subject's folder, for instance ``100307``.
    maps
        FA maps found; one is needed.
    mask
        Brain mask, or None.
    """

    name: str
    maps: tuple[Path, ...]
    mask: Path | None = None


@dataclass(frozen=True)
class HcpRequest:
    """What is to be prepared.

    Attributes
    ----------
    source, output
        Folders.
    families
        CSV with the columns ``Subject`` and ``Family_ID``; None splits by subject.
    centre
        One of :data:`FAAnomalyLib.request.CROP_CENTRES`.
    voxels
        Edge of the crop of 160 mm.
    test
        Test subjects; None for the thesis' share, 72 of 972.
    seed
        Of the split.
    """

    source: Path
    output: Path
    families: Path | None = None
    centre: str = "auto"
    voxels: int = THESIS_VOXELS
    test: int | None = None
    seed: int = 0


def prepare_hcp(
    request: HcpRequest,
    report: Callable[[str], None] = print,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> PreparedData:
    """Crop every FA map, make its white-matter mask FA > 0.2, and split the subjects.

    Raises
    ------
    FAError
        ``bad-input`` when nobody can be prepared or a table cannot be used; ``bad-request`` when an earlier split
        divides a family; ``cancelled``.
    """
    subjects = find_hcp(request.source)
    family_of = _families([subject.name for subject in subjects], request.families, report)
    _check_stored_split(request.output, family_of)
    settings = {"centre": request.centre, "voxels": request.voxels}

    def make(subject: HcpSubject) -> Made:
        return _make(subject, request)

    preparation = Preparation(request.output, settings, _sources, make, report, progress, cancel)
    outcome = prepare_all(subjects, preparation)
    if resampled := sum(record["resampled"] for record in outcome.records.values()):
        edge = CROP_FIELD_MM / request.voxels
        report(f"{resampled} maps of other voxels were resampled to {edge:g} mm by their voxel size alone")
    clipped = [name for name, record in outcome.records.items() if record["clipped_ml"] > 0]
    if clipped:
        report(f"the crop of 160 mm cuts {len(clipped)} of {len(outcome.records)} brains; manifest.json says how much")
    split = _split({name: family_of[name] for name in sorted(outcome.records)}, request, report)
    by_family = {"split_by": "family" if request.families is not None else "subject"}
    write_manifest(request.output, "hcp", {**settings, **by_family}, outcome, split)
    return outcome


def find_hcp(folder: Path) -> list[HcpSubject]:
    """The subjects of a folder: those of its folders that hold FA maps, else the FA maps in it.

    Raises ``FAError('bad-input')`` when there is none.
    """
    if not folder.is_dir():
        raise FAError("bad-input", f"There is no folder {folder}", "", "Check the path")
    subjects = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        maps = tuple(sorted(path for path in place.rglob("*_FA.nii*") if path.name.endswith(FA_ENDINGS)))
        if maps:
            subjects.append(HcpSubject(place.name, maps, _mask_beside(maps[0])))
    if subjects:
        return subjects
    return [HcpSubject(one.name, (one.path,), one.mask) for one in find_subjects(folder)]


def _mask_beside(path: Path) -> Path | None:
    places = [mask_of(path), *(path.with_name(HCP_MASK + ending) for ending in ENDINGS)]
    return next((place for place in places if place.is_file()), None)


def _sources(subject: HcpSubject) -> list[Path]:
    return [*subject.maps, *([] if subject.mask is None else [subject.mask])]


def _make(subject: HcpSubject, request: HcpRequest) -> Made:
    if len(subject.maps) > 1:
        names = ", ".join(path.name for path in subject.maps[:4])
        raise FAError("bad-input", f"{len(subject.maps)} FA maps are below its folder", names, "Leave one there")
    one = CohortSubject(subject.name, subject.name, subject.maps[0], subject.mask)
    pair = pair_of(one, request.output)
    with naming(one.path):
        crop = make_pair(one, pair, request.voxels, request.centre)
    facts = {
        "start": list(crop.start),
        "of": list(crop.resampled_shape),
        "resampled": crop.resampled,
        "clipped_ml": round(crop.clipped_ml, 3),
        "brain_mm": [round(edge, 2) for edge in crop.brain_mm],
    }
    # That a map was resampled is said once for all of them.
    clipped = crop.remarks()[-1:] if crop.clipped_ml > 0 else []
    return Made((pair.input, pair.condition), facts, tuple(clipped))


def _families(names: list[str], table: Path | None, report: Callable[[str], None]) -> dict[str, str]:
    """Name -> family; a family of its own for everybody whom the table does not name."""
    if table is None:
        report(
            "the split is by subject: HCP has twins and siblings, so that members of a family may be in both sets. "
            "Give the restricted table (Subject, Family_ID) with --families"
        )
        return {name: name for name in names}
    known = {row["subject"]: row["family_id"] for row in read_table(table, ("subject", "family_id"))}
    strangers = [name for name in names if name not in known]
    if len(strangers) == len(names):
        raise FAError(
            "bad-input",
            f"{table} names none of the subjects",
            f"there is {names[0]}, and the table begins with {next(iter(known), 'nothing')}",
            "Name the subjects as their folders are called",
        )
    if strangers:
        report(
            f"{table.name} does not name {', '.join(strangers[:5])}: {len(strangers)} count as families of their own"
        )
    return {name: f"family {known[name]}" if name in known else name for name in names}


def _check_stored_split(folder: Path, family_of: Mapping[str, str]) -> None:
    """Raise ``FAError('bad-request')`` when an earlier split divides a family."""
    if not (folder / FILE).is_file():
        return
    sets: dict[str, set[str]] = {}
    for name, which in read_split(folder).items():
        if name in family_of:
            sets.setdefault(family_of[name], set()).add(which)
    divided = sum(len(one) > 1 for one in sets.values())
    if divided:
        raise FAError(
            "bad-request",
            f"{folder / FILE} divides {divided} families",
            "it was made without this table",
            "Remove it to split anew, and train on the new split alone",
        )


def _split(family_of: Mapping[str, str], request: HcpRequest, report: Callable[[str], None]) -> dict[str, str]:
    count = request.test
    if count is None:
        count = share_of(THESIS_TEST, THESIS_SUBJECTS, list(family_of))
    chosen = choose_groups(family_of, count, request.seed)
    split = keep_split(
        request.output, {name: TEST if name in chosen else TRAIN for name in family_of}, group_of=family_of
    )
    tested = sum(which == TEST for which in split.values())
    report(f"{len(split) - tested} subjects to train on, {tested} to test, in {request.output / FILE}")
    return split
