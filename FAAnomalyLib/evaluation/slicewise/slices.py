"""Axial slices of the model grid, as the 2D methods see them, and the volume from them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ...datasets.cohort import CohortSubject
from ...errors import FAError
from ...preprocessing.template import Template
from ...runtime.arrays import as_array, as_tensor
from ...training.cohort_cache import OUTSIDE_WEIGHT, prepare_subjects

MULTIPLE = 16
"""Slices are padded to multiples of it, so that networks can halve them four times."""
LEARNED_SHARE = 0.02
"""Slices with less brain than this share of their pixels are not learned from."""


@dataclass(frozen=True, eq=False)
class SliceStack:
    """Axial slices of one or several brains.

    Attributes
    ----------
    pictures
        2 FA - 1, float32 (N, 1, X, Y), in [-1, 1]; -1 outside the brain. X and Y are multiples of :data:`MULTIPLE`.
    brain
        bool, same shape.
    people
        Number of the person that each slice is of, int64 (N,).
    """

    pictures: Tensor
    brain: Tensor
    people: Tensor

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def shape(self) -> tuple[int, int]:
        """X and Y."""
        return self.pictures.shape[2], self.pictures.shape[3]

    def where(self, chosen: Tensor) -> SliceStack:
        """The slices that *chosen*, bool (N,), names."""
        return SliceStack(self.pictures[chosen], self.brain[chosen], self.people[chosen])

    @property
    def brain_share(self) -> Tensor:
        """Share of each slice's pixels that are brain, (N,)."""
        return self.brain.float().mean((1, 2, 3))

    def hold_out(self, every: int) -> tuple[SliceStack, SliceStack]:
        """The slices to learn from, and those of every *every*-th person; the same twice where there is one person."""
        kept = self.people % every == every - 1
        if not kept.any():
            kept = self.people == self.people.max()
        return self if bool(kept.all()) else self.where(~kept), self.where(kept)


def slices_of(fa: np.ndarray, brain: np.ndarray, person: int = 0) -> SliceStack:
    """All axial slices of one brain on the model grid, from below.

    Parameters
    ----------
    fa
        FA in [0, 1], (X, Y, Z).
    brain
        bool (X, Y, Z).
    person
        Number of the person.
    """
    inside = as_tensor(np.ascontiguousarray(brain.transpose(2, 0, 1)))[:, None]
    pictures = 2.0 * as_tensor(np.ascontiguousarray(fa.transpose(2, 0, 1), np.float32))[:, None] - 1.0
    missing = [-size % MULTIPLE for size in pictures.shape[2:]]
    padding = [0, missing[1], 0, missing[0]]
    pictures = functional.pad(torch.where(inside, pictures, -1.0), padding, value=-1.0)
    return SliceStack(pictures, functional.pad(inside, padding), torch.full((len(pictures),), person))


def volume_of(slices: Tensor, shape: Sequence[int]) -> np.ndarray:
    """Inverse of :func:`slices_of` for any values (Z, 1, X', Y'): float32 (X, Y, Z) of *shape*."""
    return as_array(slices[:, 0, : shape[0], : shape[1]].float()).transpose(1, 2, 0)


def healthy_slices(
    people: Sequence[CohortSubject], template: Template, cache: Path, report: Callable[[str], None] = print
) -> SliceStack:
    """The slices with brain of healthy people, registered to the template; registered maps are kept in *cache*.

    Raises ``FAError('bad-input')`` when a map cannot be used or no slice holds enough brain.
    """
    numbers = {name: number for number, name in enumerate(dict.fromkeys(subject.person for subject in people))}
    subjects = prepare_subjects(list(people), template, cache, report)
    stacks = []
    for one in subjects:
        stacks.append(slices_of(as_array(one.fa), as_array(one.weight) > OUTSIDE_WEIGHT, numbers[one.person]))
    stack = SliceStack(*(torch.cat([getattr(s, name) for s in stacks]) for name in ("pictures", "brain", "people")))
    stack = stack.where(stack.brain_share >= LEARNED_SHARE)
    if not len(stack):
        raise FAError("bad-input", "The healthy FA maps hold no slice to learn from", "", "Check the maps")
    return stack
