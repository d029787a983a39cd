"""A head that faces backwards is found where the file does not say how it is oriented, and refused where it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.preprocessing import unknown_orientation
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.template import on_grid
from FAAnomalyLib.preprocessing.unknown_orientation import FACES_BACKWARDS, HALF_TURN, register_either_way
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb

MATRIX = sb.head(x=8.0, z=-6.0)


def backwards(sides_known: bool) -> Volume:
    shape, affine = sb.grid(matrix=MATRIX)
    brain = sb.brain(shape, affine, MATRIX)
    return replace(brain, affine=HALF_TURN @ affine, sides_known=sides_known)


@pytest.mark.slow
def test_a_head_is_found_whichever_way_the_axes_were_meant():
    template = on_grid(sb.template(), (32, 38, 32), 5.0)
    found = register_either_way(template.fa, backwards(False), template.priors.brain > 0.5)
    assert sb.misplacement_mm(found.matrix, HALF_TURN @ MATRIX).mean() < 1.5
    assert found.remarks == [FACES_BACKWARDS] and found.correlation > 0.9


class Scripted:
    """Stands for the registration: the worlds that it was shown, and its answers to them."""

    def __init__(self, *answers: Alignment | FAError) -> None:
        self.answers, self.shown = list(answers), []

    def __call__(self, fixed, moving, brain, check):
        self.shown.append(moving.affine)
        answer = self.answers[len(self.shown) - 1]
        if isinstance(answer, FAError):
            raise answer
        return answer


FIRST, SECOND = FAError("bad-input", "first"), FAError("bad-input", "second")
CANCELLED = FAError("cancelled", "stop")


@pytest.mark.parametrize(
    ("sides_known", "answers", "attempts", "raised"),
    [
        (True, [FIRST], 1, FIRST),
        (False, [FIRST, SECOND], 2, FIRST),
        (False, [CANCELLED], 1, CANCELLED),
        (False, [FIRST, CANCELLED], 2, CANCELLED),
    ],
    ids=["it says so", "neither way", "cancelled", "cancelled the second time"],
)
def test_what_is_told_where_nothing_fits(monkeypatch, sides_known, answers, attempts, raised):
    scripted = Scripted(*answers)
    monkeypatch.setattr(unknown_orientation, "register_affine", scripted)
    volume = backwards(sides_known)
    with pytest.raises(FAError) as caught:
        register_either_way(volume, volume, np.ones(volume.shape, bool))
    assert caught.value is raised and len(scripted.shown) == attempts


@pytest.mark.parametrize("sides_known", [True, False])
def test_a_head_that_fits_is_not_turned(monkeypatch, sides_known):
    known = Alignment(MATRIX, 0.9, "affine")
    scripted = Scripted(known)
    monkeypatch.setattr(unknown_orientation, "register_affine", scripted)
    volume = backwards(sides_known)
    assert register_either_way(volume, volume, np.ones(volume.shape, bool)) is known
