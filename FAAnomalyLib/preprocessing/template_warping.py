"""Warping of the template to one brain: a smooth deformation on top of the affine registration.

Where nobody knows yet what is anomalous (:func:`warp_template`): diffeomorphic demons (Thirion 1998; Vercauteren et al.
2009; implemented in SimpleITK) on two coarse levels of the model grid. The deformation is deliberately smooth: a finer
one follows the voxels of a lesion (a tenth and more of a planted change reached the warped template), a coarser one
misses the tracts.

Where candidates are known (:func:`warp_template_around`): a finer registration by local correlation, which does not
look at them, so that it cannot follow them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.bounding_box import bounding_box
from .deformable_registration import Smoothness, register_deformable, warped
from .interruptible_itk import Check, interruptible
from .template import TemplatePriors

if TYPE_CHECKING:
    import SimpleITK
    import torch

LEVELS = ((4, 40), (2, 40))
"""Shrink factor of the model grid and iterations at each level."""
SMOOTHING_VOXELS = 2.0
"""Sigma of the Gaussian over the displacement after each iteration, in voxels of the level."""
UPDATE_SMOOTHING_VOXELS = 1.0
"""Sigma of the Gaussian over each update, in voxels of the level."""
HISTOGRAM_LEVELS, HISTOGRAM_POINTS = 256, 15
"""Of the histogram matching that brings the template to the intensities of the brain."""
AROUND_LEVELS_MM = ((8.0, 60), (4.0, 40), (2.0, 15))
"""Voxels and steps of the registration that does not look at candidates; voxels finer than the grid's are left out."""
MARGIN_VOXELS = 4
"""About the brains, which the registration by local correlation needs."""


def warp_template(
    priors: TemplatePriors, fa: np.ndarray, spacing_mm: float, check: Check | None = None
) -> TemplatePriors:
    """Warp the priors of the template to one brain.

    Parameters
    ----------
    priors
        On the model grid, affinely registered to the brain; arrays (X, Y, Z) in [0, 1].
    fa
        FA of the brain in [0, 1], (X, Y, Z), on the same grid, 0 outside the brain.
    spacing_mm
        Edge of the isotropic voxels.
    check
        Called before every iteration; may raise to cancel.

    Returns
    -------
    TemplatePriors
        float32 in [0, 1], of the same shape, with the displacement (3, X, Y, Z) in voxels.

    References
    ----------
    Thirion, J.-P. (1998). Image matching as a diffusion process: an analogy with Maxwell's demons. Medical Image
    Analysis 2(3), 243-260.

    Vercauteren, T., Pennec, X., Perchant, A., Ayache, N. (2009). Diffeomorphic demons: efficient non-parametric image
    registration. NeuroImage 45(1), S61-S72.
    """
    import SimpleITK as sitk

    target, source = _image(fa, spacing_mm), _image(priors.fa, spacing_mm)
    matched = sitk.HistogramMatching(source, target, HISTOGRAM_LEVELS, HISTOGRAM_POINTS, True)
    field = _displacement_field(target, matched, spacing_mm, check)
    displacement = sitk.GetArrayFromImage(field).transpose(3, 2, 1, 0) / spacing_mm
    # The transform takes the field over and leaves the caller's image empty.
    transform = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    moved = [
        sitk.GetArrayFromImage(sitk.Resample(_image(array, spacing_mm), target, transform, sitk.sitkLinear, 0.0))
        for array in (priors.fa, priors.white_matter, priors.brain)
    ]
    warped_fa, white_matter, brain = (
        np.clip(np.ascontiguousarray(array.transpose(2, 1, 0)), 0.0, 1.0).astype(np.float32) for array in moved
    )
    return TemplatePriors(warped_fa, white_matter, brain, np.ascontiguousarray(displacement, dtype=np.float32))


def warp_template_around(
    priors: TemplatePriors,
    fa: np.ndarray,
    hidden: np.ndarray,
    spacing_mm: float,
    device: torch.device | str = "cpu",
    check: Check | None = None,
) -> TemplatePriors:
    """Warp the priors to one brain without a look at what is hidden, where the deformation is a smooth continuation.

    Parameters
    ----------
    priors, fa, spacing_mm
        As in :func:`warp_template`.
    hidden
        bool (X, Y, Z): candidates for a lesion.
    device
        Of the model; the processor where the device cannot do it.
    check
        Called before every step; may raise to cancel.

    Returns
    -------
    TemplatePriors
        As of :func:`warp_template`.
    """
    device = device if str(device).startswith("cuda") else "cpu"  # Apple's GPUs lack torch's sampling in 3D
    box = bounding_box((fa > 0) | (priors.fa > 0), MARGIN_VOXELS)
    counted = (~hidden[box]).astype(np.float32)
    inside = register_deformable(fa[box], priors.fa[box], counted, _around(spacing_mm), device, check)
    # What lies farther from the brains than the margin is of no concern, but is not torn off either.
    around = [(s.start, n - s.stop) for s, n in zip(box, fa.shape, strict=True)]
    displacement = np.pad(inside, ((0, 0), *around), mode="edge")
    moved = warped(np.stack([priors.fa, priors.white_matter, priors.brain]), displacement, device)
    warped_fa, white_matter, brain = np.clip(moved, 0.0, 1.0)
    return TemplatePriors(warped_fa, white_matter, brain, np.ascontiguousarray(displacement))


def _around(spacing_mm: float) -> Smoothness:
    # A total_sigma of 0.7 fits healthy brains better still, but follows the rim of a lesion that is not hidden whole.
    levels = tuple((round(mm / spacing_mm), steps) for mm, steps in AROUND_LEVELS_MM if mm > 0.75 * spacing_mm)
    return Smoothness(levels)


def _displacement_field(
    target: SimpleITK.Image, matched: SimpleITK.Image, spacing_mm: float, check: Check | None
) -> SimpleITK.Image:
    """Displacement in mm on the grid of *target*, which leads from there into *matched*."""
    import SimpleITK as sitk

    field: SimpleITK.Image | None = None
    for shrink, iterations in LEVELS:
        fixed, moving = (
            sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, 0.3 * shrink * spacing_mm), [shrink] * 3)
            for image in (target, matched)
        )
        demons = sitk.DiffeomorphicDemonsRegistrationFilter()
        demons.SetNumberOfIterations(iterations)
        demons.SetSmoothDisplacementField(True)
        demons.SetStandardDeviations(SMOOTHING_VOXELS)
        demons.SetSmoothUpdateField(True)
        demons.SetUpdateFieldStandardDeviations(UPDATE_SMOOTHING_VOXELS)
        start = [] if field is None else [sitk.Resample(field, fixed, sitk.Transform(), sitk.sitkLinear)]
        field = interruptible(demons, partial(demons.Execute, fixed, moving, *start), check)
    assert field is not None, "LEVELS is empty"
    return sitk.Resample(field, target, sitk.Transform(), sitk.sitkLinear)


def _image(array: np.ndarray, spacing_mm: float) -> SimpleITK.Image:
    """The array as an image whose world is its own grid; both sides of the registration share it."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0), dtype=np.float32))
    image.SetSpacing((spacing_mm,) * 3)
    return image
