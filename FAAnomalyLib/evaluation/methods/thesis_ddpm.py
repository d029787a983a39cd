"""The thesis' conditional and unconditional DDPM as methods: roaming inpainting over the whole brain.

Cubes of 16 voxels of 1.25 mm, cut to the scan's FA > 0.2, one run of the sampler for each (listings A.20, A.22); the
score is the plain difference of input and pasted samples. The thesis' own rule needs the planted change, so that it is
applied where that is known: in :mod:`.thesis_rule` and in the tables of the thesis' experiments.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ...datasets.cohort import CohortSubject
from ...diffusion.registry import samplers
from ...errors import FAError
from ...inpainting.roaming_cubes import cube_box, cube_edge, roaming_cubes
from ...preprocessing.native_crop import native_crop
from ...volume import Volume
from ..thesis.fitting import fit_thesis_network
from ..thesis.network import MAX_BATCH, ThesisFiller, hole_of, scan_white_matter
from .registry import MethodContext
from .score_map import ScoreMap
from .scoring_method import FitOptions, ScoringEntry, register_scoring
from .thesis_model import find_thesis_model, holds_thesis_network, write_sampling

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
        self._voxels, self._seed = find_thesis_model(context.model).voxels, context.seed or 0
        self.filler = open_filler(context.model, context.device)
        self.identity = (name, MASK_SIZE, *self.filler.identity, self._seed)

    def score(self, volume: Volume) -> ScoreMap:
        """See :meth:`.scoring_method.ScoringMethod.score`."""
        crop, edge = native_crop(volume, self._voxels), cube_edge(MASK_SIZE, self._voxels)
        expected, generated = crop.fa.copy(), np.zeros(crop.fa.shape, bool)
        white_matter, corners = scan_white_matter(crop.fa), roaming_cubes(crop.fa, edge)
        for start in range(0, len(corners), MAX_BATCH):
            holes = [hole_of(cube_box(corner, edge), white_matter) for corner in corners[start : start + MAX_BATCH]]
            together = np.logical_or.reduce(holes)
            expected[together] = self.filler.fill_each(crop.fa, holes, self._seed + start)[together]
            generated |= together
        covered = crop.to_native(generated.astype(np.float32)) >= 0.5
        healthy = np.where(covered, np.clip(crop.to_native(expected), 0.0, 1.0), volume.data).astype(np.float32)
        return ScoreMap(
            volume, (volume.data - healthy).astype(np.float32), healthy, covered, {"network_evaluations": len(corners)}
        )

    def fill(self, volume: Volume, hole: np.ndarray) -> np.ndarray:
        """See :meth:`.scoring_method.HoleFiller.fill`; *volume* is on the network's grid."""
        return self.filler.fill(volume.data, hole, self._seed)


def open_filler(folder: Path, device: str) -> ThesisFiller:
    """The thesis network in a folder; raises ``FAError`` as :func:`~.thesis_model.find_thesis_model`."""
    model = find_thesis_model(folder)
    return ThesisFiller(model.folder, model.steps, model.windowed, device)


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
