"""A thesis network that fills the cubes of one scan: the one implementation for the procedure and the experiments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ...diffusion.stepping import OnStep
from ...errors import FAError
from ...inpainting.roaming_cubes import Origin, cube_hole
from ...inpainting.sampling import Sampling
from ...inpainting.volume_inpainter import VolumeInpainter
from ...models.checkpoints import Model
from ...networks.thesis.unet import KIND, WHITE_MATTER_FA
from ...preprocessing.template import Template, TemplatePriors
from ...volume import Volume

Box = tuple[slice, ...]
MARGIN = 4
"""Voxels of context on each side of a hole, at least, in a window."""


@dataclass(frozen=True, eq=False)
class Cube:
    """One run of the sampler: where its cube begins, and its hole, bool (X, Y, Z), which may be empty."""

    origin: Origin
    hole: np.ndarray


class ScanInpainter:
    """A thesis network that fills holes of one scan as listing A.22 calls it.

    Parameters
    ----------
    model
        With a network of the kind ``thesis``.
    fa
        FA in [0, 1], float32 (X, Y, Z), edges divisible by the network's ``divisor``. What lies in a hole is hidden
        from the sampler, but not from the condition.
    device
        Where the network runs, in float32.

    Attributes
    ----------
    windowed
        Whether the network sees a window round the hole alone, because it was trained on crops. The thesis shows it
        the whole grid.
    """

    def __init__(self, model: Model, fa: np.ndarray, device: torch.device) -> None:
        check_model(model, fa.shape)
        self.fa = np.asarray(fa, np.float32)
        self.white_matter = scan_white_matter(self.fa)
        self.windowed = trained_on_crops(model.manifest)
        self._divisor = int(model.network.divisor)  # type: ignore[arg-type]  # a plain number of ThesisUNet
        # The scan stands in for the template: inside a hole the condition is the scan's own mask, uncut.
        self._scan = TemplatePriors(self.fa, self.white_matter.astype(np.float32), (self.fa > 0).astype(np.float32))
        template = Template(Volume(self.fa, np.eye(4)), self._scan)
        self.inpainter = VolumeInpainter(model, template, device, torch.float32)

    def cube(self, origin: Origin, edge: int, mask_type: str) -> Cube:
        """The cube at *origin*, or its white matter (FA above 0.2) where *mask_type* is ``wm``."""
        hole = cube_hole(self.fa.shape, origin, edge)
        return Cube(origin, hole & self.white_matter if mask_type == "wm" else hole)

    def fill(self, cube: Cube, sampling: Sampling, on_step: OnStep | None = None) -> np.ndarray:
        """Generated FA of a cube's hole, not cut to [0, 1]: float32 (K, V) of K draws, in C order of the hole.

        Every cube has draws of its own, the same in whatever order cubes are filled.
        """
        self.inpainter.check(sampling)
        box, own = self.window(cube.hole), replace(sampling, seed=cube_seed(sampling.seed, cube.origin))
        priors = TemplatePriors(self._scan.fa[box], self._scan.white_matter[box], self._scan.brain[box])
        return self.inpainter.draws(self.fa[box], cube.hole[box], own, on_step, priors)

    def window(self, hole: np.ndarray) -> Box:
        """The part of the grid that the network sees: all of it unless :attr:`windowed`."""
        if not self.windowed:
            return (slice(None),) * 3
        slices = []
        for axis, size in enumerate(hole.shape):
            where = np.flatnonzero(hole.any(axis=tuple(a for a in range(3) if a != axis)))
            wanted = int(where[-1] + 1 - where[0] + 2 * MARGIN)
            edge = min(-(-wanted // self._divisor) * self._divisor, size)
            start = int(np.clip((where[0] + where[-1] + 1 - edge) // 2, 0, size - edge))
            slices.append(slice(start, start + edge))
        return tuple(slices)


def check_model(model: Model, shape: tuple[int, ...]) -> None:
    """Raise ``FAError('bad-request')`` for a model that is not the thesis', or a grid that its network cannot take."""
    if model.kind != KIND:
        raise FAError(
            "bad-request",
            f"The model {model.name} cannot run the thesis' procedure",
            f"it is a network of the kind {model.kind}",
            "Give a model of the recipes thesis-conditional or thesis-unconditional with --model",
        )
    divisor = int(model.network.divisor)  # type: ignore[arg-type]
    if any(n % divisor for n in shape):
        raise FAError(
            "bad-request",
            f"A grid of {shape[0]} does not fit the model {model.name}",
            f"its network takes multiples of {divisor}",
            "Choose another --grid",
        )


def scan_white_matter(fa: np.ndarray) -> np.ndarray:
    """The thesis' white matter of a scan: FA above 0.2 (equation 2.1), bool."""
    return fa > np.float32(WHITE_MATTER_FA)


def trained_on_crops(manifest: dict[str, Any]) -> bool:
    """Whether a model was trained on crops of its grid, not on whole maps as in the thesis."""
    recipe = (manifest.get("training") or {}).get("recipe") or {}
    return recipe.get("crop") is not None


def cube_seed(seed: int, origin: Origin) -> int:
    """Seed of one cube's draws: another one for every cube, whenever it is filled."""
    return int(np.random.SeedSequence((seed, *origin)).generate_state(1, np.uint64)[0] >> np.uint64(2))
