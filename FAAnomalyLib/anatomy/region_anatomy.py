"""Which tracts a region lies in.

Slicer's process names regions, too, whenever its threshold moves: NumPy and SciPy are all that it needs.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import ndimage, sparse

from ..geometry.subject_to_atlas import SubjectToAtlas
from ..tracts import RegionAnatomy, TractShare
from .tract_atlas import MIN_MEMBERSHIP, TractAtlas

MIN_SHARE_OF_REGION = 0.05
"""A tract that holds less of a region is not named."""
MAX_NAMED = 5
"""Tracts that are named of one region."""


class RegionNamer:
    """Names the tracts of regions of one scan.

    Parameters
    ----------
    atlas
        The tracts.
    mapping
        From the scan's world to the atlas's.
    """

    def __init__(self, atlas: TractAtlas, mapping: SubjectToAtlas) -> None:
        self._atlas, self._mapping = atlas, mapping

    def anatomy(self, points_ras: np.ndarray, voxel_ml: float) -> RegionAnatomy:
        """The tracts of one region.

        With a tract's membership m and the region R, in volumes, a tract matches by
        ``mean_R(m) * sum_R(m) / sqrt(|R| sum(m^2))``: how much of the region is of the tract, times the cosine
        between both, which prefers a tract that has much of itself there. A prior by its number of streamlines named
        the callosum, which is everywhere, too often.

        Parameters
        ----------
        points_ras
            Centres of the region's voxels, (N, 3) mm of the scan's world.
        voxel_ml
            Volume of one of them in millilitres.

        Returns
        -------
        RegionAnatomy
            At most five tracts, best match first.
        """
        flat = self._atlas.flat_indices(self._mapping(points_ras))
        flat = flat[flat >= 0].astype(np.int32)
        if not flat.size:
            return RegionAnatomy()
        in_template_ml = voxel_ml * self._mapping.volume_ratio
        matches = [self._match(number, flat, len(points_ras), in_template_ml) for number in self._touched(flat)]
        named = [(score, share) for score, share in matches if share.share_of_region >= MIN_SHARE_OF_REGION]
        if not named:
            return self._nearest(flat)
        named.sort(key=lambda pair: -pair[0])
        return RegionAnatomy(tuple(share for _, share in named[:MAX_NAMED]))

    def _touched(self, flat: np.ndarray) -> np.ndarray:
        """Numbers of the tracts with a voxel in the region, in the atlas's order; the others cannot be named."""
        return np.unique(self._tracts_of_voxel[np.unique(flat)].indices)

    @cached_property
    def _tracts_of_voxel(self) -> sparse.csr_matrix:
        """bool (voxels, tracts): which tracts a voxel of the atlas is counted to."""
        inside = [tract.voxels[tract.membership >= MIN_MEMBERSHIP] for tract in self._atlas.tracts]
        columns = np.repeat(np.arange(len(inside)), [len(voxels) for voxels in inside])
        rows = np.concatenate(inside) if inside else np.zeros(0, np.int32)
        size = int(np.prod(self._atlas.shape)), len(inside)
        return sparse.csr_matrix((np.ones(rows.size, bool), (rows, columns)), shape=size)

    @cached_property
    def _sizes(self) -> list[tuple[np.floating, np.floating]]:
        """Of every tract: the sum of its shares, and of its squared memberships."""
        return [(tract.share.sum(), (tract.membership**2).sum()) for tract in self._atlas.tracts]

    def _match(self, number: int, flat: np.ndarray, voxels: int, voxel_ml: float) -> tuple[float, TractShare]:
        tract, (whole_share, whole_membership) = self._atlas.tracts[number], self._sizes[number]
        at = np.minimum(np.searchsorted(tract.voxels, flat), tract.voxels.size - 1)
        hit = tract.voxels[at] == flat
        inside = np.where(hit, tract.membership[at], np.float32(0))
        shares = np.where(hit, tract.share[at], np.float32(0))
        share = float(shares.sum() * voxel_ml / (whole_share * self._atlas.voxel_ml))
        tract_ml = float(whole_membership * self._atlas.voxel_ml)
        cosine = float(inside.sum() * voxel_ml / np.sqrt(voxels * voxel_ml * tract_ml))
        of_region = float((inside >= MIN_MEMBERSHIP).sum() / voxels)
        words = (tract.name, tract.abbreviation, tract.side, tract.group)
        return cosine * float(inside.sum() / voxels), TractShare(*words, of_region, min(share, 1.0))

    def _nearest(self, flat: np.ndarray) -> RegionAnatomy:
        """The tract whose edge is nearest to the region."""
        distance, owner = self._edges
        here = flat[np.argmin(distance[flat])]
        return RegionAnatomy((), self._atlas.tracts[int(owner[here])].name, float(distance[here]))

    @cached_property
    def _edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Of every voxel of the flattened grid: mm to the nearest tract, and that tract's number."""
        shape = self._atlas.shape
        owner = np.full(int(np.prod(shape)), -1, np.int32)
        best = np.zeros(owner.size, np.float32)
        for number, tract in enumerate(self._atlas.tracts):
            strong = (tract.membership >= MIN_MEMBERSHIP) & (tract.membership > best[tract.voxels])
            owner[tract.voxels[strong]] = number
            best[tract.voxels[strong]] = tract.membership[strong]
        spacing = np.sqrt((self._atlas.affine[:3, :3] ** 2).sum(axis=0))
        distance, indices = ndimage.distance_transform_edt(
            owner.reshape(shape) < 0, sampling=spacing, return_indices=True
        )
        return distance.ravel(), owner.reshape(shape)[tuple(indices)].ravel()
