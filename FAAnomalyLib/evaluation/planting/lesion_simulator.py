"""One subject under evaluation: registration of its map, and simulated lesions in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...datasets.cohort import CohortSubject, load_subject, naming
from ...models.manifest import sha256_of
from ...preprocessing.interruptible_itk import Check
from ...preprocessing.model_grid import PreparedSubject
from ...preprocessing.preparation import prepare
from ...preprocessing.template import Template
from ...volume import Volume
from ..cases import Case
from .shapes import LesionShape
from .truth import GroundTruth, HealthyReference, effective_change, ground_truth_mask, healthy_reference, plant_case


@dataclass(frozen=True)
class PlantedVolume:
    """A brain with an anomaly.

    Attributes
    ----------
    case
        The anomaly.
    volume
        FA in [0, 1].
    truth
        bool (X, Y, Z): changed voxels; may be empty for a lesion shape outside the white matter.
    """

    case: Case
    volume: Volume
    truth: np.ndarray


class LesionSimulator:
    """Reads and registers a subject when it is first needed, and plants anomalies into it.

    An ``FAError`` names the subject's file.

    Parameters
    ----------
    subject
        The healthy subject.
    template
        Registration target; also decides what is white matter.
    seed
        Of the spheres' places.
    shapes
        Lesion shapes that cases may name.
    """

    def __init__(
        self,
        subject: CohortSubject,
        template: Template,
        seed: int,
        shapes: Sequence[LesionShape] = (),
        check: Check | None = None,
    ) -> None:
        self.subject = subject
        self._template, self._seed, self._check = template, seed, check
        self._shapes = {shape.name: shape for shape in shapes}
        self._prepared: tuple[Volume, PreparedSubject] | None = None
        self._truth: tuple[tuple, np.ndarray] | None = None
        self._planted: PlantedVolume | None = None

    @cached_property
    def fingerprint(self) -> list[str]:
        """What decides the untouched brain and its ground truths: name, hashes of files and template, seed."""
        files = [sha256_of(path) for path in (self.subject.path, self.subject.mask) if path is not None]
        return [self.subject.name, *files, self._template.sha256, str(self._seed)]

    @cached_property
    def _loaded(self) -> tuple[Volume, np.ndarray | None]:
        return load_subject(self.subject)

    @property
    def healthy_volume(self) -> Volume:
        """The untouched map, in [0, 1]."""
        return self._loaded[0]

    @cached_property
    def reference(self) -> HealthyReference:
        """The untouched brain."""
        return healthy_reference(self.prepare(self._loaded[0]))

    def prepare(self, volume: Volume) -> PreparedSubject:
        """Register *volume* with the subject's brain mask; the same object is not registered twice in a row."""
        if self._prepared is None or self._prepared[0] is not volume:
            with naming(self.subject.path):
                self._prepared = volume, prepare(volume, self._template, self._loaded[1], self._check)
        return self._prepared[1]

    def plant(self, case: Case) -> PlantedVolume:
        """The brain with *case* in it; the last one is kept, so that all methods get the same object."""
        if self._planted is None or self._planted.case != case:
            truth = self._truth_mask(case)
            self._planted = PlantedVolume(case, plant_case(case, self.reference.volume, truth), truth)
        return self._planted

    def ground_truth(self, case: Case) -> GroundTruth:
        """The ground truth of *case*; raises ``FAError('bad-input')`` when clipping left no change."""
        planted = self.plant(case)
        with naming(self.subject.path):
            change = effective_change(self.reference.volume, planted.volume, planted.truth)
        return GroundTruth(self.reference, case, planted.truth, change)

    def close(self) -> None:
        """Give the memory back; everything is read again when it is needed."""
        self._prepared = self._truth = self._planted = None
        for name in ("_loaded", "reference"):
            self.__dict__.pop(name, None)

    def _truth_mask(self, case: Case) -> np.ndarray:
        if self._truth is None or self._truth[0] != case.location:
            with naming(self.subject.path):
                mask = ground_truth_mask(case, self.subject, self.reference, self._seed, self._shapes)
            self._truth = case.location, mask
        return self._truth[1]
