"""Warping of the template to one brain: a smooth deformation on top of the affine registration.

Diffeomorphic demons (Thirion 1998; Vercauteren et al. 2009; implemented in SimpleITK) on two coarse levels of the
model grid. The deformation is deliberately smooth: a finer one follows the voxels of a lesion (a tenth and more of a
planted change reached the warped template), a coarser one misses the tracts.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from .interruptible_itk import Check, interruptible
from .template import TemplatePriors

if TYPE_CHECKING:
    import SimpleITK

LEVELS = ((4, 40), (2, 40))
"""Shrink factor of the model grid and iterations at each level."""
SMOOTHING_VOXELS = 2.0
"""Sigma of the Gaussian over the displacement after each iteration, in voxels of the level."""
UPDATE_SMOOTHING_VOXELS = 1.0
"""Sigma of the Gaussian over each update, in voxels of the level."""
HISTOGRAM_LEVELS, HISTOGRAM_POINTS = 256, 15
"""Of the histogram matching that brings the template to the intensities of the brain."""


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
