"""The model grid, and the resampling of a volume's native grid to it and back.

The model grid is the template's: 2 mm isotropic and left-right symmetric about the centre of its array, so that
``array[::-1]`` is the mirrored brain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..geometry.bounding_box import Box, bounding_box, whole_box
from ..volume import Volume
from .affine_registration import Alignment
from .interruptible_itk import Check
from .open_cavities import field_of_view
from .template import Template, TemplatePriors
from .template_warping import voxels_to_follow, warp_template, without_following

RESOLUTION_MM = 4.5
"""Every volume is smoothed to the resolution of voxels of this size, so that network and calibration see one kind of
texture and less of the noise that nothing can predict. The added sigma of 1 to 1.3 mm is that of linear interpolation,
but does not depend on the phase of the grid."""


@dataclass(frozen=True)
class ModelGrid:
    """The mapping between one subject's native grid and the model grid.

    Attributes
    ----------
    native
        The subject's FA map.
    template
        The template that defines grid and priors.
    alignment
        Affine registration, template world -> subject world.
    warped
        The priors warped to this brain (:mod:`FAAnomalyLib.preprocessing.template_warping`); None before that.
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
        """FA, white matter and brain of the template on the model grid, warped to this brain where that is done."""
        return self.warped or self.template.priors

    @property
    def _native_from_model(self) -> np.ndarray:
        """4x4 matrix from model voxel indices to native ones."""
        return np.linalg.inv(self.native.affine) @ self.alignment.matrix @ self.template.fa.affine

    @property
    def opposite(self) -> np.ndarray:
        """4x4 matrix from native voxel indices to those of the place opposite: the model grid is symmetric."""
        mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
        mirror[0, 3] = self.template.fa.shape[0] - 1
        return self._native_from_model @ mirror @ np.linalg.inv(self._native_from_model)

    def to_model(self, data: np.ndarray, order: int = 3, box: Box | None = None) -> np.ndarray:
        """Resample a native array to the model grid.

        Parameters
        ----------
        data
            (X, Y, Z) on the native grid, any dtype.
        order
            Order of the spline: 3 (cubic, after smoothing to :data:`RESOLUTION_MM`) for FA, 1 (linear, without
            smoothing) for masks, which become weights in [0, 1].
        box
            Part of the model grid that is computed; the whole by default.

        Returns
        -------
        numpy.ndarray
            float32 on the model grid; 0 outside the native field of view and outside *box*.
        """
        source = data.astype(np.float32)
        if order > 1:
            spread = np.sqrt(np.maximum(RESOLUTION_MM**2 - self.native.spacing**2, 0.0) / 12.0)
            source = ndimage.gaussian_filter(source, spread / self.native.spacing, mode="nearest", truncate=3.0)
        return _resampled(source, self._native_from_model, self.template.fa.shape, order, box)

    def to_native(self, data: np.ndarray, order: int = 1, box: Box | None = None) -> np.ndarray:
        """Sample a model-grid array at the centres of the native voxels.

        Parameters
        ----------
        data
            (X, Y, Z) on the model grid, any dtype.
        order
            Order of the spline: 1 (linear) or 0 (nearest voxel).
        box
            Part of the native grid that is computed; the whole by default.

        Returns
        -------
        numpy.ndarray
            float32 on the native grid; 0 outside the model grid and outside *box*.
        """
        back = np.linalg.inv(self._native_from_model)
        return _resampled(data.astype(np.float32), back, self.native.shape, order, box)

    def voxels_touching(self, mask: np.ndarray) -> np.ndarray:
        """Model voxels that a native mask contributes to, however small it is.

        Parameters
        ----------
        mask
            bool (X, Y, Z) on the native grid.

        Returns
        -------
        numpy.ndarray
            bool on the model grid: voxels that hold the centre of a voxel of *mask*, or more than 1 % of whose
            linearly interpolated value comes from it.
        """
        grid = np.linalg.inv(self._native_from_model)
        # Linear interpolation reaches no farther than to the centre of the next native voxel.
        corners = np.stack(np.meshgrid(*[(s.start - 1, s.stop) for s in bounding_box(mask)])).reshape(3, -1)
        corners = grid[:3, :3] @ corners + grid[:3, 3:]
        lows, highs = np.floor(corners.min(axis=1)).astype(int), np.ceil(corners.max(axis=1)).astype(int) + 1
        x, y, z = (
            slice(int(np.clip(low, 0, n - 1)), int(np.clip(high, 1, n)))
            for low, high, n in zip(lows, highs, self.template.fa.shape, strict=True)
        )
        return self._voxels_holding(mask, grid) | (self.to_model(mask, order=1, box=(x, y, z)) > 0.01)

    def _voxels_holding(self, mask: np.ndarray, grid: np.ndarray) -> np.ndarray:
        voxels = np.rint(grid[:3, :3] @ np.argwhere(mask).T + grid[:3, 3:]).astype(int)
        held = np.zeros(self.template.fa.shape, bool)
        inside = ((voxels >= 0) & (voxels < np.array(held.shape)[:, None])).all(axis=0)
        held[tuple(voxels[:, inside])] = True
        return held

    def in_view(self, brain: np.ndarray) -> np.ndarray:
        """Voxels of the model grid that the scan has seen, bool; *brain* is bool on the native grid."""
        return self.to_model(field_of_view(brain), order=1) > 0.99

    def mask_to_native(self, mask: np.ndarray) -> np.ndarray:
        """Native voxels, bool, whose centre lies in a voxel of *mask*, which is bool on the model grid.

        False beyond the outermost centres of the model grid, where :meth:`to_native` has no value either.
        """
        return self.to_native(mask, order=0) > 0.5


