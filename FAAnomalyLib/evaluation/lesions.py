"""Anomalies whose truth is known, planted into healthy FA maps before anything else sees them."""

from __future__ import annotations

import numpy as np

from ..errors import FAError
from ..volume import Volume


def sphere(volume: Volume, centre_ras: tuple[float, float, float], diameter_mm: float) -> np.ndarray:
    """Voxels of *volume*'s grid whose centre lies in a ball, bool (X, Y, Z)."""
    grid = np.indices(volume.shape).reshape(3, -1)
    world = volume.affine[:3, :3] @ grid + volume.affine[:3, 3:]
    distance = np.linalg.norm(world - np.array(centre_ras)[:, None], axis=0)
    return (distance <= diameter_mm / 2).reshape(volume.shape)


def plant(volume: Volume, where: np.ndarray, change: float) -> Volume:
    """*volume* with FA changed by *change* at the voxels *where*, clipped to [0, 1]."""
    return volume.with_data(np.where(where, np.clip(volume.data + change, 0.0, 1.0), volume.data).astype(np.float32))


def white_matter_centre(volume: Volume, white_matter: np.ndarray, diameter_mm: float,
                        seed: int) -> tuple[float, float, float]:
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
