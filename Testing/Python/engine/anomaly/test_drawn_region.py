"""One drawn region: inpainter and template have to agree, the rest of the brain is the standard, sizes have limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from FAAnomalyLib.anomaly.calibration import Calibration
from FAAnomalyLib.anomaly.drawn_region import (
    INPAINTED,
    INPAINTER_SHARE,
    SIGMAS_MM,
    combined_evidence,
    drawn_edge_mm,
    drawn_hole,
    region_evidence,
)
from FAAnomalyLib.anomaly.region_limits import ROUNDING, RegionLimits, SizeLimits
from FAAnomalyLib.anomaly.residual_maps import TEMPLATE
from FAAnomalyLib.anomaly.scoring import score_region
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.inpainting.fusion import Inpainted
from support.phantoms import tiny_brain as tb

CHANGE = -0.25
PLAIN = tb.calibration(bias={}, spread={})


def filled(prepared, hole, mean: np.ndarray | float | None = None) -> Inpainted:
    """A hole filled with *mean*, with the template where None is given."""
    fill = prepared.grid.priors.fa if mean is None else np.broadcast_to(mean, tb.SHAPE)
    content = np.where(hole, fill, 0.0).astype(np.float32)
    return Inpainted(content, np.where(hole, 0.01, np.nan).astype(np.float32), hole, 1)


@pytest.fixture(scope="module")
def ill():
    prepared = tb.prepared(*tb.head(1, CHANGE))
    return prepared, tb.ball() & prepared.brain


def test_a_region_that_is_all_lesion_stands_out_by_the_rest_of_the_brain(ill):
    prepared, hole = ill
    known = replace(PLAIN, regions=tb.regions())
    found = score_region(prepared, filled(prepared, hole), known, 20.0)
    assert found.analysed.sum() > 50 and not found.z[~found.analysed].any() and not found.analysed[~hole].any()
    assert np.median(found.z[found.analysed]) < -3.0
    # The template warped to this brain is what has to bear it out: nothing in the region rules location or scale.
    other = replace(prepared, fa=np.where(hole, 0.9, prepared.fa).astype(np.float32))
    before, after = (region_evidence(one, filled(one, hole), known).scale for one in (prepared, other))
    outside = {key: before[key] for key in before if key[0] == TEMPLATE}
    assert outside == pytest.approx({key: after[key] for key in outside}, rel=1e-6)


def test_what_the_inpainter_alone_sees_is_no_evidence():
    """As a ghost of a lesion in the other hemisphere."""
    prepared = tb.prepared(*tb.head(2))
    hole = tb.ball() & prepared.brain
    ghost = region_evidence(prepared, filled(prepared, hole, prepared.fa + 0.2), PLAIN)
    assert np.median(ghost.inpainter[ghost.analysed]) < -3.0
    z = ghost.combined(1.0)[ghost.analysed]
    alone = ghost.template[ghost.analysed]
    assert np.abs(z).max() <= np.abs(alone).max() and not (z > 0).any()


def test_gain_and_offset_of_the_scanner_are_no_evidence(ill):
    prepared, hole = ill
    dimmed = replace(prepared, fa=np.where(prepared.brain, 0.8 * prepared.fa + 0.05, 0.0).astype(np.float32))
    one, other = (region_evidence(p, filled(p, hole), PLAIN) for p in (prepared, dimmed))
    # All but the bound of the residuals, which is in FA, scales along.
    assert np.median(other.template[hole]) == pytest.approx(np.median(one.template[hole]), rel=0.35)


def test_places_and_scales_are_those_of_the_calibration(ill):
    prepared, hole = ill
    known = tb.calibration()
    brought = known.brought_to(prepared.grid.priors.displacement)
    found, plain = (region_evidence(prepared, filled(prepared, hole), one) for one in (known, PLAIN))
    key, where = (TEMPLATE, 8.0), found.analysed
    expected = sum(
        (found.scale[TEMPLATE, sigma] / found.scale[key]) ** -1 * brought.bias[key] / len(SIGMAS_MM)
        for sigma in SIGMAS_MM
    )
    np.testing.assert_allclose(
        found.template[where], ((plain.template - expected) / brought.spread[key])[where], rtol=1e-3, atol=1e-3
    )
    # The inpainter's residual is told in the same scale: what it varies by is a matter of the limits.
    assert all(found.scale[INPAINTED, sigma] == found.scale[TEMPLATE, sigma] for sigma in SIGMAS_MM)


def test_an_uncalibrated_model_judges_by_the_brain_alone(ill):
    prepared, hole = ill
    found = score_region(prepared, filled(prepared, hole), Calibration(), 20.0)
    assert np.isfinite(found.z).all() and np.median(found.z[found.analysed]) < -2.0


def test_a_region_that_leaves_nothing_to_judge_by_is_refused(ill):
    prepared, _ = ill
    with pytest.raises(FAError, match="too little of the brain.*0 % of the white matter") as caught:
        region_evidence(prepared, filled(prepared, prepared.brain), PLAIN)
    assert caught.value.code == "bad-request" and "\n" not in str(caught.value)


def test_both_have_to_show_it_and_half_of_it_is_enough_for_the_inpainter():
    inpainter, template = np.array([1.0, 3.0, -3.0, 0.0]), np.array([4.0, 2.0, 2.0, 2.0])
    assert combined_evidence(inpainter, template, 1.0).tolist() == [INPAINTER_SHARE, 2.0, 0.0, 0.0]
    assert combined_evidence(inpainter, template, 2.0).tolist() == [INPAINTER_SHARE / 2, 2.0, 0.0, 0.0]


def test_a_region_counts_as_the_cube_of_its_brain(ill):
    prepared, _ = ill
    half = prepared.brain & (np.indices(tb.SHAPE)[0] < tb.SHAPE[0] // 2)
    edge = drawn_edge_mm(prepared, half | ~prepared.brain)
    assert edge == pytest.approx((half.sum() * tb.MM**3) ** (1 / 3), rel=1e-3)
    with pytest.raises(FAError, match="outside the brain"):
        drawn_hole(prepared, ~prepared.brain & (np.indices(tb.SHAPE).sum(0) == 0))


def test_limits_lie_between_those_of_the_sizes_and_end_with_the_largest():
    known = tb.regions()
    assert known.at(20.0).threshold == (4.0, 4.25) and known.at(20.0).inpainter_spread == 1.5
    assert known.at(1.0) == known.at(10.0) == known.limits[0] and known.at(30.0 * ROUNDING) == known.limits[1]
    with pytest.raises(FAError, match="64 ml of brain, as much as a cube of 40 mm.*up to 27 ml, a cube of 30 mm"):
        known.at(40.0)
    assert SizeLimits.of(known.limits[1].values()) == known.limits[1]
    assert RegionLimits().people == 0 and RegionLimits().at(60.0).threshold > known.limits[1].threshold
