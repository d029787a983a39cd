"""Vector quantisation with a codebook, and the autoencoder around it (van den Oord et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .autoencoder2d import DownLevels, UpLevels

SMOOTHING = 1e-5
"""Added to the counts of the codes, so that an unused one has no count of 0."""


class Quantised(NamedTuple):
    """*values* (B, D, X, Y) with a straight-through gradient, the *loss*, and the *indices* of the codes (B, X, Y)."""

    values: Tensor
    loss: Tensor
    indices: Tensor


class VectorQuantiser(nn.Module):
    """Replaces every vector by the nearest code (van den Oord et al. 2017, eq. 1 and 2).

    The gradient passes straight through. The loss is eq. 3 without the reconstruction: beta |z - sg[e]|^2, and, without
    *decay*, |sg[z] - e|^2, which moves the codes. With *decay* they follow the moving mean of their vectors (appendix
    A.1) while the module is in training mode.

    Parameters
    ----------
    codes, size
        Number of codes and their length D.
    beta
        Weight of the commitment; the paper's is 0.25.
    decay
        gamma of appendix A.1, 0.99 there; None to learn the codes by their loss.
    """

    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int, size: int, beta: float = 0.25, decay: float | None = 0.99) -> None:
        super().__init__()
        self.beta, self.decay = beta, decay
        self.codes = nn.Parameter(torch.randn(codes, size), requires_grad=decay is None)
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("sums", self.codes.detach().clone())

    def forward(self, z: Tensor) -> Quantised:
        """Quantise vectors (B, D, X, Y)."""
        vectors = z.movedim(1, -1)
        indices = nearest(vectors.reshape(-1, vectors.shape[-1]), self.codes)
        chosen = functional.embedding(indices, self.codes).reshape(vectors.shape).movedim(-1, 1)
        loss = self.beta * functional.mse_loss(z, chosen.detach())
        if self.decay is None:
            loss = loss + functional.mse_loss(chosen, z.detach())
        elif self.training:
            self._follow(vectors.detach().reshape(-1, vectors.shape[-1]), indices)
        values = z + (chosen - z).detach()
        return Quantised(values, loss, indices.reshape(vectors.shape[:-1]))

    @torch.no_grad()
    def start_from(self, z: Tensor, generator: torch.Generator) -> None:
        """Take random vectors of (B, D, X, Y) as codes, so that none begins far from all of them."""
        vectors = z.movedim(1, -1).reshape(-1, z.shape[1])
        chosen = torch.randint(len(vectors), (len(self.codes),), generator=generator).to(vectors.device)
        self.codes.copy_(vectors[chosen])
        self.sums.copy_(self.codes)
        self.counts.fill_(1.0)

    @torch.no_grad()
    def _follow(self, vectors: Tensor, indices: Tensor) -> None:
        """N <- gamma N + (1 - gamma) n, m <- gamma m + (1 - gamma) sum of z, e = m / N."""
        decay = self.decay or 0.0
        used = functional.one_hot(indices, len(self.codes)).to(vectors.dtype)
        self.counts.lerp_(used.sum(0), 1.0 - decay)
        self.sums.lerp_(used.T @ vectors, 1.0 - decay)
        total = self.counts.sum()
        smoothed = (self.counts + SMOOTHING) / (total + len(self.codes) * SMOOTHING) * total
        self.codes.copy_(self.sums / smoothed[:, None])


class VqVae(nn.Module):
    """Slices (B, 1, X, Y) <-> codes (B, D, X / 2^n, Y / 2^n).

    Parameters
    ----------
    widths
        Channels of the n levels.
    codes, size
        As in :class:`VectorQuantiser`.
    """

    def __init__(self, widths: Sequence[int], codes: int, size: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(DownLevels(1, widths), nn.Conv2d(widths[-1], size, 1))
        self.quantiser = VectorQuantiser(codes, size)
        self.decoder = nn.Sequential(nn.Conv2d(size, widths[-1], 3, padding=1), UpLevels(1, widths))

    def forward(self, x: Tensor) -> tuple[Tensor, Quantised]:
        """The reconstruction and what the quantiser gave."""
        quantised = self.quantiser(self.encoder(x))
        return self.decoder(quantised.values), quantised


def nearest(vectors: Tensor, codes: Tensor) -> Tensor:
    """Index of the code (K, D) that is nearest to each vector (N, D): int64 (N,)."""
    return torch.cdist(vectors.detach().float(), codes.detach().float()).argmin(1)
