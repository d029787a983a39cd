"""Values that decide what an evaluation measures: planted anomalies, subjects, and the design of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..datasets.cohort import CohortSubject
from ..request import MASK_VOXEL_MM
from ..result import DECREASED, INCREASED
from .methods.registry import MethodChoice
from .planting.shapes import LesionShape

SPHERE, LESION = "sphere", "lesion"
DIAMETERS = (8, 16, 32)
"""Voxels of 1.25 mm: 10, 20 and 40 mm."""
CHANGES = (0.3, -0.3, 0.2, -0.2, 0.1, -0.1, 0.05, -0.05)
LESION_CHANGE = -0.4
"""Relative change of FA inside lesion shapes."""


@dataclass(frozen=True)
class Case:
    """One anomaly that is planted into every subject.

    The names of the fields are stored in records and in ``evaluation.json``.

    Attributes
    ----------
    kind
        ``sphere`` or ``lesion``.
    diameter
        Diameter of a sphere in voxels of 1.25 mm; 0 for a lesion.
    place
        Number of the seeded place, from 0; 0 for a lesion.
    lesion
        Name of the lesion shape; empty for a sphere.
    change
        FA added (sphere) or relative change of FA (lesion), signed.
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
        """``increased`` or ``decreased``: the sign of a region that detects it."""
        return "increased" if self.change > 0 else "decreased"

    @property
    def label(self) -> int:
        """Label of that sign in a segmentation."""
        return INCREASED if self.change > 0 else DECREASED

    @property
    def location(self) -> tuple[str, int, int, str]:
        """What decides the ground truth; cases that differ only in their change share it."""
        return self.kind, self.diameter, self.place, self.lesion


@dataclass(frozen=True)
class EvaluationProtocol:
    """Which anomalies are planted. The names of the fields are stored in ``evaluation.json``.

    Attributes
    ----------
    diameters, changes
        Of spheres; every diameter is planted with every change.
    places
        Number of places for each diameter in each subject, the same for all changes.
    seed
        Of the places.
    """

    diameters: tuple[int, ...] = DIAMETERS
    changes: tuple[float, ...] = CHANGES
    places: int = 2
    seed: int = 0

    def cases(self, shapes: Sequence[LesionShape] = ()) -> list[Case]:
        """Every anomaly, spheres first. Cases with the same ground truth follow one another.

        Examples
        --------
        >>> protocol = EvaluationProtocol(diameters=(8, 16), changes=(0.2, -0.2), places=1)
        >>> [(case.diameter_mm, case.change, case.sign) for case in protocol.cases()][:2]
        [(10.0, 0.2, 'increased'), (10.0, -0.2, 'decreased')]
        """
        spheres = [
            Case(SPHERE, diameter, place, "", change)
            for diameter in self.diameters
            for place in range(self.places)
            for change in self.changes
        ]
        return spheres + [Case(LESION, 0, 0, shape.name, LESION_CHANGE) for shape in shapes]


@dataclass(frozen=True)
class EvaluationDesign:
    """Who is evaluated with which anomalies.

    Attributes
    ----------
    subjects
        At least one.
    protocol
        Which anomalies are planted.
    shapes
        Lesion shapes; may be empty.
    methods
        The comparators; None for the quick ones that need no training.
    device
        Of the comparators' networks, as in :class:`~FAAnomalyLib.request.DetectRequest`.
    """

    subjects: Sequence[CohortSubject]
    protocol: EvaluationProtocol
    shapes: Sequence[LesionShape] = ()
    methods: Sequence[MethodChoice] | None = None
    device: str = "auto"

    def cases(self) -> list[Case]:
        """Every anomaly that is planted into every subject."""
        return self.protocol.cases(self.shapes)
