"""Ground truth of a planted anomaly: a shape within the white matter of the untouched map."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...datasets.cohort import CohortSubject
from ...errors import FAError
from ...preprocessing.model_grid import PreparedSubject
from ...preprocessing.template import WHITE_MATTER_PROBABILITY
from ...volume import Volume
from ..cases import LESION, Case
from .lesions import plant, plant_relative, sphere, white_matter_centre
from .shapes import LesionShape, resample_to_subject

MIN_TRUTH_ML = 0.5
"""A lesion shape with less of it in a subject's white matter is left out for that subject."""


@dataclass(frozen=True)
class HealthyReference:
    """A healthy map and its white matter, determined before anything is planted.

    Attributes
    ----------
    volume
        The untouched FA map, validated, in [0, 1].
    white_matter
        bool (X, Y, Z) on its grid: prior above
        :data:`~FAAnomalyLib.preprocessing.template.WHITE_MATTER_PROBABILITY`, inside the brain.
    template_to_subject
        4x4, template RAS mm -> subject RAS mm, from the registration of the untouched map.
    """

    volume: Volume
    white_matter: np.ndarray
    template_to_subject: np.ndarray

    def millilitres(self, mask: np.ndarray) -> float:
        """Volume of a bool array (X, Y, Z) on the grid."""
        return np.count_nonzero(mask) * self.volume.voxel_ml


@dataclass(frozen=True)
class GroundTruth:
    """What was changed in one brain.

    Attributes
    ----------
    reference
        The healthy brain.
    case
        The planted anomaly.
    mask
        bool (X, Y, Z): changed voxels, not empty.
    effective_change
        Mean change of FA over them after clipping to [0, 1], not 0.
    """

    reference: HealthyReference
    case: Case
    mask: np.ndarray
    effective_change: float


def healthy_reference(prepared: PreparedSubject) -> HealthyReference:
    """White matter of an untouched map that was registered."""
    grid = prepared.grid
    white_matter = (grid.to_native(grid.priors.white_matter) > WHITE_MATTER_PROBABILITY) & prepared.native_brain
    return HealthyReference(grid.native, white_matter, grid.alignment.matrix)


def ground_truth_mask(
    case: Case, subject: CohortSubject, reference: HealthyReference, seed: int, shapes: Mapping[str, LesionShape]
) -> np.ndarray:
    """Voxels that *case* changes in *subject*, bool (X, Y, Z); always white matter.

    A sphere's centre is a white-matter voxel drawn with *seed*, the subject's name, the diameter and the number
    of the place, about which at least half of the sphere is white matter. Raises ``FAError('bad-input')`` when
    there is no such place.
    """
    if case.kind == LESION:
        shape = shapes[case.lesion]
        return resample_to_subject(shape, reference.volume, reference.template_to_subject) & reference.white_matter
    digest = hashlib.sha256(repr((seed, subject.name, case.diameter, case.place)).encode()).digest()
    place_seed = int.from_bytes(digest[:8], "big")
    centre = white_matter_centre(reference.volume, reference.white_matter, case.diameter_mm, place_seed)
    return sphere(reference.volume, centre, case.diameter_mm) & reference.white_matter


def plant_case(case: Case, volume: Volume, mask: np.ndarray) -> Volume:
    """*volume* with the case's anomaly in *mask*, bool (X, Y, Z); FA is clipped to [0, 1]."""
    return (plant_relative if case.kind == LESION else plant)(volume, mask, case.change)


def effective_change(untouched: Volume, changed: Volume, mask: np.ndarray) -> float:
    """Mean change of FA over *mask*, bool (X, Y, Z), after clipping.

    Raises ``FAError('bad-input')`` when clipping left no change.
    """
    change = float((changed.data[mask].astype(np.float64) - untouched.data[mask]).mean())
    if abs(change) < 1e-6:
        raise FAError(
            "bad-input",
            "The planted anomaly changes nothing",
            "FA is 0 or 1 in all of it",
            "Check that the map is FA, or plant another change",
        )
    return change
