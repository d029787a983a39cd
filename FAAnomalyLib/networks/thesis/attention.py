"""Attention parts of the thesis networks: listings A.7 to A.10, A.12 and A.13 of the thesis' appendix.

Arrays are (B, C, X, Y, Z), every voxel is a token and there is one head. No position is encoded
anywhere. See :mod:`.blocks` for how keywords lost in typesetting are read.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from .blocks import KERAS_EPSILON, conv, group_norm


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """softmax(q k' / sqrt(C)) v over all voxels (listings A.8 and A.9).

    *q* is (B, C, X, Y, Z), *k* and *v* are (B, C, U, V, W); returns (B, C, X, Y, Z). The listing
    holds the whole matrix of XYZ times UVW scores; the fused kernel gives the same without it.
    """
    queries, keys, values = (a.flatten(2).transpose(1, 2).unsqueeze(1) for a in (q, k, v))
    out = F.scaled_dot_product_attention(queries, keys, values, scale=q.shape[1] ** -0.5)
    return out.squeeze(1).transpose(1, 2).reshape(q.shape)


class AttentionBlock(nn.Module):
    """Self-attention with its input added (listings A.7 and A.8): (B, units, X, Y, Z) -> the same.

    ``proj`` starts at scale 0 (1e-10), so that the block starts as the identity.

    Printed defect: the listing makes a ``norm`` that ``call`` never uses. Keras builds weights on the
    first use, so it has none, and there is none here; the parameter counts agree.
    The bias of ``key`` adds the same to all scores of a voxel and so never changes the result.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.query = conv(units, units, 1)
        self.key = conv(units, units, 1)
        self.value = conv(units, units, 1)
        self.proj = conv(units, units, 1, scale=0.0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.proj(attend(self.query(x), self.key(x), self.value(x)))


class CrossAttentionBlock(nn.Module):
    """Attention of *x* to a context (listings A.7 to A.9).

    ``forward(x, context)``: *x* is (B, units, X, Y, Z), *context* (B, context_channels, U, V, W);
    returns *x*'s shape.

    Printed defects: the attention is added to the *normalised* input, because ``inputs`` is
    overwritten by ``norm(inputs)`` (epsilon 1e-3, Keras' default); kept. A missing comma between q and
    k; supplied. The branch without a context is left out: the networks always give one.
    """

    def __init__(self, units: int, context_channels: int = 1) -> None:
        super().__init__()
        self.norm = group_norm(units, KERAS_EPSILON)
        self.query = conv(units, units, 1)
        self.key = conv(context_channels, units, 1)
        self.value = conv(context_channels, units, 1)
        self.proj = conv(units, units, 1, scale=0.0)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        x = self.norm(x)
        return x + self.proj(attend(self.query(x), self.key(context), self.value(context)))


class RescaledCrossAttention(nn.Module):
    """Cross-attention to the context at *x*'s resolution: listings A.14 and A.15, ``use_spatial_transformer`` False.

    ``forward(x, context)``: *x* is (B, units, X, Y, Z), *context* (B, 1, nX, nY, nZ) with a whole n; returns *x*'s
    shape. Printed defect: ``ReScaler(tf.shape(x)[0])`` hands over the size of the batch, in which the listing then
    looks for an axis; read as the shape of *x*, as :class:`SpatialTransformer` hands it over.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.cross = CrossAttentionBlock(units)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.cross(x, rescaled(context, x))


def rescaled(context: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """*context* averaged over n x n x n voxels to the grid of *x* (``ReScaler``, listing A.12).

    One factor for all axes, from the first of them, as in the listing.
    """
    return F.avg_pool3d(context, context.shape[2] // x.shape[2])


class GEGLU(nn.Module):
    """Gated linear unit (listing A.10): (B, in_channels, X, Y, Z) -> (B, dim_out, X, Y, Z).

    One 1x1x1 convolution gives values (first half of the channels) and gates (second half); the
    gates pass the tanh form of GELU, as printed, not the exact one.
    """

    def __init__(self, in_channels: int, dim_out: int) -> None:
        super().__init__()
        self.proj = conv(in_channels, 2 * dim_out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        values, gate = self.proj(x).chunk(2, dim=1)
        return values * F.gelu(gate, approximate="tanh")


class BasicTransformerBlock(nn.Module):
    """Self-attention, cross-attention and a gated linear unit (listing A.12).

    ``forward(x, context)``: *x* is (B, dim, X, Y, Z), *context* (B, context_channels, U, V, W);
    returns *x*'s shape.

    Printed defect: each attention block adds its input itself and the listing adds it once more, so
    that x counts twice after the first and as x + norm(x) after the second; kept.
    """

    def __init__(self, dim: int, context_channels: int = 1) -> None:
        super().__init__()
        self.attn1 = AttentionBlock(dim)
        self.attn2 = CrossAttentionBlock(dim, context_channels)
        self.geglu = GEGLU(dim, 4 * dim)
        self.dense = conv(4 * dim, dim, 1)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        x = self.attn1(x) + x
        x = self.attn2(x, context) + x
        return self.dense(self.geglu(x)) + x


class SpatialTransformer(nn.Module):
    """A transformer block between two 1x1x1 convolutions, with a shortcut (listing A.13).

    ``forward(x, context)``: *x* is (B, channels, X, Y, Z), *context* (B, context_channels, nX, nY, nZ)
    with a whole n, such as the full-size mask; returns *x*'s shape. The context is brought to *x*'s
    grid (:func:`rescaled`). *channels* must be a multiple of 8, since
    the listing's norm has 8 groups whatever the width, else ``ValueError``.

    Where the white matter lies is lost: without positions the attention sees only how often each value
    of the averaged mask occurs. The listing's branch without a context is left out.
    """

    def __init__(self, channels: int, context_channels: int = 1) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels, eps=1e-5)
        self.proj_in = conv(channels, channels, 1)
        self.block = BasicTransformerBlock(channels, context_channels)
        self.proj_out = conv(channels, channels, 1)

    def forward(self, x: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.proj_out(self.block(self.proj_in(self.norm(x)), rescaled(context, x))) + x
