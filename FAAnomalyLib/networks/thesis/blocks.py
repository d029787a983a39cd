"""Convolutional parts of the thesis networks: listings A.7 and A.9 to A.12 of the thesis' appendix.

The listings are Keras code for arrays (B, X, Y, Z, C); here everything is (B, C, X, Y, Z). They
cannot run as printed, because keywords were lost in typesetting: ``Conv3D(w, 1, init)`` would make
the initialiser the stride, ``Conv3D(w, 3, "same", init)`` would make ``"same"`` the stride and
``Dense(w, init)`` would make it the activation. They are read as stride 1, "same" padding, a linear
output and *init* as the kernel's initialiser. Biases exist and start at zero, as in Keras.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import nn
from torch.nn import functional as F

Layer = TypeVar("Layer", nn.Conv3d, nn.Linear)

LISTING_EPSILON = 1e-6
"""Added to the variance by the listing's ``normalize`` (A.10)."""
KERAS_EPSILON = 1e-3
"""Added to the variance by a ``GroupNormalization`` of which the listing gives no epsilon."""


def init_kernel(layer: Layer, scale: float) -> Layer:
    """Initialise *layer* as Keras would with ``kernel_init(scale)`` of listing A.7; returns *layer*.

    The kernel is uniform in +-sqrt(6 scale / (fan_in + fan_out)), which is
    ``VarianceScaling(scale, "fan_avg", "uniform")``, and the bias is zero. A *scale* of 0 means
    1e-10, as printed: the kernel is tiny and random, not zero.
    """
    nn.init.xavier_uniform_(layer.weight, gain=math.sqrt(max(scale, 1e-10)))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def conv(in_channels: int, out_channels: int, size: int, scale: float = 1.0) -> nn.Conv3d:
    """Convolution of stride 1 and odd edge *size* that keeps the grid, initialised by :func:`init_kernel`."""
    return init_kernel(nn.Conv3d(in_channels, out_channels, size, padding=size // 2), scale)


def dense(in_features: int, out_features: int) -> nn.Linear:
    """Linear layer (B, in) -> (B, out), initialised by :func:`init_kernel` with scale 1."""
    return init_kernel(nn.Linear(in_features, out_features), 1.0)


def group_norm(channels: int, epsilon: float = LISTING_EPSILON) -> nn.GroupNorm:
    """Group normalisation with the group rule of listings A.7, A.8 and A.10 (``normalize``).

    There are ``channels // 4`` groups up to 8 channels and 8 groups above. Scale and shift are
    learned. Raises ``ValueError`` when the rule gives groups that do not divide *channels*.

    Examples
    --------
    >>> group_norm(4).num_groups, group_norm(64).num_groups
    (1, 8)
    """
    groups = channels // 4 if channels <= 8 else 8
    if groups == 0 or channels % groups:
        raise ValueError(f"{channels} channels cannot be normalised in {groups} groups")
    return nn.GroupNorm(groups, channels, eps=epsilon)


class TimeEmbedding(nn.Module):
    """Sines and cosines of the diffusion step (listings A.9, end, and A.10, start).

    ``forward(t)``: *t* is (B,), a step number from 0; returns float32 (B, dim), the ``dim // 2`` sines
    first, of t times 1 ... 1/10000 in equal ratios. Nothing is learned. *dim* must be even and at least 4,
    else ``ValueError``.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 4 or dim % 2:
            raise ValueError(f"the time embedding needs an even dimension of at least 4, not {dim}")
        self.half_dim = dim // 2

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        # Not a buffer: a network cast to half precision would round the frequencies.
        step = math.log(10000) / (self.half_dim - 1)
        frequencies = torch.exp(torch.arange(self.half_dim, dtype=torch.float32, device=t.device) * -step)
        angles = t.float()[:, None] * frequencies[None, :]
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


class TimeMLP(nn.Module):
    """Two linear layers with a swish between (listing A.11): (B, units) -> (B, units).

    Printed defect: ``Dense(units, activation_fn, kernel_init(1.0))`` and ``Dense(units,
    kernel_init(1.0))``; the first is read as activated by swish, the second as linear.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.first = dense(units, units)
        self.second = dense(units, units)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        return self.second(F.silu(self.first(embedding.to(self.first.weight.dtype))))


class ResidualBlock(nn.Module):
    """Two normalised 3x3x3 convolutions with the time added between (listings A.11 and A.12).

    ``forward(x, temb)``: *x* is (B, in_channels, X, Y, Z), *temb* (B, time_dim) from :class:`TimeMLP`;
    returns (B, width, X, Y, Z). The second convolution starts at scale 0 (1e-10), so that the block
    starts as its shortcut: *x* itself, or a 1x1x1 convolution of it where the width changes.

    Printed defects: the keywords (see the module), and ``temb[:, None, None, :]`` of rank 4, which
    Keras' ``Add`` widens to one value a channel for all voxels; here ``[:, :, None, None, None]``.
    """

    def __init__(self, in_channels: int, width: int, time_dim: int) -> None:
        super().__init__()
        self.shortcut = nn.Identity() if in_channels == width else conv(in_channels, width, 1)
        self.time = dense(time_dim, width)
        self.norm1 = group_norm(in_channels)
        self.conv1 = conv(in_channels, width, 3)
        self.norm2 = group_norm(width)
        self.conv2 = conv(width, width, 3, scale=0.0)

    def forward(self, x: torch.Tensor, temb: torch.Tensor) -> torch.Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(F.silu(temb))[:, :, None, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return h + self.shortcut(x)


class DownSample(nn.Module):
    """3x3x3 convolution of stride 2 (listing A.10): (B, width, X, Y, Z) -> (B, width, X/2, Y/2, Z/2).

    Odd sizes are rounded up. TensorFlow's "same" padding is kept: on an even size one zero *behind*
    and none before, on an odd size one on each side. PyTorch's ``padding=1`` would shift the grid by a voxel.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = init_kernel(nn.Conv3d(width, width, 3, stride=2), 1.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        nx, ny, nz = x.shape[2:]
        return self.conv(F.pad(x, (nz % 2, 1, ny % 2, 1, nx % 2, 1)))


class UpSample(nn.Module):
    """Each voxel repeated 2x2x2, then a 3x3x3 convolution (listing A.11).

    ``forward(x)``: (B, width, X, Y, Z) -> (B, width, 2X, 2Y, 2Z). Printed defect: ``"same"`` stands
    where the stride belongs; the thesis' text says "convolution of strides two", the listing and the
    skip connections' shapes need stride 1. The *interpolation* argument is never used: it is nearest.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = conv(width, width, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))
