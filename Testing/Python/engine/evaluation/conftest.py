"""Synthetic subjects on a coarse grid that need no registration."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.preprocessing import preparation, template_warping
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.template import on_grid
from support.drivers import evaluation_bench
from support.phantoms import synthetic_brain as sb


@pytest.fixture(scope="session")
def template():
    return on_grid(sb.template(), (40, 48, 40), 4.0)


@pytest.fixture(scope="session")
def subjects(tmp_path_factory):
    """Two volumes of person A and one of B."""
    return evaluation_bench.save_subjects(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def aligned(request):
    """Registration is tested elsewhere: these brains lie in the template's world and hardly differ from it.

    A module whose methods need a closer warp says so by its own ``LEVELS_MM``.
    """
    patch = pytest.MonkeyPatch()
    known = Alignment(np.eye(4), 0.9, "affine")
    patch.setattr(preparation, "register_either_way", lambda fixed, moving, brain, check: known)
    patch.setattr(template_warping, "LEVELS_MM", getattr(request.module, "LEVELS_MM", ((8.0, 12),)))
    yield
    patch.undo()
