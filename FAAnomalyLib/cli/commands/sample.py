"""``faanomaly sample``: a synthetic FA brain, with or without a planted anomaly."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...diffusion.noise import GAUSSIAN, NOISES
from ...diffusion.registry import samplers
from ...errors import FAError
from ...request import DEVICES

if TYPE_CHECKING:
    from ...pipeline.loaded_model import LoadedModel
    from ...preprocessing.template import Template
    from ...volume import Volume

MAX_MM = 80.0
"""Largest diameter of a planted sphere: no brain's white matter holds half of a larger one."""
SAMPLERS = tuple(name for name, one in samplers().items() if one.stochastic and not one.needs_known)
"""Those that draw from the posterior of a hole-trained model, or a whole volume of a thesis model."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="folder for sample_fa.nii.gz (and sample_truth.nii.gz, sample_healthy.nii.gz)",
    )
    parser.add_argument("--model", default="default", help="name of a bundled model or a model folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampler", choices=SAMPLERS, default="dpm++")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument(
        "--samples", type=int, default=1, metavar="K", help="draws of a thesis model, each in a file of its own"
    )
    parser.add_argument("--noise", choices=NOISES, default=GAUSSIAN, help="of a thesis model (default %(default)s)")
    parser.add_argument(
        "--plant", type=float, metavar="CHANGE", help="change FA by so much in a sphere of white matter, e.g. -0.3"
    )
    parser.add_argument("--diameter-mm", type=float, default=20.0, help="diameter of that sphere (default 20)")
    parser.add_argument("--device", default="auto", choices=DEVICES)


def run(args: argparse.Namespace) -> int:
    """Draw a brain, plant what is asked for, and write the volumes."""
    from ...io.volumes import save_volume
    from ...pipeline.loaded_model import open_model

    _check(args)
    loaded = open_model(args.model, args.device)
    if loaded.inpainter.kind.told_hole:
        if args.samples > 1:
            raise FAError("bad-request", "--samples is for thesis models", "", "Call it once for each --seed")
        brains = [_draw(loaded, args)]
    else:
        brains = _draw_from_noise(loaded, args)
    args.output.mkdir(parents=True, exist_ok=True)
    if args.plant is not None:
        volumes = _planted(brains[0], loaded.template, args)
    elif len(brains) == 1:
        volumes = {"sample_fa.nii.gz": brains[0]}
    else:
        volumes = {f"sample_fa_{number}.nii.gz": brain for number, brain in enumerate(brains, 1)}
    for name, volume in volumes.items():
        save_volume(volume, args.output / name)
    print(f"written to {args.output}: {', '.join(volumes)}")
    return 0


def _check(args: argparse.Namespace) -> None:
    if not 1 <= args.steps <= 1000:
        raise FAError("bad-request", f"steps {args.steps} is not from 1 to 1000", "", "Choose a few, for instance 12")
    if not 1 <= args.samples <= 64:
        raise FAError("bad-request", f"samples {args.samples} is not from 1 to 64")
    if args.plant is not None and args.samples > 1:
        raise FAError("bad-request", "An anomaly is planted in one draw", "", "Leave --samples or --plant out")
    if args.plant is not None and not 0 < abs(args.plant) <= 1:
        raise FAError(
            "bad-request",
            f"A change of {args.plant:g} cannot be planted",
            "FA lies between 0 and 1",
            "Choose for instance -0.3",
        )
    if not 0 < args.diameter_mm <= MAX_MM:
        raise FAError(
            "bad-request",
            f"A sphere of {args.diameter_mm:g} mm cannot be planted",
            "",
            f"Choose more than 0 and at most {MAX_MM:g} mm",
        )


def _draw(loaded: LoadedModel, args: argparse.Namespace) -> Volume:
    from ...runtime.progress import Progress
    from ...synthesis.synthetic_brain import sample_brain
    from ..progress_bar import ProgressBar

    stage = "drawing a brain"
    bar = ProgressBar()
    progress = Progress(bar, None, {stage: 1.0})
    brain = sample_brain(
        loaded.inpainter,
        loaded.template,
        args.seed,
        args.sampler,
        args.steps,
        lambda share: progress.step(stage, share),
    )
    progress.finish()
    bar.close()
    return brain


def _draw_from_noise(loaded: LoadedModel, args: argparse.Namespace) -> list[Volume]:
    """Draws of a thesis model, which was trained to make whole volumes of noise."""
    from ...inpainting.sampling import Sampling
    from ...runtime.progress import Progress
    from ...synthesis.from_noise import draw_volumes
    from ..progress_bar import ProgressBar

    stage = "drawing a volume"
    bar = ProgressBar()
    progress = Progress(bar, None, {stage: 1.0})
    sampling = Sampling(args.sampler, args.steps, args.samples, args.seed, args.noise)
    drawn = draw_volumes(
        loaded.inpainter, loaded.template, sampling, lambda done, total: progress.step(stage, done / total)
    )
    progress.finish()
    bar.close()
    return drawn


def _planted(brain: Volume, template: Template, args: argparse.Namespace) -> dict[str, Volume]:
    """The brain with a changed sphere, as it was, and the sphere's white matter; prints where it is."""
    import numpy as np

    from ...evaluation.planting.lesions import plant, sphere, white_matter_centre
    from ...evaluation.planting.truth import healthy_reference
    from ...preprocessing.preparation import prepare
    from ...result import place

    reference = healthy_reference(prepare(brain, template))
    centre = white_matter_centre(brain, reference.white_matter, args.diameter_mm, args.seed)
    truth = sphere(brain, centre, args.diameter_mm) & reference.white_matter
    print(f"planted FA {args.plant:+.2f} in {reference.millilitres(truth):.1f} ml about {place(centre)} mm")
    return {
        "sample_fa.nii.gz": plant(brain, truth, args.plant),
        "sample_healthy.nii.gz": brain,
        "sample_truth.nii.gz": brain.with_data(truth.astype(np.uint8)),
    }
