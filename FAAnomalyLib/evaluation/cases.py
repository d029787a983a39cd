"""What is planted and who judges: every value that decides an evaluation's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..request import MASK_VOXEL_MM
from ..result import Result
from ..volume import Volume
from .planting.shapes import Shape

SPHERE, LESION = "sphere", "lesion"
DIAMETERS = (8, 16, 32)
"""Voxels of 1.25 mm: 10, 20 and 40 mm."""
CHANGES = (0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.05, -0.05)
LESION_CHANGE = -0.4
"""Real shapes have their FA lowered by this share of itself."""


@dataclass(frozen=True)
class Case:
    """One anomaly that is planted into every subject.

    Attributes
    ----------
    kind
        ``sphere`` or ``lesion``.
    diameter
        Of a sphere in voxels of 1.25 mm; 0 for a lesion.
    place
        Number of the seeded place, from 0; 0 for a lesion.
    lesion
        Name of the shape; empty for a sphere.
    change
        FA added (sphere) or share of FA added (lesion), signed.
    """

    kind: str
    diameter: int
    place: int
    lesion: str
    change: float

    @property
    def diameter_mm(self) -> float:
        """Diameter of a sphere in millimetres."""
        return self.diameter * MASK_VOXEL_MM

    @property
    def sign(self) -> str:
        """``increased`` or ``decreased``, as a region that finds it must be."""
        return "increased" if self.change > 0 else "decreased"

    @property
    def where(self) -> tuple[str, int, int, str]:
        """What decides the truth; cases that differ in the change alone share it."""
        return self.kind, self.diameter, self.place, self.lesion

    def words(self) -> str:
        """The case in a few words, for messages."""
        if self.kind == LESION:
            return f"{self.lesion}, FA {self.change:+.0%}"
        return f"sphere of {self.diameter_mm:g} mm, place {self.place + 1}, FA {self.change:+g}"


@dataclass(frozen=True)
class EvaluationProtocol:
    """Which anomalies are planted.

    Attributes
    ----------
    diameters, changes
        Of spheres; every diameter is planted with every change.
    places
        Places for each diameter in each subject, the same for all changes.
    seed
        Of the places.
    """

    diameters: tuple[int, ...] = DIAMETERS
    changes: tuple[float, ...] = CHANGES
    places: int = 2
    seed: int = 0

    def cases(self, shapes: Sequence[Shape] = ()) -> list[Case]:
        """Every anomaly, spheres first; cases with the same truth follow one another."""
        spheres = [
            Case(SPHERE, diameter, place, "", change)
            for diameter in self.diameters
            for place in range(self.places)
            for change in self.changes
        ]
        return spheres + [Case(LESION, 0, 0, shape.name, LESION_CHANGE) for shape in shapes]


@dataclass(frozen=True)
class EvaluationSubject:
    """A healthy volume; several may be of one person, and people are what results are averaged over.

    Attributes
    ----------
    name
        Stem of the file, without ``_FA``.
    person
        Whose it is.
    path
        The FA map.
    mask
        Its brain mask, or None when there is none.
    """

    name: str
    person: str
    path: Path
    mask: Path | None = None


class Judge(Protocol):
    """A method under evaluation, ready for one subject: it sees a volume and never the truth.

    Attributes
    ----------
    identity
        Everything that decides its results; records of another identity are not resumed from.
    """

    identity: str

    def judge(self, volume: Volume) -> Result:
        """Judge a whole brain (FA in [0, 1], on its native grid) with the method's own threshold.

        Of the result are used: ``pseudo_healthy``, ``z_map`` (signed, 0 where nothing was judged),
        ``segmentation``, ``regions``, and of ``provenance``, where they are there, ``threshold_z``,
        ``network_evaluations`` and ``warnings``.
        """


class JudgeFor(Protocol):
    """Gives every subject its judge: the same model for all, or for each one a model that has not seen them."""

    def __call__(self, subject: EvaluationSubject) -> Judge: ...
