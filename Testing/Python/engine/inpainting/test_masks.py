"""Every brain voxel is hidden exactly once, holes of a pass never touch, the mirror stays in sight."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting.masks import (
    cube_edges,
    interleaved_cubes,
    lattice_shifts,
    pass_from_mask,
    plan_passes,
    within_white_matter,
)

EVERYWHERE = np.ones((3, 3, 3), dtype=bool)
CASES = [
    # shape, edges, shift
    ((24, 20, 18), (4, 4, 4), (0, 0, 0)),
    ((24, 20, 18), (4, 4, 4), (0, 2, 2)),
    ((23, 21, 17), (3, 5, 2), (0, 2, 1)),
    ((25, 19, 22), (5, 3, 4), (0, 0, 0)),
    ((22, 30, 15), (6, 4, 3), (2, -3, 7)),
    ((9, 10, 11), (1, 1, 1), (0, 0, 0)),
    ((16, 16, 16), (40, 40, 40), (0, 0, 0)),
    ((13, 7, 29), (2, 7, 3), (-1, 3, 0)),
]


def blob(shape, seed):
    """A ragged brain that may reach the border of the array and have islands."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2.0)
    return noise > np.quantile(noise, 0.6)


def boxes(hole):
    """Bounding boxes of the connected holes, shape (N, 3, 2), last index exclusive."""
    labels, _ = ndimage.label(hole, structure=EVERYWHERE)
    return np.array([[(s.start, s.stop) for s in box] for box in ndimage.find_objects(labels)])


@pytest.mark.parametrize(
    "mask_size, spacing, edges",
    [
        (4, (2, 2, 2), (3, 3, 3)),
        (8, (2, 2, 2), (5, 5, 5)),
        (16, (2, 2, 2), (10, 10, 10)),
        (32, (2, 2, 2), (20, 20, 20)),
        (16, (1.25, 1.25, 1.25), (16, 16, 16)),
        (8, (1.72, 1.72, 3.0), (6, 6, 3)),
        (4, (20, 5, 1), (1, 1, 5)),
        (4, (2.0000001, 1.9999999, np.float32(2)), (3, 3, 3)),
    ],
)
def test_edges_are_the_nearest_whole_number(mask_size, spacing, edges):
    assert cube_edges(mask_size, spacing) == edges
    assert all(type(edge) is int for edge in cube_edges(mask_size, spacing))


def test_edges_refuse_nonsense():
    with pytest.raises(FAError):
        cube_edges(0, (2, 2, 2))
    for spacing in ((2, 2), (2, 2, 0), (2, np.nan, 2), 2.0):
        with pytest.raises(ValueError):
            cube_edges(8, spacing)


