"""Is half of what an empty result says would have been found really found?

    python Testing/Benchmarks/told_changes.py DATA PERSON ... --keep boxes.pickle [--edges 20 30]
    python Testing/Benchmarks/told_changes.py DATA PERSON ... --whole

Spheres of 20 mm at eight places of white matter far apart, planted in six copies of each brain, so that every place
bears 0.7, 1 and 1.4 times the change that is told of this very brain once, up and down.  The change at which half is
found should be the told one.  All places are planted at once, or ``--together`` as many: other spheres raise the
brain's own scale, by which a sphere is judged, so that fewer are found than would be of one alone.  Drawn: a box about
each sphere, judged by the limits of the other people (KEEP as in drawn_regions.py).  Whole: the search of the whole
brain.  "Where untouched" counts the same places without a sphere.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from drawn_regions import cube, limits_without, overlapping, say

from FAAnomalyLib.anomaly.calibration import Calibration, Limits
from FAAnomalyLib.anomaly.detectable_change import DetectableChange, detectable_changes, detectable_in_region
from FAAnomalyLib.anomaly.drawn_region import drawn_edge_mm, drawn_hole
from FAAnomalyLib.anomaly.scoring import score_region
from FAAnomalyLib.anomaly.screening import screen
from FAAnomalyLib.datasets.cohort import find_subjects, load_subject
from FAAnomalyLib.evaluation.planting.lesions import plant, sphere, white_matter_centre
from FAAnomalyLib.inpainting.masks import pass_from_mask
from FAAnomalyLib.inpainting.pass_planning import whole_brain_passes
from FAAnomalyLib.inpainting.pass_runner import inpaint_passes, inpaint_passes_by_size
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.pipeline.loaded_model import LoadedModel, open_model
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject, prepare
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.volume import Volume

DIAMETER_MM, PLACES, APART_MM = 20.0, 8, 32.0
FACTORS, SIGNS = (0.7, 1.0, 1.4), (1, -1)
COMBINATIONS = [(factor, sign) for factor in FACTORS for sign in SIGNS]


@dataclass(frozen=True)
class Verdict:
    """z over the native grid, and the changes that are told where nothing is beyond the threshold."""

    z: Volume
    threshold: Limits
    told: DetectableChange


Judge = Callable[[PreparedSubject, np.ndarray], list[Verdict]]
"""A prepared brain and the (N, 3) places -> a verdict for each place."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="+", metavar="PERSON")
    parser.add_argument("--people", type=Path)
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    parser.add_argument("--keep", type=Path, metavar="FILE")
    parser.add_argument("--edges", type=float, nargs="+", default=[20.0, 30.0])
    parser.add_argument("--together", type=int, default=PLACES, metavar="N")
    parser.add_argument("--whole", action="store_true")
    args = parser.parse_args()
    if not args.whole and not args.keep:
        parser.error("give --keep of drawn_regions.py, or --whole")
    loaded = open_model(args.model)
    by_name = {one.name: one for one in find_subjects(args.data, args.people)}
    print("| map | judged | sign | told | where untouched | at 0.7 times | at 1 | at 1.4 |\n" + "|---" * 8 + "|")
    for name in args.names:
        subject = by_name[name]
        volume, brain = load_subject(subject)
        if args.whole:
            judges = {"whole brain": whole_brain(loaded)}
        else:
            limits = limits_without(pickle.loads(args.keep.read_bytes()), subject.person)
            calibration = replace(loaded.calibration, regions=limits)
            judges = {f"box of {edge:g} mm": drawn(loaded, calibration, edge) for edge in args.edges}
        for label, judge in judges.items():
            for row in rows(volume, brain, loaded, judge, args.together):
                print(f"| {name} | {label} | {row}", flush=True)


