"""What an experiment trains before it computes anything: networks and methods, each by one of the processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...io.claims import Claims, wait_for_others


@dataclass(frozen=True)
class Fitting:
    """One training.

    Attributes
    ----------
    name
        Of its claim.
    folder
        Where its model goes.
    is_done
        ``is_done(folder)`` -> whether the model is complete there.
    fit
        ``fit(folder)``: trains and writes it; goes on where an earlier call was interrupted.
    """

    name: str
    folder: Path
    is_done: Callable[[Path], bool]
    fit: Callable[[Path], None]


def fit_all(fittings: Sequence[Fitting], claims: Claims, on_progress: Callable[[int], None]) -> None:
    """Train whatever nobody has trained; return when all is done, by this process or by others.

    *on_progress* is called with the number of finished trainings; it may raise to cancel.
    """
    waiting = list(fittings)
    while waiting:
        for one in list(waiting):
            on_progress(len(fittings) - len(waiting))
            if not one.is_done(one.folder):
                with claims.claim(one.name) as ours:
                    if not ours:
                        continue
                    if not one.is_done(one.folder):
                        one.folder.mkdir(parents=True, exist_ok=True)
                        one.fit(one.folder)
            waiting.remove(one)
        if waiting:
            wait_for_others()
