"""The 2D U-Net of the diffusion comparators, and its encoder as a classifier of noisy slices.

Residual blocks with group normalisation and SiLU, the timestep added in every block, self-attention at the lowest
level: Ho et al. 2020, appendix B; the classifier is the U-Net's encoder with a pooled output, Dhariwal & Nichol 2021,
section 4.1 (with an average instead of their attention pooling).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 8
"""Largest number of groups of a normalisation."""


class UNet2D(nn.Module):
    """Predicts a picture from a noisy one.

    Parameters
    ----------
    channels
        Channels of the input.
    outputs
        Channels of the output.
    widths
        Channels of each level; each level has half the resolution of the one above.
    blocks
        Residual blocks of a level, on the way down and on the way up.
    """

    def __init__(self, channels: int, outputs: int, widths: Sequence[int], blocks: int = 1) -> None:
        super().__init__()
        self.encoder = Encoder2D(channels, widths, blocks)
        embedded = self.encoder.embedded
        self.up = nn.ModuleList()
        below = widths[-1]
        for width in reversed(widths):
            level = nn.ModuleList()
            for block in range(blocks):
                level.append(TimedBlock((below if block == 0 else width) + width, width, embedded))
            self.up.append(level)
            below = width
        self.last = nn.Sequential(
            normalisation(widths[0]), nn.SiLU(), zero(nn.Conv2d(widths[0], outputs, 3, padding=1))
        )

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Prediction (B, *outputs*, X, Y).

        Parameters
        ----------
        x
            (B, *channels*, X, Y); X and Y are multiples of 2 to the number of levels less one.
        t
            Timesteps, integers (B,).
        """
        h, skips, embedding = self.encoder(x, t)
        for number, level in enumerate(self.up):
            if number:
                h = functional.interpolate(h, scale_factor=2.0, mode="nearest")
            for block in level:  # type: ignore[attr-defined]  # torch's stubs do not know what a ModuleList holds
                h = block(torch.cat([h, skips.pop()], 1), embedding)
        return self.last(h)


class NoisyClassifier2D(nn.Module):
    """Logits of the classes of a noisy slice.

    Parameters
    ----------
    channels, widths, blocks
        As in :class:`UNet2D`.
    classes
        Number of classes.
    """

    def __init__(self, channels: int, classes: int, widths: Sequence[int], blocks: int = 1) -> None:
        super().__init__()
        self.encoder = Encoder2D(channels, widths, blocks)
        self.last = nn.Sequential(normalisation(widths[-1]), nn.SiLU())
        self.attended = nn.Conv2d(widths[-1], 1, 1)
        self.logits = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Logits (B, *classes*) of slices (B, *channels*, X, Y) at timesteps (B,)."""
        h = self.last(self.encoder(x, t)[0])
        weight = self.attended(h).flatten(2).softmax(2)
        return self.logits((h.flatten(2) * weight).sum(2))


class Encoder2D(nn.Module):
    """The way down with the middle; parameters as in :class:`UNet2D`."""

    def __init__(self, channels: int, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.features, self.embedded = widths[0], 4 * widths[0]
        self.embedding = nn.Sequential(
            nn.Linear(widths[0], self.embedded), nn.SiLU(), nn.Linear(self.embedded, self.embedded)
        )
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        above = widths[0]
        for width in widths:
            self.down.append(
                nn.ModuleList(
                    TimedBlock(above if block == 0 else width, width, self.embedded) for block in range(blocks)
                )
            )
            above = width
        self.middle = nn.ModuleList([TimedBlock(above, above, self.embedded) for _ in range(2)])
        self.attention = Attention(above)

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, list[Tensor], Tensor]:
        """The middle's output, what goes across (finest first), and the embedding of the timesteps."""
        embedding = self.embedding(timestep_features(t, self.features).to(x.dtype))
        h, skips = self.first(x), []
        for number, level in enumerate(self.down):
            if number:
                h = functional.avg_pool2d(h, 2)
            for block in level:  # type: ignore[attr-defined]  # torch's stubs do not know what a ModuleList holds
                h = block(h, embedding)
                skips.append(h)
        h = self.middle[0](h, embedding)
        return self.middle[1](self.attention(h), embedding), skips, embedding


class TimedBlock(nn.Module):
    """Two convolutions with the timestep's embedding between them, added to the input."""

    def __init__(self, channels: int, width: int, embedded: int) -> None:
        super().__init__()
        self.before = nn.Sequential(normalisation(channels), nn.SiLU(), nn.Conv2d(channels, width, 3, padding=1))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(embedded, width))
        self.after = nn.Sequential(normalisation(width), nn.SiLU(), zero(nn.Conv2d(width, width, 3, padding=1)))
        self.skip = nn.Conv2d(channels, width, 1) if channels != width else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, *width*, X, Y)."""
        h = self.before(x) + self.time(embedding)[:, :, None, None]
        return self.skip(x) + self.after(h)


class Attention(nn.Module):
    """Self-attention over all places, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = normalisation(width)
        self.queries_keys_values = nn.Conv2d(width, 3 * width, 1)
        self.last = zero(nn.Conv2d(width, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """The shape of *x*, (B, C, X, Y)."""
        q, k, v = self.queries_keys_values(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=2)
        h = functional.scaled_dot_product_attention(q, k, v)
        return x + self.last(h.transpose(1, 2).reshape(x.shape))


def timestep_features(t: Tensor, size: int) -> Tensor:
    """Sines and cosines of timesteps (B,) at *size* / 2 frequencies from 1 to 1/10000: (B, *size*)."""
    frequencies = torch.exp(-math.log(10000.0) * torch.arange(size // 2, device=t.device) / max(size // 2 - 1, 1))
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], 1)


def normalisation(width: int) -> nn.GroupNorm:
    """Group normalisation with at most :data:`GROUPS` groups that divide *width*."""
    return nn.GroupNorm(math.gcd(GROUPS, width), width)


def zero(layer: nn.Conv2d) -> nn.Conv2d:
    """*layer*, which starts with the output 0."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
