"""FA-like brains for tests, whose place, storage and lesion are known exactly.

A brain is the bundled template with an individual's smooth variation and fine texture, carried by a known
affine into a subject's world and sampled on any grid. Texture and lesion belong to the brain, not to the grid,
so that the same brain sampled on two grids is the same brain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from FAAnomalyLib.preprocessing.template import Template, load_template
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.volume import Volume

ORDINARY_HEAD = (1.04, 0.97, 1.02)
DEEP_WHITE_MATTER = (26.0, -24.0, 28.0)
"""RAS mm in the template's world, right centrum semiovale."""


@lru_cache(maxsize=1)
def template() -> Template:
    """The bundled template."""
    return load_template(resources_dir() / "Template")


@dataclass(frozen=True)
class Lesion:
    """A sphere of changed FA; the centre is given in the template's world."""

    centre: tuple[float, float, float] = DEEP_WHITE_MATTER
    radius_mm: float = 10.0
    change: float = 0.3


def rotation(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """3x3 rotation about the x, then y, then z axis, in degrees."""
    turn = np.eye(3)
    for axis, angle in enumerate((x, y, z)):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        one = np.eye(3)
        a, b = [i for i in range(3) if i != axis]
        one[a, a] = one[b, b] = c
        one[a, b], one[b, a] = (-s, s) if axis != 1 else (s, -s)
        turn = one @ turn
    return turn


def head(scales=ORDINARY_HEAD, shift=(4.0, -7.0, 5.0), **degrees: float) -> np.ndarray:
    """4x4 affine, template RAS mm -> subject RAS mm: scale, then turn, then shift."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation(**degrees) @ np.diag(scales)
    matrix[:3, 3] = shift
    return matrix


def grid(spacing=(2.5, 2.5, 2.5), matrix: np.ndarray | None = None, **degrees: float) -> tuple[tuple, np.ndarray]:
    """Shape and affine of a RAS grid, turned by *degrees*, that holds the whole head under *matrix*."""
    matrix = np.eye(4) if matrix is None else matrix
    inside = np.argwhere(template().priors.brain > 0.05)
    world = _map(matrix @ template().fa.affine, inside)
    turn = rotation(**degrees)
    along = world @ turn
    low, high = along.min(0) - 6.0, along.max(0) + 6.0
    spacing = np.array(spacing, float)
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = turn @ low
    return tuple(int(n) for n in np.ceil((high - low) / spacing) + 1), affine


def brain(
    shape: tuple,
    affine: np.ndarray,
    matrix: np.ndarray | None = None,
    *,
    seed: int = 1,
    variation: float = 0.1,
    texture: float = 0.03,
    lesion: Lesion | None = None,
    outline: float = 0.5,
) -> Volume:
    """The individual *seed* under *matrix*, sampled linearly on a grid; FA in [0, 1], exactly 0 outside.

    *variation* is the SD of the smooth relative change, *texture* of the voxelwise noise of the brain itself.
    The brain ends sharply where the template's probability of brain falls below *outline*; 0.05 is all that the
    template shows.
    """
    matrix = np.eye(4) if matrix is None else matrix
    rng = np.random.default_rng(seed)
    known = template()
    smooth = ndimage.gaussian_filter(rng.standard_normal(known.fa.shape), 5.0)
    fine = ndimage.gaussian_filter(rng.standard_normal(known.fa.shape), 0.6)
    fa = known.priors.fa * (1.0 + variation * smooth / smooth.std()) + texture * fine / fine.std()
    inside = known.priors.brain > outline
    step = np.linalg.inv(matrix @ known.fa.affine) @ affine
    sample = {"matrix": step[:3, :3], "offset": step[:3, 3], "output_shape": shape, "order": 1}
    fa = ndimage.affine_transform(np.where(inside, np.clip(fa, 0.02, 0.98), 0.0), **sample)
    if lesion is not None:
        fa = np.where(sphere(shape, affine, matrix, lesion), fa + lesion.change, fa)
    fa = np.where(ndimage.affine_transform(inside.astype(np.float32), **sample) > 0.5, fa, 0.0)
    return Volume(np.clip(fa, 0.0, 1.0).astype(np.float32), affine)


def sphere(shape: tuple, affine: np.ndarray, matrix: np.ndarray, lesion: Lesion) -> np.ndarray:
    """Voxels whose centre lies in the lesion, a sphere in the subject's world."""
    index = np.indices(shape).reshape(3, -1).T
    away = _map(affine, index) - lesion_centre(matrix, lesion)
    return (np.linalg.norm(away, axis=1) <= lesion.radius_mm).reshape(shape)


def lesion_centre(matrix: np.ndarray, lesion: Lesion) -> np.ndarray:
    """The lesion's centre in the subject's RAS mm."""
    return _map(matrix, np.array([lesion.centre]))[0]


def stored_as(volume: Volume, codes: str) -> Volume:
    """The same voxels with their axes permuted and flipped to *codes*, as ``LPS`` or ``PIR``, by nibabel."""
    import nibabel
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    image = nibabel.Nifti1Image(volume.data, volume.affine)
    turned = image.as_reoriented(ornt_transform(io_orientation(volume.affine), axcodes2ornt(tuple(codes))))
    return Volume(np.asarray(turned.dataobj), turned.affine)


def misplacement_mm(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Distance between where two maps carry each voxel of the template's brain, mm."""
    inside = np.argwhere(template().priors.brain > 0.5)[::7]
    places = _map(template().fa.affine, inside)
    return np.linalg.norm(_map(found, places) - _map(truth, places), axis=1)


def _map(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:3, :3].T + matrix[:3, 3]
