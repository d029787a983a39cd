"""Evidence for a change within one drawn region: what the inpainter says, as far as the warped template bears it out.

The inpainter fills the region as one hole, so that a lesion in it leaves nothing in its own prediction. But it sees the
other hemisphere, and a lesion there shows in the fill as a ghost of the other sign. The warped template knows of
neither.

Location, scale, gain, offset and regional level come from the white matter outside the region: a lesion is never its
own standard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..errors import FAError
from ..inpainting.fusion import Inpainted
from ..preprocessing.model_grid import PreparedSubject
from ..preprocessing.robust_statistics import LocationScale, robust_location_and_scale
from ..preprocessing.template import WHITE_MATTER_PROBABILITY
from .calibration import Calibration
from .region_limits import edge_of
from .residual_maps import (
    TEMPLATE,
    MapKey,
    Residual,
    minmod,
    smoothed,
    template_deviation,
)
from .screening import analysed_voxels, residual_and_variance

SIGMAS_MM = (5.0, 8.0)
"""Standard deviations of the Gaussians that smooth both residuals; the standardised maps are averaged."""
INPAINTED = "inpainted in the drawn region"
PLACES_KEY: MapKey = (TEMPLATE, 8.0)
"""Map of a calibration whose bias and spread are those of the template's residual at each place."""
INPAINTER_SHARE = 2.0
"""The inpainter has to bear out half of what the template says: in a hole it misses some of what it should see."""
REACH_VOXELS = 3
"""Model voxels by which a drawn hole is widened: interpolation carries a voxel's value that far."""
MIN_OUTSIDE_SHARE = 0.25
"""Of the white matter that is analysed in the brain: so much must lie outside the region."""


@dataclass(frozen=True)
class RegionEvidence:
    """Two standardised residuals of one drawn region.

    Attributes
    ----------
    inpainter, template
        float32 (X, Y, Z), 0 outside *analysed*: the inpainter's residual, not yet over its spread in holes of this
        size, and the template's, whose spread is 1.
    analysed
        Voxels of the hole that are scored, bool (X, Y, Z).
    scale
        This brain's scale of each map, FA.
    """

    inpainter: np.ndarray
    template: np.ndarray
    analysed: np.ndarray
    scale: dict[MapKey, float]

    def combined(self, inpainter_spread: float) -> np.ndarray:
        """:func:`combined_evidence` of the two, float32 (X, Y, Z)."""
        return combined_evidence(self.inpainter, self.template, inpainter_spread)


def combined_evidence(inpainter: np.ndarray, template: np.ndarray, inpainter_spread: float) -> np.ndarray:
    """``minmod(2 inpainter / inpainter_spread, template)``, float32 of any shape.

    >>> combined_evidence(np.array([1.0, 4.0, -4.0]), np.array([3.0, 3.0, 3.0]), 1.0).tolist()
    [2.0, 3.0, 0.0]
    """
    return minmod(inpainter * np.float32(INPAINTER_SHARE / inpainter_spread), template).astype(np.float32)


def drawn_edge_mm(prepared: PreparedSubject, region: np.ndarray) -> float:
    """Size of a region, bool on the native grid: edge of the cube of its volume of brain, mm."""
    return edge_of(float((region & prepared.native_brain).sum() * prepared.grid.native.voxel_ml))


def drawn_hole(prepared: PreparedSubject, region: np.ndarray, mask_type: str = "cubic") -> np.ndarray:
    """What is hidden of the model grid for a drawn region, bool (X, Y, Z).

    Parameters
    ----------
    prepared
        The subject on the model grid.
    region
        bool on the native grid.
    mask_type
        ``cubic``, or ``wm`` for the white matter of the template alone.

    Raises
    ------
    FAError
        ``bad-request`` for a region without brain.
    """
    touched = prepared.grid.voxels_touching(region)
    hole = ndimage.binary_dilation(touched, iterations=REACH_VOXELS) & prepared.brain
    if not hole.any():
        raise FAError(
            "bad-request",
            "The region lies outside the brain",
            "none of its voxels is brain",
            "Draw it over brain tissue",
        )
    white_matter = prepared.grid.priors.white_matter > WHITE_MATTER_PROBABILITY
    return hole & white_matter if mask_type == "wm" else hole


