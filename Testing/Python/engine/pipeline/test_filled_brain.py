"""The model's mean, its standard deviation and the filled regions, on the input's own grid however that lies."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.inpainting.fusion import Inpainted
from FAAnomalyLib.pipeline.filled_brain import expected_sd, fill_remarks, filled_brain, mean_on_native_grid
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.model_grid import ModelGrid, PreparedSubject
from support.phantoms import synthetic_brain as sb

POSE = sb.head((1.0, 1.05, 0.95), (6.0, -12.0, 15.0), x=6.0)


@pytest.fixture(scope="module", params=["RAS", "LAS", "PIL"])
def subject(request) -> PreparedSubject:
    """An oblique, anisotropic scan in one axis order, aligned."""
    shape, affine = sb.grid((2.0, 2.5, 3.0), POSE, x=10)
    volume = sb.stored_as(sb.brain(shape, affine, POSE, variation=0.05), request.param)
    grid = ModelGrid(volume, sb.template(), Alignment(POSE, 1.0, "affine"))
    native = volume.data > 0
    return PreparedSubject(grid, grid.to_model(volume.data), grid.to_model(native, order=1) > 0.5, native, [])


def inpainted(subject: PreparedSubject, variance: float = 0.0025) -> Inpainted:
    """The template for a mean, known over the brain."""
    mean = subject.grid.template.fa.data.astype(np.float32)
    return Inpainted(mean, np.full(mean.shape, variance, np.float32), subject.brain)


def test_the_place_opposite_is_mirrored_in_the_templates_world(subject):
    volume, rng = subject.grid.native, np.random.default_rng(0)
    here = np.vstack([rng.uniform(0, 40, (3, 20)), np.ones(20)])
    to_template = np.linalg.inv(POSE) @ volume.affine
    np.testing.assert_allclose(
        to_template @ subject.grid.opposite @ here, np.diag([-1, 1, 1, 1]) @ to_template @ here, atol=1e-9
    )
    np.testing.assert_allclose(subject.grid.opposite @ subject.grid.opposite, np.eye(4), atol=1e-9)


def test_the_region_alone_is_filled_to_the_voxel(subject):
    volume = subject.grid.native
    centre = np.linalg.inv(volume.affine) @ POSE @ [25.0, -10.0, 15.0, 1.0]
    region = np.zeros(volume.shape, bool)
    region[tuple(slice(round(c) - 4, round(c) + 5) for c in centre[:3])] = True
    region &= subject.native_brain
    assert region.sum() > 500
    predicted = subject.inpainted_on_native(subject.brain)
    draw = filled_brain(subject, predicted, mean_on_native_grid(subject, inpainted(subject), predicted), region, 0)
    changed = draw.fa != volume.data
    assert not changed[~region].any() and changed[region].mean() > 0.99 and draw.plain == 0
    # It is the brain's own tissue: as bright as what was there, and as grainy.
    assert draw.fa[region].mean() == pytest.approx(volume.data[region].mean(), abs=0.06)
    assert draw.fa[region].std() == pytest.approx(volume.data[region].std(), rel=0.5)


def test_the_standard_deviation_is_that_of_the_model_and_0_elsewhere(subject):
    judged = subject.native_brain & subject.grid.mask_to_native(subject.brain)
    sd, remarks = expected_sd(subject, inpainted(subject), judged)
    np.testing.assert_allclose(sd[judged], 0.05, rtol=1e-4)
    assert sd.dtype == np.float32 and not sd[~judged].any() and remarks == []
    unknown, remarks = expected_sd(subject, inpainted(subject, np.nan), judged)
    assert not unknown.any() and "expected_sd is 0" in remarks[0]


def test_regions_without_texture_are_told():
    assert fill_remarks(0) == []
    assert fill_remarks(1)[0].startswith("a region was filled") and "2 regions were" in fill_remarks(2)[0]
