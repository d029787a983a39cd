"""Which holes roam over a whole brain, and what decides what they are filled with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np

from ..preprocessing.model_grid import PreparedSubject
from ..request import DetectRequest
from .masks import Pass, plan

DECIDES_NOTHING = ("input", "output", "model", "brain_mask", "resume", "threshold", "signs", "report")
"""Options that leave the passes as they are: names of files and folders are not what they contain."""


def whole_brain_passes(prepared: PreparedSubject, request: DetectRequest) -> list[Pass]:
    """The lattices of holes that hide every voxel of the brain in turn, of each size that is asked for."""
    return [
        one
        for size in request.mask_sizes
        for one in plan(
            prepared.brain, size, (prepared.grid.spacing_mm,) * 3, request.mask_type, prepared.grid.priors.white_matter
        )
    ]


def passes_identity(prepared: PreparedSubject, request: DetectRequest, weights_sha256: str) -> str:
    """Everything that decides the filled passes' content, for :class:`~FAAnomalyLib.io.pass_cache.PassCache`."""
    from .._version import __version__

    options = {name: value for name, value in asdict(request).items() if name not in DECIDES_NOTHING}
    priors = prepared.grid.priors
    seen = (prepared.fa, prepared.brain, priors.fa, priors.white_matter)
    content = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in seen))
    return json.dumps([__version__, options, weights_sha256, content.hexdigest()], sort_keys=True)
