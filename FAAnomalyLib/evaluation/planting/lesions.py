"""Changes of FA in a known set of voxels of a healthy map."""

from __future__ import annotations

import numpy as np

from ...errors import FAError
from ...volume import Volume

MIN_WHITE_MATTER_SHARE = 0.5
"""Of a sphere about a drawn centre."""
MAX_DRAWS = 1000


def sphere(volume: Volume, centre_ras: tuple[float, float, float], diameter_mm: float) -> np.ndarray:
    """Voxels of *volume*'s grid whose centre lies in a sphere, bool (X, Y, Z).

    Parameters
    ----------
    volume
        Gives shape and affine.
    centre_ras
        Centre in RAS mm.
    diameter_mm
        Diameter in mm.

    Examples
    --------
    >>> grid = Volume(np.zeros((5, 5, 5), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    >>> int(sphere(grid, (4.0, 4.0, 4.0), 4.0).sum())
    7
    """
    centre = np.linalg.inv(volume.affine) @ [*centre_ras, 1.0]
    # One voxel more than an unsheared grid needs.
    reach = diameter_mm / 2 / volume.spacing + 1.0
    low = np.clip(np.floor(centre[:3] - reach), 0, volume.shape).astype(int)
    high = np.clip(np.ceil(centre[:3] + reach) + 1, low, volume.shape).astype(int)
    offsets = np.indices(high - low).reshape(3, -1) + (low - centre[:3])[:, None]
    near = np.linalg.norm(volume.affine[:3, :3] @ offsets, axis=0) <= diameter_mm / 2
    inside = np.zeros(volume.shape, bool)
    inside[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = near.reshape(high - low)
    return inside


def plant(volume: Volume, mask: np.ndarray, change: float) -> Volume:
    """*volume* with *change* added to FA in *mask*, clipped to [0, 1].

    Parameters
    ----------
    volume
        FA in [0, 1].
    mask
        bool (X, Y, Z): voxels to change.
    change
        FA, signed.

    Examples
    --------
    >>> healthy = Volume(np.full((2, 1, 1), 0.25, np.float32), np.eye(4))
    >>> plant(healthy, np.array([True, False]).reshape(2, 1, 1), -0.5).data.ravel()
    array([0.  , 0.25], dtype=float32)
    """
    return volume.with_data(np.where(mask, np.clip(volume.data + change, 0.0, 1.0), volume.data).astype(np.float32))


def plant_relative(volume: Volume, mask: np.ndarray, change: float) -> Volume:
    """*volume* with FA multiplied by 1 + *change* in *mask* (-0.4: lowered by 40 %), clipped to [0, 1].

    Parameters as :func:`plant`; *change* is relative.

    Examples
    --------
    >>> healthy = Volume(np.full((2, 1, 1), 0.5, np.float32), np.eye(4))
    >>> plant_relative(healthy, np.array([True, False]).reshape(2, 1, 1), -0.5).data.ravel()
    array([0.25, 0.5 ], dtype=float32)
    """
    changed = np.clip(volume.data * (1.0 + change), 0.0, 1.0)
    return volume.with_data(np.where(mask, changed, volume.data).astype(np.float32))


def white_matter_centre(
    volume: Volume, white_matter: np.ndarray, diameter_mm: float, seed: int
) -> tuple[float, float, float]:
    """Draw a centre about which at least half of a sphere is white matter.

    Parameters
    ----------
    volume
        Gives shape and affine.
    white_matter
        bool (X, Y, Z).
    diameter_mm
        Of the sphere.
    seed
        Of the draw.

    Returns
    -------
    tuple of float
        RAS mm, the centre of a white-matter voxel.

    Raises
    ------
    FAError
        ``bad-input`` when :data:`MAX_DRAWS` draws give none.
    """
    candidates = np.argwhere(white_matter)
    generator = np.random.default_rng(seed)
    if len(candidates):
        for _ in range(MAX_DRAWS):
            voxel = candidates[generator.integers(len(candidates))]
            x, y, z = (float(c) for c in (volume.affine @ [*voxel, 1.0])[:3])
            inside = sphere(volume, (x, y, z), diameter_mm)
            if white_matter[inside].mean() >= MIN_WHITE_MATTER_SHARE:
                return x, y, z
    raise FAError("bad-input", f"There is no place for a sphere of {diameter_mm:g} mm", "too little white matter", "")
