"""Comparator: a conditional diffusion model sampled several times (Palette; Saharia et al. 2022).

Palette inpaints with a network that sees the context and noise in the hole, with the loss in the hole alone (their
section 4.2), and shows several draws. The network and its objective are the house's 3D inpainter, trained on the
method's own people (v in place of eps); sampling is Palette's: ancestral, stochastic, K draws, whose mean is the
expectation here. Interleaved holes of 20 mm cover the brain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ...anomaly.screening import ANALYSED, analysed_voxels
from ...datasets.cohort import CohortSubject
from ...errors import FAError
from ...inpainting.masks import plan_passes
from ...inpainting.sampling import Sampling
from ...inpainting.volume_inpainter import VolumeInpainter
from ...io.atomic import atomic_write
from ...models.checkpoints import load_model
from ...networks.registry import build_network
from ...preprocessing.model_grid import PreparedSubject
from ...preprocessing.template import Template
from ...runtime.device import choose_device, fastest_dtype
from ...training.cohort_cache import prepare_subjects
from ...training.export import MODEL, export_model
from ...training.recipes import RECIPES, Recipe
from ...training.trainer import Trainer
from ...training.training_run import TrainingRun
from ...volume import Volume
from .registry import MethodContext
from .residual_zmap import MASK_SIZE, SMOOTHING_MM, standardised_residual
from .score_map import ScoreMap
from .scoring_method import FitOptions, ScoringEntry, register_scoring

NAME = "Palette"
SAMPLING = "sampling.json"


@dataclass(frozen=True)
class Draws:
    """How holes are filled: *steps* of ancestral sampling for each of *samples* draws. Stored in ``sampling.json``."""

    steps: int
    samples: int


PAPER, TINY = Draws(1000, 4), Draws(2, 2)
TINY_RECIPE = replace(
    RECIPES["inpainter"],
    network={"kind": "inpainter", "widths": [8, 16], "blocks": [1, 1]},
    steps=60,
    warmup=5,
    crop=(24, 24, 24),
    average=0.9,
)


class Palette:
    """A :class:`~.scoring_method.ScoringMethod`.

    Parameters
    ----------
    context
        With the model folder that :func:`fit` has made.
    """

    def __init__(self, context: MethodContext) -> None:
        if context.model is None:
            raise FAError("missing", f"{NAME} needs a model", "", "Make it with faanomaly train DATA --method palette")
        self._draws = read_draws(context.model)
        self._model = load_model(context.model / MODEL)
        self._prepare, self._seed = context.prepare, context.seed or 0
        self._device = choose_device(context.device)
        self.identity = (
            NAME, MASK_SIZE, SMOOTHING_MM, *ANALYSED, *asdict(self._draws).values(),
            self._model.manifest["sha256"], self._seed,
        )  # fmt: skip

    def score(self, volume: Volume) -> ScoreMap:
        """See :meth:`.scoring_method.ScoringMethod.score`."""
        prepared = self._prepare(volume)
        grid = prepared.grid
        if grid.template.sha256 != self._model.manifest["template_sha256"]:
            raise FAError("bad-request", f"{NAME} was trained with another template", "", "Fit it again with this one")
        expected, covered, evaluations = self._expected(prepared)
        analysed = covered & analysed_voxels(prepared)
        z = standardised_residual(prepared.fa - expected, analysed, SMOOTHING_MM / grid.spacing_mm)
        generated = prepared.inpainted_on_native(covered)
        healthy = np.where(generated, grid.to_native(expected), volume.data).astype(np.float32)
        native = np.where(prepared.native_brain, grid.to_native(z), 0.0).astype(np.float32)
        return ScoreMap(volume, native, healthy, generated, {"network_evaluations": evaluations})

    def _expected(self, prepared: PreparedSubject) -> tuple[np.ndarray, np.ndarray, int]:
        """Mean of the draws, FA (X, Y, Z), 0 where no hole lay; where one did; network evaluations."""
        spacing = prepared.grid.spacing_mm
        inpainter = VolumeInpainter(self._model, prepared.grid.template, self._device, fastest_dtype(self._device))
        expected, covered, evaluations = np.zeros_like(prepared.fa), np.zeros(prepared.fa.shape, bool), 0
        for number, one in enumerate(plan_passes(prepared.brain, MASK_SIZE, (spacing,) * 3, shift_count=1)):
            sampling = Sampling("ddpm", self._draws.steps, self._draws.samples, self._seed + number)
            mean, _, count = inpainter.fill(prepared.fa, one.hole, sampling, priors=prepared.grid.priors)
            expected[one.hole], covered[one.hole] = mean, True
            evaluations += count
        return expected, covered, evaluations


def read_draws(model: Path) -> Draws:
    """What ``sampling.json`` says; raises ``FAError('missing')`` where it cannot be used."""
    try:
        return Draws(**json.loads((model / SAMPLING).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise FAError(
            "missing", f"There is no fitted {NAME} in {model}", f"{SAMPLING}: {error}", "Fit the method again"
        ) from error


def recipe_of(name: str, template: Template) -> Recipe:
    """The recipe ``paper`` (the bundled model's) or ``tiny``, on the template's grid."""
    grid = {"shape": list(template.fa.shape), "spacing_mm": float(template.fa.spacing[0])}
    return replace(RECIPES["inpainter"] if name == "paper" else TINY_RECIPE, grid=grid)


def fit(people: Sequence[CohortSubject], options: FitOptions) -> None:
    """Train the inpainter on *people*; a run that was interrupted goes on from its checkpoint."""
    template, device = options.known_template(), choose_device(options.device)
    with options.maps() as cache:
        subjects = prepare_subjects(list(people), template, cache, options.report)
    recipe = recipe_of(options.recipe, template)
    recipe = replace(recipe, steps=options.steps_of(recipe.steps))
    run = TrainingRun(recipe, subjects, [], template, options.folder, options.seed)
    torch.manual_seed(options.seed)
    # PyTorch's type stubs lack this overload of Module.to.
    network = build_network(run.recipe.network).to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    trainer = Trainer(run, network, device, fastest_dtype(device), report=options.report)
    trainer.resume()
    trainer.train(save_every=200)
    export_model(run, trainer.state)
    draws = PAPER if options.recipe == "paper" else TINY
    with atomic_write(options.folder / SAMPLING) as temporary:
        temporary.write_text(json.dumps(asdict(draws)) + "\n", encoding="utf-8")


PALETTE = register_scoring(
    ScoringEntry(NAME, Palette, 70, fit=fit, needs_template=True, needs_network=True, is_stochastic=True)
)
