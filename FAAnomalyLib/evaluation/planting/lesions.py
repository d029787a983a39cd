"""Anomalies whose truth is known, planted into healthy FA maps before anything else sees them."""

from __future__ import annotations

import numpy as np

from ...errors import FAError
from ...volume import Volume


def sphere(volume: Volume, centre_ras: tuple[float, float, float], diameter_mm: float) -> np.ndarray:
    """Voxels of *volume*'s grid whose centre lies in a ball, bool (X, Y, Z)."""
    centre = np.linalg.inv(volume.affine) @ [*centre_ras, 1.0]
    # One voxel more than an unsheared grid needs.
    reach = diameter_mm / 2 / volume.spacing + 1.0
    low = np.clip(np.floor(centre[:3] - reach), 0, volume.shape).astype(int)
    high = np.clip(np.ceil(centre[:3] + reach) + 1, low, volume.shape).astype(int)
    grid = np.indices(high - low).reshape(3, -1) + (low - centre[:3])[:, None]
    near = np.linalg.norm(volume.affine[:3, :3] @ grid, axis=0) <= diameter_mm / 2
    inside = np.zeros(volume.shape, bool)
    inside[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = near.reshape(high - low)
    return inside


def plant(volume: Volume, where: np.ndarray, change: float) -> Volume:
    """*volume* with FA changed by *change* at the voxels *where*, clipped to [0, 1]."""
    return volume.with_data(np.where(where, np.clip(volume.data + change, 0.0, 1.0), volume.data).astype(np.float32))


def scale(volume: Volume, where: np.ndarray, share: float) -> Volume:
    """*volume* with FA changed by a *share* of itself (-0.4: lowered by 40 %) at the voxels *where*, within [0, 1]."""
    changed = np.clip(volume.data * (1.0 + share), 0.0, 1.0)
    return volume.with_data(np.where(where, changed, volume.data).astype(np.float32))


def white_matter_centre(
    volume: Volume, white_matter: np.ndarray, diameter_mm: float, seed: int
) -> tuple[float, float, float]:
    """A seeded place, RAS mm, about which at least half of a ball is white matter.

    Raises ``FAError('bad-input')`` when 1000 draws find none.
    """
    candidates = np.argwhere(white_matter)
    generator = np.random.default_rng(seed)
    if len(candidates):
        for _ in range(1000):
            voxel = candidates[generator.integers(len(candidates))]
            centre = tuple(float(c) for c in (volume.affine @ [*voxel, 1.0])[:3])
            ball = sphere(volume, centre, diameter_mm)
            if white_matter[ball].mean() >= 0.5:
                return centre
    raise FAError("bad-input", f"There is no place for a sphere of {diameter_mm:g} mm", "too little white matter", "")
