"""A thesis network as methods and experiments use it: the procedure's own inpainting, with the steps of its folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ...diffusion.stepping import OnStep
from ...inpainting.sampling import Sampling
from ...models.checkpoints import load_model
from ...pipeline.thesis_procedure.scan_inpainter import Cube, ScanInpainter
from ...request import ORDERS
from ...runtime.device import choose_device
from .thesis_model import find_thesis_model


class ThesisNetwork:
    """A network on a device.

    Parameters
    ----------
    folder
        As in :func:`~.thesis_model.find_thesis_model`.
    device
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    most_steps
        Of the sampler, for trials; None for those that the folder names.

    Attributes
    ----------
    told
        What its folder says.
    steps
        Of the sampler, in the printed order (listing A.20).
    identity
        Everything that decides what it generates beside map, hole and seed.
    """

    def __init__(self, folder: Path, device: str = "auto", most_steps: int | None = None) -> None:
        self.told = find_thesis_model(folder)
        self.steps = min(self.told.steps, most_steps or self.told.steps)
        self._model, self._device = load_model(self.told.folder), choose_device(device)
        self.identity = (self.told.sha256, self.steps, self.told.windowed)

    def scan(self, fa: np.ndarray) -> ScanInpainter:
        """Ready for one map: FA in [0, 1] on the network's grid, (N, N, N)."""
        return ScanInpainter(self._model, fa, self._device)

    def filled(
        self, scan: ScanInpainter, cubes: Iterable[Cube], seed: int, on_step: OnStep | None = None
    ) -> np.ndarray:
        """FA, float32 (N, N, N): generated in the holes of *cubes*, bit-identical to the scan elsewhere.

        Every hole has a run of its own, which does not see what another one generated. *on_step* as in the samplers.
        """
        sampling = Sampling(ORDERS["printed"], self.steps, seed=seed)
        filled = scan.fa.copy()
        for cube in cubes:
            if cube.hole.any():
                filled[cube.hole] = np.clip(scan.fill(cube, sampling, on_step)[0], 0.0, 1.0)
        return filled
