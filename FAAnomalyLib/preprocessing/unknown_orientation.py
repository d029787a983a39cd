"""Registration of a file that does not say how it is oriented: its head may face backwards.

Its axes are taken as ITK and 3D Slicer take them, to left, posterior and superior (NRRD, MetaImage), or as NIfTI has
them, to right, anterior and superior. A program that meant the other of the two leaves a head that is turned by 180
degrees about the vertical; one that mirrored it as well leaves one that looks the same, its sides exchanged.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import FAError
from ..volume import Volume
from .affine_registration import Alignment, register_affine
from .interruptible_itk import Check

HALF_TURN = np.diag([-1.0, -1.0, 1.0, 1.0])
"""About the vertical, of RAS millimetres."""
FACES_BACKWARDS = (
    "as the file is shown, the head faces backwards: it was aligned turned by 180 degrees, and anterior and posterior"
    " are exchanged in the places of regions"
)


def register_either_way(
    fixed: Volume, moving: Volume, fixed_brain: np.ndarray, check: Check | None = None
) -> Alignment:
    """:func:`~.affine_registration.register_affine`, once more turned where the orientation is unknown and that fails.

    Parameters, result and errors are those of ``register_affine``; where both ways fail, the error of the first.
    """
    try:
        return register_affine(fixed, moving, fixed_brain, check)
    except FAError as refused:
        if moving.sides_known or refused.code != "bad-input":
            raise
        turned = replace(moving, affine=HALF_TURN @ moving.affine)
        try:
            found = register_affine(fixed, turned, fixed_brain, check)
        except FAError as again:
            raise (refused if again.code == "bad-input" else again) from None
    return replace(found, matrix=HALF_TURN @ found.matrix, remarks=[*found.remarks, FACES_BACKWARDS])
