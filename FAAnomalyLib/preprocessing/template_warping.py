"""The template bent to one brain: a smooth deformation on top of the affine registration.

Diffeomorphic demons (Thirion 1998; Vercauteren et al. 2009, the implementation of
SimpleITK) on two coarse levels of the model grid.  Coarse and smooth on purpose: a finer deformation
follows a lesion's own voxels (a tenth of a planted change and more reached the bent template), a
coarser one misses the tracts.
"""

from __future__ import annotations

import numpy as np

from .template import TemplatePriors

LEVELS = ((4, 40), (2, 40))
"""Shrink factor of the model grid and iterations at each level."""
SMOOTHING_VOXELS = 2.0
"""Gaussian over the displacement after each iteration, in voxels of the level."""
UPDATE_SMOOTHING_VOXELS = 1.0
HISTOGRAM_LEVELS, HISTOGRAM_POINTS = 256, 15


def warp_template(priors: TemplatePriors, fa: np.ndarray, spacing_mm: float) -> TemplatePriors:
    """*prior* moved onto the brain *fa*.

    Parameters
    ----------
    prior
        On the model grid, affinely registered.
    fa
        FA in [0, 1], (X, Y, Z) on the same grid, 0 outside the brain.
    spacing_mm
        Edge of a voxel.

    Returns
    -------
    Prior
        Float32 in [0, 1], the same shape, with its displacement.
    """
    import SimpleITK as sitk

    target, source = _image(fa, spacing_mm), _image(priors.fa, spacing_mm)
    matched = sitk.HistogramMatching(source, target, HISTOGRAM_LEVELS, HISTOGRAM_POINTS, True)
    field = None
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
        if field is None:
            field = demons.Execute(fixed, moving)
        else:
            field = demons.Execute(fixed, moving, sitk.Resample(field, fixed, sitk.Transform(), sitk.sitkLinear))
    field = sitk.Resample(field, target, sitk.Transform(), sitk.sitkLinear)
    displacement = sitk.GetArrayFromImage(field).transpose(3, 2, 1, 0) / spacing_mm
    # The transform takes the field over and leaves the caller's image empty.
    transform = sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))
    moved = [
        sitk.GetArrayFromImage(sitk.Resample(_image(array, spacing_mm), target, transform, sitk.sitkLinear, 0.0))
        for array in (priors.fa, priors.white_matter, priors.brain)
    ]
    return TemplatePriors(
        *(np.clip(np.ascontiguousarray(array.transpose(2, 1, 0)), 0.0, 1.0).astype(np.float32) for array in moved),
        np.ascontiguousarray(displacement, dtype=np.float32),
    )


def _image(array: np.ndarray, spacing_mm: float):
    """The array as an image whose world is its own grid: both sides of the registration share it."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(array.transpose(2, 1, 0), dtype=np.float32))
    image.SetSpacing((spacing_mm,) * 3)
    return image
