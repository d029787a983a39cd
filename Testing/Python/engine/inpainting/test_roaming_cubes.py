"""The roaming rule against the loops of listing A.22, word by word."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.inpainting.roaming_cubes import cube_hole, roaming_cubes


def listing(x, mask_size):
    x_tmp = x.squeeze()
    x_tmp = (x_tmp + 1) / 2
    coordinates = []
    for i in range(0, x_tmp.shape[0], mask_size):
        for j in range(0, x_tmp.shape[1], mask_size):
            for k in range(0, x_tmp.shape[2], mask_size):
                z = x_tmp[i : i + mask_size, j : j + mask_size, k : k + mask_size]
                ratio = len(np.where(z == 0)[0]) / mask_size**3
                if ratio < 0.3:
                    coordinates.append([i, j, k])
    return coordinates


@pytest.mark.parametrize("edge", [4, 5, 8, 16])
def test_the_cubes_are_those_of_the_listing(edge):
    rng = np.random.default_rng(edge)
    fa = rng.uniform(0, 1, (32, 32, 32)).astype(np.float32)
    fa[np.linalg.norm(np.indices(fa.shape) - 15.5, axis=0) > 21] = 0.0
    fa[rng.random(fa.shape) < 0.1] = 0.0
    expected = listing(2 * fa - 1, edge)
    assert 0 < len(expected) < (32 // edge + 1) ** 3
    assert roaming_cubes(fa, edge) == [tuple(origin) for origin in expected]


def test_just_below_three_tenths_of_zeros_is_enough():
    fa = np.ones((10, 1, 1), np.float32)
    fa[:3] = 0.0
    assert roaming_cubes(np.broadcast_to(fa, (10, 10, 10)), 10) == []
    fa[2] = 1e-6
    assert roaming_cubes(np.broadcast_to(fa, (10, 10, 10)), 10) == [(0, 0, 0)]
    assert cube_hole((10, 10, 10), (8, 0, 4), 4).sum() == 2 * 4 * 4
    with pytest.raises(ValueError, match="at least 1"):
        roaming_cubes(fa, 0)
