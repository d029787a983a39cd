"""Affine registration of an FA map to the template, with a check of the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..errors import FAError
from ..geometry.orientation import LPS_TO_RAS, nearest_canonical
from ..io.volumes import to_itk
from ..volume import Volume
from .fa_limits import cut_faces
from .interruptible_itk import Check, interruptible

if TYPE_CHECKING:
    import SimpleITK

GOOD_CORRELATION = 0.55
"""Below this Pearson correlation over the template's brain other starting poses are tried (real data: 0.7 to 0.95)."""
MIN_CORRELATION = 0.4
"""Below it the volume is refused: it is no FA map of a brain, or its orientation is wrong."""
MIN_DETAIL = 0.36
"""The same for the correlation of what is finer than :data:`DETAIL_MM`: white matter lies in the middle of a brain
however the brain is turned, but tracts do not match (real data: 0.55 and more; turned by 180 degrees: 0.2 at most)."""
DETAIL_MM = 6.0
"""Sigma of the wide Gaussian that is subtracted; the narrow one is a fifth of it."""
MIN_SEEN = 0.2
"""Share of the template's brain that must lie in the volume's data."""
UNSEEN = -1.0
"""Stands for the correlation when less is seen."""
OTHER_TILTS = ((25, 0, 0), (-25, 0, 0), (0, 0, 25), (0, 0, -25), (0, 25, 0), (0, -25, 0))
"""Head poses that are tried when the upright one fails, degrees about x, y, z."""
OTHER_HEIGHTS_MM = (-40, -20, 20, 40)
"""The centre of mass of a slab is not the brain's: these heights of the slab in the template are tried as well."""


@dataclass(frozen=True)
class Alignment:
    """Mapping from the template's world to a subject's world.

    Attributes
    ----------
    matrix
        4x4, template RAS mm -> subject RAS mm.
    correlation
        Pearson correlation of the two FA maps over the template's brain, -1..1.
    method
        ``affine``, ``affine from another start`` or ``rigid`` (the fall-back).
    remarks
        For the user, about a poor alignment.
    """

    matrix: np.ndarray
    correlation: float
    method: str
    remarks: list[str] = field(default_factory=list)


def register_affine(fixed: Volume, moving: Volume, fixed_brain: np.ndarray, check: Check | None = None) -> Alignment:
    """Register an FA map to the template with SimpleITK: centre of mass, rigid, then three scales on top.

    Nine parameters. With shears, several head poses of the same person were aligned less consistently (up to 6 % of
    stretch between them, against 4 %) and correlated no better; the deformation
    (:mod:`FAAnomalyLib.preprocessing.template_warping`) does the rest. The metric is the correlation of all voxels on
    two coarse levels (shrink factors 4 and 2 of the template's grid), so the result does not depend on random
    samples. An alignment that correlates badly or is implausible for a head is repeated from other head poses; when
    the affine one stays implausible, the rigid one is taken with a remark.

    Parameters
    ----------
    fixed
        The template: FA in [0, 1], (X, Y, Z), background 0.
    moving
        The subject: FA in [0, 1], any grid, background 0.
    fixed_brain
        bool (X, Y, Z) on the grid of *fixed*.
    check
        Called before every iteration; may raise to cancel.

    Returns
    -------
    Alignment
        The matrix leads from the world of *fixed* to that of *moving*.

    Raises
    ------
    FAError
        ``bad-input`` when less than a fifth of the brain is in the volume, or when the best alignment stays below
        :data:`MIN_CORRELATION` or :data:`MIN_DETAIL`.
    """
    canonical = _field_of_view(nearest_canonical(moving))
    target = to_itk(fixed.with_data(fixed.data.astype(np.float32)))
    source = to_itk(canonical.with_data(canonical.data.astype(np.float32)))

    best = _best_alignment(target, source, fixed_brain, check)
    if best.correlation == UNSEEN:
        raise FAError(
            "bad-input",
            "Too little of the brain is in the volume",
            "it shows less than a fifth of it",
            "Choose a whole-brain FA map",
        )
    detail = _detail(target, source, best.matrix, fixed_brain)
    if best.correlation < MIN_CORRELATION or detail < MIN_DETAIL:
        raise FAError(
            "bad-input",
            "The volume could not be aligned with the FA template",
            f"the best correlation is {best.correlation:.2f}, of fine detail {detail:.2f}",
            "Check that it is a whole-brain FA map and that its orientation is right",
        )
    if best.correlation < GOOD_CORRELATION:
        remark = f"poor registration (correlation {best.correlation:.2f}): look at the result with care"
        best = replace(best, remarks=[*best.remarks, remark])
    return best


