"""The tracts of an atlas on one brain's model grid, and their weighted means there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.subject_to_atlas import displaced_voxels
from .tract_atlas import NODES, TractAtlas

MIN_COVERAGE = 0.4
"""Share of a tract that must lie among the analysed voxels; less is too little to speak for the tract."""
MIN_NODE_COVERAGE = 0.2
"""The same for one place along it."""


@dataclass(frozen=True)
class TractOnGrid:
    """One tract on the analysed voxels of a brain.

    Attributes
    ----------
    members
        Numbers of the analysed voxels that belong to the tract, int (M,).
    weight
        Share of the streamlines at each, float32 (M,).
    node
        Place along the tract, uint8 (M,).
    coverage
        Share of the tract's weight that lies among the analysed voxels, in [0, 1].
    node_coverage
        The same for each of the 20 places, (20,).
    """

    members: np.ndarray
    weight: np.ndarray
    node: np.ndarray
    coverage: float
    node_coverage: np.ndarray

    def mean(self, values: np.ndarray) -> float:
        """Streamline-weighted mean of *values*, given at the analysed voxels; NaN for a tract that is not covered."""
        if self.coverage < MIN_COVERAGE:
            return float("nan")
        return float(np.average(values[self.members], weights=self.weight))

    def profile(self, values: np.ndarray) -> np.ndarray:
        """The same at each of the 20 places along the tract, float32 (20,)."""
        total = np.bincount(self.node, self.weight * values[self.members], NODES)
        weight = np.bincount(self.node, self.weight, NODES)
        known = (self.node_coverage >= MIN_NODE_COVERAGE) & (weight > 0)
        return np.where(known, total / np.where(weight > 0, weight, 1.0), np.nan).astype(np.float32)


def tracts_on_grid(
    atlas: TractAtlas, analysed: np.ndarray, grid_affine: np.ndarray, displacement: np.ndarray | None
) -> list[TractOnGrid]:
    """Every tract of the atlas at the analysed voxels of a brain.

    Parameters
    ----------
    atlas
        In the template's world.
    analysed
        bool (X, Y, Z) on the model grid.
    grid_affine
        4x4 of the model grid, in the template's world.
    displacement
        (3, X, Y, Z) in voxels of the model grid, see
        :attr:`FAAnomalyLib.preprocessing.template.TemplatePriors.displacement`; None for none.
    """
    voxels = displaced_voxels(np.argwhere(analysed), displacement)
    flat = atlas.flat_indices(voxels @ grid_affine[:3, :3].T + grid_affine[:3, 3])
    inside = np.flatnonzero(flat >= 0)
    place = flat[inside]
    ratio = float(abs(np.linalg.det(grid_affine[:3, :3])) / 1000.0) / atlas.voxel_ml
    share, node = np.zeros(int(np.prod(atlas.shape)), np.float32), np.zeros(int(np.prod(atlas.shape)), np.uint8)
    tracts = []
    for tract in atlas.tracts:
        share[tract.voxels], node[tract.voxels] = tract.share, tract.node
        here = np.flatnonzero(share[place] > 0)
        weight, nodes = share[place[here]], node[place[here]]
        whole = np.bincount(tract.node, tract.share, NODES)
        covered = np.bincount(nodes, weight, NODES) * ratio
        node_coverage = np.minimum(covered / np.where(whole > 0, whole, 1.0), 1.0)
        coverage = min(float(covered.sum() / whole.sum()), 1.0)
        tracts.append(TractOnGrid(inside[here], weight, nodes, coverage, node_coverage))
        share[tract.voxels] = 0.0
    return tracts
