"""Error of fills of 20 mm holes in people whom template and weights have not seen.

    python Testing/Benchmarks/held_out_error.py DATA --people people.csv --folds FOLDS/folds.csv [--json TABLE.json]

FOLDS is what ``faanomaly template DATA --cross FOLDS --model default`` wrote. Eight interleaved passes of holes cover
one map of each person. The error is taken over the white matter that is analysed, as the warped template tells it:
voxels chosen by their own FA would favour high noise. The network fills maps of people whom its weights have not seen;
the fills that need no weights, everybody's. Last comes how much less the network's error is in the same people.
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
from FAAnomalyLib.inpainting.masks import plan_passes
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.pipeline.loaded_model import open_model, template_folder
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject
from FAAnomalyLib.preprocessing.template import TemplatePriors, load_template, on_grid
from FAAnomalyLib.training.fold_folders import has_weights
from FAAnomalyLib.training.healthy_maps import check_not_trained_on, register
from FAAnomalyLib.training.template_building import MODEL_SHAPE, MODEL_SPACING_MM

NETWORK, LINEAR, TEMPLATE = "network, posterior mean", "linear estimate of the network", "warped template, fitted"
WITHOUT_WEIGHTS: dict[str, BaselineFill] = {
    LINEAR: LinearFill(),
    TEMPLATE: TemplateFill(),
    "harmonic": HarmonicFill(),
    "mean white matter": MeanFill(),
}


class NetworkFill:
    """A model's posterior mean in one step."""

    def __init__(self, folder: Path) -> None:
        self._inpainter = open_model(str(folder), calibrated=False).inpainter

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: TemplatePriors) -> np.ndarray:
        """FA with the posterior mean in the hole."""
        filled = fa.copy()
        filled[hole] = self._inpainter.fill(fa, hole, Sampling(), priors=priors)[0]
        return filled


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
    """Root mean square error of each fill, FA, bias removed."""
    fills = dict(WITHOUT_WEIGHTS)
    if has_weights(folder):
        check_not_trained_on(folder, [one for one in subjects if one.person == subject.person])
        fills[NETWORK] = NetworkFill(folder)
    prepared = register(subject, on_grid(load_template(template_folder(folder)), MODEL_SHAPE, MODEL_SPACING_MM))
    return {title: error(fill, prepared, mask_size) for title, fill in fills.items()}


def error(fill: BaselineFill, prepared: PreparedSubject, mask_size: int) -> float:
    """See :func:`measured`."""
    priors, spacing = prepared.grid.priors, prepared.grid.spacing_mm
    filled, covered = np.zeros_like(prepared.fa), np.zeros(prepared.fa.shape, bool)
    for one in plan_passes(prepared.brain, mask_size, (spacing,) * 3, shift_count=1):
        filled[one.hole] = fill.fill(prepared.fa, one.hole, priors)[one.hole]
        covered |= one.hole
    analysed = covered & analysis_mask(prepared.brain, priors.white_matter, spacing)
    return float((prepared.fa - filled)[analysed].std())


def show(errors: dict[str, dict[str, float]]) -> None:
    """Print means over people, and the network against the rest in the people whom it has not seen."""
    unseen = {person: own for person, own in errors.items() if NETWORK in own}
    print(f"\n{'FA, mean over people [95 %]':32s} {'everybody':>26s} {'unseen by the weights':>26s}")
    for title in (NETWORK, *WITHOUT_WEIGHTS):
        cells = [told(mean_over_people((p, own.get(title)) for p, own in some.items())) for some in (errors, unseen)]
        print(f"{title:32s} {cells[0] if title != NETWORK else '':>26s} {cells[1]:>26s}")
    for title in WITHOUT_WEIGHTS:
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
