"""The passes over a whole brain, and everything that decides what they are filled with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np

from ..preprocessing.model_grid import PreparedSubject
from ..request import DetectRequest
from .masks import Pass, plan_passes

IRRELEVANT_OPTIONS = ("input", "output", "model", "brain_mask", "resume", "threshold", "signs", "report")
"""Options that leave the passes as they are: the contents of files count, not their names."""
ESTIMATE_LATTICES = 2
"""Of holes, half an edge apart, for the linear estimate: each hides every voxel once. The mean of both has 3 % less
error than one, and no step where two holes meet. The network takes one, because a second costs as much again."""


def whole_brain_passes(prepared: PreparedSubject, request: DetectRequest, lattices: int = 1) -> list[Pass]:
    """The passes that hide every voxel of the brain *lattices* times, of each mask size of the request.

    Raises ``FAError('bad-input')`` when there is nothing to hide.
    """
    spacing, white_matter = (prepared.grid.spacing_mm,) * 3, prepared.grid.priors.white_matter
    return [
        one
        for size in request.mask_sizes
        for one in plan_passes(prepared.brain, size, spacing, request.mask_type, white_matter, lattices)
    ]


def passes_identity(prepared: PreparedSubject, request: DetectRequest, weights_sha256: str) -> str:
    """Everything that decides what the passes are filled with, for :class:`~FAAnomalyLib.io.pass_cache.PassCache`.

    One JSON text of the version, the options, the model's *weights_sha256*, and a hash of FA, brain and priors.
    """
    from .._version import __version__

    options = {name: value for name, value in asdict(request).items() if name not in IRRELEVANT_OPTIONS}
    priors = prepared.grid.priors
    arrays = (prepared.fa, prepared.brain, priors.fa, priors.white_matter)
    content = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    return json.dumps([__version__, options, weights_sha256, content.hexdigest()], sort_keys=True)
