"""Why is a change of a whole tract found or missed by its mean, and would another expectation find more?

    python Testing/Benchmarks/tract_power.py DATA --people people.csv --keep FILE

FA is changed by +-0.1 over the whole of four tracts (those of ``faanomaly evaluate --experiment tracts``) of one map of
each person; the brain is warped anew for each, over the affine alignment of the untouched one.  First table: how much
of the change the tract's mean shows, how much of it the expectation follows, and what is left, with the bent and with
the affine template.  Second table: what different statistics of a tract find of these changes.  Everybody is judged by
norms and thresholds of the other people.  "Beside its twin": the part of the deviation that the same tract of the other
hemisphere does not share; "either": it or the mean, by a threshold for the larger of both.  "Both sides": as if the
twin had changed as much.  KEEP holds the measurements (a quarter of an hour): a later run reads them.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np

from FAAnomalyLib.anatomy.tract_atlas import TractAtlas
from FAAnomalyLib.anatomy.tract_measures import measure_tracts, twins
from FAAnomalyLib.anatomy.tract_norms import Spread
from FAAnomalyLib.anomaly.screening import analysis_mask
from FAAnomalyLib.datasets.cohort import CohortSubject, find_subjects, load_subject
from FAAnomalyLib.evaluation.planting.lesions import plant
from FAAnomalyLib.evaluation.tracts.changes import TRACTS, TractChange, changed_voxels
from FAAnomalyLib.pipeline.anatomy import mapping_of, open_atlas
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject, with_other_fa
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.preprocessing.template import Template, load_template
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.training.tract_norms_fit import tract_threshold

CHANGE, SHARED = 0.1, 0.5
BENT, AFFINE = "bent template", "affine template"
Means = dict[str, np.ndarray]
"""By template: (2, T), mean and expected FA of every tract."""


@dataclass(frozen=True)
class Person:
    """One person's tracts: untouched (mean over the maps), and of the first map untouched and changed."""

    deviation: dict[str, np.ndarray]
    untouched: Means
    changed: dict[tuple[str, float], Means]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--keep", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()
    template = load_template(resources_dir() / "Template")
    loaded = open_atlas("default", template.sha256)
    if loaded is None:
        parser.error("no tract atlas is installed")
    by_person: dict[str, list[CohortSubject]] = {}
    for subject in find_subjects(args.data, args.people):
        by_person.setdefault(subject.person, []).append(subject)
    known: dict[str, Person] = pickle.loads(args.keep.read_bytes()) if args.keep.exists() else {}
    for name in by_person.keys() - known.keys():
        known[name] = person(by_person[name], loaded.atlas, template)
        args.keep.write_bytes(pickle.dumps(known))
        print(f"{len(known)} of {len(by_person)} people", file=sys.stderr, flush=True)
    people, names = list(known.values()), [tract.name for tract in loaded.atlas.tracts]
    followed(people, names)
    twin = np.array([-1 if other is None else other for other in twins(loaded.atlas)])
    print("\n| statistic | SD between people | thresholds | people beyond | found | both sides |\n" + "|---" * 6 + "|")
    power("mean, bent template", people, names, BENT, [same])
    power("mean, affine template", people, names, AFFINE, [same])
    power("beside its twin", people, names, BENT, [unshared(twin)])
    power("either", people, names, BENT, [same, unshared(twin)])


def person(maps: list[CohortSubject], atlas: TractAtlas, template: Template) -> Person:
    """Measure all maps of a person, and the first one with every change."""
    all_means, changes = [], {}
    for number, subject in enumerate(maps):
        volume, brain = load_subject(subject)
        healthy = prepare(volume, template, brain)
        all_means.append(means(healthy, atlas, template))
        if number:
            continue
        for tract in TRACTS:
            where = changed_voxels(volume, atlas, mapping_of(healthy), TractChange(tract, CHANGE, 1.0, 0))
            where &= healthy.native_brain
            for change in (CHANGE, -CHANGE):
                ill = with_other_fa(healthy, plant(volume, where, change), warps=True)
                changes[tract, change] = means(ill, atlas, template)
    deviations = {key: np.array([one[key][0] - one[key][1] for one in all_means]) for key in (BENT, AFFINE)}
    return Person({key: mean_of(several) for key, several in deviations.items()}, all_means[0], changes)


