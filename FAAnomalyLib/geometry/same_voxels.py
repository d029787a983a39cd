"""Masks that hold a map's own voxels in another order: turned, mirrored, cropped or padded, but never resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import FAError
from ..volume import Volume

TOLERANCE = 0.25
"""Of the map's shortest voxel edge. So far may a voxel of a mask lie from the map's own: headers lose digits and
programs straighten axes, yet which voxel is meant stays beyond doubt."""


@dataclass(frozen=True)
class VoxelOrder:
    """How the voxels of one grid lie in another.

    Attributes
    ----------
    axes
        For each axis of the map the mask's axis that runs along it.
    signs
        1 where the two run in one direction, -1 where they are opposed.
    start
        The map's index, along each of its axes, of the mask's first voxel there after turning.
    """

    axes: tuple[int, int, int]
    signs: tuple[int, int, int]
    start: tuple[int, int, int]

    @property
    def is_upright(self) -> bool:
        """Whether all axes run alike in both."""
        return (self.axes, self.signs) == ((0, 1, 2), (1, 1, 1))

    @property
    def is_identity(self) -> bool:
        """Whether index (0, 0, 0) and all axes are the same in both."""
        return self.is_upright and self.start == (0, 0, 0)


def onto_grid(mask: Volume, volume: Volume, what: str) -> tuple[np.ndarray, int]:
    """A mask on the voxels of a map that it was drawn on.

    The mask may lie on the place by which this program reads the map or on that by which 3D Slicer does.

    Parameters
    ----------
    mask
        bool (X, Y, Z), in any axis order, cropped or padded.
    volume
        The map.
    what
        Subject of the error: "The region a.nii.gz".

    Returns
    -------
    numpy.ndarray
        bool, of the map's shape.
    int
        Voxels of the mask that lie beside the map.

    Raises
    ------
    FAError
        ``bad-input`` when the mask's voxels are not the map's, with the distance in mm, or when none lies in the map.

    Examples
    --------
    >>> fa = Volume(np.zeros((4, 3, 2)), np.eye(4))
    >>> flipped = Volume(np.arange(24).reshape(4, 3, 2) == 0, np.diag([-1.0, 1.0, 1.0, 1.0]) + np.eye(4, k=3) * 3)
    >>> [part.tolist() for part in np.nonzero(onto_grid(flipped, fa, "The region")[0])]
    [[3], [0], [0]]
    """
    order = _best_order(mask, volume, what)
    data = mask.data.transpose(order.axes)
    data = data[tuple(slice(None, None, sign) for sign in order.signs)]
    begins = np.maximum(order.start, 0)
    ends = np.minimum(np.add(order.start, data.shape), volume.shape)
    placed = np.zeros(volume.shape, bool)
    if (ends > begins).all():
        here = tuple(slice(b, e) for b, e in zip(begins, ends, strict=True))
        there = tuple(slice(b - s, e - s) for b, e, s in zip(begins, ends, order.start, strict=True))
        placed[here] = data[there]
    lost = int(data.sum()) - int(placed.sum())
    if not placed.any():
        away = np.linalg.norm(_middle(mask) - _middle(volume))
        raise FAError(
            "bad-input",
            f"{what} lies beside the FA map",
            f"the middles of both are {away:.1f} mm apart",
            "Choose the FA map that it was drawn on",
        )
    return placed, lost


def _best_order(mask: Volume, volume: Volume, what: str) -> VoxelOrder:
    """The order in which the mask's voxels are the map's, identity before all others."""
    pairs = [(mask.itk_affine, volume.itk_affine), (mask.affine, volume.affine)]
    if mask.forms is None:
        # Written by ITK or handed over by 3D Slicer, which know the map by one place alone, or made in memory.
        pairs.append((mask.affine, volume.itk_affine))
    found = [_order(mask.shape, own, other) for own, other in pairs]
    near = [order for order, off in found if order is not None and off <= TOLERANCE * volume.spacing.min()]
    if near:
        return next((order for order in near if order.is_identity), near[0])
    sizes = [" x ".join(f"{n:.4g}" for n in v.spacing) for v in (mask, volume)]
    least, off = min(found, key=lambda pair: pair[1])
    if not np.allclose(np.sort(mask.spacing), np.sort(volume.spacing), rtol=0.01):
        why = f"its voxels measure {sizes[0]} mm, the map's {sizes[1]} mm"
    elif least is None:
        why = "it is turned against the map"
    else:
        if mask.shape == volume.shape and least.is_upright:
            off = mask.distance_mm(volume)
        why = f"its voxels lie up to {off:.3g} mm from the map's, {TOLERANCE * volume.spacing.min():.2g} mm are allowed"
    raise FAError(
        "bad-input", f"{what} does not lie on the voxels of the FA map", why, "Resample it to the FA map first"
    )


def _order(shape: tuple[int, int, int], affine: np.ndarray, map_affine: np.ndarray) -> tuple[VoxelOrder | None, float]:
    """The nearest order, and how far it is off at the worst corner of the mask, mm; infinity where there is none."""
    step = np.linalg.inv(map_affine) @ affine
    turn = np.rint(step[:3, :3])
    if not ((np.abs(turn).sum(0) == 1).all() and (np.abs(turn).sum(1) == 1).all()):
        return None, np.inf
    centre = (np.array(shape) - 1) / 2
    shift = np.rint(step[:3, :3] @ centre + step[:3, 3] - turn @ centre)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape])).reshape(3, -1)
    apart = (step[:3, :3] - turn) @ corners + (step[:3, 3] - shift)[:, None]
    off = float(np.linalg.norm(map_affine[:3, :3] @ apart, axis=0).max())
    x, y, z = (int(axis) for axis in np.abs(turn).argmax(1))
    signs = [int(turn[row, column]) for row, column in enumerate((x, y, z))]
    i, j, k = (
        int(first) - (shape[column] - 1 if sign < 0 else 0)
        for first, column, sign in zip(shift, (x, y, z), signs, strict=True)
    )
    return VoxelOrder((x, y, z), (signs[0], signs[1], signs[2]), (i, j, k)), off


def _middle(volume: Volume) -> np.ndarray:
    return volume.affine[:3, :3] @ ((np.array(volume.shape) - 1) / 2) + volume.affine[:3, 3]