def rows(volume: Volume, brain: np.ndarray, loaded: LoadedModel, judge: Judge, together: int) -> Iterator[str]:
    """The right half of a row for each sign."""
    healthy = prepare(volume, loaded.template, brain)
    places = far_apart(volume, healthy)
    spheres = [sphere(volume, tuple(place), DIAMETER_MM) for place in places]
    before = judge(healthy, places)
    found: dict[tuple[float, int], list[bool]] = {}
    for sign in SIGNS:
        found[0.0, sign] = [hit(one, ball, sign) for one, ball in zip(before, spheres, strict=True)]
    for copy in range(len(COMBINATIONS)):
        chosen = [COMBINATIONS[(place + copy) % len(COMBINATIONS)] for place in range(len(places))]
        for first in range(0, len(places), together):
            group, ill = range(first, min(first + together, len(places))), volume
            for place in group:
                factor, sign = chosen[place]
                ill = plant(ill, spheres[place] & brain, factor * sign * told(before[place], sign))
            after = judge(prepare(ill, loaded.template, brain), places[first : first + together])
            for place, verdict in zip(group, after, strict=True):
                found.setdefault(chosen[place], []).append(hit(verdict, spheres[place], chosen[place][1]))
        say(f"{copy + 1}/{len(COMBINATIONS)}")
    for sign in SIGNS:
        median = np.median([told(one, sign) for one in before])
        shares = " | ".join(f"{sum(found[f, sign])} of {len(found[f, sign])}" for f in (0.0, *FACTORS))
        yield f"{'increase' if sign > 0 else 'decrease'} | {median:.2f} | {shares} |"


def told(verdict: Verdict, sign: int) -> float:
    """The told change, FA, positive; the largest one that is looked for where none would be found."""
    change = verdict.told.increased if sign > 0 else verdict.told.decreased
    return 0.6 if change is None else change


def hit(verdict: Verdict, ball: np.ndarray, sign: int) -> bool:
    """Whether a region of this sign overlaps the sphere."""
    one_sign = (verdict.threshold[0], np.inf) if sign > 0 else (np.inf, verdict.threshold[1])
    return overlapping(verdict.z, one_sign, ball)[0]


def far_apart(volume: Volume, healthy: PreparedSubject) -> np.ndarray:
    """Places of white matter, (N, 3) RAS mm, no two nearer than :data:`APART_MM`."""
    white = healthy.native_brain & (healthy.grid.to_native(healthy.grid.priors.white_matter) > 0.5)
    places: list[np.ndarray] = []
    for seed in range(2000):
        place = np.array(white_matter_centre(volume, white, DIAMETER_MM, seed))
        if all(np.linalg.norm(place - other) >= APART_MM for other in places):
            places.append(place)
        if len(places) == PLACES:
            break
    return np.array(places)


def drawn(loaded: LoadedModel, calibration: Calibration, edge_mm: float) -> Judge:
    """Judges a box of this edge about each place, as the detector does."""

    def judge(prepared: PreparedSubject, places: np.ndarray) -> list[Verdict]:
        return [one_box(prepared, cube(prepared.grid.native, place, edge_mm)) for place in places]

    def one_box(prepared: PreparedSubject, region: np.ndarray) -> Verdict:
        passes = [pass_from_mask(drawn_hole(prepared, region))]
        filled = inpaint_passes(loaded.inpainter, prepared.fa, passes, Sampling(), priors=prepared.grid.priors)
        edge = drawn_edge_mm(prepared, region)
        scores = score_region(prepared, filled, calibration, edge)
        threshold = calibration.regions.at(edge).threshold
        z = prepared.z_on_native(scores.z, region & prepared.inpainted_on_native(filled.covered))
        return Verdict(z, threshold, detectable_in_region(calibration, scores.scale, threshold, edge)[0])

    return judge


def whole_brain(loaded: LoadedModel) -> Judge:
    """Searches the whole brain, as the detector does; the second look changes no z and is left out."""
    known, request = loaded.calibration, DetectRequest()

    def judge(prepared: PreparedSubject, places: np.ndarray) -> list[Verdict]:
        passes, priors = whole_brain_passes(prepared, request), prepared.grid.priors
        by_size = inpaint_passes_by_size(loaded.inpainter, prepared.fa, passes, Sampling(), priors=priors)
        seen = screen(prepared, by_size)
        scale = {key: known.plausible_scale(key, own).scale for key, own in seen.subject_scale.items()}
        statistic = known.strongest(known.combined(seen.maps, seen.analysed, seen.subject_scale))
        covered = prepared.inpainted_on_native(seen.inpainted.covered)
        z = prepared.z_on_native(known.z_of(statistic, seen.analysed), covered)
        return [Verdict(z, known.threshold, detectable_changes(known, scale, known.threshold)[0])] * len(places)

    return judge


if __name__ == "__main__":
    main()
