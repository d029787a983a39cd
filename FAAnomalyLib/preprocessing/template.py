"""The FA template: mean FA, white matter and brain of healthy people on the model grid."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..errors import FAError
from ..io.volumes import load_volume
from ..volume import Volume

TEMPLATE_FILES = ("fa.nii.gz", "white_matter.nii.gz", "brain.nii.gz")
ALIGNED = "aligned"
"""File whose presence says :attr:`Template.aligned`."""
WHITE_MATTER_PROBABILITY = 0.5
"""Above it a voxel counts as white matter."""
BRAIN_PROBABILITY = 0.5
"""Above it a voxel counts as brain."""


@dataclass(frozen=True)
class TemplatePriors:
    """What is known about a place before the subject is seen: arrays (X, Y, Z), float32 in [0, 1], on the model grid.

    Attributes
    ----------
    fa
        Mean FA of the template.
    white_matter
        Probability of white matter.
    brain
        Probability of brain.
    displacement
        (3, X, Y, Z) in voxels, of priors that were warped to a brain: what lies at x in the brain lies at
        ``x + displacement`` in the template. None for the template itself.
    """

    fa: np.ndarray
    white_matter: np.ndarray
    brain: np.ndarray
    displacement: np.ndarray | None = None


@dataclass(frozen=True)
class Template:
    """The registration target, its priors, and the identity of its files.

    Attributes
    ----------
    fa
        Mean FA on the model grid, with the grid's affine (left-right symmetric about x = 0).
    priors
        FA, white matter and brain on the same grid.
    sha256
        Of the template's arrays and affine; a model's manifest names the template that it was trained on.
    aligned
        Whether volumes lie on this grid already, so that nothing is registered, smoothed or warped: images that
        ``faanomaly preprocess t2`` has made, which are no FA maps.
    """

    fa: Volume
    priors: TemplatePriors
    sha256: str = ""
    aligned: bool = False

    def __post_init__(self) -> None:
        if not self.sha256:
            object.__setattr__(self, "sha256", _identity(self.fa.affine, self.priors))


def _identity(affine: np.ndarray, priors: TemplatePriors) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(affine.round(6)).tobytes())
    for array in (priors.fa, priors.white_matter, priors.brain):
        # Rounded coarsely enough to survive storage, finely enough to tell templates apart.
        digest.update(np.round(np.ascontiguousarray(array) * 1000).astype(np.int16).tobytes())
    return digest.hexdigest()


def on_grid(template: Template, shape: tuple[int, int, int], spacing_mm: float) -> Template:
    """Resample a template linearly to a grid about the same centre.

    Parameters
    ----------
    template
        The stored template; returned unchanged when it already has the grid.
    shape
        Number of voxels along x, y and z.
    spacing_mm
        Edge of the isotropic voxels.

    Returns
    -------
    Template
        Its ``sha256`` stays that of the stored template.

    Examples
    --------
    >>> ones = np.ones((8, 8, 8), np.float32)
    >>> fine = Template(Volume(ones, np.diag([2.0, 2.0, 2.0, 1.0])), TemplatePriors(ones, ones, ones))
    >>> coarse = on_grid(fine, (4, 4, 4), 4.0)
    >>> coarse.fa.shape, coarse.fa.affine[:3, 3].tolist(), coarse.sha256 == fine.sha256
    ((4, 4, 4), [1.0, 1.0, 1.0], True)
    """
    if tuple(shape) == template.fa.shape and np.allclose(template.fa.spacing, spacing_mm):
        return template
    old = template.fa.affine
    centre = old[:3, :3] @ ((np.array(template.fa.shape) - 1) / 2) + old[:3, 3]
    affine = symmetric_grid(shape, spacing_mm, centre)
    to_stored = np.linalg.inv(old) @ affine
    arrays = [
        ndimage.affine_transform(a, to_stored[:3, :3], to_stored[:3, 3], output_shape=tuple(shape), order=1)
        for a in (template.priors.fa, template.priors.white_matter, template.priors.brain)
    ]
    return Template(Volume(arrays[0], affine), TemplatePriors(*arrays), template.sha256, template.aligned)


def symmetric_grid(shape: tuple[int, int, int], spacing: float, centre_ras: Sequence[float] | np.ndarray) -> np.ndarray:
    """The 4x4 affine of an isotropic RAS grid whose array centre lies at *centre_ras*, in mm.

    With ``centre_ras[0]`` on the mid-plane, ``array[::-1]`` is the mirrored brain.

    >>> symmetric_grid((4, 4, 4), 2.0, (0.0, -18.0, 10.0))[:3, 3].tolist()
    [-3.0, -21.0, 7.0]
    """
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = np.array(centre_ras) - spacing * (np.array(shape) - 1) / 2.0
    return affine


def load_template(folder: Path) -> Template:
    """Read the :data:`TEMPLATE_FILES` of a folder.

    Raises
    ------
    FAError
        ``missing`` when a file is absent, or when the files lie on different grids or hold NaN.
    """
    for name in TEMPLATE_FILES:
        if not (folder / name).is_file():
            raise FAError(
                "missing", f"The FA template is incomplete, {name} is not in {folder}", "", "Install FAAnomaly again"
            )
    volumes = [load_volume(folder / name)[0] for name in TEMPLATE_FILES]
    if not all(v.same_geometry(volumes[0]) and np.isfinite(v.data).all() for v in volumes):
        raise FAError(
            "missing",
            f"The FA template in {folder} is damaged",
            "its files lie on different grids or hold NaN",
            "Install FAAnomaly again",
        )
    fa, white_matter, brain = (np.clip(v.data, 0.0, 1.0) for v in volumes)
    aligned = (folder / ALIGNED).is_file()
    return Template(volumes[0].with_data(fa), TemplatePriors(fa, white_matter, brain), aligned=aligned)
