"""An FA template: the left-right symmetric average of registered FA maps.

Every person counts once, however many maps there are of them. The first registration target is any FA map in a
standard space. Each further round registers to the average of the round before and warps every brain onto it, so that
tracts lie on tracts and stay sharp.

What each person adds to the average is known, so templates without a person come with it: healthy people are compared
with a template that does not hold them (:mod:`.fold_folders`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..datasets.cohort import CohortSubject, load_subject, naming
from ..io.volumes import save_volume
from ..preprocessing.deformable_registration import warped
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import PreparedSubject
from ..preprocessing.preparation import prepare
from ..preprocessing.template import ALIGNED, TEMPLATE_FILES, Template, TemplatePriors, symmetric_grid
from ..preprocessing.template_warping import warp_template
from ..volume import Volume

MODEL_SHAPE = (80, 96, 80)
MODEL_SPACING_MM = 2.0
MODEL_CENTRE_RAS = (0.0, -16.0, 8.0)
"""The model grid covers 160 x 192 x 160 mm about the brain in MNI space."""
WHITE_MATTER_FA = 0.25
WHITE_MATTER_DEPTH_MM = 4.0
"""White matter is looked for deeper than this below the brain's noisy edge."""
LEAST_BRAIN = 0.05
"""Probability of brain below which the template's FA is 0."""


@dataclass(frozen=True)
class PeopleAverage:
    """What each person adds to a template.

    Attributes
    ----------
    affine
        4x4, of the model grid.
    people
        Person -> (4, X, Y, Z), float32: FA, white matter and brain, each of both hemispheres where they were seen, and
        in how many of the two that was.
    unwarped
        Whether the brains lie on each other by affine registration alone.
    """

    affine: np.ndarray
    people: dict[str, np.ndarray]
    unwarped: bool

    def template(self, without: Collection[str] = ()) -> Template:
        """The mean of all people but those named.

        Raises
        ------
        ValueError
            When nobody is left.
        """
        parts = [part for person, part in self.people.items() if person not in without]
        if not parts:
            raise ValueError("a template needs at least one person")
        total = np.asarray(np.sum(parts, axis=0, dtype=np.float64))
        means = total[:3] / np.maximum(total[3], 1e-6)
        fa, white_matter, brain = (
            np.clip(ndimage.gaussian_filter(mean, sigma), 0.0, 1.0).astype(np.float32)
            for mean, sigma in zip(means, (0.5 if self.unwarped else 0.0, 0.5, 0.7), strict=True)
        )
        fa = np.where(brain > LEAST_BRAIN, fa, 0.0).astype(np.float32)
        return Template(Volume(fa, self.affine), TemplatePriors(fa, white_matter, brain))


def average_people(
    subjects: list[CohortSubject],
    target: Volume,
    rounds: int = 3,
    report: Callable[[str], None] = print,
    check: Check | None = None,
) -> PeopleAverage:
    """Average registered FA maps.

    Parameters
    ----------
    subjects
        Healthy people's FA maps.
    target
        First registration target: an FA map in [0, 1] in a standard space, on any grid.
    rounds
        Number of registrations and averages.
    report
        Called with a line for every registration.
    check
        Called during the registrations; may raise to cancel.

    Returns
    -------
    PeopleAverage
        On the model grid, 80 x 96 x 80 voxels of 2 mm.

    Raises
    ------
    FAError
        ``bad-input``, with the file's name, when a map cannot be used.
    """
    template = _first_target(target)
    loaded = [load_subject(subject) for subject in subjects]
    average = PeopleAverage(template.fa.affine, {}, True)
    for number in range(rounds):
        maps: dict[str, list[np.ndarray]] = {}
        for subject, (volume, brain) in zip(subjects, loaded, strict=True):
            with naming(subject.path):
                prepared = prepare(volume, template, brain, check, warps=False)
            correlation = prepared.grid.alignment.correlation
            report(f"round {number + 1}: {subject.path.name}: correlation {correlation:.3f}")
            maps.setdefault(subject.person, []).append(_on_template(prepared, template, number > 0, check))
        people = {person: _of_both_hemispheres(own) for person, own in maps.items()}
        average = PeopleAverage(template.fa.affine, people, number == 0)
        template = average.template()
    return average


def save_template(template: Template, folder: Path) -> None:
    """Write :data:`~FAAnomalyLib.preprocessing.template.TEMPLATE_FILES`, rounded to three decimals."""
    folder.mkdir(parents=True, exist_ok=True)
    priors = template.priors
    for name, array in zip(TEMPLATE_FILES, (priors.fa, priors.white_matter, priors.brain), strict=True):
        save_volume(template.fa.with_data((np.round(array * 1000) / 1000).astype(np.float32)), folder / name)
    if template.aligned:
        (folder / ALIGNED).touch()
    else:
        (folder / ALIGNED).unlink(missing_ok=True)


def _first_target(target: Volume) -> Template:
    """A symmetric template of one FA map."""
    affine = symmetric_grid(MODEL_SHAPE, MODEL_SPACING_MM, MODEL_CENTRE_RAS)
    step = np.linalg.inv(target.affine) @ affine
    fa = ndimage.affine_transform(target.data, step[:3, :3], step[:3, 3], output_shape=MODEL_SHAPE, order=1)
    fa = (fa + fa[::-1]) / 2
    brain = ndimage.binary_fill_holes(ndimage.binary_closing(fa > 0.02, iterations=2)).astype(np.float32)
    return Template(Volume(fa, affine), TemplatePriors(fa, (fa > WHITE_MATTER_FA).astype(np.float32), brain))


def _on_template(prepared: PreparedSubject, template: Template, warps: bool, check: Check | None) -> np.ndarray:
    """FA, white matter, brain and what was seen of one map on the template, (4, X, Y, Z), float32."""
    seen = prepared.grid.in_view(prepared.native_brain)
    priors = _subject_priors(prepared)
    own = np.stack([priors.fa, priors.white_matter, priors.brain, seen.astype(np.float32)])
    if not warps:
        return own
    moved = warp_template(priors, template.priors.fa, prepared.grid.spacing_mm, seen, check=check)
    assert moved.displacement is not None
    own = warped(own, moved.displacement)
    # A cut field of view says nothing about what lies beyond it.
    own[3] = own[3] > 0.99
    return own


def _of_both_hemispheres(maps: list[np.ndarray]) -> np.ndarray:
    """The mean of one person's maps plus its mirror image, and how many of the two were seen, (4, X, Y, Z)."""
    count = np.sum([one[3] for one in maps], axis=0)
    mean = np.sum([one[:3] * one[3] for one in maps], axis=0) / np.maximum(count, 1.0)
    known = np.concatenate([mean, (count > 0)[None]]).astype(np.float32)
    return known + known[:, ::-1]


def _subject_priors(prepared: PreparedSubject) -> TemplatePriors:
    """One brain's FA, white matter and mask, in the form of template priors."""
    smooth = ndimage.gaussian_filter(prepared.fa, 0.6)
    depth = ndimage.distance_transform_edt(prepared.brain, sampling=MODEL_SPACING_MM)
    white_matter = (smooth > WHITE_MATTER_FA) & (depth > WHITE_MATTER_DEPTH_MM)
    return TemplatePriors(prepared.fa, white_matter.astype(np.float32), prepared.brain.astype(np.float32))
