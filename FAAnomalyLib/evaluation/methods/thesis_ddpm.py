"""The thesis' conditional and unconditional DDPM as methods: roaming inpainting over the whole brain.

Cubes of 16 voxels of 1.25 mm, cut to the scan's FA > 0.2, one run of the sampler for each (listings A.20, A.22); the
score is the plain difference of input and pasted samples. The thesis' own rule needs the planted change, so that it is
applied where that is known: in :mod:`.thesis_rule` and in the tables of the thesis' experiments.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from ...datasets.cohort import CohortSubject
from ...diffusion.registry import samplers
from ...errors import FAError
from ...geometry.bounding_box import bounding_box
from ...inpainting.roaming_cubes import cube_edge, roaming_cubes
from ...pipeline.thesis_procedure.scan_inpainter import Cube
from ...preprocessing.native_crop import native_crop
from ...volume import Volume
from ..thesis.fitting import fit_thesis_network
from .registry import MethodContext
from .score_map import ScoreMap
from .scoring_method import FitOptions, ScoringEntry, register_scoring
from .thesis_model import holds_thesis_network, write_sampling
from .thesis_network import ThesisNetwork

MASK_SIZE = 16
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
    """Train the network and say how it is sampled: ``paper`` with 1000 steps on the whole grid, ``tiny`` with five."""
    fit_thesis_network(people, options, conditional)
    tiny = options.recipe != "paper"
    write_sampling(options.folder, TINY_STEPS if tiny else samplers()["thesis"].default_steps, tiny)


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
