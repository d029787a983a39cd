"""Smoothed residuals of the warped template at several scales: the evidence for a change at each voxel.

The template, warped to a brain, tells the FA that is to be expected at each place; its errors in a healthy brain are
often the same on both sides, and change slowly from place to place. A change therefore counts only as far as the
deviation from the template and the asymmetry of that deviation both show it (:func:`minmod`), and less what the whole
neighbourhood deviates by (:func:`without_regional_level`). A Gaussian as wide as the change (a matched filter) averages
the noise of the voxels away. Every map is a precision-weighted mean of residuals in FA.

What the network expects is no evidence here: it follows a change that is wider than its holes, and without it the
people whom it was trained on count among the healthy. It fills what was found, and judges drawn regions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import bounding_box
from ..preprocessing.interruptible_itk import Check
from ..preprocessing.robust_statistics import fit_gain_and_offset
from ..preprocessing.template import TemplatePriors
from .contralateral import contralateral_coordinates, contralateral_difference, paired_voxels

# These strings are stored in calibration.npz and never change.
TEMPLATE, TEMPLATE_MINMOD = "warped template", "warped template, borne out by the other side"
TEMPLATE_MINMOD_IN_TRACTS = f"{TEMPLATE_MINMOD}, tracts first"

MapKey = tuple[str, float]
"""Name of a prediction, and the standard deviation in mm of the Gaussian that smooths its residual."""

SCREENING_KEYS: tuple[MapKey, ...] = (
    (TEMPLATE_MINMOD, 3.0),
    (TEMPLATE_MINMOD_IN_TRACTS, 3.0),
    (TEMPLATE_MINMOD, 5.0),
    (TEMPLATE_MINMOD_IN_TRACTS, 5.0),
    (TEMPLATE, 8.0),
    (TEMPLATE_MINMOD, 8.0),
)
MAX_RESIDUAL = 0.25
"""FA at which the inpainter's residual is clipped (Winsorised): the edge of a tract one voxel off its place reaches 0.7
and would rule its surroundings; a change of this size in every voxel is still found."""
MAX_DEVIATION = 0.15
"""The same for residuals of the template, which misses more edges."""
LEVEL_MM = 20.0
"""Standard deviation of the Gaussian about a place that its regional level is the mean over."""
MAX_LEVEL = 0.05
"""FA: no more is taken away as regional level, so that a change of a whole lobe is left."""
MIN_PAIRED = 0.7
"""Share of the analysed voxels that must have an analysed partner in the other hemisphere (real whole brains: 0.94 and
more). With fewer the deviation stands alone where there is none."""
MIN_SUPPORT = 0.1
"""Added to the summed weights, as a share of a full kernel of average precision. In a thin sheet of white matter only
few voxels contribute, and their mean is drawn towards 0."""
MIN_FA = 0.1
"""Lower bound of the template FA that serves as precision. The template is sure of the FA in the core of a tract, of
which disease takes away a share; its errors lie at the rim."""
MAX_PRECISION = 4.0
"""Upper bound of a voxel's precision, in units of the average: no voxel may speak for its neighbours."""


class Residual(NamedTuple):
    """FA minus a prediction of it, and the variance of that prediction.

    Attributes
    ----------
    values
        FA, float32 (X, Y, Z).
    variance
        FA squared, (X, Y, Z); NaN where unknown.
    """

    values: np.ndarray
    variance: np.ndarray


def screening_maps(
    fa: np.ndarray,
    priors: TemplatePriors,
    analysed: np.ndarray,
    spacing_mm: float,
    check: Check | None = None,
) -> dict[MapKey, np.ndarray]:
    """Maps of :data:`SCREENING_KEYS`, the evidence that a whole brain is screened by.

    With f the FA, T the warped template, g and o its fitted gain and offset, d the deviation ``f - (g T + o)`` without
    its regional level, and y' the partner of a voxel y in the other hemisphere, the residuals that are smoothed
    (:func:`smoothed`) are

    * the bounded deviation ``clip(d, -0.15, 0.15)``;
    * ``minmod(clip(d, -0.15, 0.15), a)`` with the asymmetry ``a(y) = d(y) - d(y')``, once with equal weights and once
      with the precision ``T ** 2``, which favours the cores of tracts.

    Parameters
    ----------
    fa
        (X, Y, Z) in [0, 1] on the model grid, whose first axis is left-right symmetric about the array centre.
    priors
        The template warped to this brain, on the same grid.
    analysed
        bool (X, Y, Z): voxels that are scored.
    spacing_mm
        Edge of a voxel.
    check
        Called between the parts; may raise to cancel.

    Returns
    -------
    dict
        Key -> float32 (X, Y, Z), FA, 0 outside *analysed*; in the order of :data:`SCREENING_KEYS`.
    """
    deviation = without_regional_level(_template_residual(fa, priors.fa, analysed), analysed, spacing_mm)
    unknown = np.full(fa.shape, np.nan, np.float32)
    bounded = np.clip(deviation, -MAX_DEVIATION, MAX_DEVIATION)
    partner = contralateral_coordinates(fa.shape, priors.displacement, check)
    agreed = _borne_out(deviation, bounded, analysed, partner)
    sources = {
        TEMPLATE: Residual(bounded, unknown),
        TEMPLATE_MINMOD: Residual(agreed, unknown),
        TEMPLATE_MINMOD_IN_TRACTS: Residual(agreed, np.clip(priors.fa, MIN_FA, 1.0) ** -2),
    }
    maps = {}
    for name, sigma in SCREENING_KEYS:
        if check is not None:
            check()
        maps[name, sigma] = smoothed(*sources[name], analysed, sigma / spacing_mm)
    return maps


