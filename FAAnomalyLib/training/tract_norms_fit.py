"""Norms of a tract atlas from healthy people.

They need no network: a tract is compared with the warped template. Every map of a person counts; a person counts once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..anatomy.tract_atlas import TractAtlas
from ..anatomy.tract_measures import measure_tracts
from ..anatomy.tract_norms import Spread, TractNorms
from ..anomaly.screening import analysed_voxels
from ..datasets.cohort import CohortSubject, load_subject, naming
from ..errors import FAError
from ..preprocessing.model_grid import PreparedSubject
from ..preprocessing.preparation import prepare
from ..preprocessing.template import Template
from .healthy_limits import automatic_threshold

MIN_PEOPLE = 4
SHARE_OF_EACH_SIGN = 0.975
"""Share of healthy people who stay below the threshold of one sign: 5 % have any tract beyond one of the two."""


@dataclass(frozen=True)
class PersonTracts:
    """What one person shows in each tract; NaN where too little of it is seen.

    Attributes
    ----------
    person
        Who.
    deviation, asymmetry
        FA, (T,).
    profile
        FA at the 20 places along each tract, (T, 20).
    """

    person: str
    deviation: np.ndarray
    asymmetry: np.ndarray
    profile: np.ndarray


def measure_people(
    subjects: list[CohortSubject], atlas: TractAtlas, template: Template, report: Callable[[str], None]
) -> list[PersonTracts]:
    """Register every map and measure its tracts.

    Parameters
    ----------
    subjects
        FA maps of healthy people.
    atlas, template
        In one world.
    report
        Called with a line of text for every map.
    """
    maps = []
    for number, subject in enumerate(subjects, 1):
        maps.append(measure_map(subject.person, prepared_map(subject, template), atlas))
        seen = int(np.isfinite(maps[-1].deviation).sum())
        report(f"measured {number}/{len(subjects)} {subject.path.name}: {seen} tracts")
    return mean_of_each_person(maps)


def prepared_map(subject: CohortSubject, template: Template) -> PreparedSubject:
    """One map of a cohort on the model grid."""
    volume, brain = load_subject(subject)
    with naming(subject.path):
        return prepare(volume, template, brain)


def measure_map(person: str, prepared: PreparedSubject, atlas: TractAtlas) -> PersonTracts:
    """What one map shows in each tract."""
    grid = prepared.grid
    analysed = analysed_voxels(prepared)
    measures = measure_tracts(atlas, prepared.fa, grid.priors, analysed, grid.template.fa.affine)
    along = measures.profile - measures.expected_profile
    return PersonTracts(person, measures.deviation, measures.asymmetry, along)


def mean_of_each_person(maps: list[PersonTracts]) -> list[PersonTracts]:
    """One entry a person: the mean over their maps where any of them shows the tract."""
    by_person: dict[str, list[PersonTracts]] = {}
    for one in maps:
        by_person.setdefault(one.person, []).append(one)
    return [
        PersonTracts(
            person,
            _mean([one.deviation for one in own]),
            _mean([one.asymmetry for one in own]),
            _mean([one.profile for one in own]),
        )
        for person, own in by_person.items()
    ]


def fit_norms(people: list[PersonTracts], template_sha256: str) -> TractNorms:
    """Norms of these people, with thresholds from what each of them shows against the others.

    Raises
    ------
    FAError
        ``bad-request`` for fewer than four people.
    """
    if len(people) < MIN_PEOPLE:
        raise FAError(
            "bad-request", f"{len(people)} people are too few for norms of tracts", "", f"Give at least {MIN_PEOPLE}"
        )
    z = held_out_z(people)
    threshold = tract_threshold(z)
    mean, asymmetry, profile = _spreads(people)
    return TractNorms(mean, asymmetry, profile, threshold, len(people), template_sha256)


def tract_threshold(z: np.ndarray) -> tuple[float, float]:
    """z of increases and decreases beyond which one more healthy person in twenty has any tract; *z* is (people, T)."""
    maxima = [[float(np.nanmax(sign * one)) for one in z] for sign in (1, -1)]
    return automatic_threshold(maxima, np.ones(len(z)), len(z), SHARE_OF_EACH_SIGN)


def held_out_z(people: list[PersonTracts]) -> np.ndarray:
    """z of each person's tracts against the other people, (people, T); NaN where a person does not show a tract."""
    return np.stack(
        [
            Spread.of(np.stack([other.deviation for other in people if other is not one])).z(one.deviation)
            for one in people
        ]
    )


def _spreads(people: list[PersonTracts]) -> tuple[Spread, Spread, Spread]:
    mean, asymmetry, profile = (
        Spread.of(np.stack([getattr(one, part) for one in people])) for part in ("deviation", "asymmetry", "profile")
    )
    return mean, asymmetry, profile


def _mean(maps: list[np.ndarray]) -> np.ndarray:
    """Mean over maps where any of them knows the value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy warns of tracts that no map shows
        mean: np.ndarray = np.nanmean(np.stack(maps), axis=0)
    return mean
