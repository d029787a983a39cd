"""Error of one-step filling on somebody who was not trained on, beside what needs no network.

    python Testing/Benchmarks/held_out_error.py FA.nii.gz [--brain-mask MASK.nii.gz] [--model NAME|DIR]

A whole roaming pass (8 interleaved passes of 20 mm holes) over one healthy brain.  The error is taken
inside the registered white-matter prior, away from the brain's edge: voxels chosen by their own FA
would favour high noise.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from FAAnomalyLib.anomaly.screening import analysis_mask
from FAAnomalyLib.evaluation.baselines.harmonic import Harmonic
from FAAnomalyLib.evaluation.baselines.linear_estimate import LinearEstimate
from FAAnomalyLib.evaluation.baselines.mean_white_matter import MeanWhiteMatter
from FAAnomalyLib.evaluation.baselines.template import Template as TemplateFit
from FAAnomalyLib.inpainting.masks import plan
from FAAnomalyLib.inpainting.volume_inpainter import Sampling
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.loaded_model import open_model
from FAAnomalyLib.preprocessing.fa_validation import validate_brain_mask, validate_fa
from FAAnomalyLib.preprocessing.model_grid import prepare

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

    engine = open_model(args.model)
    volume, _ = validate_fa(load_volume(args.fa)[0])
    brain = validate_brain_mask(load_volume(args.brain_mask)[0], volume) if args.brain_mask else None
    prepared = prepare(volume, engine.template, brain)
    priors, spacing = prepared.grid.priors, prepared.grid.spacing_mm
    passes = plan(prepared.brain, args.mask_size, (spacing,) * 3, shift_count=1)
    covered = np.any([one.hole for one in passes], axis=0)
    analysed = analysis_mask(prepared.brain, priors.white_matter, covered, spacing)
    methods = {NETWORK: lambda hole: network(engine, prepared.fa, hole, priors)}
    for title, baseline in (
        ("registered template, gain and offset fitted", TemplateFit()),
        ("harmonic fill", Harmonic()),
        ("mean white matter", MeanWhiteMatter()),
        (LINEAR, LinearEstimate()),
    ):
        methods[title] = lambda hole, baseline=baseline: baseline.fill(prepared.fa, hole, priors)
    rows = {}
    for title, fill in methods.items():
        filled = np.zeros_like(prepared.fa)
        for one in passes:
            filled[one.hole] = fill(one.hole)[one.hole]
        residual = (prepared.fa - filled)[analysed]
        rows[title] = {
            "rmse": float(np.sqrt((residual**2).mean())),
            "rmse_without_bias": float(residual.std()),
            "bias": float(residual.mean()),
        }
    best = min(r["rmse_without_bias"] for t, r in rows.items() if t not in (NETWORK, LINEAR))
    ours = rows[NETWORK]["rmse_without_bias"]
    found = {
        "volume": args.fa.name,
        "mask_mm": args.mask_size * 1.25,
        "judged_voxels": int(analysed.sum()),
        "spread_of_fa": float(prepared.fa[analysed].std()),
        "methods": rows,
        "below_best_baseline_percent": 100 * (1 - ours / best),
    }
    print(
        f"{args.fa.name}: {args.mask_size * 1.25:g} mm holes, {analysed.sum()} voxels of white matter, "
        f"spread of FA {found['spread_of_fa']:.4f}"
    )
    print(f"{'FA':46s} {'RMSE':>8s} {'no bias':>8s} {'bias':>8s}")
    for title, row in rows.items():
        print(f"{title:46s} {row['rmse']:8.4f} {row['rmse_without_bias']:8.4f} {row['bias']:+8.4f}")
    print(
        f"the network is {found['below_best_baseline_percent']:.1f} % below the best of template, harmonic fill and "
        "mean (bias removed)"
    )
    if args.json:
        args.json.write_text(json.dumps(found, indent=2) + "\n")


def network(engine, fa: np.ndarray, hole: np.ndarray, priors) -> np.ndarray:
    mean, _, _ = engine.inpainter.fill(fa, hole, Sampling(), priors=priors)
    filled = fa.copy()
    filled[hole] = mean
    return filled


if __name__ == "__main__":
    main()