def region_evidence(prepared: PreparedSubject, inpainted: Inpainted, calibration: Calibration) -> RegionEvidence:
    """The two residuals of a drawn region, each standardised.

    With f the FA, T the warped template and m the inpainter's mean, the template's deviation
    (:func:`~.residual_maps.template_deviation`, of the voxels outside) and ``clip(f - m, -0.25, 0.25)`` are smoothed by
    Gaussians of 5 and 8 mm. Both over this brain's own scale of the template's residual outside, the template's less
    location and bias and over spread of healthy people at the place, they are averaged. The bias of the template at
    5 mm is that at 8 mm times the ratio of the scales. How much the inpainter's residual varies in healthy regions of
    this size is a matter of the limits (:class:`~.region_limits.SizeLimits`).

    Parameters
    ----------
    prepared
        The subject on the model grid.
    inpainted
        The region filled as one hole.
    calibration
        Statistics of healthy people at the places of the template; a default one for none.

    Raises
    ------
    FAError
        ``bad-request`` when too little white matter lies outside the region.
    """
    spacing, priors = prepared.grid.spacing_mm, prepared.grid.priors
    whole = analysed_voxels(prepared)
    outside, analysed = whole & ~inpainted.covered, whole & inpainted.covered
    if outside.sum() < MIN_OUTSIDE_SHARE * whole.sum():
        raise FAError(
            "bad-request",
            "The drawn region leaves too little of the brain to judge it by",
            f"{100 * outside.sum() / max(whole.sum(), 1):.0f} % of the white matter lies outside it",
            "Analyze the whole brain, or draw a smaller region",
        )
    known = calibration.brought_to(priors.displacement)
    unknown = np.full(prepared.fa.shape, np.nan)
    deviation = Residual(template_deviation(prepared.fa, priors.fa, outside, spacing), unknown)
    residual = residual_and_variance(prepared.fa, inpainted)
    template = {sigma: smoothed(*deviation, whole, sigma / spacing) for sigma in SIGMAS_MM}
    # Smoothed without the region, or a lesion would spill into its own standard.
    around = {sigma: smoothed(*deviation, outside, sigma / spacing)[outside] for sigma in SIGMAS_MM}
    own = {sigma: _own_scale(known, values, sigma) for sigma, values in around.items()}
    scale: dict[MapKey, float] = {(name, s): own[s].scale for name in (TEMPLATE, INPAINTED) for s in SIGMAS_MM}
    inpainter_z, template_z = np.zeros(whole.shape, np.float32), np.zeros(whole.shape, np.float32)
    for sigma in SIGMAS_MM:
        values = smoothed(*residual, analysed, sigma / spacing) / np.float32(own[sigma].scale)
        inpainter_z += np.where(analysed, values, 0.0) / len(SIGMAS_MM)
        template_z += _template_z(known, template[sigma], analysed, own, sigma) / len(SIGMAS_MM)
    return RegionEvidence(inpainter_z, template_z, analysed, scale)


def _own_scale(calibration: Calibration, values: np.ndarray, sigma: float) -> LocationScale:
    own = robust_location_and_scale(values)
    return calibration.plausible_scale(PLACES_KEY, own) if sigma == PLACES_KEY[1] else own


def _template_z(
    calibration: Calibration, values: np.ndarray, analysed: np.ndarray, own: dict[float, LocationScale], sigma: float
) -> np.ndarray:
    z = (values - own[sigma].location) / own[sigma].scale
    if PLACES_KEY in calibration.bias:
        share = own[PLACES_KEY[1]].scale / own[sigma].scale
        z = (z - share * calibration.bias[PLACES_KEY]) / calibration.spread[PLACES_KEY]
    return np.where(analysed, z, 0.0).astype(np.float32)
