"""FA of a part of a tract, or of all of it, changed: does the table of tracts find it, do the regions?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...anatomy.tract_atlas import MIN_MEMBERSHIP, NODES, Tract, TractAtlas
from ...geometry.subject_to_atlas import SubjectToAtlas
from ...result import DECREASED, INCREASED
from ...volume import Volume
from .judgement import Judgement

CHANGES = (0.05, -0.05, 0.1, -0.1)
"""FA."""
SHARES = (0.2, 0.5, 1.0)
"""Of the tract's length."""
TRACTS = (
    "left corticospinal tract",
    "right superior longitudinal fasciculus II",
    "forceps major",
    "left inferior fronto-occipital fasciculus",
)
TRACTS_OF_A_PERSON = 2
MIN_OVERLAP = 0.1
"""Share of the changed voxels that regions of its sign must hold to have found it."""


@dataclass(frozen=True)
class TractChange:
    """A change of FA over a part of one tract.

    Attributes
    ----------
    tract
        Name.
    change
        FA.
    share
        Of the tract's length, from one place on, in (0, 1].
    start
        Place along the tract where it begins, 0 to 19.
    """

    tract: str
    change: float
    share: float
    start: int

    @property
    def places(self) -> range:
        """Places along the tract that are changed."""
        return range(self.start, self.start + max(round(self.share * NODES), 1))


@dataclass(frozen=True)
class Outcome:
    """What was found of a change.

    Attributes
    ----------
    z
        Of the changed tract's mean; None where it is not judged.
    by_table, by_regions
        Whether the table's verdict, whether regions of the right sign found it.
    other_tracts
        Further tracts beyond the threshold: neighbours that share its voxels, or false ones.
    """

    z: float | None
    by_table: bool
    by_regions: bool
    other_tracts: int


def planned_changes(rng: np.random.Generator) -> list[TractChange]:
    """Two of :data:`TRACTS`, drawn for each person, with every change and share, at a random place."""
    return [
        TractChange(name, change, share, int(rng.integers(0, NODES - round(share * NODES) + 1)))
        for name in rng.permutation(TRACTS)[:TRACTS_OF_A_PERSON].tolist()
        for share in SHARES
        for change in CHANGES
    ]


def changed_voxels(volume: Volume, atlas: TractAtlas, mapping: SubjectToAtlas, case: TractChange) -> np.ndarray:
    """Voxels of the scan, bool (X, Y, Z), that belong to the changed part of the tract."""
    voxels = np.argwhere(volume.data > 0)
    flat = atlas.flat_indices(mapping(voxels @ volume.affine[:3, :3].T + volume.affine[:3, 3]))
    wanted = np.zeros(int(np.prod(atlas.shape)), bool)
    wanted[_part(atlas.tract(case.tract), case)] = True
    inside = np.zeros(volume.shape, bool)
    inside[tuple(voxels[(flat >= 0) & wanted[flat]].T)] = True
    return inside


def _part(tract: Tract, case: TractChange) -> np.ndarray:
    belongs = (tract.membership >= MIN_MEMBERSHIP) & (tract.share > 0)
    return tract.voxels[belongs & np.isin(tract.node, list(case.places))]


def outcome(found: Judgement, case: TractChange, where: np.ndarray) -> Outcome:
    """What was found of a change at the voxels *where*."""
    sign, label = ("increased", INCREASED) if case.change > 0 else ("decreased", DECREASED)
    own = next(score for score in found.tracts if score.tract == case.tract)
    overlap = float((found.segmentation.data[where] == label).mean()) if where.any() else 0.0
    others = sum(score.tract != case.tract for score in found.beyond)
    return Outcome(own.z, own.verdict == sign, overlap >= MIN_OVERLAP, others)