@pytest.mark.parametrize("shape, edges, shift", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_every_brain_voxel_is_hidden_exactly_once(shape, edges, shift, seed):
    brain = blob(shape, seed)
    passes = interleaved_cubes(brain, edges, shift)
    assert 1 <= len(passes) <= 8
    assert all(hole.dtype == bool and hole.shape == shape for hole in passes)
    times = np.sum(passes, axis=0)
    assert (times[brain] == 1).all() and times.max() == 1


@pytest.mark.parametrize("shape, edges, shift", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_holes_of_a_pass_never_touch(shape, edges, shift, seed):
    brain = blob(shape, seed)
    for hole in interleaved_cubes(brain, edges, shift):
        cubes = boxes(hole)
        size = cubes[:, :, 1] - cubes[:, :, 0]
        assert (size <= edges).all()
        # Full boxes with brain in them: whole cubes, clipped by nothing but the border.
        assert size.prod(axis=1).sum() == hole.sum()
        clipped = (cubes[:, :, 0] == 0) | (cubes[:, :, 1] == shape)
        assert ((size == edges) | clipped).all()
        assert all(brain[tuple(slice(*side) for side in cube)].any() for cube in cubes)
        gap = np.maximum(cubes[:, None, :, 0] - cubes[None, :, :, 1], cubes[None, :, :, 0] - cubes[:, None, :, 1])
        apart = (gap >= edges).any(axis=2)
        np.fill_diagonal(apart, True)
        assert apart.all()


@pytest.mark.parametrize("width, edge", list(itertools.product((20, 22, 36, 80), (1, 3, 4, 5, 10, 16))))
def test_the_mirror_image_of_a_hole_is_never_hidden_with_it(width, edge):
    brain = blob((width, 16, 12), width + edge)
    brain |= brain[::-1]
    for shift in lattice_shifts((edge, edge, edge), 4):
        for hole in interleaved_cubes(brain, (edge, edge, edge), shift):
            assert not (hole & hole[::-1]).any()


@pytest.mark.parametrize("width, edge", list(itertools.product((21, 23, 37), (3, 4, 5, 10))))
def test_odd_widths_hide_one_layer_a_cube_with_its_mirror(width, edge):
    passes = interleaved_cubes(np.ones((width, 8, 8), dtype=bool), (edge, edge, edge))
    layers = {x for hole in passes for x in np.argwhere(hole & hole[::-1])[:, 0]}
    assert layers == {x for x in range(width) if (x - width // 2) % edge == 0}


def test_a_shift_along_x_would_hide_the_mirror():
    passes = interleaved_cubes(np.ones((24, 8, 8), dtype=bool), (4, 4, 4), (2, 0, 0))
    assert any((hole & hole[::-1]).any() for hole in passes)


def test_no_brain_gives_no_pass():
    assert interleaved_cubes(np.zeros((8, 8, 8)), (2, 2, 2)) == []
    with pytest.raises(FAError, match="nothing to hide"):
        plan_passes(np.zeros((8, 8, 8)), 4, (2, 2, 2))
    with pytest.raises(FAError, match="white matter"):
        plan_passes(np.ones((8, 8, 8)), 4, (2, 2, 2), "wm", np.zeros((8, 8, 8)))


def test_shifts_move_y_and_z_by_half_an_edge():
    assert lattice_shifts((10, 10, 10), 2) == [(0, 0, 0), (0, 5, 5)]
    assert lattice_shifts((3, 5, 4), 9) == [(0, 0, 0), (0, 2, 2), (0, 2, 0), (0, 0, 2)]
    assert lattice_shifts((3, 3, 1), 4) == [(0, 0, 0), (0, 1, 0)]
    assert lattice_shifts((1, 1, 1), 4) == [(0, 0, 0)]


def test_white_matter_guides():
    brain, white = blob((24, 20, 18), 1), np.random.default_rng(0).random((24, 20, 18))
    passes = interleaved_cubes(brain, (4, 4, 4))
    for hole, kept in zip(passes, within_white_matter(passes, white), strict=True):
        assert (kept == (hole & (white > 0.5))).all()
    single = np.zeros(brain.shape, dtype=bool)
    single[tuple(np.argwhere(brain)[0])] = True
    assert [hole.sum() for hole in within_white_matter(passes, single)] == [1]


def test_planned_passes_cover_the_brain_once_a_shift():
    brain = blob((40, 48, 40), 4).astype(np.float32)
    white = blob((40, 48, 40), 5)
    for mask_type, target in (("cubic", brain > 0.5), ("wm", (brain > 0.5) & white)):
        passes = plan_passes(brain, 8, (2, 2, 2), mask_type, white)
        assert len(passes) == 16 and {p.mask_size for p in passes} == {8}
        for shift in ((0, 0, 0), (0, 2, 2)):
            chosen = [p for p in passes if p.shift == shift]
            assert [p.colour for p in chosen] == list(range(8))
            assert (np.sum([p.hole for p in chosen], axis=0)[target] == 1).all()


def test_a_pass_keeps_its_colour_when_another_is_empty():
    brain = np.ones((8, 8, 8), dtype=bool)
    white = np.zeros(brain.shape, dtype=bool)
    full = plan_passes(brain, 4, (2.5, 2.5, 2.5), shift_count=1)
    white[tuple(np.argwhere(full[6].hole)[0])] = True
    assert [p.colour for p in plan_passes(brain, 4, (2.5, 2.5, 2.5), "wm", white, 1)] == [6]


def test_planning_refuses_bad_requests():
    brain = np.ones((8, 8, 8))
    for words in ((4, (2, 2, 2), "spheres"), (4, (2, 2, 2), "wm"), (-4, (2, 2, 2))):
        with pytest.raises(FAError) as caught:
            plan_passes(brain, *words)
        assert caught.value.code == "bad-request"
    with pytest.raises(ValueError):
        plan_passes(brain, 4, (2, 2, 2), "wm", np.ones((8, 8, 7)))
    with pytest.raises(ValueError):
        plan_passes(brain, 4, (2, 2, 2), shift_count=0)
    with pytest.raises(ValueError):
        interleaved_cubes(brain, (2, 0, 2))


def test_any_mask_is_one_pass():
    mask = np.zeros((5, 6, 7), dtype=np.float32)
    mask[1, 2, 3], mask[4, 5, 6], mask[0, 0, 0] = 1, 3, np.nan
    region = pass_from_mask(mask)
    assert region.hole.sum() == 2 and region.hole.dtype == bool and region.mask_size == 0
    with pytest.raises(FAError) as caught:
        pass_from_mask(np.zeros((5, 6, 7)))
    assert caught.value.code == "bad-request"
