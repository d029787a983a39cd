"""What may be chosen of the thesis' procedure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...diffusion.noise import GAUSSIAN, NOISES
from ...diffusion.registry import samplers
from ...errors import FAError
from ...inpainting.roaming_cubes import Origin, cube_edge
from ...inpainting.sampling import Sampling
from ...request import CROP_CENTRES, MASK_TYPES, ORDERS, SIGNS


@dataclass(frozen=True)
class ThesisOptions:
    """Options of the thesis' procedure; the defaults are those of listings A.20 and A.22, with whole cubes
    (listing A.22 itself has ``wm``).

    Attributes
    ----------
    mask_type
        ``cubic``, or ``wm`` for the voxels of a cube whose FA in the scan is above 0.2.
    mask_size
        Edge of a cube in voxels of 1.25 mm.
    sampler
        A sampler that fits thesis networks; see :data:`FAAnomalyLib.request.ORDERS`.
    steps
        Of the sampler, 0 for its default (1000).
    samples
        Draws of each cube (``num_models``), which are kept apart; the pseudo-healthy map is their mean.
    noise
        What the sampler starts from and adds.
    seed
        Of every random draw; each cube has draws of its own.
    grid
        Voxels along each edge of the crop of 160 mm; 0 for the grid that the model was trained on.
    centre
        What the crop is centred on, see :func:`~FAAnomalyLib.preprocessing.native_crop.native_crop`.
    threshold
        Change of FA beyond which a generated voxel counts as anomalous; None marks nothing.
    signs
        ``both`` compares the absolute difference, ``increased`` and ``decreased`` the signed one.
    cube
        Origin of the only cube, in voxels of the crop; None for all cubes of the roaming rule.
    """

    mask_type: str = "cubic"
    mask_size: int = 16
    sampler: str = ORDERS["printed"]
    steps: int = 0
    samples: int = 1
    noise: str = GAUSSIAN
    seed: int = 0
    grid: int = 0
    centre: str = "auto"
    threshold: float | None = None
    signs: str = "both"
    cube: Origin | None = None

    def check(self) -> ThesisOptions:
        """Self, or ``FAError('bad-request')`` that names everything that is wrong."""
        problems = [
            f"{name.replace('_', ' ')} {getattr(self, name)!r} is none of {', '.join(map(str, allowed))}"
            for name, allowed in (
                ("mask_type", MASK_TYPES),
                ("sampler", tuple(samplers())),
                ("noise", NOISES),
                ("centre", CROP_CENTRES),
                ("signs", SIGNS),
            )
            if getattr(self, name) not in allowed
        ]
        for name, low, high in (("mask_size", 1, 128), ("steps", 0, 1000), ("samples", 1, 64), ("grid", 0, 512)):
            if not low <= getattr(self, name) <= high:
                problems.append(f"{name.replace('_', ' ')} {getattr(self, name)} is not from {low} to {high}")
        if self.threshold is not None and not 0.0 < self.threshold < 1.0:
            problems.append(f"threshold {self.threshold!r} is not a change of FA between 0 and 1")
        if problems:
            raise FAError("bad-request", "The request cannot run", "; ".join(problems), "Correct it and try again")
        return self

    def resolved(self, voxels: int, timesteps: int) -> ThesisOptions:
        """With the model's own grid where none is named, and the sampler's steps, at most the model's *timesteps*."""
        steps = self.steps or samplers()[self.sampler].default_steps
        return replace(self, grid=self.grid or voxels, steps=min(steps, timesteps))

    @property
    def edge(self) -> int:
        """Edge of a cube in voxels of the crop; ``FAError('bad-request')`` where that is no whole number."""
        return cube_edge(self.mask_size, self.grid)

    @property
    def sampling(self) -> Sampling:
        """How a cube is filled; of :meth:`resolved` options."""
        return Sampling(self.sampler, self.steps, self.samples, self.seed, self.noise)
