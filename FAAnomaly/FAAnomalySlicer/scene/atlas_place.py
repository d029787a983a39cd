"""Where a brain lies in the tract atlas: names for regions, and the voxels of a tract.

The engine's ``anatomy.npz`` travels with the scene as the text of a node, so that regions of another threshold are
named, and tracts shown, also in a scene that was saved and loaded again. It is read once for each result.

Without a scene, safe in a thread.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from slicer.i18n import tr as _

from FAAnomalyLib.anatomy.region_anatomy import RegionNamer
from FAAnomalyLib.anatomy.tract_atlas import MIN_MEMBERSHIP, TractAtlas, load_atlas
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.geometry.subject_to_atlas import SubjectToAtlas, load_mapping
from FAAnomalyLib.tracts import RegionAnatomy

from ..worker_client.paths import resources_folder

BUNDLED = "hcp1065"
SLAB_VOXELS = 200_000
"""Voxels whose places are computed at once."""


@dataclass(frozen=True)
class AtlasPlace:
    """A brain's place in an atlas, as it is stored.

    Attributes
    ----------
    text
        The content of ``anatomy.npz``, in base 64.
    atlas_sha256
        SHA-256 of the arrays of the atlas that the engine used.
    """

    text: str
    atlas_sha256: str


class PlacedAtlas:
    """An atlas and where one brain lies in it.

    Parameters
    ----------
    atlas
        The tracts.
    mapping
        From the local frame of the analysed volume (RAS mm) to the atlas.
    """

    def __init__(self, atlas: TractAtlas, mapping: SubjectToAtlas) -> None:
        self.atlas, self._mapping = atlas, mapping
        self._namer = RegionNamer(atlas, mapping)

    def anatomy(self, points_ras: np.ndarray, voxel_ml: float) -> RegionAnatomy:
        """The tracts of a region; see :meth:`FAAnomalyLib.anatomy.region_anatomy.RegionNamer.anatomy`."""
        return self._namer.anatomy(points_ras, voxel_ml)

    def voxels_of_tract(
        self, name: str, shape_kji: tuple[int, ...], ijk_to_ras: np.ndarray
    ) -> tuple[np.ndarray, tuple[int, int, int]]:
        """The voxels of a grid that the atlas counts to a tract: those that a region's name counts, too.

        Parameters
        ----------
        name
            Of the tract, or its abbreviation.
        shape_kji, ijk_to_ras
            The grid: its shape, and float64 (4, 4) to RAS mm in the analysed volume's local frame.

        Returns
        -------
        mask
            uint8 (k, j, i), a part of the grid: 1 in the tract. Empty where the tract lies outside of the grid.
        corner
            First voxel (i, j, k) of that part.

        Raises
        ------
        FAError
            ``bad-request`` for a name that the atlas does not have.
        """
        tract = self.atlas.tract(name)
        inside = np.zeros(int(np.prod(self.atlas.shape)), bool)
        inside[tract.voxels[tract.membership >= MIN_MEMBERSHIP]] = True
        low, high = self._box(np.flatnonzero(inside), shape_kji, ijk_to_ras)
        size = np.maximum(high - low, 0)
        mask = np.zeros(size[::-1], np.uint8)
        rows, columns = np.indices((size[1], size[0])).reshape(2, -1)
        per_slab = max(1, SLAB_VOXELS // max(rows.size, 1))
        for begin in range(0, mask.shape[0] if mask.size else 0, per_slab):
            part = mask[begin : begin + per_slab]
            slices = np.repeat(np.arange(begin, begin + len(part)), rows.size)
            ijk = np.stack([np.tile(columns, len(part)), np.tile(rows, len(part)), slices], axis=1) + low
            flat = self.atlas.flat_indices(self._mapping(ijk @ ijk_to_ras[:3, :3].T + ijk_to_ras[:3, 3]))
            part[...] = (inside[flat] & (flat >= 0)).reshape(part.shape)
        return mask, (int(low[0]), int(low[1]), int(low[2]))

    def _box(self, flat: np.ndarray, shape_kji, ijk_to_ras: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last but one voxel (i, j, k) of the part of the grid that may lie in these voxels of the atlas."""
        voxels = np.stack(np.unravel_index(flat, self.atlas.shape), axis=1)
        ends = np.array([voxels.min(axis=0) - 0.5, voxels.max(axis=0) + 0.5])
        corners = np.stack(np.meshgrid(*ends.T, indexing="ij"), axis=-1).reshape(-1, 3)
        corners = corners @ self.atlas.affine[:3, :3].T + self.atlas.affine[:3, 3]
        # A place moves by no more than the largest displacement after the affine part of the mapping.
        reach = np.abs(self._mapping.displacement).reshape(3, -1).max(axis=1)
        low, high = corners.min(axis=0) - reach, corners.max(axis=0) + reach
        wide = np.stack(np.meshgrid(*np.array([low, high]).T, indexing="ij"), axis=-1).reshape(-1, 3)
        to_ijk = np.linalg.inv(self._mapping.template_from_subject @ ijk_to_ras)
        ijk = wide @ to_ijk[:3, :3].T + to_ijk[:3, 3]
        shape = np.array(shape_kji[::-1])
        first = np.clip(np.floor(ijk.min(axis=0)), 0, shape).astype(int)
        return first, np.clip(np.ceil(ijk.max(axis=0)) + 1, first, shape).astype(int)


def read_place(files: dict[str, str], provenance: dict) -> AtlasPlace | None:
    """The place of a run's answer; None where the engine used no atlas, or is of an earlier version.

    Raises
    ------
    FAError
        ``bad-input`` when ``anatomy.npz`` cannot be read.
    """
    if "anatomy" not in files or not provenance.get("atlas"):
        return None
    path = Path(files["anatomy"])
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FAError(
            "bad-input", _("{name} cannot be read").format(name=path.name), error.strerror or str(error), _("Run again")
        ) from None
    return AtlasPlace(base64.b64encode(content).decode("ascii"), provenance["atlas"]["sha256"])


@lru_cache(maxsize=4)
def open_place(place: AtlasPlace) -> PlacedAtlas:
    """The bundled atlas with a brain's place in it.

    Raises
    ------
    FAError
        ``missing`` when the atlas is absent or not the one that the run used, or when the place is damaged.
    """
    atlas = _bundled_atlas(resources_folder() / "Atlas" / BUNDLED)
    if atlas.sha256 != place.atlas_sha256:
        raise FAError(
            "missing",
            _("The tracts of this result are not known here"),
            _("it was made with another tract atlas"),
            _("Run again with the bundled one"),
        )
    try:
        stored = BytesIO(base64.b64decode(place.text, validate=True))
    except ValueError as error:
        raise FAError("missing", _("The brain's place in the atlas is damaged"), str(error), _("Run again")) from None
    mapping = load_mapping(stored)
    if mapping is None:
        raise FAError("missing", _("This result has no place in the atlas"), "", _("Run again"))
    return PlacedAtlas(atlas, mapping)


@lru_cache(maxsize=1)
def _bundled_atlas(folder: Path) -> TractAtlas:
    return load_atlas(folder)
