"""One T2-weighted image on its way to the grid of the thesis' tables 3.10 and 3.11.

The order and the numbers are those of Behrendt et al. (2023), Patched Diffusion Models for Unsupervised Anomaly
Detection in Brain MRI, which the thesis follows (its section 2.2), written anew from their description: brain alone,
affine registration to the SRI24 atlas at 1 mm, borders cut to 192 x 192 x 160, bias field (N4, four levels of 200
iterations), crop to 192 x 192 x 100, halved to 96 x 96 x 50, curvature flow, intensities from the 1st to the 99th
percentile. The thesis reduces 192 x 192 x 160 to 96 x 96 x 80 and drops 15 slices at both ends, which is the same part
of the brain.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..errors import FAError
from ..geometry.bounding_box import bounding_box
from ..geometry.orientation import LPS_TO_RAS, nearest_canonical
from ..io.volumes import to_itk
from ..preprocessing.interruptible_itk import Check, interruptible
from ..preprocessing.itk_optimisation import ImagePair, optimise, ras_matrix
from ..volume import Volume

SAMPLING_MM = (8.0, 4.0)
"""Distance of the voxels whose correlation is maximised, for each level of the registration."""
SRI24_SHAPE = (240, 240, 155)
"""Grid of the atlas, and of BraTS; others are cut about the template's brain instead of the array's centre."""
N4_SHRINK = 4
"""The bias field is fitted on every fourth voxel, as is usual; it is smooth."""
MIN_CORRELATION, MIN_OVERLAP = 0.2, 0.8
"""Of image and template over the template's brain, and Dice of the two brains. A large tumour lowers the correlation of
a brain that lies right, and not the overlap; a brain upside down lowers the correlation."""
MIN_BACKGROUND = 0.2
"""Share of voxels that are 0 in an image that counts as skull-stripped."""
MIN_SEEN = 0.7
"""Share of the brain that must lie within the borders, of its top and bottom apart."""


@dataclass(frozen=True)
class T2Settings:
    """Grids and filters; the defaults are the source's.

    Attributes
    ----------
    spacing_mm
        Edge of the voxels that are registered and corrected.
    borders
        Voxels that stay when the borders are cut.
    final
        Voxels before halving; each even.
    bias_iterations
        Of N4, for each level.
    flow_step, flow_iterations
        Of the curvature flow.
    percentiles
        Of the brain's voxels, which become 0 and 1.
    """

    spacing_mm: float = 1.0
    borders: tuple[int, int, int] = (192, 192, 160)
    final: tuple[int, int, int] = (192, 192, 100)
    bias_iterations: tuple[int, ...] = (200, 200, 200, 200)
    flow_step: float = 0.125
    flow_iterations: int = 3
    percentiles: tuple[float, float] = (1.0, 99.0)


@dataclass(frozen=True, eq=False)
class T2Input:
    """What is known of one subject.

    Attributes
    ----------
    image
        T2-weighted, any grid.
    brain
        Brain mask, bool on the image's grid; None for an image without skull, whose voxels outside the brain are 0.
    lesions
        bool on the image's grid, or None.
    """

    image: Volume
    brain: np.ndarray | None = None
    lesions: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class T2Prepared:
    """One subject on the final grid.

    Attributes
    ----------
    image
        float32 in [0, 1], 0 outside the brain.
    brain
        bool, on the same grid.
    lesions
        bool, or None.
    correlation
        Of image and template over the template's brain.
    facts
        Further numbers for the manifest.
    """

    image: Volume
    brain: np.ndarray
    lesions: np.ndarray | None
    correlation: float
    facts: dict = field(default_factory=dict)


def prepare_t2(
    subject: T2Input,
    template: Volume,
    settings: T2Settings,
    registered: bool = False,
    check: Check | None = None,
) -> T2Prepared:
    """Bring a T2 image to the final grid.

    Parameters
    ----------
    subject
        Image, brain mask, lesions.
    template
        SRI24, T2-weighted and without skull; its voxels outside the brain are 0.
    settings
        Grids and filters.
    registered
        Whether the image lies in the template's world already; nothing is registered then.
    check
        Called before every iteration of registration and bias correction; may raise to cancel.

    Raises
    ------
    FAError
        ``bad-input`` for an image that is not skull-stripped and has no mask, cannot be aligned, or loses too much of
        the brain at the borders.
    """
    brain = _brain_of(subject)
    stripped = subject.image.with_data(np.where(brain, np.nan_to_num(subject.image.data), 0.0).astype(np.float32))
    atlas = nearest_canonical(template)
    matrix = np.eye(4) if registered else register_t2(atlas, stripped, check)
    grid = _atlas_grid(atlas, settings.spacing_mm)
    image, inside, lesions, reference = (
        None if one is None else _resampled(one, grid, step, linear)
        for one, step, linear in (
            (stripped, matrix, True),
            (stripped.with_data(brain.astype(np.float32)), matrix, True),
            (
                None if subject.lesions is None else stripped.with_data(subject.lesions.astype(np.float32)),
                matrix,
                False,
            ),
            (atlas, np.eye(4), True),
        )
    )
    assert image is not None and inside is not None and reference is not None
    correlation = _correlation(image, reference)
    overlap = _dice(inside > 0.5, reference > 0)
    if correlation < MIN_CORRELATION or overlap < MIN_OVERLAP:
        raise FAError(
            "bad-input",
            "The image could not be aligned with the template",
            f"their correlation is {correlation:.2f} and the overlap (Dice) of their brains {overlap:.2f}, at least "
            f"{MIN_CORRELATION} and {MIN_OVERLAP} are needed",
            "Check that both are T2-weighted and without skull" + (", or leave out --registered" if registered else ""),
        )
    arrays = [image, (inside > 0.5).astype(np.float32), *([] if lesions is None else [lesions])]
    return _finished(arrays, grid.with_data(reference), correlation, settings, check)


def register_t2(fixed: Volume, moving: Volume, check: Check | None = None) -> np.ndarray:
    """Affine registration (12 parameters, correlation, from centres of mass): 4x4, fixed RAS mm -> moving RAS mm."""
    import SimpleITK as sitk

    images = [to_itk(one.with_data(_in_units(one.data))) for one in (fixed, nearest_canonical(moving))]
    pair = ImagePair(images[0], images[1], check=check)
    start = sitk.CenteredTransformInitializer(
        pair.fixed, pair.moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    shrink = [max(1, round(distance / float(fixed.spacing.max()))) for distance in SAMPLING_MM]
    rigid = sitk.Euler3DTransform(optimise(pair, sitk.Euler3DTransform(start), shrink))
    affine = sitk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    return ras_matrix(sitk.AffineTransform(optimise(pair, affine, shrink)))


def _finished(
    arrays: list[np.ndarray], reference: Volume, correlation: float, settings: T2Settings, check: Check | None
) -> T2Prepared:
    """Borders, bias field, final grid, filters; *arrays* are image, brain and, where there are, lesions."""
    centre = _centre(reference)
    whole = float(arrays[1].sum())
    arrays = [_cut(one, centre, settings.borders) for one in arrays]
    lost = 1.0 - float(arrays[1].sum()) / max(whole, 1.0)
    if lost > 1.0 - MIN_SEEN:
        raise FAError(
            "bad-input",
            "The brain lies outside the borders",
            f"{lost:.0%} of it would be cut off",
            "Check the template",
        )
    image = arrays[0] / bias_field(arrays[0], arrays[1] > 0.5, settings, check)
    middle = tuple((n - 1) / 2 for n in settings.borders)
    arrays = [_halved(_cut(one, middle, settings.final)) for one in (image, *arrays[1:])]
    brain = arrays[1] >= 0.5
    if not brain.any():
        raise FAError("bad-input", "No brain is left on the final grid", "", "Check the template and the brain mask")
    image = _scaled(_smoothed(arrays[0], settings), brain, settings.percentiles)
    affine = _final_affine(reference, centre, settings)
    lesions = arrays[2] >= 0.5 if len(arrays) > 2 else None
    facts = {"brain_voxels": int(brain.sum()), "cut_at_the_borders": round(lost, 4)}
    if lesions is not None:
        facts["lesion_voxels"] = int(lesions.sum())
    return T2Prepared(Volume(image, affine), brain, lesions, correlation, facts)


def bias_field(image: np.ndarray, brain: np.ndarray, settings: T2Settings, check: Check | None = None) -> np.ndarray:
    """Multiplicative bias field by SimpleITK's N4 (Tustison et al. 2010), float32 (X, Y, Z); 1 outside the brain.

    The image is divided by it. Where the image is 0, nothing is fitted.
    """
    import SimpleITK as sitk

    ones = np.ones(image.shape, np.float32)
    if not settings.bias_iterations or not (brain & (image > 0)).any():
        return ones
    picture = sitk.GetImageFromArray(np.ascontiguousarray(np.maximum(image, 0.0).transpose(2, 1, 0), np.float32))
    mask = sitk.GetImageFromArray(np.ascontiguousarray((brain & (image > 0)).transpose(2, 1, 0)).astype(np.uint8))
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(list(settings.bias_iterations))
    small = [sitk.Shrink(one, [N4_SHRINK] * 3) for one in (picture, mask)]
    interruptible(n4, lambda: n4.Execute(*small), check)
    log_field = sitk.GetArrayFromImage(n4.GetLogBiasFieldAsImage(picture)).transpose(2, 1, 0)
    return np.where(brain, np.exp(log_field), ones).astype(np.float32)


def _brain_of(subject: T2Input) -> np.ndarray:
    data = np.nan_to_num(subject.image.data)
    brain = data != 0 if subject.brain is None else subject.brain
    if subject.brain is None and (data == 0).mean() < MIN_BACKGROUND:
        raise FAError(
            "bad-input",
            "The image is not skull-stripped",
            f"{(data == 0).mean():.0%} of its voxels are 0, at least {MIN_BACKGROUND:.0%} are outside a brain",
            "Give brain masks with --masks FOLDER",
        )
    if not brain.any() or not np.any(data[brain]):
        raise FAError("bad-input", "The image holds no brain", "it is 0 in all of the brain mask", "Check both files")
    return brain


def _atlas_grid(atlas: Volume, spacing_mm: float) -> Volume:
    """An empty volume in the atlas' place, with isotropic voxels about the same centre."""
    if np.allclose(atlas.spacing, spacing_mm, rtol=1e-3):
        return atlas.with_data(np.zeros(atlas.shape, np.float32))
    shape = [max(1, round(n * size / spacing_mm)) for n, size in zip(atlas.shape, atlas.spacing, strict=True)]
    step = np.diag([*(spacing_mm / atlas.spacing), 1.0])
    step[:3, 3] = (np.array(atlas.shape) - 1) / 2 - step[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Volume(np.zeros(shape, np.float32), atlas.affine @ step)


def _resampled(source: Volume, grid: Volume, matrix: np.ndarray, linear: bool) -> np.ndarray:
    """*source* at the voxels of *grid*, whose world *matrix* takes to that of *source*; 0 outside it."""
    import SimpleITK as sitk

    lps = LPS_TO_RAS @ matrix @ LPS_TO_RAS
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(lps[:3, :3].ravel().tolist())
    transform.SetTranslation(lps[:3, 3].tolist())
    kind = sitk.sitkLinear if linear else sitk.sitkNearestNeighbor
    moved = sitk.Resample(to_itk(source), to_itk(grid), transform, kind, 0.0)
    return np.ascontiguousarray(sitk.GetArrayFromImage(moved).transpose(2, 1, 0), np.float32)


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice of two bool arrays, 0 where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 0.0


def _correlation(image: np.ndarray, reference: np.ndarray) -> float:
    inside = reference > 0
    a, b = image[inside], reference[inside]
    return float(np.corrcoef(a, b)[0, 1]) if a.size > 1 and a.std() > 0 and b.std() > 0 else 0.0


def _centre(reference: Volume) -> tuple[float, ...]:
    """Voxel that the borders are cut about: the same for everybody."""
    if reference.shape == SRI24_SHAPE:
        return tuple((n - 1) / 2 for n in reference.shape)
    return tuple((one.start + one.stop - 1) / 2 for one in bounding_box(reference.data > 0))


def _first_voxel(centre: tuple[float, ...], shape: tuple[int, ...]) -> list[int]:
    return [int(np.floor(middle - (n - 1) / 2 + 0.5)) for middle, n in zip(centre, shape, strict=True)]


def _cut(data: np.ndarray, centre: tuple[float, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Crop or pad with 0 to *shape* about *centre*."""
    out = np.zeros(shape, np.float32)
    start = np.array(_first_voxel(centre, shape))
    low, high = np.maximum(start, 0), np.maximum(np.minimum(start + shape, data.shape), 0)
    source = tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))
    target = tuple(slice(a - s, max(a, b) - s) for a, b, s in zip(low, high, start, strict=True))
    out[target] = data[source]
    return out


def _halved(data: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 x 2 voxels."""
    x, y, z = (n // 2 for n in data.shape)
    return data.reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5), dtype=np.float64).astype(np.float32)


def _final_affine(reference: Volume, centre: tuple[float, ...], settings: T2Settings) -> np.ndarray:
    first = np.array(_first_voxel(centre, settings.borders), np.float64)
    first += _first_voxel(tuple((n - 1) / 2 for n in settings.borders), settings.final)
    step = np.diag([2.0, 2.0, 2.0, 1.0])
    step[:3, 3] = first + 0.5
    return reference.affine @ step


def _smoothed(image: np.ndarray, settings: T2Settings) -> np.ndarray:
    """Curvature flow (Sethian), which keeps edges."""
    import SimpleITK as sitk

    picture = sitk.GetImageFromArray(np.ascontiguousarray(image.transpose(2, 1, 0)))
    flow = sitk.CurvatureFlow(picture, timeStep=settings.flow_step, numberOfIterations=settings.flow_iterations)
    return np.ascontiguousarray(sitk.GetArrayFromImage(flow).transpose(2, 1, 0))


def _scaled(image: np.ndarray, brain: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    low, high = np.percentile(image[brain], percentiles)
    if not high > low:
        raise FAError("bad-input", "The image is constant within the brain", f"it is {low:g} everywhere", "Check it")
    return np.where(brain, np.clip((image - low) / (high - low), 0.0, 1.0), 0.0).astype(np.float32)


def _in_units(data: np.ndarray) -> np.ndarray:
    """Intensities with their 99th percentile above 0 at 1, so that the optimiser's steps fit."""
    positive = data[data > 0]
    top = float(np.percentile(positive, 99)) if positive.size else 1.0
    return np.clip(data / max(top, 1e-6), 0.0, 1.5).astype(np.float32)
