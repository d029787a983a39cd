"""One subject under evaluation: its map, its white matter, and its brain with an anomaly in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..datasets.cohort import load_subject, naming
from ..models.manifest import sha256_of
from ..preprocessing.model_grid import PreparedSubject, prepare
from ..preprocessing.template import Template
from ..volume import Volume
from .cases import Case, EvaluationSubject
from .planting.shapes import Shape
from .planting.truth import Anatomy, anatomy, effective_change, planted, truth_of


@dataclass(frozen=True)
class Anomaly:
    """A brain with an anomaly.

    Attributes
    ----------
    volume
        FA in [0, 1].
    truth
        bool (X, Y, Z): what was changed; may be empty for a lesion outside the white matter.
    """

    volume: Volume
    truth: np.ndarray


class Study:
    """Reads and registers a subject when it is first needed, and plants into it.

    Errors (``FAError``) name the subject's file.
    """

    def __init__(self, subject: EvaluationSubject, template: Template, seed: int, shapes: list[Shape]) -> None:
        self.subject = subject
        self._template, self._seed = template, seed
        self._shapes = {shape.name: shape for shape in shapes}
        self._prepared: tuple[Volume, PreparedSubject] | None = None
        self._truth: tuple[tuple, np.ndarray] | None = None
        self._anomaly: tuple[Case, Anomaly] | None = None

    @cached_property
    def fingerprint(self) -> list[str]:
        """What decides the untouched brain and its truths: hashes of the files and of the template, the seed."""
        files = [sha256_of(path) for path in (self.subject.path, self.subject.mask) if path is not None]
        return [self.subject.name, *files, self._template.sha256, str(self._seed)]

    @cached_property
    def _loaded(self) -> tuple[Volume, np.ndarray | None]:
        return load_subject(self.subject.path)

    @cached_property
    def known(self) -> Anatomy:
        """The untouched brain."""
        return anatomy(self.prepare(self._loaded[0]))

    def prepare(self, volume: Volume) -> PreparedSubject:
        """Register *volume* with the subject's brain mask; the same object is not registered twice in a row."""
        if self._prepared is None or self._prepared[0] is not volume:
            with naming(self.subject.path):
                self._prepared = volume, prepare(volume, self._template, self._loaded[1])
        return self._prepared[1]

    def anomaly(self, case: Case) -> Anomaly:
        """The brain with *case* in it; the last one is kept, so that all methods get the same object."""
        if self._anomaly is None or self._anomaly[0] != case:
            if self._truth is None or self._truth[0] != case.where:
                with naming(self.subject.path):
                    self._truth = case.where, truth_of(case, self.subject, self.known, self._seed, self._shapes)
            truth = self._truth[1]
            self._anomaly = case, Anomaly(planted(case, self.known.volume, truth), truth)
        return self._anomaly[1]

    def change(self, case: Case) -> float:
        """Mean change of FA over the truth of *case* after clipping."""
        anomaly = self.anomaly(case)
        with naming(self.subject.path):
            return effective_change(self.known.volume, anomaly.volume, anomaly.truth)

    def close(self) -> None:
        """Give the memory back; everything is read again when it is needed."""
        self._prepared = self._truth = self._anomaly = None
        for name in ("_loaded", "known"):
            self.__dict__.pop(name, None)
