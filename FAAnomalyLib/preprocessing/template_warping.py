"""Warping of the template to one brain: a smooth deformation on top of the affine registration.

Registration by local correlation (:mod:`.deformable_registration`), which asks for the same pattern and not for the
same FA. What is not to be followed (candidates for a lesion, places outside the field of view, everything far from the
brain) does not count, and the deformation goes on smoothly there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import bounding_box
from .deformable_registration import Smoothness, register_deformable, warped
from .interruptible_itk import Check
from .template import TemplatePriors

if TYPE_CHECKING:
    import torch

LEVELS_MM = ((8.0, 60), (4.0, 40), (2.0, 15))
"""Voxels and steps of the registration; voxels finer than the grid's are left out."""
MARGIN_VOXELS = 4
"""About the brains, which the registration by local correlation needs."""
RIM_MM = 4.0
"""So far beyond the brain the map is followed: its outline is a pattern, the air and noise around it are not."""
GOES_ON_MM = 8.0
"""Standard deviation of the Gaussian by which the deformation goes on through what is not to be followed; 5 and 12 mm
find the same."""
EDGE_MM = 2.0
"""The same of the step between both deformations."""
SETTINGS = (LEVELS_MM, RIM_MM, Smoothness())
"""What decides the warping, for the keys of what is kept of it."""


def warp_template(
    priors: TemplatePriors,
    fa: np.ndarray,
    spacing_mm: float,
    followed: np.ndarray | None = None,
    device: torch.device | str = "cpu",
    check: Check | None = None,
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
    followed
        bool (X, Y, Z): voxels that the template is to follow, see :func:`voxels_to_follow`; None for all.
    device
        Of the model; the processor where the device cannot do it.
    check
        Called before every step; may raise to cancel.

    Returns
    -------
    TemplatePriors
        float32 in [0, 1], of the same shape, with the displacement (3, X, Y, Z) in voxels.
    """
    device = device if str(device).startswith("cuda") else "cpu"  # Apple's GPUs lack torch's sampling in 3D
    box = bounding_box((fa > 0) | (priors.fa > 0), MARGIN_VOXELS)
    counted = None if followed is None else followed[box].astype(np.float32)
    inside = register_deformable(fa[box], priors.fa[box], counted, _smoothness(spacing_mm), device, check)
    # What lies farther from the brains than the margin is of no concern, but is not torn off either.
    around = [(s.start, n - s.stop) for s, n in zip(box, fa.shape, strict=True)]
    return _displaced(priors, np.pad(inside, ((0, 0), *around), mode="edge"), device)


def without_following(
    priors: TemplatePriors, followed: TemplatePriors, hidden: np.ndarray, spacing_mm: float
) -> TemplatePriors:
    """A warped template that does not follow a part of the brain: the deformation of the surroundings goes on there.

    It takes a twentieth of the time of another registration without that part, and finds the same.

    Parameters
    ----------
    priors
        Of the template, on the model grid.
    followed
        The same, warped to a brain (:func:`warp_template`).
    hidden
        bool (X, Y, Z): what is not to be followed.
    spacing_mm
        Edge of the isotropic voxels.

    Returns
    -------
    TemplatePriors
        As :func:`warp_template` returns them.
    """
    assert followed.displacement is not None
    near = bounding_box(hidden, int(np.ceil(3 * GOES_ON_MM / spacing_mm)))
    counted, sigma = (~hidden[near]).astype(np.float32), GOES_ON_MM / spacing_mm
    weight = np.maximum(ndimage.gaussian_filter(counted, sigma, mode="nearest"), 1e-6)
    share = ndimage.gaussian_filter(1.0 - counted, EDGE_MM / spacing_mm, mode="nearest")
    displacement = followed.displacement.copy()
    for along in displacement:
        going_on = ndimage.gaussian_filter(along[near] * counted, sigma, mode="nearest") / weight
        along[near] += share * (going_on - along[near])
    return _displaced(priors, displacement)


def _displaced(priors: TemplatePriors, displacement: np.ndarray, device: torch.device | str = "cpu") -> TemplatePriors:
    moved = warped(np.stack([priors.fa, priors.white_matter, priors.brain]), displacement, device)
    fa, white_matter, brain = np.clip(moved, 0.0, 1.0)
    return TemplatePriors(fa, white_matter, brain, np.ascontiguousarray(displacement))


def voxels_to_follow(brain: np.ndarray, seen: np.ndarray, spacing_mm: float) -> np.ndarray:
    """The brain and :data:`RIM_MM` around it, as far as the scan has seen it.

    Parameters
    ----------
    brain, seen
        bool (X, Y, Z): the brain, and the field of view of the scan.
    spacing_mm
        Edge of the isotropic voxels.
    """
    return ndimage.binary_dilation(brain, iterations=round(RIM_MM / spacing_mm)) & seen


def _smoothness(spacing_mm: float) -> Smoothness:
    # A total_sigma of 0.7 fits healthy brains better still, but follows a lesion, and finds fewer of them.
    levels = tuple((round(mm / spacing_mm), steps) for mm, steps in LEVELS_MM if mm > 0.75 * spacing_mm)
    return Smoothness(levels)
