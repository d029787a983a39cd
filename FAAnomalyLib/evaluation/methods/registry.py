"""Registry of the methods that every evaluation runs beside the method under evaluation.

A new method is one new file in this folder: it calls :func:`register` at import, and every file of the folder is
imported before the registry is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..._discovery import import_all
from ...datasets.cohort import CohortSubject
from ...preprocessing.model_grid import PreparedSubject
from ...volume import Volume
from .method import Method
from .thresholds import UNCALIBRATED, Thresholds


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
    """

    subject: CohortSubject
    prepare: Callable[[Volume], PreparedSubject]
    thresholds: Thresholds = UNCALIBRATED
    seed: int | None = None


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
    """

    name: str
    create: Callable[[MethodContext], Method]
    position: int = 100
    needs_template: bool = False
    needs_network: bool = False
    needs_calibration: bool = False
    is_stochastic: bool = False


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
