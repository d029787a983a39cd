"""IXI, BraTS 2021 or MSLUB from published folders to images on one grid, with split file, manifest and mean image.

For each subject there are ``NAME.nii.gz`` (in [0, 1]), ``NAME_mask.nii.gz`` (brain) and, for patients,
``NAME_lesion-mask.nii.gz``. Healthy people also give ``template/``: their mean image, the grid on which comparators
learn and score without registration (:attr:`FAAnomalyLib.preprocessing.template.Template.aligned`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..datasets.cohort import naming
from ..errors import FAError
from ..geometry.same_voxels import onto_grid
from ..io.volumes import load_volume, save_volume
from ..models.manifest import sha256_of
from ..preprocessing.template import Template, TemplatePriors
from ..runtime.progress import CancelToken, ProgressCallback
from ..training.template_building import save_template
from ..volume import Volume
from .preparation import Made, Preparation, PreparedData, prepare_all, write_manifest
from .split_file import FILE, TEST, TRAIN, VALIDATION, choose_groups, keep_split, share_of
from .t2_image import T2Input, T2Settings, prepare_t2
from .t2_layouts import LAYOUTS, T2Layout, T2Scan, find_scans

IMAGE, MASK, LESIONS = "{}.nii.gz", "{}_mask.nii.gz", "{}_lesion-mask.nii.gz"
"""Names of a subject's files."""
TEMPLATE = "template"
"""Folder of the healthy people's mean image."""


@dataclass(frozen=True)
class T2Request:
    """What is to be prepared.

    Attributes
    ----------
    layout
        One of :data:`~.t2_layouts.LAYOUTS`.
    source, output
        Folders.
    template
        The SRI24 atlas, T2-weighted, without skull.
    masks
        Folder of brain masks; None for masks beside the images.
    stripped
        Whether images without a mask are without skull. Images of BraTS are published so.
    registered
        Whether the images lie in the template's world already.
    validation
        How many patients choose the threshold; None for the publication's share.
    seed
        Of the split.
    settings
        Grids and filters.
    """

    layout: str
    source: Path
    output: Path
    template: Path
    masks: Path | None = None
    stripped: bool = False
    registered: bool = False
    validation: int | None = None
    seed: int = 0
    settings: T2Settings = T2Settings()


def prepare_t2_cohort(
    request: T2Request,
    report: Callable[[str], None] = print,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> PreparedData:
    """Prepare a data set; one that was cancelled goes on.

    Raises
    ------
    FAError
        ``missing`` when the template is not there, ``bad-input`` when nobody can be prepared, ``cancelled``.
    """
    layout = LAYOUTS[request.layout]
    if not request.template.is_file():
        raise FAError(
            "missing",
            f"There is no SRI24 template {request.template}",
            "its licence keeps it out of this program",
            "Get the T2 image without skull from nitrc.org/projects/sri24 and name it with --template",
        )
    scans = find_scans(request.layout, request.source, request.masks)
    template = load_volume(request.template)[0]
    settings = {
        "layout": request.layout,
        "template_sha256": sha256_of(request.template),
        "registered": request.registered,
        "stripped": request.stripped or layout.stripped,
        **asdict(request.settings),
    }
    check = None if cancel is None else cancel.check

    def make(scan: T2Scan) -> Made:
        return _make(scan, layout, request, template, check)

    preparation = Preparation(request.output, settings, _sources, make, report, progress, cancel)
    outcome = prepare_all(scans, preparation)
    split = _split(sorted(outcome.records), layout, request)
    counts = {which: sum(one == which for one in split.values()) for which in (TRAIN, VALIDATION, TEST)}
    told = ", ".join(f"{number} for {which}" for which, number in counts.items() if number)
    report(f"{told}, in {request.output / FILE}")
    write_manifest(request.output, request.layout, settings, outcome, split)
    if not layout.validation:
        learning = [name for name in sorted(split) if split[name] == TRAIN]
        save_template(mean_template(request.output, learning), request.output / TEMPLATE)
    return outcome


def mean_template(folder: Path, names: Sequence[str]) -> Template:
    """Mean image and share of brain of prepared people; an aligned template on their grid.

    Its probability of white matter is that of brain: a T2 image is judged in all of the brain.
    """
    first = load_volume(folder / IMAGE.format(names[0]))[0]
    total, brain = np.zeros(first.shape), np.zeros(first.shape)
    for name in names:
        total += load_volume(folder / IMAGE.format(name))[0].data
        brain += load_volume(folder / MASK.format(name))[0].data > 0.5
    mean, share = ((one / len(names)).astype(np.float32) for one in (total, brain))
    return Template(first.with_data(mean), TemplatePriors(mean, share, share), aligned=True)


def _sources(scan: T2Scan) -> list[Path]:
    return [path for path in (scan.image, scan.lesions, scan.brain) if path is not None]


def _make(
    scan: T2Scan, layout: T2Layout, request: T2Request, template: Volume, check: Callable[[], None] | None
) -> Made:
    if scan.problem:
        raise FAError("bad-input", scan.problem, "", "")
    if scan.brain is None and not (request.stripped or layout.stripped):
        raise FAError(
            "bad-input",
            "There is no brain mask beside the image",
            f"images of {layout.name} are published with skull",
            "Give masks with --masks FOLDER, or say --stripped for images without skull",
        )
    with naming(scan.image):
        image, remarks = load_volume(scan.image)
        subject = T2Input(image, _mask(scan.brain, image), _mask(scan.lesions, image))
        prepared = prepare_t2(subject, template, request.settings, request.registered, check)
    files = {IMAGE: prepared.image, MASK: prepared.image.with_data(prepared.brain)}
    if prepared.lesions is not None:
        files[LESIONS] = prepared.image.with_data(prepared.lesions)
    written = []
    for pattern, volume in files.items():
        written.append(request.output / pattern.format(scan.name))
        save_volume(volume, written[-1])
    strip = "brain mask" if scan.brain is not None else "published without skull" if layout.stripped else "as given"
    facts = {"correlation": round(prepared.correlation, 4), "skull_strip": strip, **prepared.facts}
    if prepared.lesions is not None and not prepared.lesions.any():
        remarks = [*remarks, "no lesion is left on the final grid"]
    return Made(tuple(written), facts, tuple(remarks))


def _mask(path: Path | None, image: Volume) -> np.ndarray | None:
    """A mask on the image's voxels, bool."""
    if path is None:
        return None
    volume = load_volume(path)[0]
    inside = np.nan_to_num(volume.data) > 0.5
    if not inside.any() and volume.same_geometry(image):
        return inside
    return onto_grid(volume.with_data(inside), image, path.name)[0]


def _split(names: list[str], layout: T2Layout, request: T2Request) -> dict[str, str]:
    """Healthy people are learned from; of patients some choose the threshold, the others are tested."""
    if not layout.validation:
        return keep_split(request.output, dict.fromkeys(names, TRAIN))
    count = request.validation
    if count is None:
        count = share_of(layout.validation, layout.published, names)
    chosen = choose_groups({name: name for name in names}, count, request.seed)
    return keep_split(request.output, {name: VALIDATION if name in chosen else TEST for name in names})
