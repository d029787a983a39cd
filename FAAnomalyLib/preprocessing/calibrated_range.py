"""Is a brain one of those that z is calibrated for? Remarks on its size, contrast, fit, slices and field of view.

The calibration is of healthy adults, scanned whole. An infant's or a child's brain, one ex vivo or an average of many
people can be aligned and scored, but nobody knows what is usual there.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..volume import Volume
from .affine_registration import Alignment
from .fa_limits import THICK_SLICE_MM
from .robust_statistics import fit_gain_and_offset
from .template import BRAIN_PROBABILITY, Template

USUAL_SIZE = (0.92, 1.12)
"""Mean of the three scales of the alignment (adults: 0.94 to 1.08; a child of two years: about 0.9; a newborn: 0.7)."""
USUAL_CONTRAST = (0.55, 1.35)
"""Slope of the map's FA over the template's (adults at voxels up to 3 mm: 0.63 to 1.16)."""
MAX_USUAL_CORRELATION = 0.83
"""Over the template's brain: one person's map has noise and folds of its own (people: 0.59 to 0.81, an average:
0.85)."""
MAX_AVERAGE_NOISE = 0.003
"""Noise of FA below which so good a fit is that of an average: averages have 0.0012 to 0.0015, the synthetic sample
0.005, people 0.018 and more. An average that was resampled to voxels of 3 mm and more passes for noisy."""
MIN_SEEN_SHARE = 0.8
"""Share of the template's brain in the map, below which a part is said to be missing."""
INSIDE_MM = 6.0
"""Contrast is taken deeper than this inside the brain: nearer to its edge FA is ruled by noise and partial volume."""


def calibration_remarks(
    native: Volume, fa: np.ndarray, brain: np.ndarray, template: Template, alignment: Alignment
) -> list[str]:
    """What makes a brain unlike those of the calibration, for the user, one sentence each.

    Parameters
    ----------
    native
        The input.
    fa, brain
        FA in [0, 1] and bool, (X, Y, Z) on the grid of *template*.
    template
        Grid and priors.
    alignment
        Template world -> subject world.
    """
    unlike = _unlike_adults(native, fa, brain, template, alignment)
    remarks = [f"z is not calibrated for this brain: {', '.join(unlike)}"] if unlike else []
    thickest = float(native.spacing.max())
    if thickest > THICK_SLICE_MM:
        remarks.append(f"the slices are {thickest:.1f} mm thick: small changes are averaged away, and z is less sure")
    inside = template.priors.brain > BRAIN_PROBABILITY
    seen = float((brain & inside).sum() / max(inside.sum(), 1))
    if seen < MIN_SEEN_SHARE:
        remarks.append(
            f"{seen:.0%} of a whole brain is in the volume: what is missing is not judged, and a false region is"
            " likelier than in a whole brain"
        )
    return remarks


def _unlike_adults(
    native: Volume, fa: np.ndarray, brain: np.ndarray, template: Template, alignment: Alignment
) -> list[str]:
    size = float(np.cbrt(abs(np.linalg.det(alignment.matrix[:3, :3]))))
    unlike = []
    if not USUAL_SIZE[0] <= size <= USUAL_SIZE[1]:
        unlike.append(f"its size is {size:.2f} times that of the template of adults (usual {_range(USUAL_SIZE)})")
    contrast = _contrast(fa, brain, template)
    if contrast is not None and not USUAL_CONTRAST[0] <= contrast <= USUAL_CONTRAST[1]:
        unlike.append(f"its contrast is {contrast:.2f} times the template's (usual {_range(USUAL_CONTRAST)})")
    fits_like_an_average = alignment.correlation > MAX_USUAL_CORRELATION and alignment.outline_known
    if fits_like_an_average and noise_of(native.data) < MAX_AVERAGE_NOISE:
        unlike.append(f"it is as smooth as an average of many people (correlation {alignment.correlation:.2f})")
    return unlike


def noise_of(fa: np.ndarray) -> float:
    """Standard deviation of the noise of a map (X, Y, Z), 0 outside the brain, in the unit of the map.

    Of the product of the three second differences, to which tissue adds little. 0 where no voxel is deep enough.

    References
    ----------
    Immerkaer, J. (1996). Fast noise variance estimation. Computer Vision and Image Understanding 64(2), 300-302; here
    in three dimensions and by the median.

    Examples
    --------
    >>> noisy = 0.3 + np.random.default_rng(0).normal(0.0, 0.02, (40, 40, 40))
    >>> round(noise_of(noisy), 3), noise_of(np.full((9, 9, 9), 0.3))
    (0.02, 0.0)
    """
    inside = ndimage.binary_erosion(fa > 0, iterations=2)
    differences = fa.astype(np.float64)
    for axis in range(3):
        differences = ndimage.convolve1d(differences, [1.0, -2.0, 1.0], axis=axis)
    # Each of the three filters multiplies the variance by 1 + 4 + 1.
    return float(1.4826 * np.median(np.abs(differences[inside])) / 6.0**1.5) if inside.any() else 0.0


def _contrast(fa: np.ndarray, brain: np.ndarray, template: Template) -> float | None:
    """Slope of FA over the template's inside the brain; None where too little of it is seen."""
    inside = brain & (template.priors.brain > BRAIN_PROBABILITY)
    inside &= ndimage.distance_transform_edt(inside, sampling=template.fa.spacing) > INSIDE_MM
    reference = template.priors.fa[inside]
    if reference.size < 2 or reference.var() == 0:
        return None
    return fit_gain_and_offset(reference, fa[inside])[0]


def _range(limits: tuple[float, float]) -> str:
    return f"{limits[0]:g} to {limits[1]:g}"
