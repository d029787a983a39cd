"""Affine registration of an FA map to the template, with a check of the result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FAError
from ..geometry.orientation import nearest_canonical
from ..volume import Volume
from .alignment_check import MAX_GREY_TO_WHITE, UNSEEN, Comparison, is_head_like, rotation_degrees
from .fa_limits import cut_faces
from .inside_registration import core_of, register_by_the_inside
from .interruptible_itk import Check
from .itk_optimisation import ImagePair, optimise, ras_matrix, rigid_part, rigid_then_affine

if TYPE_CHECKING:
    import SimpleITK

GOOD_CORRELATION = 0.55
"""Below this Pearson correlation over the template's brain other starts are tried (real data: 0.7 to 0.95)."""
BETTER = 0.05
"""A registration by the inside replaces one that fits when correlation and detail within the core rise by this."""
MIN_INSIDE_CORRELATION, MIN_INSIDE_DETAIL = 0.5, 0.42
"""What a registration by the inside must reach within the core (real data: 0.70 and 0.55 or more; back to front: 0.44
and 0.31 at most)."""
MAX_ROTATION_DEGREES = 60.0
"""Largest rotation that a registration by the inside may find: a head is not turned further, a wrong header is."""
OTHER_TILTS = ((25, 0, 0), (-25, 0, 0), (0, 0, 25), (0, 0, -25), (0, 25, 0), (0, -25, 0))
"""Head poses that are tried when the upright one fails, degrees about x, y, z."""
OTHER_HEIGHTS_MM = (-40, -20, 20, 40)
"""The centre of mass of a slab is not the brain's: these heights of the slab in the template are tried as well."""
MAX_LATE_TURN_DEGREES = 8.0
"""Rotation of the affine over the rigid alignment beyond which the rigid one had stopped short of its optimum, as it
does for a slab that is turned far: the nine parameters then turn and scale at once, and end in a local optimum."""
BETTER_AGAIN = 0.01
"""A repetition from there is taken when it raises the correlation by this."""
BY_THE_INSIDE = "affine by the inside"


@dataclass(frozen=True)
class Alignment:
    """Mapping from the template's world to a subject's world.

    Attributes
    ----------
    matrix
        4x4, template RAS mm -> subject RAS mm.
    correlation
        Pearson correlation of the two FA maps over the template's brain (by the inside: over its core), -1..1.
    method
        ``affine``, ``affine from another start``, ``affine by the inside``, ``rigid`` (the fall-back) or
        ``none`` (it lies there already).
    remarks
        For the user, about a poor alignment.
    """

    matrix: np.ndarray
    correlation: float
    method: str
    remarks: list[str] = field(default_factory=list)

    @property
    def outline_known(self) -> bool:
        """Whether the brain's outline took part, so that the map's own outline can be trusted."""
        return self.method != BY_THE_INSIDE


def register_affine(fixed: Volume, moving: Volume, fixed_brain: np.ndarray, check: Check | None = None) -> Alignment:
    """Register an FA map to the template with SimpleITK: centre of mass, rigid, then three scales on top.

    Nine parameters. With shears, several head poses of the same person were aligned less consistently (up to 6 % of
    stretch between them, against 4 %) and correlated no better; the deformation
    (:mod:`FAAnomalyLib.preprocessing.template_warping`) does the rest. The metric is the correlation of all voxels on
    two coarse levels (shrink factors 4 and 2 of the template's grid), so the result does not depend on random
    samples. An alignment that correlates badly or is implausible for a head is repeated from other head poses; when
    the affine one stays implausible, the rigid one is taken with a remark. One that is still poor is repeated by the
    inside of the brain alone (:mod:`FAAnomalyLib.preprocessing.inside_registration`), which a bright or noisy rim,
    skull and air do not disturb.

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
        ``bad-input`` when less than a fifth of the brain is in the volume, or when no alignment reaches
        :data:`~.alignment_check.MIN_CORRELATION` and :data:`~.alignment_check.MIN_DETAIL`.
    """
    canonical = _field_of_view(nearest_canonical(moving))
    whole = Comparison(fixed, canonical, fixed_brain)
    best = _best_alignment(whole, check)
    fits = whole.fits(best.matrix)
    core = Comparison(fixed, canonical, core_of(fixed_brain, fixed.spacing))
    if not fits or best.correlation < GOOD_CORRELATION:
        inside = _by_the_inside(core, best if fits else None, check)
        fits, best = (fits, best) if inside is None else (True, inside)
    if not fits:
        raise _not_aligned(best, whole)
    _check_contrast(core.grey_to_white(best.matrix))
    if best.correlation < GOOD_CORRELATION:
        remark = f"poor registration (correlation {best.correlation:.2f}): look at the result with care"
        best = replace(best, remarks=[*best.remarks, remark])
    return best


