"""What was truly changed: a shape within the white matter of the untouched map."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ...errors import FAError
from ...preprocessing.model_grid import PreparedSubject
from ...preprocessing.template import WHITE_MATTER_PROBABILITY
from ...volume import Volume
from ..cases import LESION, Case, EvaluationSubject
from .lesions import plant, scale, sphere, white_matter_centre
from .shapes import Shape, brought

MIN_TRUTH_ML = 0.5
"""A lesion shape of which less lies in a subject's white matter is left out for that subject."""


@dataclass(frozen=True)
class Anatomy:
    """A healthy map and its white matter, known before anything is planted.

    Attributes
    ----------
    volume
        The untouched FA map, clean, in [0, 1].
    white
        bool (X, Y, Z) on its grid: registered prior above :data:`WHITE_MATTER_PROBABILITY`, inside the brain.
    template_to_subject
        4x4, template RAS mm -> subject RAS mm, of the untouched map.
    """

    volume: Volume
    white: np.ndarray
    template_to_subject: np.ndarray

    def millilitres(self, where: np.ndarray) -> float:
        """Size of a boolean array on the grid."""
        return np.count_nonzero(where) * self.volume.voxel_ml


def anatomy(prepared: PreparedSubject) -> Anatomy:
    """White matter of an untouched map that was registered."""
    grid = prepared.grid
    white = (grid.to_native(grid.priors.white_matter) > WHITE_MATTER_PROBABILITY) & prepared.native_brain
    return Anatomy(grid.native, white, grid.alignment.matrix)


def truth_of(case: Case, subject: EvaluationSubject, known: Anatomy, seed: int, shapes: dict[str, Shape]) -> np.ndarray:
    """Voxels that *case* changes in *subject*, bool (X, Y, Z); always white matter.

    A sphere's place is a white-matter voxel drawn with *seed*, the subject's name, the diameter and the
    number of the place, about which at least half of the sphere is white matter. Raises ``FAError('bad-input')``
    when there is no such place.
    """
    if case.kind == LESION:
        return brought(shapes[case.lesion], known.volume, known.template_to_subject) & known.white
    draw = hashlib.sha256(repr((seed, subject.name, case.diameter, case.place)).encode()).digest()
    centre = white_matter_centre(known.volume, known.white, case.diameter_mm, int.from_bytes(draw[:8], "big"))
    return sphere(known.volume, centre, case.diameter_mm) & known.white


def planted(case: Case, volume: Volume, truth: np.ndarray) -> Volume:
    """*volume* with the case's anomaly in it, FA clipped to [0, 1]."""
    return (scale if case.kind == LESION else plant)(volume, truth, case.change)


def effective_change(untouched: Volume, changed: Volume, truth: np.ndarray) -> float:
    """Mean change of FA over the truth after clipping; raises ``FAError('bad-input')`` when clipping left none."""
    change = float((changed.data[truth].astype(np.float64) - untouched.data[truth]).mean())
    if abs(change) < 1e-6:
        raise FAError(
            "bad-input",
            "The planted anomaly changes nothing",
            "FA is 0 or 1 in all of it",
            "Check that the map is FA, or plant another change",
        )
    return change
