"""The tracts of a result: names for its regions, and a score for every tract."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..anatomy.region_anatomy import RegionNamer
from ..anatomy.tract_atlas import TractAtlas, load_atlas
from ..anatomy.tract_measures import measure_tracts
from ..anatomy.tract_norms import TractNorms, load_norms
from ..anatomy.tract_scores import score_tracts
from ..anatomy.unknown_side import scores_without_sides, without_sides
from ..geometry.subject_to_atlas import SubjectToAtlas, coarse_mapping
from ..result import DECREASED, INCREASED, Region
from ..runtime.resources import resources_dir
from ..tracts import TractScore
from ..volume import Volume

if TYPE_CHECKING:  # needs torch, which names do without
    from ..preprocessing.model_grid import PreparedSubject

BUNDLED = "hcp1065"
NO_ATLAS = "none"


@dataclass(frozen=True)
class LoadedAtlas:
    """An atlas with the norms that fit a template.

    Attributes
    ----------
    atlas
        Its tracts.
    norms
        Of healthy people; None where the atlas has none over this template.
    name
        Of its folder.
    """

    atlas: TractAtlas
    norms: TractNorms | None
    name: str

    @property
    def sha256(self) -> str:
        """Of the atlas' arrays."""
        return self.atlas.sha256


def atlas_folder(name: str) -> Path:
    """Folder of the bundled atlas for ``default``, else the folder of that path."""
    return resources_dir() / "Atlas" / BUNDLED if name == "default" else Path(name)


def open_atlas(name: str, template_sha256: str) -> LoadedAtlas | None:
    """Load an atlas; None for ``none``, and for ``default`` where no atlas is installed.

    Raises
    ------
    FAError
        ``missing`` for a folder that holds no atlas, or a damaged one.
    """
    if name == NO_ATLAS:
        return None
    folder = atlas_folder(name)
    if name == "default" and not folder.is_dir():
        return None
    atlas = load_atlas(folder)
    return LoadedAtlas(atlas, load_norms(folder, atlas, template_sha256), folder.name)


def mapping_of(subject: PreparedSubject) -> SubjectToAtlas:
    """From the scan's world to the template's."""
    grid = subject.grid
    return coarse_mapping(np.linalg.inv(grid.alignment.matrix), grid.priors.displacement, grid.template.fa.affine)


def name_regions(
    loaded: LoadedAtlas, mapping: SubjectToAtlas, native: Volume, regions: list[tuple[Region, np.ndarray]]
) -> list[Region]:
    """The regions with the tracts that they lie in; each comes with its voxels, int (N, 3) on the native grid."""
    namer = RegionNamer(loaded.atlas, mapping)
    named = []
    for region, voxels in regions:
        points = voxels @ native.affine[:3, :3].T + native.affine[:3, 3]
        anatomy = namer.anatomy(points, native.voxel_ml)
        named.append(replace(region, anatomy=anatomy if native.sides_known else without_sides(anatomy)))
    return named


def score_all_tracts(
    loaded: LoadedAtlas, subject: PreparedSubject, analysed: np.ndarray, segmentation: Volume
) -> list[TractScore]:
    """Every tract of a brain; *analysed* is bool on the model grid, *segmentation* on the native one."""
    grid = subject.grid
    measures = measure_tracts(loaded.atlas, subject.fa, grid.priors, analysed, grid.template.fa.affine)
    labels = np.zeros(int(analysed.sum()), np.uint8)
    for label in (INCREASED, DECREASED):
        inside = segmentation.data == label
        if inside.any():
            labels[grid.to_model(inside, order=1)[analysed] > 0.5] = label
    scores = score_tracts(loaded.atlas, measures, loaded.norms, labels)
    return scores if grid.native.sides_known else scores_without_sides(scores)