def _best_alignment(
    target: SimpleITK.Image, source: SimpleITK.Image, brain: np.ndarray, check: Check | None
) -> Alignment:
    """The alignment from the centres of mass, or from another head pose where that one is poor."""

    def correlation_of(matrix: np.ndarray) -> float:
        return _correlation(target, source, matrix, brain)

    def refined(start: SimpleITK.Euler3DTransform, method: str) -> Alignment:
        rigid, affine = _rigid_then_affine(target, source, start, check)
        if _head_like(affine):
            return Alignment(affine, correlation_of(affine), method)
        return Alignment(
            rigid, correlation_of(rigid), "rigid", ["affine registration gave an implausible head; a rigid one is used"]
        )

    best = refined(_start(target, source), "affine")
    if best.correlation < GOOD_CORRELATION or best.method == "rigid":
        other = refined(_best_other_start(target, source, correlation_of, check), "affine from another start")
        if other.correlation > best.correlation + 0.02:
            best = other
    return best


def _field_of_view(volume: Volume) -> Volume:
    """*volume* without the empty slices beyond a cut through the brain, which are unseen and not background."""
    box = tuple(
        slice(first or 0, n if last is None else last + 1)
        for (first, last), n in zip(cut_faces(volume.data), volume.shape, strict=True)
    )
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [s.start for s in box]
    return Volume(np.ascontiguousarray(volume.data[box]), affine)


def _start(
    target: SimpleITK.Image, source: SimpleITK.Image, tilt: tuple[int, int, int] = (0, 0, 0), height_mm: float = 0.0
) -> SimpleITK.Euler3DTransform:
    """Rigid start: centres of mass aligned, rotated by *tilt* (degrees), the template moved up by *height_mm*."""
    import SimpleITK as sitk

    start = sitk.CenteredTransformInitializer(
        target, source, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    rigid = sitk.Euler3DTransform(start)
    rigid.SetRotation(*[float(np.radians(angle)) for angle in tilt])
    x, y, z = rigid.GetTranslation()
    rigid.SetTranslation((x, y, z + height_mm))
    return rigid


def _best_other_start(
    target: SimpleITK.Image,
    source: SimpleITK.Image,
    correlation_of: Callable[[np.ndarray], float],
    check: Check | None,
) -> SimpleITK.Euler3DTransform:
    """The rigid start that fits best after a short search on the coarsest level alone."""
    import SimpleITK as sitk

    starts = [_start(target, source, tilt=tilt) for tilt in OTHER_TILTS]
    starts += [_start(target, source, height_mm=height) for height in OTHER_HEIGHTS_MM]
    refined = [sitk.Euler3DTransform(_optimise(target, source, start, (4,), (4.0,), check=check)) for start in starts]
    return max(refined, key=lambda rigid: correlation_of(_ras_matrix(rigid)))


def _rigid_then_affine(
    target: SimpleITK.Image, source: SimpleITK.Image, start: SimpleITK.Euler3DTransform, check: Check | None
) -> tuple[np.ndarray, np.ndarray]:
    """Matrices, template RAS mm -> subject RAS mm, of the rigid and of the nine-parameter alignment."""
    import SimpleITK as sitk

    rigid = sitk.Euler3DTransform(_optimise(target, source, start, (4, 2), (4.0, 2.0), check=check))
    # Scaling first: ScaleVersor3DTransform adds its two matrices, which is right for small rotations alone.
    scaled = sitk.ScaleVersor3DTransform()
    scaled.SetCenter(rigid.GetCenter())
    scaled = sitk.ScaleVersor3DTransform(_optimise(target, source, scaled, (4, 2), (4.0, 2.0), then=rigid, check=check))
    return _ras_matrix(rigid), _ras_matrix(rigid) @ _ras_matrix(scaled)


def _optimise(
    target: SimpleITK.Image,
    source: SimpleITK.Image,
    transform: SimpleITK.Transform,
    shrink: Sequence[int],
    smoothing: Sequence[float],
    then: SimpleITK.Transform | None = None,
    check: Check | None = None,
) -> SimpleITK.Transform:
    """Maximise the correlation from *transform*, with *then* applied after it; one level for each shrink factor."""
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsCorrelation()
    method.SetMetricSamplingStrategy(method.NONE)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=1e-4, numberOfIterations=100, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-8
    )
    method.SetOptimizerScalesFromPhysicalShift()
    if then is not None:
        method.SetMovingInitialTransform(then)
    method.SetShrinkFactorsPerLevel(list(shrink))
    method.SetSmoothingSigmasPerLevel(list(smoothing))
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, inPlace=False)
    optimised = interruptible(method, lambda: method.Execute(target, source), check)
    if isinstance(optimised, sitk.CompositeTransform):
        optimised = optimised.GetNthTransform(0)
    return optimised


