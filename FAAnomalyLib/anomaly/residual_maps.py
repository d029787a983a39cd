"""What speaks for a change at each place: smoothed residuals of several predictions at several scales.

A prediction from surroundings (the inpainter) is precise but follows a change that is larger than its
holes, for then the change is its own surroundings.  The bent template knows nothing of the change and is
less precise; what it misses in a healthy brain is often missed on both sides.  So a change counts as far
as it is borne out by both: by the template, and by the other side's place of the same name.  Smoothing as
wide as the change (a matched filter) takes the voxels' noise away.  Every map is a precision-weighted mean
of residuals in FA.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import bounding_box
from ..preprocessing.template import TemplatePriors
from .contralateral import contralateral_coordinates, contralateral_difference

INPAINTED_SMALL, INPAINTED_LARGE = "inpainted in 20 mm holes", "inpainted in 40 mm holes"
TEMPLATE, TEMPLATE_MINMOD = "bent template", "bent template, borne out by the other side"
TEMPLATE_MINMOD_IN_TRACTS = f"{TEMPLATE_MINMOD}, tracts first"
DRAWN_REGION = "drawn region"

Key = tuple[str, float]
"""A prediction and the standard deviation in mm of the Gaussian over its residual."""

SCREENING_KEYS: tuple[Key, ...] = (
    (INPAINTED_SMALL, 3.0),
    (TEMPLATE_MINMOD, 3.0),
    (TEMPLATE_MINMOD_IN_TRACTS, 3.0),
    (INPAINTED_LARGE, 5.0),
    (TEMPLATE_MINMOD, 5.0),
    (TEMPLATE_MINMOD_IN_TRACTS, 5.0),
    (INPAINTED_LARGE, 8.0),
    (TEMPLATE, 8.0),
    (TEMPLATE_MINMOD, 8.0),
)
REGION_KEYS: tuple[Key, ...] = ((DRAWN_REGION, 3.0), (DRAWN_REGION, 5.0), (DRAWN_REGION, 8.0))
REFERENCE_KEYS: dict[Key, Key] = {
    REGION_KEYS[0]: (INPAINTED_SMALL, 3.0),
    REGION_KEYS[1]: (INPAINTED_LARGE, 5.0),
    REGION_KEYS[2]: (INPAINTED_LARGE, 8.0),
}
"""Whose spread over the subject a drawn region is measured by: its own is ruled by what was drawn."""
MAX_RESIDUAL = 0.25
"""FA beyond which a voxel's residual does not count more (Winsorised): a tract's edge a voxel off its place reaches
0.7 and would rule its surroundings, a change of this size in every voxel is found all the same."""
MAX_DEVIATION = 0.15
"""The same for residuals of the template, which misses more edges."""
MIN_SUPPORT = 0.1
"""Added to the summed weights, as a share of a full kernel of average precision: in a thin sheet of white
matter few voxels speak, and their mean is drawn towards 0."""
MIN_FA = 0.1
"""Of the template, where it stands for a residual's precision: in the core of a tract it is sure of its FA, and disease
takes away a share of what there is; what it misses is the rim."""
MAX_PRECISION = 4.0
"""Times the average: no voxel is so sure that it speaks for its neighbours."""

Residual = tuple[np.ndarray, np.ndarray]
"""Residual in FA and its variance (FA squared, NaN where unknown), both (X, Y, Z)."""


def screening_maps(
    fa: np.ndarray, priors: TemplatePriors, analysed: np.ndarray, small: Residual, large: Residual, spacing_mm: float
) -> dict[Key, np.ndarray]:
    """Maps of :data:`SCREENING_KEYS`, float32 (X, Y, Z), FA, 0 outside *judged*.

    Parameters
    ----------
    fa, prior
        On the model grid, X left-right symmetric about the array centre.
    judged
        bool: where there is an answer.
    small, large
        Of the inpainter with 20 and 40 mm holes.
    """
    deviation = _template_residual(fa, priors.fa, analysed)
    asymmetry = contralateral_difference(deviation, analysed, contralateral_coordinates(fa.shape, priors.displacement))
    unknown = np.full(fa.shape, np.nan, np.float32)
    bounded = np.clip(deviation, -MAX_DEVIATION, MAX_DEVIATION)
    both = minmod(bounded, asymmetry)
    sources = {
        INPAINTED_SMALL: small,
        INPAINTED_LARGE: large,
        TEMPLATE: (bounded, unknown),
        TEMPLATE_MINMOD: (both, unknown),
        TEMPLATE_MINMOD_IN_TRACTS: (both, np.clip(priors.fa, MIN_FA, 1.0) ** -2),
    }
    return {(name, sigma): smoothed(*sources[name], analysed, sigma / spacing_mm) for name, sigma in SCREENING_KEYS}


def region_maps(residual: Residual, analysed: np.ndarray, spacing_mm: float) -> dict[Key, np.ndarray]:
    """Maps of :data:`REGION_KEYS`; see :func:`screening_maps`."""
    return {key: smoothed(*residual, analysed, key[1] / spacing_mm) for key in REGION_KEYS}


def _template_residual(fa: np.ndarray, template: np.ndarray, analysed: np.ndarray) -> np.ndarray:
    """Residual of the template with one gain and offset for the whole brain."""
    if analysed.sum() < 2:
        return np.zeros_like(fa)
    gain, offset = np.polyfit(template[analysed].astype(np.float64), fa[analysed].astype(np.float64), 1)
    return fa - (gain * template + offset).astype(np.float32)


def minmod(deviation: np.ndarray, asymmetry: np.ndarray) -> np.ndarray:
    """The smaller in magnitude where both (arrays of one shape) have one sign, else 0 (the minmod limiter).

    A change on the other side shows in the asymmetry alone, what the template misses on both sides in the deviation
    alone: neither counts.
    """
    agree = deviation * asymmetry > 0
    return np.where(agree, np.sign(deviation) * np.minimum(np.abs(deviation), np.abs(asymmetry)), 0.0)


def smoothed(residual: np.ndarray, variance: np.ndarray, analysed: np.ndarray, sigma_voxels: float) -> np.ndarray:
    """Precision-weighted Gaussian mean of the Winsorised residual over judged voxels alone, float32; 0 elsewhere."""
    mean, box = np.zeros(analysed.shape, np.float32), bounding_box(analysed)
    residual, variance, analysed = residual[box], variance[box], analysed[box]
    precision = 1.0 / np.maximum(np.where(np.isfinite(variance), variance, 1.0), 1e-6)
    if analysed.any():
        precision = np.minimum(precision / precision[analysed].mean(), MAX_PRECISION)
    weight = np.where(analysed, precision, 0.0).astype(np.float32)
    bounded = np.clip(np.where(analysed, residual, 0.0), -MAX_RESIDUAL, MAX_RESIDUAL).astype(np.float32)
    total = _gaussian(bounded * weight, sigma_voxels)
    mean[box] = np.where(analysed, total / (_gaussian(weight, sigma_voxels) + MIN_SUPPORT), 0.0)
    return mean


def _gaussian(values: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(values, sigma, mode="constant", truncate=3.0)


def robust_location_and_scale(values: np.ndarray) -> tuple[float, float]:
    """Median and robust standard deviation (from the MAD); (0, 1) of nothing."""
    if values.size == 0:
        return 0.0, 1.0
    centre = np.median(values)
    return float(centre), float(max(1.4826 * np.median(np.abs(values - centre)), 1e-6))
