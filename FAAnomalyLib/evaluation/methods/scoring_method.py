"""The protocol that a comparator is written against, and its registration.

A method is one file in this folder that ends in ``register_scoring(...)``. It says how it is made ready for a subject
and how it scores a volume; if it learns, how it is fitted to a cohort. Thresholds, regions, records, tables and the
command line are the frame's business.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ...datasets.cohort import CohortSubject
from ...preprocessing.template import Template, load_template
from ...result import Result
from ...runtime.resources import resources_dir
from ...volume import Volume
from .registry import Fit, MethodContext, PaperRule, RegisteredMethod, TakesModel, register
from .score_map import ScoreMap
from .thresholds import Thresholds


class ScoringMethod(Protocol):
    """A method that is ready for one subject; it never sees the truth.

    Attributes
    ----------
    identity
        Everything that decides the method's scores, as plain values (settings, SHA-256 of weights). Records of another
        identity are not reused.
    """

    identity: tuple

    def score(self, volume: Volume) -> ScoreMap:
        """Score a whole brain; *volume* is FA in [0, 1] on its native grid."""


class HoleFiller(Protocol):
    """What a method with ``fills_holes`` has beside :class:`ScoringMethod`: the thesis' tables 3.1 to 3.8 use it."""

    def fill(self, volume: Volume, hole: np.ndarray) -> np.ndarray:
        """Expected FA, float32 (X, Y, Z): generated in *hole*, bool (X, Y, Z), the volume's own elsewhere."""


@dataclass(frozen=True)
class ScoringEntry:
    """A method that :func:`register_scoring` adds, with what it can do and needs.

    Attributes
    ----------
    name
        Name in tables and records. The command line takes it with hyphens for spaces.
    load
        Makes the method for one subject; what was learned lies in ``context.model``.
    position
        Place in the tables.
    fit
        ``fit(people, options)``: learns from healthy people and writes into ``options.folder``. None for a method that
        needs no training.
    paper_rule
        ``paper_rule(result, model folder)`` -> bool (X, Y, Z): the decision rule of the method's own paper, reported
        beside the common protocol's thresholds. None where the paper has none.
    dimensions
        2 for a method that works slice by slice, else 3.
    needs_template, needs_network, is_stochastic, fills_holes, by_default, takes_model, setting_of
        See :class:`~.registry.RegisteredMethod`.
    """

    name: str
    load: Callable[[MethodContext], ScoringMethod]
    position: int = 100
    fit: Fit | None = None
    paper_rule: PaperRule | None = None
    dimensions: int = 3
    needs_template: bool = False
    needs_network: bool = False
    is_stochastic: bool = False
    fills_holes: bool = False
    by_default: bool = True
    takes_model: TakesModel | None = None
    setting_of: str | None = None


def register_scoring(entry: ScoringEntry) -> RegisteredMethod:
    """Register a method whose thresholds come from healthy people by the common protocol."""

    def create(context: MethodContext) -> ThresholdedMethod:
        return ThresholdedMethod(entry.load(context), context.thresholds)

    return register(
        RegisteredMethod(
            entry.name,
            create,
            entry.position,
            needs_template=entry.needs_template,
            needs_network=entry.needs_network,
            needs_calibration=True,
            is_stochastic=entry.is_stochastic,
            fit=entry.fit,
            paper_rule=entry.paper_rule,
            dimensions=entry.dimensions,
            fills_holes=entry.fills_holes,
            by_default=entry.by_default,
            takes_model=entry.takes_model,
            setting_of=entry.setting_of,
        )
    )


class ThresholdedMethod:
    """A scoring method with thresholds: a :class:`~.method.Method`.

    Attributes
    ----------
    scoring
        The method without thresholds.
    """

    def __init__(self, scoring: ScoringMethod, thresholds: Thresholds) -> None:
        self.scoring, self._thresholds = scoring, thresholds
        self.identity = repr((*scoring.identity, thresholds))

    def score(self, volume: Volume) -> Result:
        """See :meth:`.method.Method.score`."""
        return self.scoring.score(volume).at(self._thresholds)


@dataclass(frozen=True)
class FitOptions:
    """How a method is fitted.

    Attributes
    ----------
    folder
        Exists; everything that the method learns is written there.
    recipe
        ``paper`` (the paper's size) or ``tiny`` (minutes on two cores).
    device
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    seed
        Of every random draw.
    report
        Called with a line of progress.
    template
        What the people are registered to; None for the bundled template.
    cache
        Folder in which registered maps are kept for other methods; by default nothing is kept, because a method's model
        folder is passed on and must not hold anybody's brain.
    effort
        Share of the recipe's training steps that are done, above 0 to 1; less than 1 only shows that a method runs.
    """

    folder: Path
    recipe: str = "paper"
    device: str = "auto"
    seed: int = 0
    report: Callable[[str], None] = print
    template: Template | None = None
    cache: Path | None = None
    effort: float = 1.0

    def steps_of(self, steps: int) -> int:
        """How many of a recipe's *steps* are done."""
        return max(1, round(steps * self.effort))

    @contextmanager
    def maps(self) -> Iterator[Path]:
        """Context manager that gives the folder for registered or cropped maps."""
        if self.cache is not None:
            yield self.cache
            return
        with tempfile.TemporaryDirectory(prefix="faanomaly-") as folder:
            yield Path(folder)

    def known_template(self) -> Template:
        """The template, read where it is the bundled one."""
        return self.template or load_template(resources_dir() / "Template")


Cohort = Sequence[CohortSubject]
"""The healthy people that a method learns from."""
