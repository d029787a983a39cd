"""The model grid, and the resampling of a volume's native grid to it and back.

The model grid is the template's: 2 mm isotropic and left-right symmetric about the centre of its array, so that
``array[::-1]`` is the mirrored brain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ..errors import FAError
from ..geometry.bounding_box import Box, bounding_box, whole_box
from ..volume import Volume
from .affine_registration import Alignment, register_affine
from .background import measured_voxels
from .calibrated_range import calibration_remarks
from .interruptible_itk import Check
from .missing_data import fill_small_gaps
from .open_cavities import EXPECTED_PROBABILITY, cavity_remarks, field_of_view
from .template import BRAIN_PROBABILITY, Template, TemplatePriors
from .template_warping import voxels_to_follow, warp_template

RESOLUTION_MM = 4.5
"""Every volume is smoothed to the resolution of voxels of this size, so that network and calibration see one kind of
texture and less of the noise that nothing can predict. The added sigma of 1 to 1.3 mm is that of linear interpolation,
but does not depend on the phase of the grid."""
MAX_DISTANCE_MM = 6.0
"""A brain is looked for no farther than this from the registered template's brain."""
MAX_DISTANCE_WITHOUT_OUTLINE_MM = 2.0
"""The same where the map's own outline is that of noise or of the head."""
MAX_SHARE_BEYOND = 0.2
"""Share of the measured voxels that may lie outside the brain of a map that counts as skull-stripped."""


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


def prepare(
    volume: Volume,
    template: Template,
    brain: np.ndarray | None = None,
    check: Check | None = None,
    warps: bool = True,
) -> PreparedSubject:
    """Bring a clean FA map onto the model grid: affine registration, brain mask, resampling, warping of the priors.

    Parameters
    ----------
    volume
        FA in [0, 1], (X, Y, Z), as :func:`~FAAnomalyLib.preprocessing.fa_validation.validate_fa` returns it.
    template
        Grid and priors.
    brain
        Brain mask, bool (X, Y, Z), on the native grid; None to compute it (:func:`find_brain_mask`).
    check
        Called before every iteration of the registrations and between their parts; may raise to cancel.
    warps
        Whether the priors are warped to this brain.

    Returns
    -------
    PreparedSubject
        FA and brain on the model grid, with the mapping back and the priors warped to this brain where *warps*.

    Raises
    ------
    FAError
        ``bad-input`` when the volume cannot be aligned with the template, or does not lie on the grid of an aligned
        one.
    """
    if template.aligned:
        return _prepare_aligned(volume, template, brain)
    check = check or _go_on
    remarks: list[str] = []
    support = measured_voxels(volume.data) if brain is None else brain
    masked = volume.with_data(np.where(support, volume.data, 0.0).astype(np.float32))
    alignment = register_affine(template.fa, masked, template.priors.brain > BRAIN_PROBABILITY, check)
    remarks += alignment.remarks
    grid = ModelGrid(volume, template, alignment)
    check()
    if brain is None:
        brain = find_brain_mask(volume, grid)
        remarks += _outline_remarks(support, brain, alignment)
        check()
        masked = volume.with_data(np.where(brain, volume.data, 0.0).astype(np.float32))
    fa = np.clip(grid.to_model(masked.data), 0.0, 1.0)
    check()
    on_grid = grid.to_model(brain, order=1) > 0.5
    fa = np.where(on_grid, fa, 0.0)
    remarks += calibration_remarks(volume, fa, on_grid, template, alignment)
    if not warps:
        return PreparedSubject(grid, fa, on_grid, brain, remarks)
    seen = grid.in_view(brain)
    followed = voxels_to_follow(on_grid, seen, grid.spacing_mm)
    warped = warp_template(template.priors, fa, grid.spacing_mm, followed, check=check)
    remarks += _cavities(grid, warped, on_grid, seen)
    return PreparedSubject(replace(grid, warped=warped), fa, on_grid, brain, remarks)


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


def _prepare_aligned(volume: Volume, template: Template, brain: np.ndarray | None) -> PreparedSubject:
    """A volume on the grid of a template that needs no registration; the priors stay as they are."""
    if not volume.same_geometry(template.fa):
        raise FAError(
            "bad-input",
            "The volume does not lie on the grid of its template",
            f"it has {volume.shape} voxels, the template {template.fa.shape}, and nothing is registered to it",
            "Prepare both with faanomaly preprocess t2 and one --template",
        )
    brain = volume.data > 0 if brain is None else brain
    fa = np.where(brain, volume.data, 0.0).astype(np.float32)
    inside = template.priors.brain > BRAIN_PROBABILITY
    pair = fa[inside], template.priors.fa[inside]
    varied = all(float(np.std(one)) > 0 for one in pair)
    alignment = Alignment(np.eye(4), float(np.corrcoef(*pair)[0, 1]) if varied else 0.0, "none")
    return PreparedSubject(ModelGrid(volume, template, alignment), fa, brain, brain, [])


def _cavities(grid: ModelGrid, warped: TemplatePriors, brain: np.ndarray, seen: np.ndarray) -> list[str]:
    """Remarks on gaps that open to the outside; *brain* and what was *seen* are on the model grid."""
    to_scan = grid.alignment.matrix @ grid.template.fa.affine
    return cavity_remarks(grid.native, warped.brain > EXPECTED_PROBABILITY, to_scan, brain, seen)


def _go_on() -> None:
    """Stands for a check where nobody can cancel."""


def find_brain_mask(volume: Volume, grid: ModelGrid) -> np.ndarray:
    """Brain mask of a map that comes without one: where it has data, near the registered template's brain.

    A skull-stripped map keeps its own outline. In one that is not, the FA of noise in skull and air is cut away
    :data:`MAX_DISTANCE_MM` beyond the template's brain, :data:`MAX_DISTANCE_WITHOUT_OUTLINE_MM` when the alignment
    could not use the outline.

    Parameters
    ----------
    volume
        FA in [0, 1], (X, Y, Z), 0 where nothing was measured.
    grid
        The mapping from the model grid to that of *volume*.

    Returns
    -------
    numpy.ndarray
        bool, (X, Y, Z) on the native grid: one connected component, whose only holes are clumps of missing data.
    """
    outside = grid.template.priors.brain <= BRAIN_PROBABILITY
    distance_mm = ndimage.distance_transform_edt(outside, sampling=grid.spacing_mm)
    reach_mm = MAX_DISTANCE_MM if grid.alignment.outline_known else MAX_DISTANCE_WITHOUT_OUTLINE_MM
    brain = measured_voxels(volume.data) & grid.mask_to_native(distance_mm <= reach_mm)
    labels, count = ndimage.label(brain)
    if count > 1:
        brain = labels == 1 + np.argmax(ndimage.sum_labels(brain, labels, np.arange(1, count + 1)))
    return fill_small_gaps(brain, volume.spacing)


def _outline_remarks(measured: np.ndarray, brain: np.ndarray, alignment: Alignment) -> list[str]:
    """Whether the brain's edge is the template's guess, because the map goes on beyond it."""
    if not alignment.outline_known or (measured & ~brain).sum() <= MAX_SHARE_BEYOND * measured.sum():
        return []
    return [
        "the map shows more than the brain, whose edge was guessed from the template; a --brain-mask makes it surer"
    ]


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
