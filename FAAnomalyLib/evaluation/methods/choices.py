"""Methods as the command line names them: ``NAME``, ``NAME=FOLDER`` or ``NAME=folds.csv``, with commas between."""

from __future__ import annotations

from pathlib import Path

from ...errors import FAError
from .detector import folds_for
from .method_model import check_model
from .registry import MethodChoice, RegisteredMethod, method_by_option, registered_methods, untrained_choices

DETECTOR = "faanomaly"
"""The method under evaluation, which always takes part; it may be named."""


def chosen_methods(text: str | None, people: set[str]) -> tuple[MethodChoice, ...]:
    """The comparators that *text* names, in its order; the quick ones that need no training where it is None.

    Parameters
    ----------
    text
        For instance ``template-z-map,pddpm=models/pddpm``. A method that learns needs a folder that ``faanomaly train
        --method`` made, or a table with the columns person,model; the thesis' networks may also come from ``train
        --recipe``.
    people
        Everybody who is scored: a table must name them all.

    Raises
    ------
    FAError
        ``bad-request`` for an unknown name, a method without its model, or a model of another method; ``missing`` for a
        folder that holds none.
    """
    if text is None:
        return untrained_choices()
    words = [word.strip() for word in text.split(",") if word.strip()]
    return tuple(_choice(word, people) for word in dict.fromkeys(words) if word != DETECTOR)


def every_method() -> tuple[tuple[MethodChoice, ...], tuple[RegisteredMethod, ...]]:
    """All comparators that need no training, and all that do, but for the thesis' own networks."""
    ready = tuple(MethodChoice(entry) for entry in registered_methods() if not entry.needs_training)
    learning = (entry for entry in registered_methods() if entry.needs_training and entry.takes_model is None)
    return ready, tuple(learning)


def _choice(word: str, people: set[str]) -> MethodChoice:
    option, _, place = word.partition("=")
    entry = method_by_option(option)
    if not place:
        if entry.needs_training:
            raise FAError(
                "bad-request",
                f"The method {option} learns and needs a model",
                "",
                f"Make one with faanomaly train DATA --method {option} -o FOLDER and name it: {option}=FOLDER",
            )
        return MethodChoice(entry)
    if place.endswith(".csv"):
        folds = folds_for(Path(place), people)
        for folder in set(folds.values()):
            check_model(folder, entry)
        return MethodChoice(entry, folds=folds)
    check_model(Path(place), entry)
    return MethodChoice(entry, Path(place))
