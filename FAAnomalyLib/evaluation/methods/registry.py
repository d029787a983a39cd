"""Registry of the methods that every evaluation runs beside the method under evaluation.

A new method is one new file in this folder: it calls :func:`register` at import, and every file of the folder is
imported before the registry is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..._discovery import import_all
from ...datasets.cohort import CohortSubject
from ...errors import FAError
from ...preprocessing.model_grid import PreparedSubject
from ...result import Result
from ...volume import Volume
from .method import Method
from .thresholds import UNCALIBRATED, Thresholds

Fit = Callable[[Sequence[CohortSubject], Any], None]
"""``fit(people, options)``, see :class:`~.scoring_method.ScoringEntry`; the options are its ``FitOptions``."""

PaperRule = Callable[[Result, "Path | None"], np.ndarray]
"""``paper_rule(result, model folder)`` -> bool (X, Y, Z)."""

TakesModel = Callable[["Path"], bool]
"""``takes_model(folder)``."""


@dataclass(frozen=True)
class MethodContext:
    """What a method may know of a subject before it scores a volume.

    Attributes
    ----------
    subject
        The subject. Its file holds the healthy map: a method must not open it.
    prepare
        Brings a volume onto the grid of the subject's template. The methods of a subject share one, which
        registers the same volume once.
    thresholds
        For methods with ``needs_calibration``; :data:`~.thresholds.UNCALIBRATED` on the healthy brains from which
        they are derived.
    seed
        For stochastic methods, which start from it anew for every volume; None for the others.
    model
        Folder with what the method has learned; None for a method that needs no training.
    device
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    """

    subject: CohortSubject
    prepare: Callable[[Volume], PreparedSubject]
    thresholds: Thresholds = UNCALIBRATED
    seed: int | None = None
    model: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class RegisteredMethod:
    """A method's name, its factory and what it needs.

    Attributes
    ----------
    name
        Name in tables and records.
    create
        Makes the method for one subject.
    position
        Place in the tables; methods of one position follow one another by name.
    needs_template
        Whether it calls :attr:`MethodContext.prepare`. The registration is shared, so its seconds are not recorded.
    needs_network
        Whether its cost counts for the time left.
    needs_calibration
        Whether its thresholds come from healthy brains of other people (:mod:`.thresholds`): it scores all
        untouched brains before any planted one.
    is_stochastic
        Whether it draws random numbers and therefore gets a seed.
    fit
        How it learns from healthy people; None for a method that needs no training.
    paper_rule
        The decision rule of its own paper; None where there is none.
    dimensions
        2 for a method that works slice by slice, else 3.
    fills_holes
        Whether it can fill one given hole (:class:`~.scoring_method.HoleFiller`).
    by_default
        Whether it takes part in evaluations that name no methods. A method that learns never does; nor should one that
        is slow.
    takes_model
        Whether a folder that was trained without ``--method`` serves it as well, though it has no thresholds. None
        where no such folder does.
    setting_of
        The comparator that this is another setting of; None for a method of its own. An evaluation that tries settings
        reports the best of them (:mod:`..best_settings`).
    """

    name: str
    create: Callable[[MethodContext], Method]
    position: int = 100
    needs_template: bool = False
    needs_network: bool = False
    needs_calibration: bool = False
    is_stochastic: bool = False
    fit: Fit | None = None
    paper_rule: PaperRule | None = None
    dimensions: int = 3
    fills_holes: bool = False
    by_default: bool = True
    takes_model: TakesModel | None = None
    setting_of: str | None = None

    @property
    def option(self) -> str:
        """The name as the command line takes it: small letters, hyphens for spaces."""
        return self.name.lower().replace(" ", "-")

    @property
    def needs_training(self) -> bool:
        """Whether it needs a model folder, which ``faanomaly train --method`` makes."""
        return self.fit is not None


@dataclass(frozen=True)
class MethodChoice:
    """A method that takes part in an evaluation, and the models that it has learned.

    Attributes
    ----------
    entry
        The method.
    model
        Model folder for everybody whom *folds* does not name; None for a method that needs no training.
    folds
        Person -> model folder that has not seen that person.
    """

    entry: RegisteredMethod
    model: Path | None = None
    folds: Mapping[str, Path] = field(default_factory=dict)

    def model_of(self, person: str) -> Path | None:
        """Folder of the model that scores *person*."""
        return self.folds.get(person, self.model)


_METHODS: dict[str, RegisteredMethod] = {}


def register(method: RegisteredMethod) -> RegisteredMethod:
    """Add a method to every evaluation; raises ``ValueError`` when its name is taken."""
    if method.name in _METHODS:
        raise ValueError(f"there is already a method called {method.name!r}")
    _METHODS[method.name] = method
    return method


def registered_methods() -> tuple[RegisteredMethod, ...]:
    """All registered methods in the order of the tables."""
    import_all(__package__)
    return tuple(sorted(_METHODS.values(), key=lambda method: (method.position, method.name)))


def untrained_choices() -> tuple[MethodChoice, ...]:
    """The methods that run in every evaluation: those that need no training and are quick."""
    ready = (method for method in registered_methods() if method.by_default and not method.needs_training)
    return tuple(MethodChoice(method) for method in ready)


def method_by_option(option: str) -> RegisteredMethod:
    """The method of that name at the command line; raises ``FAError('bad-request')`` where there is none."""
    known = {method.option: method for method in registered_methods()}
    if option not in known:
        raise FAError("bad-request", f"There is no method {option!r}", "", f"Choose among {', '.join(known)}")
    return known[option]