def _ras_matrix(transform: SimpleITK.Euler3DTransform | SimpleITK.ScaleVersor3DTransform) -> np.ndarray:
    """An ITK matrix-offset transform (LPS, with a centre) as a 4x4 matrix in RAS."""
    centre = np.array(transform.GetCenter())
    linear = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix = np.eye(4)
    matrix[:3, :3] = linear
    matrix[:3, 3] = np.array(transform.GetTranslation()) + centre - linear @ centre
    return LPS_TO_RAS @ matrix @ LPS_TO_RAS


def _correlation(target: SimpleITK.Image, source: SimpleITK.Image, ras_matrix: np.ndarray, brain: np.ndarray) -> float:
    a, b, seen = _overlaid(target, source, ras_matrix, brain)
    return float(np.corrcoef(a[seen], b[seen])[0, 1]) if seen.sum() > MIN_SEEN * brain.sum() else UNSEEN


def _detail(target: SimpleITK.Image, source: SimpleITK.Image, ras_matrix: np.ndarray, brain: np.ndarray) -> float:
    """Correlation of the difference of two Gaussian means inside the seen brain, a narrow one minus a wide one."""
    a, b, seen = _overlaid(target, source, ras_matrix, brain)
    wide = DETAIL_MM / np.array(target.GetSpacing())[::-1]

    def mean(values: np.ndarray, sigma: np.ndarray) -> np.ndarray:
        weight = ndimage.gaussian_filter(seen.astype(np.float32), sigma)
        return ndimage.gaussian_filter(np.where(seen, values, 0.0), sigma)[seen] / np.maximum(weight[seen], 1e-6)

    return float(np.corrcoef(*(mean(x, wide / 5.0) - mean(x, wide) for x in (a, b)))[0, 1])


def _overlaid(
    target: SimpleITK.Image, source: SimpleITK.Image, ras_matrix: np.ndarray, brain: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Subject and template, (Z, Y, X), and a mask of the brain where the subject has data (a slab shows a part)."""
    import SimpleITK as sitk

    lps = LPS_TO_RAS @ ras_matrix @ LPS_TO_RAS
    transform = sitk.AffineTransform(lps[:3, :3].ravel().tolist(), lps[:3, 3].tolist())
    moved = sitk.GetArrayFromImage(sitk.Resample(source, target, transform, sitk.sitkLinear, 0.0))
    return moved, sitk.GetArrayFromImage(target), brain.transpose(2, 1, 0) & (moved > 0)


def _head_like(matrix: np.ndarray) -> bool:
    """Whether the linear part scales no more than adult heads differ from a template, and does not mirror."""
    scales = np.linalg.svd(matrix[:3, :3], compute_uv=False)
    return bool(scales.max() < 1.5 and scales.min() > 0.6 and np.linalg.det(matrix[:3, :3]) > 0)
