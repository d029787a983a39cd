"""Error of one-step inpainting in a person the model was not trained on, beside fills that need no network.

    python Testing/Benchmarks/held_out_error.py FA.nii.gz [--brain-mask MASK.nii.gz] [--model NAME|DIR]

Eight interleaved passes of 20 mm holes cover one healthy brain.  The error is taken inside the warped
white-matter prior, away from the brain's edge: voxels chosen by their own FA would favour high noise.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from FAAnomalyLib.anomaly.screening import analysis_mask
from FAAnomalyLib.evaluation.baselines.baseline_fill import BaselineFill
from FAAnomalyLib.evaluation.baselines.harmonic_fill import HarmonicFill
from FAAnomalyLib.evaluation.baselines.linear_fill import LinearFill
from FAAnomalyLib.evaluation.baselines.mean_fill import MeanFill
from FAAnomalyLib.evaluation.baselines.template_fill import TemplateFill
from FAAnomalyLib.inpainting.masks import plan_passes
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.loaded_model import LoadedModel, open_model
from FAAnomalyLib.preprocessing.fa_validation import validate_brain_mask, validate_fa
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject, prepare
from FAAnomalyLib.preprocessing.template import TemplatePriors

NETWORK = "hole-trained network, one step"
LINEAR = "its linear estimate alone, no network"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fa", type=Path)
    parser.add_argument("--brain-mask", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--mask-size", type=int, default=16, choices=(4, 8, 16, 32))
    parser.add_argument("--json", type=Path, help="also write the table here")
    args = parser.parse_args()

    model = open_model(args.model)
    volume, _ = validate_fa(load_volume(args.fa)[0])
    brain = validate_brain_mask(load_volume(args.brain_mask)[0], volume) if args.brain_mask else None
    table = measure(model, prepare(volume, model.template, brain), args.mask_size)
    table = {"volume": args.fa.name, "mask_mm": args.mask_size * 1.25, **table}
    show(table)
    if args.json:
        args.json.write_text(json.dumps(table, indent=2) + "\n")


def measure(model: LoadedModel, prepared: PreparedSubject, mask_size: int) -> dict:
    """Errors of the network and of every baseline over the analysis mask."""
    priors, spacing = prepared.grid.priors, prepared.grid.spacing_mm
    passes = plan_passes(prepared.brain, mask_size, (spacing,) * 3, shift_count=1)
    covered = np.any([one.hole for one in passes], axis=0)
    analysed = covered & analysis_mask(prepared.brain, priors.white_matter, spacing)
    fills: dict[str, BaselineFill] = {
        NETWORK: NetworkFill(model),
        "registered template, gain and offset fitted": TemplateFill(),
        "harmonic fill": HarmonicFill(),
        "mean white matter": MeanFill(),
        LINEAR: LinearFill(),
    }
    errors = {}
    for title, fill in fills.items():
        filled = np.zeros_like(prepared.fa)
        for one in passes:
            filled[one.hole] = fill.fill(prepared.fa, one.hole, priors)[one.hole]
        residual = (prepared.fa - filled)[analysed]
        errors[title] = {
            "rmse": float(np.sqrt((residual**2).mean())),
            "rmse_without_bias": float(residual.std()),
            "bias": float(residual.mean()),
        }
    best = min(row["rmse_without_bias"] for title, row in errors.items() if title not in (NETWORK, LINEAR))
    return {
        "judged_voxels": int(analysed.sum()),
        "spread_of_fa": float(prepared.fa[analysed].std()),
        "methods": errors,
        "below_best_baseline_percent": 100 * (1 - errors[NETWORK]["rmse_without_bias"] / best),
    }


class NetworkFill:
    """The model's posterior mean in one step."""

    def __init__(self, model: LoadedModel) -> None:
        self._inpainter = model.inpainter

    def fill(self, fa: np.ndarray, hole: np.ndarray, priors: TemplatePriors) -> np.ndarray:
        """FA with the posterior mean in the hole."""
        mean, _, _ = self._inpainter.fill(fa, hole, Sampling(), priors=priors)
        filled = fa.copy()
        filled[hole] = mean
        return filled


def show(table: dict) -> None:
    """Print the table."""
    print(
        f"{table['volume']}: {table['mask_mm']:g} mm holes, {table['judged_voxels']} voxels of white matter, "
        f"spread of FA {table['spread_of_fa']:.4f}"
    )
    print(f"{'FA':46s} {'RMSE':>8s} {'no bias':>8s} {'bias':>8s}")
    for title, row in table["methods"].items():
        print(f"{title:46s} {row['rmse']:8.4f} {row['rmse_without_bias']:8.4f} {row['bias']:+8.4f}")
    print(
        f"the network is {table['below_best_baseline_percent']:.1f} % below the best of template, harmonic fill and "
        "mean (bias removed)"
    )


if __name__ == "__main__":
    main()
