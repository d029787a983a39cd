"""Regions replaced by healthy tissue at the input's own resolution and noise: one draw from the posterior.

The model's mean is a blur: it knows nothing of detail below 4.5 mm, and a mean has no noise. What the input has beyond
it in healthy tissue, the residual, tells what is missing. A draw is the mean plus a residual like those:

- the residual of the homologous place of the other hemisphere, where that is healthy, so that gyri and edges of tracts
  are those of a brain (:mod:`.homologous_tissue`);
- a Gaussian field for what that lacks of the residual's power spectrum, or for all of it where there is no such place;
- conditioned on the residual of the tissue round the region (:mod:`.stationary_field`), so that no seam is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import Box, bounding_box
from .homologous_tissue import MirroredBrain, Surroundings
from .stationary_field import StationaryField

AROUND_MM = 20.0
"""Healthy tissue within this distance tells the residual's scale and spectrum."""
SHELL_MM = 5.0
"""Known residuals within this distance of a region are continued into it; one voxel at least."""
MIN_HEALTHY = 60
"""Voxels of healthy tissue below which neither scale nor spectrum can be told."""
MAX_ASYMMETRY = 1.0
"""Standard deviations of a voxel that the place opposite may depart from what is expected, on average over the region:
no healthy place does, and a lesion there is not to be copied."""
OUTLIER = 3.0
"""Standard deviations at which a residual is cut: rims of lesions, speckle at the brain's edge."""
SCALE_BINS, SCALE_SIGMA_BINS, SCALE_PRIOR = 64, 4.0, 20.0
"""The residual's scale as a function of expected FA: bins, their smoothing, and voxels that the mean scale counts."""


@dataclass(frozen=True)
class Tissue:
    """A brain and what is expected of it, on the native grid.

    Attributes
    ----------
    fa
        float32 (X, Y, Z) in [0, 1].
    expected
        The model's mean, FA; of meaning where *predicted*.
    predicted, brain
        bool (X, Y, Z): voxels that lay in a hole, and those of the brain.
    spacing
        Edges of a voxel, mm.
    mirror
        4x4 from voxel indices to those of the place opposite in the other hemisphere.
    """

    fa: np.ndarray
    expected: np.ndarray
    predicted: np.ndarray
    brain: np.ndarray
    spacing: np.ndarray
    mirror: np.ndarray


@dataclass(frozen=True)
class Draw:
    """A brain whose regions are filled.

    Attributes
    ----------
    fa
        float32 (X, Y, Z) in [0, 1]; outside the regions the input, bit by bit.
    plain
        Regions that hold the mean alone, because too little healthy tissue lies round them.
    """

    fa: np.ndarray
    plain: int = 0


def draw_regions(tissue: Tissue, regions: np.ndarray, seed: int, check: Callable[[], None] | None = None) -> Draw:
    """Replace regions by one draw from the posterior.

    Parameters
    ----------
    tissue
        The brain.
    regions
        bool (X, Y, Z), within ``tissue.predicted``. Connected parts are filled one after the other, each knowing those
        before it.
    seed
        Of the draw: the same tissue, regions and seed give the same bytes.
    check
        Called before every part; may raise to cancel.
    """
    filled, healthy = tissue.fa.copy(), tissue.predicted & tissue.brain & ~regions
    if not regions.any():
        return Draw(filled)
    mirrored = MirroredBrain(tissue.fa, tissue.brain & ~regions, tissue.mirror, tissue.spacing)
    labels, count = ndimage.label(regions, ndimage.generate_binary_structure(3, 3))
    margin = np.ceil(AROUND_MM / tissue.spacing).astype(int)
    plain = 0
    for number, part in enumerate(ndimage.find_objects(labels), 1):
        if check is not None:
            check()
        box = _widened(part, margin, labels.shape)
        region, known = labels[box] == number, healthy[box]
        local = _Local(filled[box], tissue.expected[box], region, known, tissue.spacing)
        if known.sum() < MIN_HEALTHY:
            values, plain = local.expected[region], plain + 1
        else:
            values = local.drawn(box, mirrored, np.random.default_rng([seed, number]))
        filled[box][region] = values
    return Draw(filled, plain)


