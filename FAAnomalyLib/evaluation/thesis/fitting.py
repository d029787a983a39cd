"""Training of a thesis network on maps of the thesis' grid, for the methods and experiments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ...datasets.cohort import CohortSubject, load_stripped
from ...networks.registry import build_network
from ...preprocessing.native_crop import native_crop
from ...preprocessing.template import Template, TemplatePriors, load_template
from ...runtime.arrays import as_tensor
from ...runtime.device import choose_device
from ...runtime.resources import resources_dir
from ...training.cohort_cache import TrainingSubject
from ...training.export import export_model
from ...training.recipes import RECIPES, Recipe
from ...training.trainer import Trainer
from ...training.training_run import TrainingRun
from ..methods.scoring_method import FitOptions

TINY_WIDTHS = [8, 16, 16, 32, 32]
TINY_STEPS = 150
TINY_EDGE = 32
"""Voxels of a training crop of the tiny recipe."""
CROPS = 24
"""Of each map, for the tiny recipe."""


def recipe_of(name: str, conditional: bool) -> Recipe:
    """The recipe ``paper`` (section 2.4) or ``tiny``: five levels of few channels, trained on crops in minutes."""
    paper = RECIPES["thesis-conditional" if conditional else "thesis-unconditional"]
    if name == "paper":
        return paper
    return replace(
        paper,
        network={**paper.network, "widths": TINY_WIDTHS},
        steps=TINY_STEPS,
        batch=4,
        learning_rate=1e-3,
        average=0.99,
        clip=1.0,
    )


def fit_thesis_network(people: Sequence[CohortSubject], options: FitOptions, conditional: bool) -> None:
    """Train a thesis network on unregistered crops of *people* and write the model into ``options.folder/model``.

    A run that was interrupted goes on from its checkpoint.
    """
    recipe = recipe_of(options.recipe, conditional)
    template = load_template(resources_dir() / "Template")
    subjects = [example for subject in people for example in _examples(subject, options)]
    options.folder.mkdir(parents=True, exist_ok=True)
    run = TrainingRun(recipe, subjects, [], template, options.folder, options.seed)
    device = choose_device(options.device)
    torch.manual_seed(options.seed)
    network = build_network(recipe.network).to(device)
    trainer = Trainer(run, network, device, torch.float32, report=options.report)
    trainer.resume()
    trainer.train(save_every=200)
    export_model(_by_map(run, people, template), trainer.state)


def _by_map(run: TrainingRun, people: Sequence[CohortSubject], template: Template) -> TrainingRun:
    """The run as its manifest shall tell it: a map counts once, however many crops it gave."""
    first = {subject.name: subject for subject in run.training}
    return replace(run, training=[first[subject.path.name] for subject in people], template=template)


def _examples(subject: CohortSubject, options: FitOptions) -> list[TrainingSubject]:
    """The whole map, or for the tiny recipe crops about random voxels of its brain."""
    fa = native_crop(load_stripped(subject)).fa
    if options.recipe == "paper":
        return [_example(subject, fa)]
    generator = np.random.default_rng([options.seed, *subject.name.encode()])
    voxels = np.argwhere(fa > 0)
    chosen = voxels[generator.integers(len(voxels), size=CROPS)]
    starts = np.clip(chosen - TINY_EDGE // 2, 0, np.array(fa.shape) - TINY_EDGE)
    return [_example(subject, fa[tuple(slice(s, s + TINY_EDGE) for s in start)]) for start in starts]


def _example(subject: CohortSubject, fa: np.ndarray) -> TrainingSubject:
    tensor = as_tensor(np.ascontiguousarray(fa))
    nothing = np.zeros(fa.shape, np.float32)
    return TrainingSubject(
        subject.path.name, subject.person, tensor, torch.ones_like(tensor), TemplatePriors(nothing, nothing, nothing)
    )
