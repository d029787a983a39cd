"""The homologous place in the other hemisphere, found by way of the template.

No brain is its own mirror image: a place and its straight mirror image lie in different tissue, some millimetres
apart. The warped template tells which place of the template each voxel is. The mirror image of that place in the
left-right symmetric template, brought back to the brain, is the voxel's partner.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ..preprocessing.interruptible_itk import Check

ITERATIONS = 3
"""Of the fixed-point inversion; the deformation is smooth, and each iteration takes away most of the error left."""


def contralateral_coordinates(
    shape: tuple[int, ...], displacement: np.ndarray | None = None, check: Check | None = None
) -> np.ndarray:
    """Voxel coordinates of every voxel's partner.

    With u the displacement and m the mirror image, the partner y of x solves ``y + u(y) = m(x + u(x))`` by the
    fixed-point iteration ``y <- m(x + u(x)) - u(y)``.

    Parameters
    ----------
    shape
        (X, Y, Z) of a grid whose first axis is left-right symmetric about the array centre.
    displacement
        (3, X, Y, Z) in voxels, see :class:`~FAAnomalyLib.preprocessing.template.TemplatePriors`; None for the straight
        mirror image.
    check
        Called before every iteration; may raise to cancel.

    Returns
    -------
    numpy.ndarray
        (3, X, Y, Z), float32.

    References
    ----------
    Chen et al., A simple fixed-point approach to invert a deformation field, Medical Physics 35:81, 2008.

    Examples
    --------
    >>> contralateral_coordinates((4, 1, 1))[0].ravel().tolist()
    [3.0, 2.0, 1.0, 0.0]
    """
    here = np.indices(shape, dtype=np.float32)
    if displacement is None:
        here[0] = shape[0] - 1 - here[0]
        return here
    target = here + displacement
    target[0] = shape[0] - 1 - target[0]
    partner = target.copy()
    for _ in range(ITERATIONS):
        if check is not None:
            check()
        partner = target - np.stack([_sampled(part, partner, "nearest") for part in displacement])
    return partner


def contralateral_difference(values: np.ndarray, analysed: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Values minus those of the partner, by linear interpolation.

    Parameters
    ----------
    values
        (X, Y, Z).
    analysed
        bool (X, Y, Z).
    partner
        (3, X, Y, Z), from :func:`contralateral_coordinates`.

    Returns
    -------
    numpy.ndarray
        float32 (X, Y, Z); 0 where the voxel or its partner is not analysed.
    """
    there = _sampled(np.where(analysed, values, 0.0).astype(np.float32), partner, "constant")
    return np.where(paired_voxels(analysed, partner), values - there, 0.0).astype(np.float32)


def paired_voxels(analysed: np.ndarray, partner: np.ndarray) -> np.ndarray:
    """Analysed voxels whose partner is analysed as well, bool (X, Y, Z); parameters as in
    :func:`contralateral_difference`.

    >>> analysed = np.array([True, False, True, True]).reshape(4, 1, 1)
    >>> paired_voxels(analysed, contralateral_coordinates((4, 1, 1))).ravel().tolist()
    [True, False, False, True]
    """
    return analysed & (_sampled(analysed.astype(np.float32), partner, "constant") > 0.5)


def _sampled(values: np.ndarray, coordinates: np.ndarray, mode: str) -> np.ndarray:
    return ndimage.map_coordinates(values, coordinates, order=1, mode=mode, prefilter=False)
