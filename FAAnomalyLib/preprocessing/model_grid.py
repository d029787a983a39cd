"""The model grid, and the way from a volume's native grid to it and back.

The model grid is 2 mm isotropic in the world of the project's template and left-right symmetric
about its array centre, so that ``array[::-1]`` is the mirrored brain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import Box, bounding_box
from ..volume import Volume
from .affine_registration import Alignment, register_affine
from .template import Template, TemplatePriors
from .template_warping import warp_template

RESOLUTION_MM = 4.5
"""Every volume is brought to the resolution of voxels of this size (sigma 1 to 1.3 mm is added, as
linear interpolation would, but whatever the grid's phase): the network and the calibration meet one
kind of texture, and less of the noise that nothing can predict."""


@dataclass(frozen=True)
class ModelGrid:
    """One subject's way to the model grid and back.

    Attributes
    ----------
    native
        The subject's FA map.
    template
        The template that defines grid and priors.
    alignment
        Template world -> subject world.
    bent
        The priors bent to this brain (:mod:`FAAnomalyLib.preprocessing.template_warping`); None before that.
    """

    native: Volume
    template: Template
    alignment: Alignment
    warped: TemplatePriors | None = None

    @property
    def spacing_mm(self) -> float:
        """Edge of a model voxel in millimetres of the template's world."""
        return float(self.template.fa.spacing[0])

    @property
    def priors(self) -> TemplatePriors:
        """Template FA, white matter and brain on the model grid, where this brain has them."""
        return self.warped or self.template.priors

    @property
    def _native_from_model(self) -> np.ndarray:
        """4x4 matrix from model voxel indices to native ones."""
        return np.linalg.inv(self.native.affine) @ self.alignment.matrix @ self.template.fa.affine

    def to_model(self, data: np.ndarray, order: int = 3, box: Box | None = None) -> np.ndarray:
        """A native scalar array on the model grid, float32.

        ``order`` 3 (cubic) after smoothing to :data:`RESOLUTION_MM`, for FA; 1 for masks as 0..1.
        Outside the native field of view the result is 0, and outside *box* of the model grid.
        """
        source = data.astype(np.float32)
        if order > 1:
            spread = np.sqrt(np.maximum(RESOLUTION_MM**2 - self.native.spacing**2, 0.0) / 12.0)
            source = ndimage.gaussian_filter(source, spread / self.native.spacing, mode="nearest", truncate=3.0)
        return _carried(source, self._native_from_model, self.template.fa.shape, order, box)

    def to_native(self, data: np.ndarray, order: int = 1, box: Box | None = None) -> np.ndarray:
        """A model-grid array at the native voxels' centres, float32; 0 outside the model grid.

        Outside *box* of the native grid nothing is computed and the result is 0.
        """
        back = np.linalg.inv(self._native_from_model)
        return _carried(data.astype(np.float32), back, self.native.shape, order, box)

    def voxels_touching(self, mask: np.ndarray) -> np.ndarray:
        """Model voxels, bool, that hold the centre of a native voxel of *mask* or take 1 % of a value from it.

        No part of *mask* is too small to be met, and none reaches a voxel by linear interpolation unnoticed.
        """
        grid = np.linalg.inv(self._native_from_model)
        # A share goes no farther than to the centre of the next native voxel.
        corners = np.stack(np.meshgrid(*[(s.start - 1, s.stop) for s in bounding_box(mask)])).reshape(3, -1)
        corners = grid[:3, :3] @ corners + grid[:3, 3:]
        lows, highs = np.floor(corners.min(axis=1)).astype(int), np.ceil(corners.max(axis=1)).astype(int) + 1
        box = tuple(
            slice(int(np.clip(low, 0, n - 1)), int(np.clip(high, 1, n)))
            for low, high, n in zip(lows, highs, self.template.fa.shape, strict=True)
        )
        return self._voxels_holding(mask, grid) | (self.to_model(mask, order=1, box=box) > 0.01)

    def _voxels_holding(self, mask: np.ndarray, grid: np.ndarray) -> np.ndarray:
        voxels = np.rint(grid[:3, :3] @ np.argwhere(mask).T + grid[:3, 3:]).astype(int)
        held = np.zeros(self.template.fa.shape, bool)
        inside = ((voxels >= 0) & (voxels < np.array(held.shape)[:, None])).all(axis=0)
        held[tuple(voxels[:, inside])] = True
        return held

    def mask_to_native(self, mask: np.ndarray) -> np.ndarray:
        """Native voxels whose centre lies in a voxel of the boolean model-grid *mask*.

        None beyond the outermost centres of the model grid, where :meth:`to_native` has no value either.
        """
        return self.to_native(mask, order=0) > 0.5


@dataclass(frozen=True)
class PreparedSubject:
    """A subject on the model grid, ready for the network.

    Attributes
    ----------
    space
        The way back.
    fa
        float32 (X, Y, Z) in [0, 1], 0 outside the brain.
    brain
        bool (X, Y, Z).
    native_brain
        bool, on the native grid.
    remarks
        For the user.
    """

    grid: ModelGrid
    fa: np.ndarray
    brain: np.ndarray
    native_brain: np.ndarray
    remarks: list[str]

    def inpainted_on_native(self, covered: np.ndarray) -> np.ndarray:
        """Native voxels of the brain that lay in a hole: *covered* is bool on the model grid."""
        return self.native_brain & self.grid.mask_to_native(covered)

    def z_on_native(self, z: np.ndarray, shown: np.ndarray) -> Volume:
        """A model-grid z-map as a result shows it, and as thresholds are made for: 0 outside *shown* (bool, native).

        It is not cut off at the judged voxels' faces: z fades to 0 over one model voxel, whatever the grid.
        """
        return self.grid.native.with_data(np.where(shown, self.grid.to_native(z, box=bounding_box(shown)), 0.0))


def prepare(volume: Volume, template: Template, brain: np.ndarray | None = None) -> PreparedSubject:
    """Bring a clean FA map onto the model grid.

    Parameters
    ----------
    volume
        FA in [0, 1] (see :mod:`FAAnomalyLib.preprocessing.fa_validation`).
    template
        Grid and priors.
    brain
        Brain mask on the native grid, or None to find it.

    Raises
    ------
    FAError
        ``bad-input`` when the volume cannot be aligned with the template.
    """
    remarks: list[str] = []
    support = volume.data > 0 if brain is None else brain
    masked = volume.with_data(np.where(support, volume.data, 0.0).astype(np.float32))
    alignment = register_affine(template.fa, masked, template.priors.brain > 0.5)
    remarks += alignment.remarks
    grid = ModelGrid(volume, template, alignment)
    if brain is None:
        brain = find_brain_mask(volume, grid)
        masked = volume.with_data(np.where(brain, volume.data, 0.0).astype(np.float32))
    fa = np.clip(grid.to_model(masked.data), 0.0, 1.0)
    on_grid = grid.to_model(brain, order=1) > 0.5
    fa = np.where(on_grid, fa, 0.0)
    warped = warp_template(template.priors, fa, grid.spacing_mm)
    return PreparedSubject(replace(grid, warped=warped), fa, on_grid, brain, remarks)


def find_brain_mask(volume: Volume, grid: ModelGrid) -> np.ndarray:
    """Brain on the native grid: where the map has data, near the registered template's brain.

    A skull-stripped map keeps its own outline; in one that is not, FA of noise in skull and air is
    cut away 6 mm beyond the template's brain.
    """
    reach = ndimage.distance_transform_edt(grid.template.priors.brain <= 0.5, sampling=grid.spacing_mm) <= 6.0
    near = grid.mask_to_native(reach)
    brain = (volume.data > 0) & near
    labels, count = ndimage.label(brain)
    if count > 1:
        brain = labels == 1 + np.argmax(ndimage.sum_labels(brain, labels, np.arange(1, count + 1)))
    return ndimage.binary_fill_holes(brain)


def _carried(source: np.ndarray, step: np.ndarray, shape: tuple[int, ...], order: int, box: Box | None) -> np.ndarray:
    """*source* at *step* (4x4) times the indices of a grid of *shape*, float32; 0 outside *source* and *box*."""
    found = np.zeros(shape, np.float32)
    box = box or tuple(slice(0, n) for n in shape)
    ndimage.affine_transform(
        source,
        step[:3, :3],
        step[:3, :3] @ [s.start for s in box] + step[:3, 3],
        output_shape=found[box].shape,
        output=found[box],
        order=order,
        mode="constant",
        cval=0.0,
    )
    return found


def symmetric_grid(shape: tuple[int, int, int], spacing: float, centre_ras: tuple[float, float, float]) -> np.ndarray:
    """Affine of a RAS grid whose array centre lies at *centre_ras* (x must be the mid-plane)."""
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = np.array(centre_ras) - spacing * (np.array(shape) - 1) / 2.0
    return affine
