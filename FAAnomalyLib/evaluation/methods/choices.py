"""Methods as the command line names them: ``NAME``, ``NAME=FOLDER`` or ``NAME=folds.csv``, with commas between."""

from __future__ import annotations

from pathlib import Path

from ...errors import FAError
from .detector import folds_for
from .method_model import check_model
from .registry import MethodChoice, RegisteredMethod, method_by_option, registered_methods, untrained_choices

DETECTOR = "faanomaly"
"""The method under evaluation, which always takes part; it may be named."""


def chosen_methods(text: str | None, people: set[str], settings: bool = False) -> tuple[MethodChoice, ...]:
    """The comparators that *text* names, in its order; the quick ones that need no training where it is None.

    Parameters
    ----------
    text
        For instance ``template-z-map,pddpm=models/pddpm``. A method that learns needs a folder that ``faanomaly train
        --method`` made, or a table with the columns person,model; the thesis' networks may also come from ``train
        --recipe``.
    people
        Everybody who is scored: a table must name them all.
    settings
        Whether the other settings of each take part as well.

    Raises
    ------
    FAError
        ``bad-request`` for an unknown name, a method without its model, or a model of another method; ``missing`` for a
        folder that holds none.
    """
    if text is None:
        named = untrained_choices()
    else:
        words = dict.fromkeys(word.strip() for word in text.split(",") if word.strip())
        named = tuple(_choice(word, people) for word in words if word != DETECTOR)
    return with_further_settings(named) if settings else named


def with_further_settings(choices: tuple[MethodChoice, ...]) -> tuple[MethodChoice, ...]:
    """The same comparators with all their settings, each beside its own."""
    entries = [choice.entry for choice in choices]
    further = [MethodChoice(one) for one in registered_methods() if one not in entries]
    return tuple(
        each
        for choice in choices
        for each in (choice, *(one for one in further if one.entry.setting_of == choice.entry.name))
    )


def every_method() -> tuple[tuple[MethodChoice, ...], tuple[RegisteredMethod, ...]]:
    """All comparators that need no training, and all that do, but for the thesis' own networks."""
    methods = [entry for entry in registered_methods() if entry.setting_of is None]
    ready = tuple(MethodChoice(entry) for entry in methods if not entry.needs_training)
    learning = (entry for entry in methods if entry.needs_training and entry.takes_model is None)
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