def without_regional_level(deviation: np.ndarray, counted: np.ndarray, spacing_mm: float) -> np.ndarray:
    """The deviation less its mean over the neighbourhood.

    People differ from the template by some hundredths of FA over whole lobes. With b the deviation bounded at 0.15 FA
    over the *counted* voxels and G a Gaussian of :data:`LEVEL_MM`, ``sum(G b) / (sum(G) + 0.1)``, bounded at
    :data:`MAX_LEVEL`, is taken away.

    Parameters
    ----------
    deviation
        FA, (X, Y, Z).
    counted
        bool (X, Y, Z): voxels that tell the level; without those of a drawn region, whose level is asked for.
    spacing_mm
        Edge of a voxel.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z), FA.
    """
    bounded = np.where(counted, np.clip(deviation, -MAX_DEVIATION, MAX_DEVIATION), 0.0).astype(np.float32)
    weight, sigma = counted.astype(np.float32), LEVEL_MM / spacing_mm
    level = _gaussian(bounded, sigma) / (_gaussian(weight, sigma) + MIN_SUPPORT)
    return (deviation - np.clip(level, -MAX_LEVEL, MAX_LEVEL)).astype(np.float32)


def template_deviation(fa: np.ndarray, template: np.ndarray, healthy: np.ndarray, spacing_mm: float) -> np.ndarray:
    """The bounded deviation of :func:`screening_maps`, with gain, offset and regional level of *healthy* voxels alone.

    Parameters
    ----------
    fa, template
        (X, Y, Z) in [0, 1].
    healthy
        bool (X, Y, Z).
    spacing_mm
        Edge of a voxel.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z), FA, within 0.15 of 0.
    """
    deviation = without_regional_level(_template_residual(fa, template, healthy), healthy, spacing_mm)
    return np.clip(deviation, -MAX_DEVIATION, MAX_DEVIATION)


def _template_residual(fa: np.ndarray, template: np.ndarray, analysed: np.ndarray) -> np.ndarray:
    """Residual of the template with one gain and one offset for the whole brain."""
    if analysed.sum() < 2:
        return np.zeros_like(fa)
    gain, offset = fit_gain_and_offset(template[analysed], fa[analysed])
    return fa - (gain * template.astype(np.float64) + offset).astype(np.float32)


def _borne_out(deviation: np.ndarray, bounded: np.ndarray, analysed: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """The bounded deviation as far as the other side bears it out; alone where a brain lacks the other side."""
    paired = paired_voxels(analysed, partner)
    agreed = minmod(bounded, contralateral_difference(deviation, analysed, partner))
    if paired.sum() >= MIN_PAIRED * analysed.sum():
        return agreed
    return np.where(paired, agreed, bounded)


def minmod(deviation: np.ndarray, asymmetry: np.ndarray) -> np.ndarray:
    """The argument of smaller magnitude where both have one sign, else 0.

    ``minmod(a, b) = sign(a) min(|a|, |b|)`` if ``a b > 0``, else 0. A change in the other hemisphere shows in the
    asymmetry alone, an error that the template makes in both hemispheres in the deviation alone: neither counts.

    Parameters
    ----------
    deviation, asymmetry
        Arrays of one shape, FA.

    References
    ----------
    The minmod limiter of Roe, Annual Review of Fluid Mechanics 18:337, 1986.

    Examples
    --------
    >>> minmod(np.array([-0.2, -0.1, 0.1]), np.array([-0.1, -0.3, -0.1])).tolist()
    [-0.1, -0.1, 0.0]
    """
    agree = deviation * asymmetry > 0
    return np.where(agree, np.sign(deviation) * np.minimum(np.abs(deviation), np.abs(asymmetry)), 0.0)


def smoothed(residual: np.ndarray, variance: np.ndarray, analysed: np.ndarray, sigma_voxels: float) -> np.ndarray:
    """Precision-weighted Gaussian mean of the Winsorised residual over the analysed voxels.

    ``sum(G w clip(r, -0.25, 0.25)) / (sum(G w) + 0.1)`` with the Gaussian G (sum 1, cut at 3 sigma) and the precision
    ``w = 1 / variance`` over its mean, at most 4, and 0 outside *analysed*.

    Parameters
    ----------
    residual
        FA, (X, Y, Z).
    variance
        FA squared, (X, Y, Z); NaN where unknown, which counts as 1.
    analysed
        bool (X, Y, Z).
    sigma_voxels
        Standard deviation of the Gaussian.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z), FA; 0 outside *analysed*.
    """
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