def mean_of(maps: np.ndarray) -> np.ndarray:
    """Over the maps that show a tract, NaN where none does."""
    seen = np.isfinite(maps).sum(axis=0)
    return np.where(seen > 0, np.nansum(maps, axis=0) / np.maximum(seen, 1), np.nan)


def means(subject: PreparedSubject, atlas: TractAtlas, template: Template) -> Means:
    found = {}
    for key, priors in ((BENT, subject.grid.priors), (AFFINE, template.priors)):
        analysed = analysis_mask(subject.brain, priors.white_matter, subject.grid.spacing_mm)
        measured = measure_tracts(atlas, subject.fa, priors, analysed, template.fa.affine)
        found[key] = np.stack([measured.mean_fa, measured.expected_fa])
    return found


def followed(people: list[Person], names: list[str]) -> None:
    """Print what a change leaves."""
    print("| template | cases | of the change the mean shows | the expectation follows | left |\n" + "|---" * 5 + "|")
    for key in (BENT, AFFINE):
        shares = np.array([
            (means[key] - one.untouched[key])[:, names.index(tract)] / change
            for one in people
            for (tract, change), means in one.changed.items()
        ])  # fmt: skip
        shares = shares[np.isfinite(shares).all(axis=1)]
        mean, expected = shares.mean(axis=0)
        print(f"| {key} | {len(shares)} | {mean:.2f} | {expected:.2f} | {mean - expected:.2f} |")


Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Deviations of all tracts, and what is added to each twin -> the statistic of all tracts, FA."""


def same(deviation: np.ndarray, of_twin: np.ndarray) -> np.ndarray:
    return deviation


def unshared(twin: np.ndarray) -> Rule:
    """A deviation less half of its twin's where both have one sign, at most to 0: so no change leaves a ghost.

    *twin* is the number of each tract's twin, -1 for none, whose statistic is NaN.
    """

    def rule(deviation: np.ndarray, added: np.ndarray) -> np.ndarray:
        other, size = np.where(twin >= 0, deviation[twin] + added, np.nan), np.abs(deviation)
        left = np.where(deviation * other > 0, np.maximum(size - SHARED * np.abs(other), 0.0), size)
        return np.where(np.isfinite(other), np.sign(deviation) * left, np.nan)

    return rule


def strongest(z: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The z of larger magnitude; the first where there is no other."""
    return np.where(np.abs(other) > np.abs(z), other, z)


def power(label: str, people: list[Person], names: list[str], key: str, rules: list[Rule]) -> None:
    """Print what the larger z of the rules finds, everybody held out of norms and thresholds."""
    nothing = np.zeros(len(names))
    untouched = [np.stack([rule(one.deviation[key], nothing) for one in people]) for rule in rules]
    norms = [[Spread.of(np.delete(values, n, axis=0)) for values in untouched] for n in range(len(people))]

    def z(number: int, deviation: np.ndarray, of_twin: np.ndarray) -> np.ndarray:
        several = [s.z(rule(deviation, of_twin)) for s, rule in zip(norms[number], rules, strict=True)]
        return reduce(strongest, several)

    healthy = np.stack([z(n, one.deviation[key], nothing) for n, one in enumerate(people)])
    beyond, found = 0, []
    for n, one in enumerate(people):
        up, down = tract_threshold(np.delete(healthy, n, axis=0))
        beyond += bool(np.nanmax(healthy[n]) > up or np.nanmin(healthy[n]) < -down)
        for (tract, change), means in one.changed.items():
            at, added = (
                names.index(tract),
                means[key][0] - means[key][1] - one.untouched[key][0] + one.untouched[key][1],
            )
            if np.isfinite(added[at]):
                limit = up if change > 0 else down
                both_sides = np.full(len(names), added[at])
                found.append([
                    np.sign(change) * z(n, one.deviation[key] + added, of_twin)[at] > limit
                    for of_twin in (nothing, both_sides)
                ])  # fmt: skip
    up, down = tract_threshold(healthy)
    known = np.isfinite(untouched[-1]).sum(axis=0) > 1
    spread = np.median(np.nanstd(untouched[-1][:, known], axis=0, ddof=1))
    alone, both = np.mean(found, axis=0)
    print(f"| {label} | {spread:.4f} | +{up:.2f} -{down:.2f} | {beyond} of {len(people)} | {alone:.0%} | {both:.0%} |")


if __name__ == "__main__":
    main()
