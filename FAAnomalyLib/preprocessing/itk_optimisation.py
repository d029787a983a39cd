"""SimpleITK's optimiser behind the affine registration: a rigid alignment, then three scales on top of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..geometry.orientation import LPS_TO_RAS
from .interruptible_itk import Check, interruptible

if TYPE_CHECKING:
    import SimpleITK

SHRINK_FACTORS = (4, 2)
"""Of the fixed image's grid, one for each level."""
SMOOTHING_MM = (4.0, 2.0)
"""Sigma of the Gaussian over both images, one for each level."""


@dataclass(frozen=True)
class ImagePair:
    """Two images whose correlation is maximised over all voxels, or over those of the masks.

    Attributes
    ----------
    fixed, moving
        FA in [0, 1], float32.
    fixed_mask, moving_mask
        uint8, 1 where voxels count; None for everywhere.
    check
        Called before every iteration; may raise to cancel.
    """

    fixed: SimpleITK.Image
    moving: SimpleITK.Image
    fixed_mask: SimpleITK.Image | None = None
    moving_mask: SimpleITK.Image | None = None
    check: Check | None = None


def rigid_then_affine(pair: ImagePair, start: SimpleITK.Euler3DTransform) -> tuple[np.ndarray, np.ndarray]:
    """Matrices, fixed RAS mm -> moving RAS mm, of the rigid and of the nine-parameter alignment."""
    import SimpleITK as sitk

    rigid = sitk.Euler3DTransform(optimise(pair, start))
    # Scaling first: ScaleVersor3DTransform adds its two matrices, which is right for small rotations alone.
    scaled = sitk.ScaleVersor3DTransform()
    scaled.SetCenter(rigid.GetCenter())
    scaled = sitk.ScaleVersor3DTransform(optimise(pair, scaled, then=rigid))
    return ras_matrix(rigid), ras_matrix(rigid) @ ras_matrix(scaled)


def rigid_part(matrix: np.ndarray, centre_lps: Sequence[float]) -> SimpleITK.Euler3DTransform:
    """The rigid transform nearest to an alignment: its rotation (polar decomposition), and its place of a centre.

    Parameters
    ----------
    matrix
        4x4, fixed RAS mm -> moving RAS mm, not mirroring.
    centre_lps
        Of the transform, mm (LPS), fixed world; it is carried where *matrix* carries it.
    """
    import SimpleITK as sitk

    lps = LPS_TO_RAS @ matrix @ LPS_TO_RAS
    u, _, vh = np.linalg.svd(lps[:3, :3])
    rigid = sitk.Euler3DTransform()
    rigid.SetCenter(tuple(centre_lps))
    rigid.SetMatrix((u @ vh).ravel().tolist())
    rigid.SetTranslation((lps[:3, :3] @ centre_lps + lps[:3, 3] - np.asarray(centre_lps)).tolist())
    return rigid


def optimise(
    pair: ImagePair,
    transform: SimpleITK.Transform,
    shrink: Sequence[int] = SHRINK_FACTORS,
    smoothing_mm: Sequence[float] = SMOOTHING_MM,
    then: SimpleITK.Transform | None = None,
) -> SimpleITK.Transform:
    """Maximise the correlation from *transform*, with *then* applied after it; one level for each shrink factor."""
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    if pair.fixed_mask is not None:
        method.SetMetricFixedMask(pair.fixed_mask)
    if pair.moving_mask is not None:
        method.SetMetricMovingMask(pair.moving_mask)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=1e-4, numberOfIterations=100, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    if then is not None:
        method.SetMovingInitialTransform(then)
    method.SetShrinkFactorsPerLevel(list(shrink))
    method.SetSmoothingSigmasPerLevel(list(smoothing_mm))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=False)
    optimised = interruptible(method, lambda: method.Execute(pair.fixed, pair.moving), pair.check)
    if isinstance(optimised, sitk.CompositeTransform):
        optimised = optimised.GetNthTransform(0)
    return optimised


def ras_matrix(
    transform: SimpleITK.Euler3DTransform | SimpleITK.ScaleVersor3DTransform | SimpleITK.AffineTransform,
) -> np.ndarray:
    """An ITK matrix-offset transform (LPS, with a centre) as a 4x4 matrix in RAS."""
    centre = np.array(transform.GetCenter())
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = np.array(transform.GetTranslation()) + centre - linear @ centre
    return LPS_TO_RAS @ matrix @ LPS_TO_RAS
