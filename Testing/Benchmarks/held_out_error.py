"""Error of fills of 20 mm holes in people whom template and weights have not seen.

    python Testing/Benchmarks/held_out_error.py DATA --people people.csv --folds FOLDS/folds.csv [--json TABLE.json]

FOLDS is what ``faanomaly template DATA --cross FOLDS --model default`` wrote. Eight interleaved passes of holes cover
one map of each person. The error is taken over the white matter that is analysed, as the warped template tells it:
voxels chosen by their own FA would favour high noise. The network, and the estimate that it corrects, fill maps of
people whom the weights have not seen; the fills that need no weights, everybody's. Both tell a variance, too: surprise
is the mean negative logarithm of the Gaussian likelihood, spread the standard deviation of the error in predicted
standard deviations. Last comes how much less the network's error is in the same people.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from FAAnomalyLib.anomaly.screening import analysis_mask
from FAAnomalyLib.datasets.cohort import CohortSubject, find_subjects
from FAAnomalyLib.datasets.folds import read_folds
from FAAnomalyLib.evaluation.baselines.baseline_fill import BaselineFill
from FAAnomalyLib.evaluation.baselines.harmonic_fill import HarmonicFill
from FAAnomalyLib.evaluation.baselines.linear_fill import LinearFill
from FAAnomalyLib.evaluation.baselines.mean_fill import MeanFill
from FAAnomalyLib.evaluation.baselines.template_fill import TemplateFill
from FAAnomalyLib.evaluation.metrics.bootstrap import MeanOverPeople, mean_over_people
from FAAnomalyLib.inpainting.estimated_passes import estimate_passes
from FAAnomalyLib.inpainting.fusion import Inpainted
from FAAnomalyLib.inpainting.masks import Pass, plan_passes
from FAAnomalyLib.inpainting.pass_planning import ESTIMATE_LATTICES
from FAAnomalyLib.inpainting.pass_runner import inpaint_passes
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.pipeline.loaded_model import open_model, template_folder
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject
from FAAnomalyLib.preprocessing.template import load_template, on_grid
from FAAnomalyLib.training.fold_folders import has_weights
from FAAnomalyLib.training.healthy_maps import check_not_trained_on, register
from FAAnomalyLib.training.template_building import MODEL_SHAPE, MODEL_SPACING_MM

NETWORK, ESTIMATE = "network, posterior mean", "estimate that it corrects"
TWO_LATTICES = "the same, mean of two lattices"
LINEAR, TEMPLATE = "the same, fixed coefficients", "warped template, fitted"
SURPRISE, SPREAD = "surprise", "spread"
WITHOUT_WEIGHTS: dict[str, BaselineFill] = {
    LINEAR: LinearFill(),
    TEMPLATE: TemplateFill(),
    "harmonic": HarmonicFill(),
    "mean white matter": MeanFill(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--folds", type=Path, required=True)
    parser.add_argument("--mask-size", type=int, default=16, choices=(4, 8, 16, 32))
    parser.add_argument("--json", type=Path, help="also write every person's errors here")
    args = parser.parse_args()

    folds, subjects = read_folds(args.folds), find_subjects(args.data, args.people)
    first = {subject.person: subject for subject in reversed(subjects) if subject.person in folds}
    errors = {}
    for person in sorted(first):
        errors[person] = measured(first[person], subjects, folds[person], args.mask_size)
        told = ", ".join(f"{title} {rmse:.4f}" for title, rmse in errors[person].items())
        print(f"{person} {first[person].path.name}: {told}", flush=True)
        if args.json:
            args.json.write_text(json.dumps(errors, indent=2) + "\n")
    show(errors)


def measured(subject: CohortSubject, subjects: list[CohortSubject], folder: Path, mask_size: int) -> dict[str, float]:
    """Root mean square error of each fill, FA, bias removed; of fills with a variance also surprise and spread."""
    prepared = register(subject, on_grid(load_template(template_folder(folder)), MODEL_SHAPE, MODEL_SPACING_MM))
    grid = prepared.grid
    passes = plan_passes(prepared.brain, mask_size, (grid.spacing_mm,) * 3, shift_count=1)
    analysed = analysis_mask(prepared.brain, grid.priors.white_matter, grid.spacing_mm)
    own = {}
    if has_weights(folder):
        check_not_trained_on(folder, [one for one in subjects if one.person == subject.person])
        inpainter = open_model(str(folder), calibrated=False).inpainter
        network = inpaint_passes(inpainter, prepared.fa, passes, Sampling(), priors=grid.priors)
        both = plan_passes(prepared.brain, mask_size, (grid.spacing_mm,) * 3, shift_count=ESTIMATE_LATTICES)
        fills = {NETWORK: network, ESTIMATE: estimate_passes(inpainter, prepared, passes)}
        fills[TWO_LATTICES] = estimate_passes(inpainter, prepared, both)
        for title, filled in fills.items():
            own.update(told_of(title, filled, prepared.fa, analysed))
    return own | {title: error(fill, prepared, passes, analysed) for title, fill in WITHOUT_WEIGHTS.items()}


def told_of(title: str, filled: Inpainted, fa: np.ndarray, analysed: np.ndarray) -> dict[str, float]:
    """Error, surprise and spread of a fill that tells its variance."""
    here = analysed & filled.covered
    missed, variance = (fa - filled.mean)[here].astype(float), filled.variance[here].astype(float)
    surprise = 0.5 * (np.log(2 * np.pi * variance) + missed**2 / variance)
    figures = {"": missed.std(), SURPRISE: surprise.mean(), SPREAD: (missed / np.sqrt(variance)).std()}
    return {f"{title} {name}".strip(): float(figure) for name, figure in figures.items()}


def error(fill: BaselineFill, prepared: PreparedSubject, passes: list[Pass], analysed: np.ndarray) -> float:
    """See :func:`measured`."""
    filled, covered = np.zeros_like(prepared.fa), np.zeros(prepared.fa.shape, bool)
    for one in passes:
        filled[one.hole] = fill.fill(prepared.fa, one.hole, prepared.grid.priors)[one.hole]
        covered |= one.hole
    return float((prepared.fa - filled)[covered & analysed].std())


def show(errors: dict[str, dict[str, float]]) -> None:
    """Print means over people, and the network against the rest in the people whom it has not seen."""
    unseen = {person: own for person, own in errors.items() if NETWORK in own}
    print(f"\n{'FA, mean over people [95 %]':32s} {'everybody':>26s} {'unseen by the weights':>26s}")
    learned = (NETWORK, ESTIMATE, TWO_LATTICES)
    for title in (*learned, *WITHOUT_WEIGHTS, *(f"{one} {figure}" for one in learned for figure in (SURPRISE, SPREAD))):
        cells = [told(mean_over_people((p, own.get(title)) for p, own in some.items())) for some in (errors, unseen)]
        print(f"{title:32s} {cells[0] if title in WITHOUT_WEIGHTS else '':>26s} {cells[1]:>26s}")
    for title in (ESTIMATE, TWO_LATTICES, *WITHOUT_WEIGHTS):
        less = mean_over_people((p, 100 * (1 - own[NETWORK] / own[title])) for p, own in unseen.items())
        if less is not None:
            print(f"the network's error is {told(less, 1)} % below that of: {title}")


def told(mean: MeanOverPeople | None, digits: int = 4) -> str:
    """The mean with its interval."""
    if mean is None:
        return "none"
    low, high = mean["low"], mean["high"]
    between = "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{mean['mean']:.{digits}f}{between}"


if __name__ == "__main__":
    main()
