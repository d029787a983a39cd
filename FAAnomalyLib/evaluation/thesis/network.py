"""A thesis network that fills one hole as the thesis does: sampler of listing A.20, condition of listing A.22."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ...diffusion.noise_schedule import NoiseSchedule
from ...diffusion.registry import samplers
from ...models.checkpoints import load_model
from ...networks.thesis.unet import WHITE_MATTER_FA
from ...runtime.arrays import as_array, as_tensor
from ...runtime.device import choose_device

Box = tuple[slice, ...]
MARGIN = 8
"""Voxels of context on each side of a hole, at least, in a window."""
MAX_BATCH = 8
"""Windows that are run together."""
DIVISOR = 16
"""Edges of a window are multiples of it: the thesis' networks halve four times."""


def scan_white_matter(fa: np.ndarray) -> np.ndarray:
    """The thesis' white matter of a scan: FA above 0.2 (equation 2.1), bool."""
    return fa > WHITE_MATTER_FA


def hole_of(cube: Box, within: np.ndarray) -> np.ndarray:
    """The voxels of a cube that lie in a mask, bool (X, Y, Z), of the mask's shape."""
    hole = np.zeros(within.shape, bool)
    hole[cube] = within[cube]
    return hole


class ThesisFiller:
    """Fills holes of maps on the thesis' grid, one run of the sampler for each.

    Parameters
    ----------
    model
        Model folder of a thesis network.
    steps
        Steps of the sampler; the thesis takes 1000.
    windowed
        Whether the network sees only a window round the hole, for tests and trials. The thesis shows it the whole grid.
    device
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    """

    def __init__(self, model: Path, steps: int = 1000, windowed: bool = False, device: str = "auto") -> None:
        loaded = load_model(model)
        self._device = choose_device(device)
        self._network = loaded.network.to(self._device)
        self._conditional = bool(loaded.manifest["network"]["conditional"])
        self._schedule = NoiseSchedule.from_dict(loaded.manifest["schedule"])
        self._steps, self.windowed = steps, windowed
        self.identity = (loaded.manifest["sha256"], steps, windowed)

    def fill(self, fa: np.ndarray, hole: np.ndarray, seed: int) -> np.ndarray:
        """FA, float32 (X, Y, Z): generated in *hole*, bool (X, Y, Z); bit-identical to *fa* elsewhere.

        The condition is the uncut white-matter mask of the scan itself, as in listing A.22. *fa* is in [0, 1].
        """
        return self.fill_each(fa, [hole], seed)

    def fill_each(self, fa: np.ndarray, holes: Sequence[np.ndarray], seed: int) -> np.ndarray:
        """FA with every one of *holes*, which do not overlap, generated in a run of its own.

        No run sees what another one generated. Windows of one size are run together, which is faster and draws other
        noise than one after the other would.
        """
        filled = fa.astype(np.float32)
        by_size: dict[tuple[int, ...], list[tuple[np.ndarray, Box]]] = {}
        for hole in holes:
            if hole.any():
                box = self.window(hole)
                by_size.setdefault(hole[box].shape, []).append((hole, box))
        for number, group in enumerate(by_size.values()):
            for start in range(0, len(group), MAX_BATCH if self.windowed else 1):
                part = group[start : start + MAX_BATCH] if self.windowed else group[start : start + 1]
                self._fill_together(fa, part, filled, seed + 1000 * number + start)
        return filled

    @torch.inference_mode()
    def _fill_together(
        self, fa: np.ndarray, holes: Sequence[tuple[np.ndarray, Box]], filled: np.ndarray, seed: int
    ) -> None:
        """Write into *filled* what is generated in holes whose windows have one shape."""
        inside = [hole[box] for hole, box in holes]
        known = self._tensor([np.where(i, 0.0, 2.0 * fa[box] - 1.0) for i, (_, box) in zip(inside, holes, strict=True)])
        mask = self._tensor([scan_white_matter(fa[box]) for _, box in holes]) if self._conditional else None
        noise = torch.randn(known.shape, generator=torch.Generator().manual_seed(seed)).to(self._device)

        def predict(x_t: torch.Tensor, t: int) -> torch.Tensor:
            return self._network(x_t, torch.full((len(holes),), t, dtype=torch.int64, device=self._device), mask)

        own = torch.Generator(self._device).manual_seed(seed)
        hidden = self._tensor(inside) > 0
        pictures = samplers()["thesis"].function(
            predict, self._schedule, noise, own, known=known, hole=hidden, steps=self._steps
        )
        values = ((as_array(pictures[:, 0]) + 1.0) / 2.0).clip(0.0, 1.0)
        for one, here, (_, box) in zip(values, inside, holes, strict=True):
            filled[box][here] = one[here]

    def window(self, hole: np.ndarray) -> Box:
        """The part of the grid that the network sees: all of it unless *windowed*."""
        if not self.windowed:
            return (slice(None),) * 3
        slices = []
        for axis, size in enumerate(hole.shape):
            where = np.flatnonzero(hole.any(axis=tuple(a for a in range(3) if a != axis)))
            wanted = where[-1] + 1 - where[0] + 2 * MARGIN
            edge = min(-(-int(wanted) // DIVISOR) * DIVISOR, size)
            start = int(np.clip((where[0] + where[-1] + 1 - edge) // 2, 0, size - edge))
            slices.append(slice(start, start + edge))
        return tuple(slices)

    def _tensor(self, arrays: Sequence[np.ndarray]) -> torch.Tensor:
        """Arrays of one shape as (B, 1, X, Y, Z)."""
        return as_tensor(np.stack(arrays).astype(np.float32))[:, None].to(self._device)
