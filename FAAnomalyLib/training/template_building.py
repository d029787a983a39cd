"""An FA template: the left-right symmetric average of registered FA maps.

Every person counts once, however many maps there are of them. The first registration target is any FA map in a
standard space. Each further round registers to the average of the round before and warps every brain onto it, so that
tracts lie on tracts and stay sharp.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..datasets.cohort import CohortSubject, load_subject, naming
from ..io.volumes import save_volume
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.model_grid import PreparedSubject, prepare
from ..preprocessing.template import (
    ALIGNED,
    BRAIN_PROBABILITY,
    TEMPLATE_FILES,
    Template,
    TemplatePriors,
    symmetric_grid,
)
from ..preprocessing.template_warping import warp_template
from ..volume import Volume

MODEL_SHAPE = (80, 96, 80)
MODEL_SPACING_MM = 2.0
MODEL_CENTRE_RAS = (0.0, -16.0, 8.0)
"""The model grid covers 160 x 192 x 160 mm about the brain in MNI space."""
WHITE_MATTER_FA = 0.25
WHITE_MATTER_DEPTH_MM = 4.0
"""White matter is looked for deeper than this below the brain's noisy edge."""
MIN_VIEW = 0.9
"""A map that shows less of the template's brain than this share is not warped: its cut faces would be bent."""


def make_template(
    subjects: list[CohortSubject],
    target: Volume,
    rounds: int = 3,
    report: Callable[[str], None] = print,
    check: Check | None = None,
) -> Template:
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
    Template
        On the model grid, 80 x 96 x 80 voxels of 2 mm.

    Raises
    ------
    FAError
        ``bad-input``, with the file's name, when a map cannot be used.
    """
    template = _first_target(target)
    loaded = [load_subject(subject) for subject in subjects]
    for number in range(rounds):
        by_person: dict[str, list[PreparedSubject]] = {}
        for subject, (volume, brain) in zip(subjects, loaded, strict=True):
            with naming(subject.path):
                prepared = prepare(volume, template, brain, check)
            correlation = prepared.grid.alignment.correlation
            report(f"round {number + 1}: {subject.path.name}: correlation {correlation:.3f}")
            by_person.setdefault(subject.person, []).append(prepared)
        template = _average(list(by_person.values()), template, warped=number > 0, check=check)
    return template


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


def _average(people: list[list[PreparedSubject]], template: Template, warped: bool, check: Check | None) -> Template:
    """The symmetric mean of people, each the mean of their maps; *warped* onto *template* or as registered."""
    view_sum = np.zeros(MODEL_SHAPE)
    prior_sum = np.zeros((3, *MODEL_SHAPE))
    brain = template.priors.brain > BRAIN_PROBABILITY
    for maps in people:
        for prepared in maps:
            # A cut field of view says nothing about what lies beyond it.
            view = prepared.grid.to_model(np.ones(prepared.grid.native.shape), order=1) > 0.99
            priors = _subject_priors(prepared)
            if warped and view[brain].mean() > MIN_VIEW:
                priors = warp_template(priors, template.priors.fa, prepared.grid.spacing_mm, check)
            share = view / len(maps)
            view_sum += share
            prior_sum += share * np.stack([priors.fa, priors.white_matter, priors.brain])
    means = []
    for mean, sigma in zip(prior_sum / np.maximum(view_sum, 1e-6), (0.0 if warped else 0.5, 0.5, 0.7), strict=True):
        mean = ndimage.gaussian_filter((mean + mean[::-1]) / 2, sigma)
        means.append(np.clip(mean, 0.0, 1.0).astype(np.float32))
    fa, white_matter, brain_probability = means
    fa = np.where(brain_probability > 0.05, fa, 0.0).astype(np.float32)
    return Template(Volume(fa, template.fa.affine), TemplatePriors(fa, white_matter, brain_probability))


def _subject_priors(prepared: PreparedSubject) -> TemplatePriors:
    """One brain's FA, white matter and mask, in the form of template priors."""
    smooth = ndimage.gaussian_filter(prepared.fa, 0.6)
    depth = ndimage.distance_transform_edt(prepared.brain, sampling=MODEL_SPACING_MM)
    white_matter = (smooth > WHITE_MATTER_FA) & (depth > WHITE_MATTER_DEPTH_MM)
    return TemplatePriors(prepared.fa, white_matter.astype(np.float32), prepared.brain.astype(np.float32))
