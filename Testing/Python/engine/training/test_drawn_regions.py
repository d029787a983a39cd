"""Limits of drawn regions: what further healthy people's boxes stay below, by size, nobody counted twice."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.training.drawn_regions import EDGES_MM, HealthyBox, boxes, fit_regions
from support.phantoms import tiny_brain as tb

VOXELS = dict(zip(EDGES_MM, (8, 30, 80, 200, 600), strict=True))


def drawn(person: str, count: int = 10, scale: float = 1.0, seed: int = 0) -> list[HealthyBox]:
    """Boxes of independent voxels, whose inpainter and template deviate alike, the inpainter more in large ones."""
    rng = np.random.default_rng([seed, sum(person.encode())])
    found = []
    for edge in EDGES_MM:
        for _ in range(count):
            z = scale * rng.standard_normal(VOXELS[edge])
            found.append(HealthyBox(person, edge, (1.0 + edge / 60.0) * z, z))
    return found


def of_people(count: int, seed: int = 0) -> list[HealthyBox]:
    return [box for n in range(count) for box in drawn(f"P{n}", seed=seed)]


def test_spreads_grow_with_the_size_and_z_is_standard():
    known = fit_regions(of_people(6))
    assert known.people == 6 and known.edges_mm == EDGES_MM
    for edge in EDGES_MM:
        limits = known.at(edge)
        assert limits.inpainter_spread == pytest.approx(1.0 + edge / 60.0, rel=0.15)
        assert limits.spread == pytest.approx(1.0, rel=0.15)
        assert limits.threshold > limits.sensitive > limits.one_sided
    assert [one.threshold[0] for one in known.limits] == sorted(one.threshold[0] for one in known.limits)


def test_a_further_persons_boxes_stay_below_as_often_as_they_should():
    known, beyond = fit_regions(of_people(6)), {"threshold": [], "sensitive": [], "one_sided": []}
    for box in of_people(20, seed=1):
        limits = known.at(box.edge_mm)
        z = box.evidence(limits.inpainter_spread) / limits.spread
        for name, shares in beyond.items():
            shares.append(z.max() > getattr(limits, name)[0])
    assert np.mean(beyond["threshold"]) < np.mean(beyond["sensitive"]) < np.mean(beyond["one_sided"]) < 0.25
    assert 0.01 < np.mean(beyond["threshold"]) < 0.08 and np.mean(beyond["one_sided"]) > 0.1


def test_a_person_with_many_boxes_counts_once():
    many = [box for n in range(3) for box in drawn("loud", scale=2.0, seed=n)]
    once, often = (fit_regions([*of_people(3), *loud]) for loud in (many[: len(many) // 3], many))
    for one, other in zip(once.limits, often.limits, strict=True):
        assert other.spread == pytest.approx(one.spread, rel=0.1)


def test_every_box_has_its_mirror_image():
    prepared = tb.prepared(*tb.head(1))
    pairs = list(boxes(prepared, 20.0, 3, seed=2))
    assert len(pairs) == 6 and all(box.any() for box in pairs)
    for box, mirrored in zip(pairs[::2], pairs[1::2], strict=True):
        centre, there = (np.argwhere(one).mean(axis=0) for one in (box, mirrored))
        assert abs(tb.SHAPE[0] - 1 - centre[0] - there[0]) <= 1.0 and (centre[1:] == there[1:]).all()
        assert box.sum() * tb.MM**3 == 20.0**3
