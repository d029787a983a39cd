"""From a clean FA map to a brain on the model grid: registration, brain mask, resampling, warping of the template."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from ..errors import FAError
from ..volume import Volume
from .affine_registration import Alignment
from .background import measured_voxels
from .calibrated_range import calibration_remarks
from .interruptible_itk import Check
from .missing_data import fill_small_gaps
from .model_grid import ModelGrid, PreparedSubject
from .open_cavities import EXPECTED_PROBABILITY, cavity_remarks
from .template import BRAIN_PROBABILITY, Template, TemplatePriors
from .template_warping import voxels_to_follow, warp_template
from .unknown_orientation import register_either_way

MAX_DISTANCE_MM = 6.0
"""A brain is looked for no farther than this from the registered template's brain."""
MAX_DISTANCE_WITHOUT_OUTLINE_MM = 2.0
"""The same where the map's own outline is that of noise or of the head."""
MAX_SHARE_BEYOND = 0.2
"""Share of the measured voxels that may lie outside the brain of a map that counts as skull-stripped."""


def prepare(
    volume: Volume,
    template: Template,
    brain: np.ndarray | None = None,
    check: Check | None = None,
    warps: bool = True,
) -> PreparedSubject:
    """Bring a clean FA map onto the model grid: affine registration, brain mask, resampling, warping of the priors.

    Parameters
    ----------
    volume
        FA in [0, 1], (X, Y, Z), as :func:`~FAAnomalyLib.preprocessing.fa_validation.validate_fa` returns it.
    template
        Grid and priors.
    brain
        Brain mask, bool (X, Y, Z), on the native grid; None to compute it (:func:`find_brain_mask`).
    check
        Called before every iteration of the registrations and between their parts; may raise to cancel.
    warps
        Whether the priors are warped to this brain.

    Returns
    -------
    PreparedSubject
        FA and brain on the model grid, with the mapping back and the priors warped to this brain where *warps*.

    Raises
    ------
    FAError
        ``bad-input`` when the volume cannot be aligned with the template, or does not lie on the grid of an aligned
        one.
    """
    if template.aligned:
        return _prepare_aligned(volume, template, brain)
    check = check or _go_on
    remarks: list[str] = []
    support = measured_voxels(volume.data) if brain is None else brain
    masked = volume.with_data(np.where(support, volume.data, 0.0).astype(np.float32))
    alignment = register_either_way(template.fa, masked, template.priors.brain > BRAIN_PROBABILITY, check)
    remarks += alignment.remarks
    grid = ModelGrid(volume, template, alignment)
    check()
    if brain is None:
        brain = find_brain_mask(volume, grid)
        remarks += _outline_remarks(support, brain, alignment)
        check()
        masked = volume.with_data(np.where(brain, volume.data, 0.0).astype(np.float32))
    fa = np.clip(grid.to_model(masked.data), 0.0, 1.0)
    check()
    on_grid = grid.to_model(brain, order=1) > 0.5
    fa = np.where(on_grid, fa, 0.0)
    remarks += calibration_remarks(volume, fa, on_grid, template, alignment)
    if not warps:
        return PreparedSubject(grid, fa, on_grid, brain, remarks)
    seen = grid.in_view(brain)
    followed = voxels_to_follow(on_grid, seen, grid.spacing_mm)
    warped = warp_template(template.priors, fa, grid.spacing_mm, followed, check=check)
    remarks += _cavities(grid, warped, on_grid, seen)
    return PreparedSubject(replace(grid, warped=warped), fa, on_grid, brain, remarks)


def _prepare_aligned(volume: Volume, template: Template, brain: np.ndarray | None) -> PreparedSubject:
    """A volume on the grid of a template that needs no registration; the priors stay as they are."""
    if not volume.same_geometry(template.fa):
        raise FAError(
            "bad-input",
            "The volume does not lie on the grid of its template",
            f"it has {volume.shape} voxels, the template {template.fa.shape}, and nothing is registered to it",
            "Prepare both with faanomaly preprocess t2 and one --template",
        )
    brain = volume.data > 0 if brain is None else brain
    fa = np.where(brain, volume.data, 0.0).astype(np.float32)
    inside = template.priors.brain > BRAIN_PROBABILITY
    pair = fa[inside], template.priors.fa[inside]
    varied = all(float(np.std(one)) > 0 for one in pair)
    alignment = Alignment(np.eye(4), float(np.corrcoef(*pair)[0, 1]) if varied else 0.0, "none")
    return PreparedSubject(ModelGrid(volume, template, alignment), fa, brain, brain, [])


def _cavities(grid: ModelGrid, warped: TemplatePriors, brain: np.ndarray, seen: np.ndarray) -> list[str]:
    """Remarks on gaps that open to the outside; *brain* and what was *seen* are on the model grid."""
    to_scan = grid.alignment.matrix @ grid.template.fa.affine
    return cavity_remarks(grid.native, warped.brain > EXPECTED_PROBABILITY, to_scan, brain, seen)


def _go_on() -> None:
    """Stands for a check where nobody can cancel."""


def find_brain_mask(volume: Volume, grid: ModelGrid) -> np.ndarray:
    """Brain mask of a map that comes without one: where it has data, near the registered template's brain.

    A skull-stripped map keeps its own outline. In one that is not, the FA of noise in skull and air is cut away
    :data:`MAX_DISTANCE_MM` beyond the template's brain, :data:`MAX_DISTANCE_WITHOUT_OUTLINE_MM` when the alignment
    could not use the outline.

    Parameters
    ----------
    volume
        FA in [0, 1], (X, Y, Z), 0 where nothing was measured.
    grid
        The mapping from the model grid to that of *volume*.

    Returns
    -------
    numpy.ndarray
        bool, (X, Y, Z) on the native grid: one connected component, whose only holes are clumps of missing data.
    """
    outside = grid.template.priors.brain <= BRAIN_PROBABILITY
    distance_mm = ndimage.distance_transform_edt(outside, sampling=grid.spacing_mm)
    reach_mm = MAX_DISTANCE_MM if grid.alignment.outline_known else MAX_DISTANCE_WITHOUT_OUTLINE_MM
    brain = measured_voxels(volume.data) & grid.mask_to_native(distance_mm <= reach_mm)
    labels, count = ndimage.label(brain)
    if count > 1:
        brain = labels == 1 + np.argmax(ndimage.sum_labels(brain, labels, np.arange(1, count + 1)))
    return fill_small_gaps(brain, volume.spacing)


def _outline_remarks(measured: np.ndarray, brain: np.ndarray, alignment: Alignment) -> list[str]:
    """Whether the brain's edge is the template's guess, because the map goes on beyond it."""
    if not alignment.outline_known or (measured & ~brain).sum() <= MAX_SHARE_BEYOND * measured.sum():
        return []
    return [
        "the map shows more than the brain, whose edge was guessed from the template; a --brain-mask makes it surer"
    ]