@dataclass(frozen=True)
class PreparedSubject:
    """A subject on the model grid, ready for the network.

    Attributes
    ----------
    grid
        The mapping to the native grid and back.
    fa
        float32 (X, Y, Z) in [0, 1] on the model grid, 0 outside the brain.
    brain
        bool (X, Y, Z) on the model grid.
    native_brain
        bool on the native grid.
    remarks
        For the user, about the registration.
    """

    grid: ModelGrid
    fa: np.ndarray
    brain: np.ndarray
    native_brain: np.ndarray
    remarks: list[str]

    def voxels_to_follow(self) -> np.ndarray:
        """What the template is warped by, bool (X, Y, Z): see :func:`.template_warping.voxels_to_follow`."""
        return voxels_to_follow(self.brain, self.grid.in_view(self.native_brain), self.grid.spacing_mm)

    def not_following(self, hidden: np.ndarray) -> PreparedSubject:
        """The same brain with a template that was not warped to a part of it; *hidden* is bool on the model grid.

        A template that was not warped at all follows nothing.
        """
        grid = self.grid
        if grid.warped is None or not hidden.any():
            return self
        priors = without_following(grid.template.priors, grid.warped, hidden, grid.spacing_mm)
        return replace(self, grid=replace(grid, warped=priors))

    def inpainted_on_native(self, covered: np.ndarray) -> np.ndarray:
        """Native voxels of the brain, bool, that lie in a hole; *covered* is bool on the model grid."""
        return self.native_brain & self.grid.mask_to_native(covered)

    def z_on_native(self, z: np.ndarray, shown: np.ndarray) -> Volume:
        """A z-map as results show it and as thresholds are calibrated for.

        Linear interpolation, so that z fades to 0 over one model voxel beyond the analysed ones instead of ending at
        their faces, whatever the native grid.

        Parameters
        ----------
        z
            (X, Y, Z) on the model grid, 0 where nothing is analysed.
        shown
            bool on the native grid; elsewhere the result is 0.

        Returns
        -------
        Volume
            On the native grid.
        """
        return self.grid.native.with_data(np.where(shown, self.grid.to_native(z, box=bounding_box(shown)), 0.0))

    def whole_brain_z(self, z: np.ndarray) -> Volume:
        """:meth:`z_on_native`, shown in the whole brain as the result of a whole brain shows it."""
        return self.z_on_native(z, self.inpainted_on_native(self.brain))


def with_other_fa(
    prepared: PreparedSubject, volume: Volume, warps: bool = False, check: Check | None = None
) -> PreparedSubject:
    """Another FA map of the same brain on the same native grid, with affine registration and brain as they were.

    Parameters
    ----------
    prepared
        As :func:`prepare` returns it.
    volume
        FA in [0, 1], for instance with an anomaly that was planted.
    warps
        Whether the template is warped anew to it; else the priors stay as they were.
    check
        Called before every step of the warping; may raise to cancel.
    """
    if not volume.same_geometry(prepared.grid.native):
        raise ValueError("the map lies on another grid than the prepared one")
    grid = replace(prepared.grid, native=volume)
    masked = np.where(prepared.native_brain, volume.data, 0.0).astype(np.float32)
    fa = np.where(prepared.brain, np.clip(grid.to_model(masked), 0.0, 1.0), 0.0)
    if warps:
        followed = prepared.voxels_to_follow()
        grid = replace(grid, warped=warp_template(grid.template.priors, fa, grid.spacing_mm, followed, check=check))
    return replace(prepared, grid=grid, fa=fa)


def _resampled(
    source: np.ndarray, to_source: np.ndarray, shape: tuple[int, int, int], order: int, box: Box | None
) -> np.ndarray:
    """*source* at *to_source* (4x4) times the indices of a grid of *shape*, float32; 0 outside *source* and *box*."""
    resampled = np.zeros(shape, np.float32)
    box = box or whole_box(shape)
    ndimage.affine_transform(
        source,
        to_source[:3, :3],
        to_source[:3, :3] @ [s.start for s in box] + to_source[:3, 3],
        output_shape=resampled[box].shape,
        output=resampled[box],
        order=order,
        mode="constant",
        cval=0.0,
    )
    return resampled