def _not_aligned(best: Alignment, whole: Comparison) -> FAError:
    if best.correlation == UNSEEN:
        return FAError(
            "bad-input",
            "Too little of the brain is in the volume",
            "it shows less than a fifth of it",
            "Choose a whole-brain FA map",
        )
    return FAError(
        "bad-input",
        "The volume could not be aligned with the FA template",
        f"the best correlation is {best.correlation:.2f}, of fine detail {whole.detail(best.matrix):.2f}",
        "Check that it is a whole-brain FA map and that its orientation is right, or give a --brain-mask",
    )


def _check_contrast(grey_to_white: float) -> None:
    if grey_to_white > MAX_GREY_TO_WHITE:
        raise FAError(
            "bad-input",
            "The volume is a brain but no FA map",
            f"grey matter has {grey_to_white:.0%} of the value of white matter, in FA maps half at most",
            "Choose the fractional anisotropy map, not a T1-weighted image",
        )


def _by_the_inside(core: Comparison, fitting: Alignment | None, check: Check | None) -> Alignment | None:
    """The alignment by the core of the brain where it fits, and clearly better than the *fitting* one if there is."""
    matrix = register_by_the_inside(core.fixed, core.moving, core.where, check)
    if matrix is None:
        return None
    plausible = is_head_like(matrix) and rotation_degrees(matrix) <= MAX_ROTATION_DEGREES
    if not plausible or not core.fits(matrix, MIN_INSIDE_CORRELATION, MIN_INSIDE_DETAIL):
        return None
    correlation = core.correlation(matrix)
    if fitting is not None and (
        correlation < core.correlation(fitting.matrix) + BETTER
        or core.detail(matrix) < core.detail(fitting.matrix) + BETTER
    ):
        return None
    remark = (
        "the rim of the map or what surrounds the brain disturbs the alignment, so the inside of the brain alone was"
        f" aligned (correlation {correlation:.2f}); a --brain-mask makes it surer"
    )
    return Alignment(matrix, correlation, BY_THE_INSIDE, [remark])


def _best_alignment(whole: Comparison, check: Check | None) -> Alignment:
    """The alignment from the centres of mass, or from another head pose where that one is poor."""
    pair = ImagePair(*whole.images, check=check)

    def refined(start: SimpleITK.Euler3DTransform, method: str) -> tuple[Alignment, bool]:
        rigid, affine = _settled(pair, whole, start)
        rigid_correlation = whole.correlation(rigid)
        lost = rigid_correlation == UNSEEN
        if is_head_like(affine):
            return Alignment(affine, whole.correlation(affine), method), lost
        remark = "affine registration gave an implausible head; a rigid one is used"
        return Alignment(rigid, rigid_correlation, "rigid", [remark]), lost

    best, lost = refined(_start(pair), "affine")
    # A rigid alignment that lost the brain says nothing of what the scales made of it.
    if lost or best.correlation < GOOD_CORRELATION or best.method == "rigid":
        other, _ = refined(_best_other_start(pair, whole), "affine from another start")
        if other.correlation > best.correlation + 0.02:
            best = other
    return best


def _settled(pair: ImagePair, whole: Comparison, start: SimpleITK.Euler3DTransform) -> tuple[np.ndarray, np.ndarray]:
    """Rigid and affine matrices from *start*; again from the found pose where the rigid one stopped short of it."""
    rigid, affine = rigid_then_affine(pair, start)
    if rotation_degrees(np.linalg.inv(rigid) @ affine) > MAX_LATE_TURN_DEGREES and is_head_like(affine):
        again = rigid_then_affine(pair, rigid_part(affine, start.GetCenter()))
        if whole.correlation(again[1]) > whole.correlation(affine) + BETTER_AGAIN:
            return again
    return rigid, affine


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
    pair: ImagePair, tilt: tuple[int, int, int] = (0, 0, 0), height_mm: float = 0.0
) -> SimpleITK.Euler3DTransform:
    """Rigid start: centres of mass aligned, rotated by *tilt* (degrees), the template moved up by *height_mm*."""
    import SimpleITK as sitk

    start = sitk.CenteredTransformInitializer(
        pair.fixed, pair.moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    rigid = sitk.Euler3DTransform(start)
    rigid.SetRotation(*[float(np.radians(angle)) for angle in tilt])
    x, y, z = rigid.GetTranslation()
    rigid.SetTranslation((x, y, z + height_mm))
    return rigid


def _best_other_start(pair: ImagePair, whole: Comparison) -> SimpleITK.Euler3DTransform:
    """The rigid start that fits best after a short search on the coarsest level alone."""
    import SimpleITK as sitk

    starts = [_start(pair, tilt=tilt) for tilt in OTHER_TILTS]
    starts += [_start(pair, height_mm=height) for height in OTHER_HEIGHTS_MM]
    refined = [sitk.Euler3DTransform(optimise(pair, start, (4,), (4.0,))) for start in starts]
    return max(refined, key=lambda rigid: whole.correlation(ras_matrix(rigid)))
