"""Convolutional encoder and decoder of slices with a dense code, and what they are judged by.

The encoder halves the slice with every level and ends in a dense layer; the decoder mirrors it (Chen & Konukoglu 2018;
Radford et al. 2016 for the layers: strided convolutions, normalisation, leaky rectifiers).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from .unet2d import normalisation

SLOPE = 0.2
"""Of the leaky rectifiers."""


class DownLevels(nn.Sequential):
    """Strided convolutions: (B, *channels*, X, Y) -> (B, *widths*[-1], X / 2^n, Y / 2^n) for n widths.

    Parameters
    ----------
    channels, widths
        Channels of the input, and after each level.
    normalised
        False for a critic with a gradient penalty, whose gradient must be each sample's own (Gulrajani et al. 2017,
        section 4 rules out batch normalisation).
    """

    def __init__(self, channels: int, widths: Sequence[int], normalised: bool = True) -> None:
        layers: list[nn.Module] = []
        for before, width in zip([channels, *widths[:-1]], widths, strict=True):
            layers.append(nn.Conv2d(before, width, 4, stride=2, padding=1))
            if normalised:
                layers.append(normalisation(width))
            layers.append(nn.LeakyReLU(SLOPE))
        super().__init__(*layers)


class UpLevels(nn.Sequential):
    """Inverse of :class:`DownLevels` in shape, with linear output (B, *channels*, X, Y).

    Nearest-neighbour doubling before every convolution instead of transposed convolutions, which leave a chessboard
    (Odena et al. 2016) that a residual would show.
    """

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for width, after in zip(widths[::-1], [*widths[-2::-1], widths[0]], strict=True):
            layers += [nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(width, after, 3, padding=1)]
            layers += [normalisation(after), nn.LeakyReLU(SLOPE)]
        super().__init__(*layers, nn.Conv2d(widths[0], channels, 3, padding=1))


class SliceEncoder(nn.Module):
    """Slices (B, 1, X, Y) -> *outputs* numbers each.

    Parameters
    ----------
    shape
        X and Y, multiples of 2 to the number of *widths*.
    widths
        Channels of the levels.
    outputs
        Length of the code, or twice that for mean and log variance.
    """

    def __init__(self, shape: tuple[int, int], widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.levels = DownLevels(1, widths)
        self.last = nn.Linear(widths[-1] * prod(smallest(shape, len(widths))), outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, *outputs*)."""
        return self.last(self.levels(x).flatten(1))


class SliceDecoder(nn.Module):
    """Codes (B, *code*) -> slices (B, 1, X, Y) with linear output; parameters as :class:`SliceEncoder`."""

    def __init__(self, shape: tuple[int, int], widths: Sequence[int], code: int) -> None:
        super().__init__()
        self.start = (widths[-1], *smallest(shape, len(widths)))
        self.first = nn.Linear(code, prod(self.start))
        self.levels = UpLevels(1, widths)

    def forward(self, code: Tensor) -> Tensor:
        """(B, 1, X, Y)."""
        return self.levels(self.first(code).unflatten(1, self.start))


class SliceCritic(nn.Module):
    """A number for every slice (B, 1, X, Y), without normalisation; also a discriminator's logit.

    Parameters as :class:`SliceEncoder`.
    """

    def __init__(self, shape: tuple[int, int], widths: Sequence[int]) -> None:
        super().__init__()
        self.levels = DownLevels(1, widths, normalised=False)
        self.last = nn.Linear(widths[-1] * prod(smallest(shape, len(widths))), 1)

    def features(self, x: Tensor) -> Tensor:
        """Activations of the last convolution, (B, F): the f of izi_f (Schlegl et al. 2019)."""
        return self.levels(x).flatten(1)

    def forward(self, x: Tensor) -> Tensor:
        """(B,)."""
        return self.last(self.features(x))[:, 0]


class CodeDiscriminator(nn.Sequential):
    """Logit that a code (B, *code*) is drawn from the prior: (B, 1)."""

    def __init__(self, code: int, width: int) -> None:
        super().__init__(
            nn.Linear(code, width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, 1),
        )


def smallest(shape: tuple[int, int], levels: int) -> tuple[int, int]:
    """X and Y of a slice halved *levels* times; ``ValueError`` when that does not go.

    Examples
    --------
    >>> smallest((80, 96), 4)
    (5, 6)
    """
    if any(size % 2**levels for size in shape):
        raise ValueError(f"slices of {shape} pixels cannot be halved {levels} times")
    return shape[0] >> levels, shape[1] >> levels
