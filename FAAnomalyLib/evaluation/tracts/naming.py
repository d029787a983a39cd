"""A sphere in each of thirty tracts of a brain: is it named by the tract that it was placed in?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...anatomy.region_anatomy import RegionNamer
from ...anatomy.tract_atlas import Tract, TractAtlas
from ...anomaly.screening import analysed_voxels
from ...geometry.subject_to_atlas import displaced_voxels
from ...pipeline.anatomy import mapping_of
from ...preprocessing.model_grid import PreparedSubject
from ...preprocessing.template import WHITE_MATTER_PROBABILITY

OF_BOTH_SIDES = (
    "arcuate fasciculus",
    "cingulum, frontal to parietal",
    "inferior fronto-occipital fasciculus",
    "inferior longitudinal fasciculus",
    "superior longitudinal fasciculus I",
    "superior longitudinal fasciculus II",
    "superior longitudinal fasciculus III",
    "uncinate fasciculus",
    "optic radiation",
    "corticospinal tract",
    "anterior thalamic radiation",
    "frontal aslant tract",
    "fornix",
)
TRACTS = (
    *(f"{side} {name}" for name in OF_BOTH_SIDES for side in ("left", "right")),
    "forceps minor",
    "forceps major",
    "body of the corpus callosum",
    "middle cerebellar peduncle",
)
"""Thirty large tracts of the bundled atlas."""
DIAMETERS_MM = (16.0, 20.0)
CORE = 0.7
"""Membership from which a voxel counts as the core of a tract."""
MOST_ITS_OWN = 0.75
"""Quantile of a tract's share in the memberships of its core, above which places are chosen: elsewhere tracts cross,
and a sphere is of several with equal right."""
MAX_MISS_VOXELS = 1.5
"""Farther than this from a scored voxel of the brain a place is not seen."""
MIN_ML = 0.5
BY_WARP, BY_AFFINE = "warped template", "affine registration alone"
"""How the sphere is placed in the brain. The second does not come from what names it: where both differ, nobody knows
which is right."""


@dataclass(frozen=True)
class Naming:
    """One sphere.

    Attributes
    ----------
    tract
        That it was placed in.
    placed_by
        :data:`BY_WARP` or :data:`BY_AFFINE`.
    diameter_mm
        Of the sphere, whose scored voxels are named.
    named
        Tracts that it was named by, best match first.
    """

    tract: str
    placed_by: str
    diameter_mm: float
    named: tuple[str, ...]

    @property
    def first(self) -> bool:
        """Whether the tract is named first."""
        return self.named[:1] == (self.tract,)

    @property
    def among_three(self) -> bool:
        """Whether the tract is among the first three."""
        return self.tract in self.named[:3]

    @property
    def other_side(self) -> bool:
        """Whether the same tract of the other hemisphere is named first."""
        sides = {"left": "right", "right": "left"}
        side, _, rest = self.tract.partition(" ")
        return bool(self.named) and self.named[0] == f"{sides.get(side, '')} {rest}"


def name_spheres(subject: PreparedSubject, atlas: TractAtlas, seed: int) -> Iterator[Naming]:
    """Place spheres in the brain and name them.

    Parameters
    ----------
    subject
        The brain on the model grid.
    atlas
        With the tracts of :data:`TRACTS`.
    seed
        Of the places.
    """
    rng = np.random.default_rng(seed)
    grid = subject.grid
    scored = analysed_voxels(subject)
    voxels = np.argwhere(scored)
    in_template = displaced_voxels(voxels, grid.priors.displacement)
    namer, points = RegionNamer(atlas, mapping_of(subject)), native_points(subject, scored)
    for name in TRACTS:
        place = rng.choice(most_own_places(atlas.tract(name), atlas, grid.template.priors.white_matter))
        for placed_by in (BY_WARP, BY_AFFINE):
            distance = np.linalg.norm((in_template if placed_by == BY_WARP else voxels) - place, axis=1)
            if distance.min() > MAX_MISS_VOXELS:
                continue
            centre = _world(subject, voxels[np.argmin(distance)])
            for diameter in DIAMETERS_MM:
                inside = points[((points - centre) ** 2).sum(axis=1) <= (diameter / 2) ** 2]
                if len(inside) * grid.native.voxel_ml >= MIN_ML:
                    found = namer.anatomy(inside, grid.native.voxel_ml)
                    yield Naming(name, placed_by, diameter, tuple(share.tract for share in found.tracts))


def _summed_membership(atlas: TractAtlas) -> np.ndarray:
    total = np.zeros(int(np.prod(atlas.shape)), np.float32)
    for tract in atlas.tracts:
        total[tract.voxels] += tract.membership
    return total


def most_own_places(tract: Tract, atlas: TractAtlas, white_matter: np.ndarray) -> np.ndarray:
    """Voxels of the template, int (N, 3), in the core of a tract where it is most its own.

    Parameters
    ----------
    tract, atlas
        One of the atlas' tracts.
    white_matter
        Probability in [0, 1], (X, Y, Z), on the atlas' grid.
    """
    own = tract.membership / _summed_membership(atlas)[tract.voxels]
    core = (tract.membership >= CORE) & (white_matter.ravel()[tract.voxels] > WHITE_MATTER_PROBABILITY)
    core &= own >= np.quantile(own[core], MOST_ITS_OWN)
    return np.stack(np.unravel_index(tract.voxels[core], atlas.shape), axis=1)


def _world(subject: PreparedSubject, voxel: np.ndarray) -> np.ndarray:
    """A voxel of the model grid in mm of the scan."""
    to_scan = subject.grid.alignment.matrix @ subject.grid.template.fa.affine
    world: np.ndarray = to_scan[:3, :3] @ voxel + to_scan[:3, 3]
    return world


def native_points(subject: PreparedSubject, scored: np.ndarray) -> np.ndarray:
    """Centres of the scan's voxels, (N, 3) mm of its world, in what is *scored*, bool on the model grid."""
    grid = subject.grid
    voxels = np.argwhere(grid.mask_to_native(scored) & subject.native_brain)
    points: np.ndarray = voxels @ grid.native.affine[:3, :3].T + grid.native.affine[:3, 3]
    return points
