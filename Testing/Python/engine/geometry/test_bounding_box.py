"""The smallest box about what matters."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.geometry.bounding_box import bounding_box


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_smallest_box(order):
    where = np.zeros((9, 8, 7), bool, order=order)
    where[2, 3, 4] = where[5, 3, 6] = True
    assert bounding_box(where) == (slice(2, 6), slice(3, 4), slice(4, 7))
    assert bounding_box(where.astype(float)) == bounding_box(where)
    assert bounding_box(where[::-1]) == (slice(3, 7), slice(3, 4), slice(4, 7))
    assert where[bounding_box(where)].sum() == 2


def test_a_margin_ends_at_the_grid():
    where = np.zeros((9, 8, 7), bool)
    where[2:6, 3, 4:] = True
    assert bounding_box(where, 3) == (slice(0, 9), slice(0, 7), slice(1, 7))
    assert bounding_box(where, (0, 1, 2)) == (slice(2, 6), slice(2, 5), slice(2, 7))


def test_nothing_lies_anywhere():
    assert bounding_box(np.zeros((3, 4, 5), bool), 1) == (slice(0, 3), slice(0, 4), slice(0, 5))
