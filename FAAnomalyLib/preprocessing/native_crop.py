"""The thesis' way to a network's grid: a cube of the map's own voxels, without registration or smoothing.

The thesis crops 145 x 174 x 145 voxels of 1.25 mm to 128 cubed, 160 mm along each axis. Axes are brought to right,
anterior, superior by reordering alone. A map of other voxels is resampled by its voxel size alone: linearly, so that
what is 0 outside the brain stays 0 (cubes are chosen by zeros, listing A.22) and nothing leaves [0, 1]; where the
grid's voxels are the larger ones, the linear kernel is widened to them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..geometry.bounding_box import bounding_box
from ..geometry.orientation import native_order, nearest_canonical
from ..request import CROP_CENTRES, CROP_FIELD_MM
from ..volume import Volume

THESIS_VOXELS = 128
THESIS_SHAPE = (145, 174, 145)
"""Of the maps that the thesis crops, which begin at voxel (8, 23, 8)."""
SAME_SIZE = 1e-3
"""Voxels whose edges differ by no more than this share are not resampled."""


@dataclass(frozen=True, eq=False)
class NativeCrop:
    """A cube of an FA map, and the way back.

    Attributes
    ----------
    fa
        FA in [0, 1], float32 (N, N, N); 0 where the cube reaches beyond the map.
    native
        The map.
    spacing_mm
        Edge of a voxel of the cube.
    start
        First voxel of the cube in the map with its axes reordered and its voxels resampled; negative where the cube
        reaches beyond.
    resampled_shape
        Of that map.
    clipped_ml
        How much of the map that is not 0 lies outside the cube.
    brain_mm
        Edges of the smallest box that holds everything that is not 0, along x, y and z.
    """

    fa: np.ndarray
    native: Volume
    spacing_mm: float
    start: tuple[int, int, int]
    resampled_shape: tuple[int, int, int]
    clipped_ml: float
    brain_mm: tuple[float, float, float]

    @property
    def resampled(self) -> bool:
        """Whether the map's voxels are of another size than the cube's."""
        return not _same_size(self.native.spacing, self.spacing_mm)

    @property
    def affine(self) -> np.ndarray:
        """4x4, from voxels of the cube to RAS mm."""
        canonical = nearest_canonical(self.native)
        ratio = self.spacing_mm / canonical.spacing if self.resampled else np.ones(3)
        change = np.diag([*ratio, 1.0])
        old, new = np.array(canonical.shape), np.array(self.resampled_shape)
        change[:3, 3] = (old - 1) / 2 + ratio * (np.array(self.start) - (new - 1) / 2)
        return canonical.affine @ change

    def to_native(self, values: np.ndarray) -> np.ndarray:
        """*values* (N, N, N) of the cube on the map's own voxels, float32; 0 outside the cube.

        Voxels of the cube's size are copied bit by bit; others are interpolated linearly.
        """
        whole = np.zeros(self.resampled_shape, np.float32)
        inside, of_cube = _overlap(self.start, values.shape, self.resampled_shape)
        whole[inside] = values[of_cube]
        if self.resampled:
            canonical = nearest_canonical(self.native)
            whole = _resample(whole, canonical.shape, canonical.spacing / self.spacing_mm, widened=False)
        return native_order(whole, self.native)

    def remarks(self) -> list[str]:
        """What a user should know of it, one sentence each."""
        remarks = []
        if self.resampled:
            sizes = " x ".join(f"{size:.3g}" for size in self.native.spacing)
            remarks.append(
                f"voxels of {sizes} mm were resampled to {self.spacing_mm:g} mm by their size alone, linearly and "
                "without registration or smoothing, and the results back in the same way"
            )
        if self.clipped_ml > 0:
            longest = " x ".join(f"{length:.0f}" for length in self.brain_mm)
            edge = len(self.fa) * self.spacing_mm
            remarks.append(
                f"{self.clipped_ml:.1f} ml of the map lie outside the crop of {edge:.0f} mm and are not looked at: "
                f"what is not 0 measures {longest} mm"
            )
        return remarks


def native_crop(volume: Volume, voxels: int = THESIS_VOXELS, centre: str = "auto") -> NativeCrop:
    """Cut the thesis' cube of 160 mm out of an FA map.

    Parameters
    ----------
    volume
        FA in [0, 1], 0 outside the brain; any axis order, voxel size and oblique position.
    voxels
        N, the cube's edge in voxels of 160 / N mm: 128 as in the thesis, fewer to try it at less cost.
    centre
        One of :data:`FAAnomalyLib.request.CROP_CENTRES`: the middle of the array, or of the smallest box that
        holds all that is not 0.

    Examples
    --------
    >>> fa = np.zeros(THESIS_SHAPE, np.float32)
    >>> native_crop(Volume(fa, np.diag([1.25, 1.25, 1.25, 1.0]))).start
    (8, 23, 8)
    """
    if centre not in CROP_CENTRES:
        raise ValueError(f"centre must be one of {', '.join(CROP_CENTRES)}, not {centre!r}")
    spacing = CROP_FIELD_MM / voxels
    canonical = nearest_canonical(volume)
    data = canonical.data.astype(np.float32, copy=False)
    if not _same_size(canonical.spacing, spacing):
        shape = tuple(max(1, round(n * size / spacing)) for n, size in zip(data.shape, canonical.spacing, strict=True))
        data = np.clip(_resample(data, shape, spacing / canonical.spacing, widened=True), 0.0, 1.0)
    box = bounding_box(data != 0)
    if centre == "array" or (centre == "auto" and canonical.shape == THESIS_SHAPE):
        starts = [(n - voxels) // 2 for n in data.shape]
    else:
        starts = [one.start - (voxels - (one.stop - one.start)) // 2 for one in box]
    start = (starts[0], starts[1], starts[2])
    fa = np.zeros((voxels,) * 3, np.float32)
    inside, of_cube = _overlap(start, fa.shape, data.shape)
    fa[of_cube] = data[inside]
    outside = int(np.count_nonzero(data)) - int(np.count_nonzero(fa))
    edges = [float((one.stop - one.start) * spacing) for one in box]
    clipped_ml = outside * spacing**3 / 1000.0
    return NativeCrop(fa, volume, spacing, start, data.shape, clipped_ml, (edges[0], edges[1], edges[2]))


def _same_size(sizes: np.ndarray, spacing: float) -> bool:
    return bool(np.all(np.abs(sizes / spacing - 1.0) <= SAME_SIZE))


def _overlap(
    start: tuple[int, ...], cube: tuple[int, ...], whole: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of the part that a cube at *start* shares with a whole array: in the array, and in the cube."""
    inside, of_cube = [], []
    for first, edge, n in zip(start, cube, whole, strict=True):
        low, high = max(first, 0), min(first + edge, n)
        high = max(high, low)
        inside.append(slice(low, high))
        of_cube.append(slice(low - first, high - first))
    return tuple(inside), tuple(of_cube)


def _resample(data: np.ndarray, shape: tuple[int, ...], step: np.ndarray, widened: bool) -> np.ndarray:
    """*data* on a concentric grid of *shape* whose voxels are *step* old voxels apart, axis by axis."""
    for axis, (n, size) in enumerate(zip(shape, step, strict=True)):
        weights = _linear_weights(data.shape[axis], n, float(size), widened)
        data = np.moveaxis(np.tensordot(weights, data, axes=(1, axis)), 0, axis)
    return data.astype(np.float32)


def _linear_weights(old: int, new: int, step: float, widened: bool) -> np.ndarray:
    """(new, old) weights of a linear kernel, of the larger voxels' width where *widened*; rows add up to 1 inside."""
    width = max(step, 1.0) if widened else 1.0
    places = (np.arange(new) - (new - 1) / 2) * step + (old - 1) / 2
    # The outermost voxels reach to their faces.
    places = np.clip(places, 0.0, old - 1.0)
    weights = np.maximum(1.0 - np.abs(places[:, None] - np.arange(old)[None, :]) / width, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)
