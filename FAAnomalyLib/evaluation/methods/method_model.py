"""A method's model folder: what it has learned, its thresholds, and the people that both are from.

``method.json`` is written last, so that a folder that has one is complete.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..._version import __version__
from ...datasets.cohort import CohortSubject
from ...errors import FAError
from ...io.atomic import atomic_write, cannot_write
from ...models.manifest import sha256_of
from ...preprocessing.template import Template
from ...training.export import MODEL
from ..planting.lesion_simulator import LesionSimulator
from .registry import MethodContext, RegisteredMethod
from .scoring_method import FitOptions
from .thresholds import Thresholds, from_healthy_people

FILE = "method.json"
FORMAT = 1
CALIBRATION_SHARE = 4
"""Of so many people one is kept out of training for the thresholds, where nobody is named."""


@dataclass(frozen=True)
class MethodRecord:
    """Content of ``method.json``; the names of the fields are stored.

    Attributes
    ----------
    format, faanomaly
        Of the file, and of the program that wrote it.
    method
        Name of the method.
    recipe, seed
        See :class:`~.scoring_method.FitOptions`.
    trained_on, calibrated_on
        Names of the FA maps.
    people
        Number of people that the thresholds are from.
    thresholds
        Scores of the increased and of the decreased tail, both positive.
    """

    format: int
    faanomaly: str
    method: str
    recipe: str
    seed: int
    trained_on: tuple[str, ...]
    calibrated_on: tuple[str, ...]
    people: int
    thresholds: Thresholds


def fit_method(
    entry: RegisteredMethod,
    people: Sequence[CohortSubject],
    held_out: Sequence[CohortSubject],
    options: FitOptions,
    template: Template,
) -> MethodRecord:
    """Fit a method to healthy people and derive its thresholds from other healthy people.

    Parameters
    ----------
    entry
        The method.
    people
        Those that it learns from; nobody for a method that needs no training.
    held_out
        Those whose maps give the thresholds, by the protocol of all methods: the 95th percentile over people of the
        largest score of a brain, for each tail. None of them is among *people*.
    options
        Folder, recipe, device, seed.
    template
        For methods that need one.

    Raises
    ------
    FAError
        ``bad-input`` when a map cannot be used or the folder cannot be written.
    """
    if entry.fit is not None:
        entry.fit(people, replace(options, template=template))
    extremes = []
    for number, subject in enumerate(held_out, 1):
        extremes.append(_extremes(entry, subject, options, template))
        options.report(f"scored {number}/{len(held_out)} {subject.path.name}")
    record = MethodRecord(
        FORMAT,
        __version__,
        entry.name,
        options.recipe,
        options.seed,
        tuple(subject.path.name for subject in people) if entry.fit is not None else (),
        tuple(subject.path.name for subject in held_out),
        len({subject.person for subject in held_out}),
        from_healthy_people(extremes),
    )
    try:
        with atomic_write(options.folder / FILE) as temporary:
            temporary.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(options.folder, error) from error
    return record


def read_method(folder: Path) -> MethodRecord:
    """The record in a method's model folder; raises ``FAError('missing')`` where there is none that fits."""
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        content["thresholds"] = tuple(float(value) for value in content["thresholds"])
        for name in ("trained_on", "calibrated_on"):
            content[name] = tuple(content[name])
        record = MethodRecord(**content)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FAError(
            "missing",
            f"There is no fitted method in {folder}",
            f"{FILE} cannot be used ({type(error).__name__})",
            "Make it with faanomaly train DATA --method NAME -o FOLDER",
        ) from error
    if record.format != FORMAT or len(record.thresholds) != 2:
        raise FAError("missing", f"The method in {folder} does not fit this version", "", "Fit it again")
    return record


def check_model(folder: Path, entry: RegisteredMethod) -> MethodRecord | None:
    """The record of a folder that holds a model of *entry*; None for one that was trained without ``--method``.

    Raises
    ------
    FAError
        ``bad-request`` for a model of another method, ``missing`` for a folder that holds none.
    """
    if not (folder / FILE).is_file() and entry.takes_model is not None and entry.takes_model(folder):
        return None
    record = read_method(folder)
    if record.method != entry.name:
        raise FAError(
            "bad-request",
            f"{folder} holds the method {record.method}, not {entry.option}",
            "",
            "Name the method's own folder",
        )
    return record


def model_sha256(folder: Path) -> str:
    """Digest of everything that a method's folder says of itself, its networks' own SHA-256 among it."""
    files = sorted({*folder.glob("*.json"), *(folder / MODEL).glob("*.json")})
    return "".join(sha256_of(file)[:16] for file in files)


def split_for_thresholds(
    cohort: Sequence[CohortSubject], held_out: Sequence[str], learns: bool
) -> tuple[list[CohortSubject], list[CohortSubject]]:
    """Who a method learns from, and whose maps give its thresholds; by person.

    A method that does not learn is calibrated on everybody but those whom *held_out* names for an evaluation. One that
    learns is calibrated on the people that *held_out* names, or without names on every fourth person.

    Raises
    ------
    FAError
        ``bad-request`` when nobody is left for one of both.
    """
    names = list(dict.fromkeys(subject.person for subject in cohort))
    if not learns:
        chosen = [subject for subject in cohort if subject.person not in held_out]
        if not chosen:
            raise FAError("bad-request", "Nobody is left for the thresholds", "every person is held out", "")
        return [], chosen
    kept = set(held_out) or set(names[CALIBRATION_SHARE - 1 :: CALIBRATION_SHARE])
    people, calibration = (
        [subject for subject in cohort if (subject.person in kept) is inside] for inside in (False, True)
    )
    if not people or not calibration:
        raise FAError(
            "bad-request",
            "Training needs people to learn from and other people for the thresholds",
            f"{len(names)} people are there",
            f"Give at least {CALIBRATION_SHARE} people, or name one with --hold-out",
        )
    return people, calibration


def _extremes(
    entry: RegisteredMethod, subject: CohortSubject, options: FitOptions, template: Template
) -> tuple[str, float, float]:
    """Person, highest and lowest score of a healthy brain."""
    simulator = LesionSimulator(subject, template, options.seed)
    seed = options.seed if entry.is_stochastic else None
    model = options.folder if entry.needs_training else None
    context = MethodContext(subject, simulator.prepare, seed=seed, model=model, device=options.device)
    score = entry.create(context).score(simulator.healthy_volume).z_map.data
    return subject.person, max(float(score.max()), 0.0), min(float(score.min()), 0.0)
