"""The thesis' conditional and unconditional DDPM as methods: roaming inpainting over the whole brain.

Cubes of 16 voxels of 1.25 mm, cut to the scan's FA > 0.2, one run of the sampler for each (listings A.20, A.22); the
score is the plain difference of input and pasted samples. The thesis' own rule needs the planted change, so that it is
applied where that is known: in :mod:`.thesis_rule` and in the tables of the thesis' experiments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from ...datasets.cohort import CohortSubject
from ...diffusion.registry import samplers
from ...errors import FAError
from ...geometry.bounding_box import bounding_box
from ...inpainting.roaming_cubes import cube_edge, roaming_cubes
from ...networks.registry import build_network
from ...pipeline.thesis_procedure.scan_inpainter import Cube
from ...preprocessing.native_crop import native_crop
from ...preprocessing.template import load_template
from ...request import CROP_CENTRES
from ...runtime.device import choose_device
from ...runtime.resources import resources_dir
from ...training.export import export_model
from ...training.recipes import RECIPES
from ...training.trainer import Trainer
from ...training.training_run import TrainingRun
from ...training.volume_pairs import prepare_pairs
from ...volume import Volume
from .registry import MethodContext
from .score_map import ScoreMap
from .scoring_method import FitOptions, ScoringEntry, register_scoring
from .thesis_model import holds_thesis_network, write_sampling
from .thesis_network import ThesisNetwork

MASK_SIZE = 16
PAPER = {True: "thesis-conditional", False: "thesis-unconditional"}
TINY = {True: "tiny", False: "tiny-unconditional"}
"""Recipe of ``train --recipe`` for the conditional and the unconditional network."""
TINY_STEPS = 5
"""Of the sampler, for the recipe ``tiny``; the paper's own recipe has the thesis' 1000."""


class ThesisDdpm:
    """A :class:`~.scoring_method.ScoringMethod` and :class:`~.scoring_method.HoleFiller`.

    Parameters
    ----------
    name
        Name in tables and records.
    context
        With the model folder.
    """

    def __init__(self, name: str, context: MethodContext) -> None:
        if context.model is None:
            raise FAError("missing", f"{name} needs a model", "", "Make it with faanomaly train DATA --method NAME")
        self.network, self._seed = ThesisNetwork(context.model, context.device), context.seed or 0
        self.identity = (name, MASK_SIZE, *self.network.identity, self._seed)

    def score(self, volume: Volume) -> ScoreMap:
        """See :meth:`.scoring_method.ScoringMethod.score`."""
        voxels = self.network.told.voxels
        crop, edge = native_crop(volume, voxels), cube_edge(MASK_SIZE, voxels)
        scan, generated, calls = self.network.scan(crop.fa), np.zeros(crop.fa.shape, bool), 0

        def cubes() -> Iterator[Cube]:
            nonlocal calls
            for origin in roaming_cubes(crop.fa, edge):
                cube = scan.cube(origin, edge, "wm")
                generated[cube.hole] = True
                calls += self.network.steps * bool(cube.hole.any())
                yield cube

        expected = self.network.filled(scan, cubes(), self._seed)
        covered = crop.to_native(generated.astype(np.float32)) >= 0.5
        healthy = np.where(covered, np.clip(crop.to_native(expected), 0.0, 1.0), volume.data).astype(np.float32)
        difference = (volume.data - healthy).astype(np.float32)
        return ScoreMap(volume, difference, healthy, covered, {"network_evaluations": calls})

    def fill(self, volume: Volume, hole: np.ndarray) -> np.ndarray:
        """See :meth:`.scoring_method.HoleFiller.fill`; *volume* is on the network's grid."""
        x, y, z = (one.start for one in bounding_box(hole))
        return self.network.filled(self.network.scan(volume.data), [Cube((x, y, z), hole)], self._seed)


def fit(people: Sequence[CohortSubject], options: FitOptions, conditional: bool) -> None:
    """Train the network by the recipe of ``train --recipe``, and say with how many steps it is sampled.

    A run that was interrupted goes on from its checkpoint.
    """
    tiny = options.recipe != "paper"
    recipe = RECIPES[(TINY if tiny else PAPER)[conditional]]
    recipe = replace(recipe, steps=options.steps_of(recipe.steps))
    template, device = load_template(resources_dir() / "Template"), choose_device(options.device)
    with options.maps() as cache:
        pairs = prepare_pairs(list(people), recipe.grid["shape"][0], CROP_CENTRES[0], cache, options.report)
        run = TrainingRun(recipe, pairs, [], template, options.folder, options.seed)
        torch.manual_seed(options.seed)
        # PyTorch's type stubs lack this overload of Module.to.
        network = build_network(recipe.network).to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        trainer = Trainer(run, network, device, torch.float32, report=options.report)
        trainer.resume()
        trainer.train(save_every=200)
    export_model(run, trainer.state)
    write_sampling(options.folder, TINY_STEPS if tiny else samplers()["thesis"].default_steps)


def _register(name: str, conditional: bool, position: int) -> None:
    register_scoring(
        ScoringEntry(
            name,
            partial(ThesisDdpm, name),
            position,
            fit=partial(fit, conditional=conditional),
            needs_network=True,
            is_stochastic=True,
            fills_holes=True,
            takes_model=partial(holds_thesis_network, conditional=conditional),
        )
    )


CONDITIONAL, UNCONDITIONAL = "thesis conditional DDPM", "thesis unconditional DDPM"
_register(CONDITIONAL, True, 50)
_register(UNCONDITIONAL, False, 51)
