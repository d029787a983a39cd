"""The two U-Nets of the thesis, exactly: listings A.13 to A.16, figures 2.9 and 2.10.

41,245,217 parameters unconditional and 49,223,329 conditional, as the thesis reports. They are the
baseline, kept with every defect that changes a result; each defect is named where it lives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from ...preprocessing.template import WHITE_MATTER_PROBABILITY
from ..registry import MaskedVolume, NetworkKind, NoiseLevel, register
from .attention import AttentionBlock, RescaledCrossAttention, SpatialTransformer
from .blocks import DownSample, ResidualBlock, TimeEmbedding, TimeMLP, UpSample, conv, group_norm

KIND = "thesis"
"""Name of this kind of network in manifests."""
WHITE_MATTER_FA = 0.2
"""FA above which a voxel counts as white matter (thesis, equation 2.1)."""


@dataclass(frozen=True)
class Variant:
    """What listings A.13 to A.16 leave open to the caller, with the thesis' own choices as defaults; and one addition.

    Attributes
    ----------
    has_attention
        For each level whether attention follows its residual blocks; None for the thesis' levels, the last two of the
        conditional net and the last one of the unconditional net. In the middle there is attention in any case.
    num_res_blocks
        Residual blocks of each level on the way down; one more on the way up.
    use_spatial_transformer
        Of the conditional net: False leaves of each :class:`SpatialTransformer` the cross-attention alone.
    mask_channel
        Of the conditional net, not in the thesis: the mask is a second input channel as well, so that the net can see
        *where* the white matter is.
    """

    has_attention: tuple[bool, ...] | None = None
    num_res_blocks: int = 2
    use_spatial_transformer: bool = True
    mask_channel: bool = False

    def check(self, conditional: bool, levels: int) -> None:
        """Raise ``ValueError`` for what a net of so many levels cannot be."""
        if self.has_attention is not None and len(self.has_attention) != levels:
            raise ValueError(f"has_attention must name {levels} levels, not {len(self.has_attention)}")
        if not isinstance(self.num_res_blocks, int) or self.num_res_blocks < 1:
            raise ValueError(f"num_res_blocks must be at least 1, not {self.num_res_blocks!r}")
        if not conditional and (self.mask_channel or not self.use_spatial_transformer):
            raise ValueError("an unconditional net has neither cross-attention nor a mask")

    def attention(self, conditional: bool, levels: int) -> tuple[list[type[nn.Module] | None], type[nn.Module]]:
        """The attention of each level, None where there is none, and that of the middle."""
        kind: type[nn.Module] = AttentionBlock
        if conditional:
            kind = SpatialTransformer if self.use_spatial_transformer else RescaledCrossAttention
        first = levels - (2 if conditional else 1)
        has = self.has_attention or tuple(level >= first for level in range(levels))
        return [kind if attended else None for attended in has], kind

    def config(self) -> dict[str, Any]:
        """What differs from the thesis, fit for JSON."""
        plain = asdict(Variant())
        return {key: value for key, value in asdict(self).items() if value != plain[key]}


AS_PRINTED = Variant()
VARIANT_KEYS = frozenset(asdict(AS_PRINTED))


class Stage(nn.Module):
    """A residual block and the attention behind it, if any (loops of listings A.14 and A.15).

    ``forward(x, temb, context)``: *x* is (B, in_channels, X, Y, Z), *temb* (B, time_dim), *context* the
    full-size mask or None; returns (B, width, X, Y, Z). *attention* is None or a class of :mod:`.attention`.
    """

    def __init__(self, in_channels: int, width: int, time_dim: int, attention: type[nn.Module] | None) -> None:
        super().__init__()
        self.residual = ResidualBlock(in_channels, width, time_dim)
        self.attention = attention(width) if attention else None

    def forward(self, x: torch.Tensor, temb: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        x = self.residual(x, temb)
        if self.attention is None:
            return x
        return self.attention(x) if context is None else self.attention(x, context)


class ThesisUNet(nn.Module):
    """The noise predictor of the thesis (listings A.13 to A.16).

    Attributes ``conditional``, ``widths`` and ``divisor`` (every edge of the input must be a multiple of it) are
    read-only.

    Readings of the source that the parameter counts decide, where text and listing disagree:
    three residual blocks on the way up, not two, and attention there as well; resampling keeps the
    number of channels. The unconditional net, which has no listing, has :class:`AttentionBlock` at the
    last level, down and up, and in the middle; the conditional net has :class:`SpatialTransformer` at
    the last two levels and in the middle.

    The condition has no effect in one respect: the output does not change when the blocks of the mask
    are shuffled or the mask is mirrored (see :class:`SpatialTransformer`), unless ``variant.mask_channel``.

    Parameters
    ----------
    conditional
        Whether the net takes a white matter mask.
    widths
        Channels of each level, at least two, each a multiple of 8. The thesis has five.
    variant
        What else the listings leave open; the thesis' own by default.

    Raises
    ------
    ValueError
        When *widths* or *variant* are not usable.
    """

    def __init__(
        self, conditional: bool, widths: Sequence[int] = (16, 32, 64, 128, 256), variant: Variant = AS_PRINTED
    ) -> None:
        super().__init__()
        widths = tuple(widths)
        if len(widths) < 2 or any(w <= 0 or w % 8 for w in widths):
            raise ValueError(f"widths must be two or more multiples of 8, not {widths}")
        variant.check(conditional, len(widths))
        self.conditional, self.widths, self.variant = bool(conditional), widths, variant
        self.divisor = 2 ** (len(widths) - 1)

        by_level, attention = variant.attention(conditional, len(widths))
        time_dim = 4 * widths[0]
        self.time_embedding = TimeEmbedding(time_dim)
        self.time_mlp = TimeMLP(time_dim)
        self.stem = conv(2 if variant.mask_channel else 1, widths[0], 3)
        skips = self._build_down(time_dim, by_level)
        self.middle = nn.ModuleList(
            [Stage(widths[-1], widths[-1], time_dim, attention), Stage(widths[-1], widths[-1], time_dim, None)]
        )
        self._build_up(time_dim, by_level, skips)
        self.norm_out = group_norm(widths[0])
        self.conv_out = conv(widths[0], 1, 3, scale=0.0)

    def _build_down(self, time_dim: int, attention: Sequence[type[nn.Module] | None]) -> list[int]:
        """Make the way down; returns the channels of every skip connection."""
        skips = [self.widths[0]]
        self.down, self.downsample = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(self.widths):
            stages = nn.ModuleList()
            for index in range(self.variant.num_res_blocks):
                stages.append(Stage(width if index else skips[-1], width, time_dim, attention[level]))
                skips.append(width)
            self.down.append(stages)
            if level < len(self.widths) - 1:
                self.downsample.append(DownSample(width))
                skips.append(width)
        return skips

    def _build_up(self, time_dim: int, attention: Sequence[type[nn.Module] | None], skips: list[int]) -> None:
        """Make the way up, from the deepest level to the shallowest."""
        self.up, self.upsample = nn.ModuleList(), nn.ModuleList()
        before = self.widths[-1]
        for level in reversed(range(len(self.widths))):
            stages = nn.ModuleList()
            for _ in range(self.variant.num_res_blocks + 1):
                stages.append(Stage(before + skips.pop(), self.widths[level], time_dim, attention[level]))
                before = self.widths[level]
            self.up.append(stages)
            if level > 0:
                self.upsample.append(UpSample(before))

    def forward(self, x: torch.Tensor, t: torch.Tensor, wm_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Predict the noise in *x*.

        Parameters
        ----------
        x
            Noisy volumes (B, 1, X, Y, Z), of which the noiseless part is 2 FA - 1 in [-1, 1]; X, Y and Z
            divisible by ``divisor``.
        t
            Diffusion steps (B,), int64, from 0 (least noise).
        wm_mask
            White matter masks of *x*'s shape, 0 or 1, any dtype; conditional net only.

        Returns
        -------
        torch.Tensor
            Noise of *x*'s shape, standard normal where the prediction is right.

        Raises
        ------
        ValueError
            When a shape is wrong, or a mask is missing or not expected.
        """
        self._check(x, t, wm_mask)
        context = None if wm_mask is None else wm_mask.to(x.dtype)
        temb = self.time_mlp(self.time_embedding(t))

        x = self.stem(torch.cat([x, context], dim=1) if context is not None and self.variant.mask_channel else x)
        skips = [x]
        for level, stages in enumerate(self.down):
            for stage in cast(nn.ModuleList, stages):
                x = stage(x, temb, context)
                skips.append(x)
            if level < len(self.downsample):
                x = self.downsample[level](x)
                skips.append(x)

        for stage in self.middle:
            x = stage(x, temb, context)

        for level, stages in enumerate(self.up):
            for stage in cast(nn.ModuleList, stages):
                x = stage(torch.cat([x, skips.pop()], dim=1), temb, context)
            if level < len(self.upsample):
                x = self.upsample[level](x)

        return self.conv_out(F.silu(self.norm_out(x)))

    def _check(self, x: torch.Tensor, t: torch.Tensor, wm_mask: torch.Tensor | None) -> None:
        if x.ndim != 5 or x.shape[1] != 1 or any(n == 0 or n % self.divisor for n in x.shape[2:]):
            raise ValueError(f"x must be (B, 1, X, Y, Z) with edges divisible by {self.divisor}, not {tuple(x.shape)}")
        if t.shape != x.shape[:1]:
            raise ValueError(f"t must be of shape ({x.shape[0]},), not {tuple(t.shape)}")
        if self.conditional != (wm_mask is not None):
            raise ValueError("a white matter mask is needed" if self.conditional else "this net takes no mask")
        if wm_mask is not None and wm_mask.shape != x.shape:
            raise ValueError(f"wm_mask must be of x's shape {tuple(x.shape)}, not {tuple(wm_mask.shape)}")

    def config(self) -> dict[str, Any]:
        """What :meth:`from_config` needs to build this net again, fit for JSON; weights not included."""
        variant = self.variant.config()
        if "has_attention" in variant:
            variant["has_attention"] = list(variant["has_attention"])
        return {"kind": KIND, "conditional": self.conditional, "widths": list(self.widths), **variant}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ThesisUNet:
        """A freshly initialised net from what :meth:`config` gave.

        Raises ``ValueError`` when *config* is of another kind, or lacks an entry or has a strange one.
        """
        given = set(config)
        if not {"kind", "conditional", "widths"} <= given <= {"kind", "conditional", "widths", *VARIANT_KEYS}:
            raise ValueError(f"not the configuration of a thesis network: {config}")
        if config["kind"] != KIND:
            raise ValueError(f"a network of the kind {config['kind']}, not {KIND}")
        variant = {key: value for key, value in config.items() if key in VARIANT_KEYS}
        if variant.get("has_attention") is not None:
            variant["has_attention"] = tuple(bool(value) for value in variant["has_attention"])
        return cls(config["conditional"], config["widths"], Variant(**variant))


def _condition(network: ThesisUNet, volume: MaskedVolume) -> torch.Tensor | None:
    """White-matter mask of the conditional net.

    Listing A.22 takes it from the scan that is analysed. Inside the hole that would leak what is hidden, so the
    registered template's white matter stands there.
    """
    if not network.conditional:
        return None
    observed = (volume.x > 2 * WHITE_MATTER_FA - 1) & ~volume.hole
    return (observed | (volume.hole & (volume.white_matter > WHITE_MATTER_PROBABILITY))).to(volume.x.dtype)


def _evaluate(
    network: ThesisUNet, x_t: torch.Tensor, level: NoiseLevel, mask: torch.Tensor | None
) -> tuple[torch.Tensor, None]:
    times = torch.full((x_t.shape[0],), level.t, dtype=torch.int64, device=x_t.device)
    return network(x_t, times, mask), None


register(NetworkKind(KIND, ThesisUNet.from_config, _condition, _evaluate, prediction="eps", objective="noise"))
