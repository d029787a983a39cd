"""Which voxels are hidden from the network, and in which passes.

A *hole* is a set of hidden voxels, a *pass* all holes that are filled at once. Arrays are indexed (x, y, z); edges and
shifts are counted in voxels of the array's own grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import FAError
from ..preprocessing.template import BRAIN_PROBABILITY, WHITE_MATTER_PROBABILITY
from ..request import MASK_TYPES, MASK_VOXEL_MM


@dataclass(frozen=True, eq=False)
class Pass:
    """The voxels that are hidden in one run of a sampler, and how they were chosen.

    Attributes
    ----------
    hole
        Boolean array of shape (X, Y, Z), true where hidden; never empty.
    mask_size
        Edge of a cube in voxels of 1.25 mm; 0 for a hole that a person drew.
    shift
        Shift of the cube lattice along x, y and z, in voxels of this grid.
    colour
        0 to 7, the parities of the cube index: 4 x + 2 y + z; 0 for a hole that a person drew.
    """

    hole: np.ndarray
    mask_size: int
    shift: tuple[int, int, int] = (0, 0, 0)
    colour: int = 0


def cube_edges(mask_size: int, spacing_mm: Sequence[float]) -> tuple[int, int, int]:
    """Edge of a cube of *mask_size* voxels of 1.25 mm, in voxels of another grid.

    Parameters
    ----------
    mask_size
        Positive whole number of voxels of 1.25 mm.
    spacing_mm
        Edge lengths of a voxel along x, y and z in millimetres; may differ.

    Returns
    -------
    tuple of 3 int
        The nearest whole number along each axis, halves rounded up, at least 1.

    Raises
    ------
    FAError
        ``bad-request`` when *mask_size* is not positive.
    ValueError
        When *spacing_mm* is not three positive finite numbers.

    Examples
    --------
    >>> cube_edges(16, (2.0, 2.0, 2.0))
    (10, 10, 10)
    >>> cube_edges(8, (1.72, 1.72, 3.0))
    (6, 6, 3)
    """
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    if spacing.shape != (3,) or not (np.isfinite(spacing) & (spacing > 0)).all():
        raise ValueError(f"spacing {spacing_mm!r} is not three positive numbers")
    if not mask_size > 0:
        raise FAError("bad-request", f"Mask size {mask_size!r} is not positive", "", "Choose 4, 8, 16 or 32")
    # Spacings come out of rotation matrices: 2.0000001 mm must round as 2 mm does.
    x, y, z = (max(1, int(edge)) for edge in np.floor(mask_size * MASK_VOXEL_MM / spacing + 0.5 + 1e-4))
    return x, y, z


def interleaved_cubes(brain: np.ndarray, edges: Sequence[int], shift: Sequence[int] = (0, 0, 0)) -> list[np.ndarray]:
    """Cover the brain with cubes in at most 8 passes whose holes never touch.

    The cubes of a lattice get 8 colours, by the parity of the cube index along each axis; a pass hides all cubes of
    one colour that hold a brain voxel. So every brain voxel is hidden in exactly one pass, and two holes of a pass
    are at least one edge apart along some axis.

    Along x a lattice boundary lies on the array's mid-plane, moved by ``shift[0]``. On a grid that is left-right
    symmetric about that plane, with an even number of voxels along x and ``shift[0] == 0``, cube *i* is the mirror
    image of cube *-1-i*: the parities differ, so **the mirror image of a hole (``array[::-1]``) is never hidden in
    the same pass** and the contralateral side, the strongest cue there is, stays in the context. With an odd number
    the mid-plane runs through the middle layer of voxels; the boundary is the face below that layer, and the property
    holds for all but one layer of each cube, the one with its lowest x (the middle layer is its own mirror image).
    Along y and z the lattice begins at voxel 0, moved by the shift.

    Parameters
    ----------
    brain
        (X, Y, Z): boolean, or a probability that counts above 0.5.
    edges
        Edge of a cube along x, y and z in voxels, each at least 1.
    shift
        Shift of the lattice along x, y and z in voxels, of either sign.

    Returns
    -------
    list of boolean arrays of shape (X, Y, Z)
        One for each colour that has a cube, in the order of the colours: whole cubes, clipped only at the border of
        the array. Empty when there is no brain.

    Raises
    ------
    ValueError
        When *brain* is not three-dimensional or an edge is below 1.

    Examples
    --------
    >>> holes = interleaved_cubes(np.ones((4, 4, 2), bool), (2, 2, 2))
    >>> holes[0][:, :, 0].astype(int).tolist()
    [[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]]
    >>> len(holes), bool(np.all(sum(holes) == 1))
    (4, True)
    """
    return [hole for _, hole in _coloured(brain, edges, shift)]


def lattice_shifts(edges: Sequence[int], count: int) -> list[tuple[int, int, int]]:
    """Up to *count* different shifts of a lattice of cubes, by half an edge (rounded down).

    Only along y and z, so that the mirror image of a hole stays in the context (see :func:`interleaved_cubes`). The
    first is (0, 0, 0), the second moves both axes; there are at most four, and fewer where an edge is one voxel.

    Examples
    --------
    >>> lattice_shifts((10, 10, 10), 2)
    [(0, 0, 0), (0, 5, 5)]
    """
    _, y, z = (int(edge) // 2 for edge in edges)
    return list(dict.fromkeys([(0, 0, 0), (0, y, z), (0, y, 0), (0, 0, z)]))[:count]


def within_white_matter(holes: Sequence[np.ndarray], white_matter: np.ndarray) -> list[np.ndarray]:
    """Keep of each pass only the white matter (mask type ``wm``) and drop passes left empty.

    Parameters
    ----------
    holes
        Boolean arrays of shape (X, Y, Z), one for each pass.
    white_matter
        (X, Y, Z): boolean, or a probability that counts above 0.5. It must be a prior: taken from the analysed FA map
        it would tell the network what is hidden.
    """
    inside = np.asarray(white_matter) > WHITE_MATTER_PROBABILITY
    return [hole & inside for hole in holes if (hole & inside).any()]


def plan_passes(
    brain: np.ndarray,
    mask_size: int,
    spacing_mm: Sequence[float],
    mask_type: str = "cubic",
    white_matter: np.ndarray | None = None,
    shift_count: int = 2,
) -> list[Pass]:
    """All passes that cover a brain with holes of one size, once for each shift of the lattice.

    Parameters
    ----------
    brain
        (X, Y, Z): boolean, or a probability that counts above 0.5.
    mask_size
        Edge of a cube in voxels of 1.25 mm.
    spacing_mm
        Edge lengths of a voxel of *brain* in millimetres.
    mask_type
        ``cubic`` or ``wm``.
    white_matter
        As in :func:`within_white_matter`; needed for ``wm``, ignored for ``cubic``.
    shift_count
        Number of shifted lattices wanted, 1 to 4.

    Returns
    -------
    list of Pass
        Ordered by shift, then by colour; at most 8 for each shift.

    Raises
    ------
    FAError
        ``bad-request`` for an unknown mask type, a mask size that is not positive or missing white matter;
        ``bad-input`` when there is nothing to hide.
    ValueError
        When shapes differ or *shift_count* is below 1.

    Examples
    --------
    >>> passes = plan_passes(np.ones((20, 20, 20), bool), 16, (2.0, 2.0, 2.0))
    >>> len(passes), passes[0].shift, passes[-1].shift
    (16, (0, 0, 0), (0, 5, 5))
    """
    if mask_type not in MASK_TYPES:
        raise FAError("bad-request", f"Unknown mask type {mask_type!r}", "", f"Choose {' or '.join(MASK_TYPES)}")
    if shift_count < 1:
        raise ValueError(f"shift_count {shift_count} is below 1")
    inside = _white_matter_of(brain, white_matter) if mask_type == "wm" else None
    edges = cube_edges(mask_size, spacing_mm)
    passes = []
    for shift in lattice_shifts(edges, shift_count):
        for colour, cubes in _coloured(brain, edges, shift):
            # One pass at a time, so that a pass keeps its colour when another one is left empty.
            holes = [cubes] if inside is None else within_white_matter([cubes], inside)
            passes += [Pass(hole, mask_size, shift, colour) for hole in holes]
    if not passes:
        where = "brain" if mask_type == "cubic" else "white matter in the brain"
        raise FAError(
            "bad-input",
            "There is nothing to hide",
            f"no {where} was found",
            "Check that the volume is a brain FA map, or give a brain mask",
        )
    return passes


def _white_matter_of(brain: np.ndarray, white_matter: np.ndarray | None) -> np.ndarray:
    if white_matter is None:
        raise FAError("bad-request", "Mask type wm needs a white-matter prior", "there is none", "Choose cubic")
    if np.shape(white_matter) != np.shape(brain):
        raise ValueError(f"white matter of shape {np.shape(white_matter)} for a brain of {np.shape(brain)}")
    return white_matter


def pass_from_mask(mask: np.ndarray) -> Pass:
    """One pass for a region that a person drew: every non-zero voxel of *mask* is filled as one hole.

    Parameters
    ----------
    mask
        (X, Y, Z), of any type; NaN counts as zero.

    Raises
    ------
    FAError
        ``bad-request`` when the mask is empty.

    Examples
    --------
    >>> pass_from_mask(np.array([[[0.0, 2.0, np.nan]]])).hole.tolist()
    [[[False, True, False]]]
    """
    hole = (mask != 0) & (mask == mask)
    if not hole.any():
        raise FAError(
            "bad-request", "The region is empty", "no voxel of it lies in the volume", "Draw it inside the brain"
        )
    return Pass(hole, 0)


def _coloured(brain: np.ndarray, edges: Sequence[int], shift: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """Colour and hole of each pass; see :func:`interleaved_cubes`."""
    occupied = np.asarray(brain) > BRAIN_PROBABILITY
    if occupied.ndim != 3 or min(edges) < 1:
        raise ValueError(f"a brain of shape {occupied.shape} cannot be covered by cubes of {tuple(edges)} voxels")
    origins = (occupied.shape[0] // 2 + shift[0], shift[1], shift[2])
    columns, odd = [], []
    for axis, (size, edge, origin) in enumerate(zip(occupied.shape, edges, origins, strict=True)):
        number = (np.arange(size) - origin) // edge
        starts = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
        occupied = np.logical_or.reduceat(occupied, starts, axis=axis)
        columns.append(number - number[0])
        odd.append(number[starts] % 2)
    colour_of = 4 * odd[0][:, None, None] + 2 * odd[1][:, None] + odd[2]
    for colour in range(8):
        cubes = occupied & (colour_of == colour)
        if cubes.any():
            yield colour, cubes[np.ix_(*columns)]