@dataclass(frozen=True)
class _Local:
    """One region with its surroundings, on a box of the grid; *healthy* is tissue whose residual is known."""

    fa: np.ndarray
    expected: np.ndarray
    region: np.ndarray
    healthy: np.ndarray
    spacing: np.ndarray

    def drawn(self, box: Box, mirrored: MirroredBrain, generator: np.random.Generator) -> np.ndarray:
        """FA of the region's voxels, float32 in [0, 1]."""
        residual = np.where(self.healthy, self.fa - self.expected, 0.0)
        scale = scale_by_expected(self.expected, residual, self.healthy)
        known = np.clip(residual / scale, -OUTLIER, OUTLIER)
        field = StationaryField.measured(known, self.healthy, self.spacing)
        distance = ndimage.distance_transform_edt(~self.region, sampling=self.spacing)
        shell = self.healthy & (distance <= max(SHELL_MM, 1.01 * float(self.spacing.max())))
        loose = self._unconditional(box, shell, scale, field, mirrored, generator)
        joined = loose + field.continued(known - loose, shell) if shell.any() else loose
        return _folded(self.expected + scale * joined)[self.region]

    def _unconditional(
        self,
        box: Box,
        shell: np.ndarray,
        scale: np.ndarray,
        field: StationaryField,
        mirrored: MirroredBrain,
        generator: np.random.Generator,
    ) -> np.ndarray:
        """A standardised residual that knows nothing of the shell: that of the place opposite, and what it lacks."""
        near = bounding_box(self.region | shell)
        x, y, z = (slice(b.start + n.start, b.start + n.stop) for b, n in zip(box, near, strict=True))
        around = Surroundings(self.fa[near], self.expected[near], self.region[near], shell[near])
        opposite = mirrored.fitting((x, y, z), around, generator)
        if opposite is None:
            return field.sample(generator)
        usable = np.isfinite(opposite)
        departs = np.where(usable, (opposite - self.expected[near]) / scale[near], 0.0)
        if abs(departs[usable & self.region[near]].mean()) > MAX_ASYMMETRY:
            return field.sample(generator)
        residual, present = np.zeros(self.fa.shape), np.zeros(self.fa.shape, bool)
        present[near] = usable & (self.region | shell)[near]
        residual[near] = np.where(present[near], np.clip(departs, -OUTLIER, OUTLIER), 0.0)
        lacking = field.without(StationaryField.measured(residual, present, self.spacing))
        return residual + lacking.sample(generator)


def scale_by_expected(expected: np.ndarray, residual: np.ndarray, healthy: np.ndarray) -> np.ndarray:
    """Standard deviation of the residual at every voxel, told by the FA that is expected there.

    White matter, its edges and grey matter differ in how much they vary, and the expected FA tells them apart inside a
    region, too.

    Parameters
    ----------
    expected, residual
        FA (X, Y, Z); the residual is used where *healthy*.
    healthy
        bool (X, Y, Z), not empty.

    Returns
    -------
    numpy.ndarray
        float64 (X, Y, Z), FA, positive.
    """
    bins = np.clip((expected * SCALE_BINS).astype(int), 0, SCALE_BINS - 1)
    squares = residual[healthy].astype(np.float64) ** 2
    count, total = (
        ndimage.gaussian_filter1d(np.bincount(bins[healthy], weights, SCALE_BINS), SCALE_SIGMA_BINS, mode="constant")
        for weights in (np.ones_like(squares), squares)
    )
    typical = max(float(squares.mean()), 1e-8)
    return np.sqrt((total + SCALE_PRIOR / SCALE_BINS * typical) / (count + SCALE_PRIOR / SCALE_BINS))[bins]


def _widened(part: tuple[slice, ...], margin: np.ndarray, shape: tuple[int, ...]) -> Box:
    x, y, z = (
        slice(max(s.start - int(m), 0), min(s.stop + int(m), n)) for s, m, n in zip(part, margin, shape, strict=True)
    )
    return x, y, z


def _folded(fa: np.ndarray) -> np.ndarray:
    """FA in [0, 1], float32: what is beyond a bound is reflected there, as noise is in a measured map.

    >>> print(_folded(np.array([-0.1, 0.4, 1.2])))
    [0.1 0.4 0.8]
    """
    return np.clip(1.0 - np.abs(1.0 - np.abs(fa)), 0.0, 1.0).astype(np.float32)
