"""Maps of an experiment on the thesis' grid: healthy, with an anomaly, and the hole round it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...datasets.cohort import CohortSubject, load_stripped, naming
from ...errors import FAError
from ...inpainting.roaming_cubes import Origin, cube_box, cube_edge
from ...pipeline.thesis_procedure.scan_inpainter import scan_white_matter
from ...preprocessing.native_crop import THESIS_VOXELS, native_crop
from ...volume import Volume
from ..planting.lesions import plant
from .design import CUBIC, SphereCase

DRAWS = 300
WHITE_MATTER_SHARE = 0.6
"""Of the sphere about a drawn centre; where no draw reaches it, the best of :data:`DRAWS` is taken."""


@dataclass(frozen=True, eq=False)
class HealthyMap:
    """A healthy map on the grid of the crop, 128 voxels along each edge in the thesis.

    Attributes
    ----------
    volume
        FA in [0, 1], (N, N, N).
    white_matter
        bool: FA above 0.2.
    """

    volume: Volume
    white_matter: np.ndarray


@dataclass(frozen=True, eq=False)
class PlantedSphere:
    """A map with an anomaly.

    Attributes
    ----------
    case
        The anomaly.
    volume
        FA in [0, 1].
    sphere
        bool: the voxels that were changed.
    corner, edge
        Of the cube round the sphere: its lowest corner, and the diameter in voxels of the map.
    healthy
        The map before.
    """

    case: SphereCase
    volume: Volume
    sphere: np.ndarray
    corner: Origin
    edge: int
    healthy: HealthyMap

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The cube round the sphere."""
        return cube_box(self.corner, self.edge)

    def domain(self, mask_type: str) -> np.ndarray:
        """Voxels of the cube that are generated and judged, bool.

        For white-matter guided holes the cube within FA > 0.2 of the scan that is analysed, as in listing A.22: where
        the anomaly lowers FA below 0.2, its voxels leave the hole and are missed.
        """
        cube = np.zeros(self.volume.shape, bool)
        cube[self.box] = True
        return cube if mask_type == CUBIC else cube & scan_white_matter(self.volume.data)

    def truth(self, mask_type: str) -> np.ndarray:
        """Voxels that should be found, bool: the sphere; for white-matter guided holes within healthy white matter."""
        return self.sphere if mask_type == CUBIC else self.sphere & self.healthy.white_matter


class Bench:
    """Makes the maps of an experiment; the last few are kept.

    Parameters
    ----------
    seed
        Of the anomalies' places.
    voxels
        N, along each edge of the crop of 160 mm.
    """

    def __init__(self, seed: int, voxels: int = THESIS_VOXELS) -> None:
        self._seed, self._voxels = seed, voxels
        self.healthy = lru_cache(maxsize=4)(self._healthy)
        self.planted = lru_cache(maxsize=4)(self._planted)

    def edge(self, size: int) -> int:
        """A size in voxels of 1.25 mm as voxels of this grid; ``FAError('bad-request')`` where they are not whole."""
        return cube_edge(size, self._voxels)

    def corner(self, subject: CohortSubject, diameter: int) -> Origin:
        """Origin of the seeded cube of *diameter* in a subject's white matter; the same for every change.

        Raises ``FAError('bad-input')`` for a map without white matter.
        """
        healthy = self.healthy(subject)
        digest = hashlib.sha256(repr((self._seed, subject.name, diameter)).encode()).digest()
        generator = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        edge = self.edge(diameter)
        ball, best, chosen = _ball(edge), -1.0, None
        candidates = np.argwhere(healthy.white_matter)
        for voxel in candidates[generator.integers(len(candidates), size=DRAWS)] if len(candidates) else ():
            at = np.clip(voxel - edge // 2, 0, np.array(healthy.volume.shape) - edge)
            corner = (int(at[0]), int(at[1]), int(at[2]))
            share = float(healthy.white_matter[cube_box(corner, edge)][ball].mean())
            if share > best:
                best, chosen = share, corner
            if share >= WHITE_MATTER_SHARE:
                break
        if chosen is None:
            raise FAError(
                "bad-input", f"{subject.path.name}: no white matter on the thesis' grid", "no FA above 0.2", ""
            )
        return chosen

    def _healthy(self, subject: CohortSubject) -> HealthyMap:
        with naming(subject.path):
            crop = native_crop(load_stripped(subject), self._voxels)
        return HealthyMap(Volume(crop.fa, crop.affine), scan_white_matter(crop.fa))

    def _planted(self, subject: CohortSubject, case: SphereCase) -> PlantedSphere:
        healthy, corner = self.healthy(subject), self.corner(subject, case.diameter)
        sphere = np.zeros(healthy.volume.shape, bool)
        edge = self.edge(case.diameter)
        sphere[cube_box(corner, edge)] = _ball(edge)
        return PlantedSphere(case, plant(healthy.volume, sphere, case.change), sphere, corner, edge, healthy)


def _ball(diameter: int) -> np.ndarray:
    """Voxels of a cube of that edge whose centre lies in the sphere that it holds, bool."""
    away = np.arange(diameter) - (diameter - 1) / 2
    squared = away[:, None, None] ** 2 + away[:, None] ** 2 + away**2
    return squared <= (diameter / 2) ** 2
