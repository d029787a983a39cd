"""Box plots and ROC curves as pictures, with Pillow alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 720, 520
LEFT, RIGHT, TOP, BOTTOM = 92, 24, 56, 84
SCALE = 2
"""Drawn larger and made smaller, for smooth lines."""
PAPER, INK, GRID = (255, 255, 255), (45, 49, 57), (226, 229, 234)
COLOURS = (
    (32, 105, 180),
    (217, 119, 6),
    (5, 130, 100),
    (178, 50, 110),
    (110, 80, 190),
    (110, 110, 110),
    (60, 180, 220),
    (150, 95, 50),
)
"""Told apart by lightness as well as by hue."""


@dataclass(frozen=True)
class BoxStatistics:
    """A box plot's numbers: quartiles, whiskers (farthest values within 1.5 interquartile ranges), values beyond."""

    low: float
    first: float
    median: float
    third: float
    high: float
    beyond: tuple[float, ...]


def box_statistics(values: Sequence[float]) -> BoxStatistics:
    """Tukey's box of at least one value.

    Examples
    --------
    >>> box_statistics([1.0, 2.0, 3.0, 4.0, 20.0])
    BoxStatistics(low=1.0, first=2.0, median=3.0, third=4.0, high=4.0, beyond=(20.0,))
    """
    sample = np.asarray(values, dtype=np.float64)
    first, median, third = np.quantile(sample, (0.25, 0.5, 0.75))
    reach = 1.5 * (third - first)
    within = sample[(sample >= first - reach) & (sample <= third + reach)]
    beyond = sample[(sample < first - reach) | (sample > third + reach)]
    return BoxStatistics(
        float(within.min()), float(first), float(median), float(third), float(within.max()), tuple(beyond.tolist())
    )


def box_plot(title: str, up: str, across: str, groups: Mapping[str, Sequence[float]]) -> Image.Image:
    """A box for each group, with its values as points and their number under its name.

    A group without values keeps its place and says so.
    """
    known = [value for values in groups.values() for value in values]
    plane = _Plane(title, across, up, (0.0, float(len(groups))), _span(known), steps_across=0)
    width = plane.across(1.0) - plane.across(0.0)
    for number, (name, values) in enumerate(groups.items()):
        middle = plane.across(number + 0.5)
        plane.text(middle, HEIGHT - BOTTOM + 16, name, "mm", 15)
        plane.text(middle, HEIGHT - BOTTOM + 35, f"n = {len(values)}" if values else "not defined", "mm", 12)
        if values:
            _box(plane, middle, width, box_statistics(values), COLOURS[0])
            for value, shift in zip(
                values, np.linspace(-0.1, 0.1, len(values)) if len(values) > 1 else [0.0], strict=True
            ):
                plane.dot(middle + shift * width, plane.up(value), COLOURS[1])
    return plane.picture()


def roc_plot(title: str, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Image.Image:
    """ROC curves, by their words in the legend, and the line of chance."""
    plane = _Plane(title, "false positive rate", "true positive rate", (0.0, 1.0), (0.0, 1.0), steps_across=5)
    plane.line([(plane.across(0), plane.up(0)), (plane.across(1), plane.up(1))], (170, 174, 182), 1)
    for number, (words, (false, true)) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        plane.line([(plane.across(x), plane.up(y)) for x, y in zip(false, true, strict=True)], colour, 2)
        y = HEIGHT - BOTTOM - 16 - 19 * (len(curves) - 1 - number)
        plane.line([(plane.across(0.5), y), (plane.across(0.5) + 22, y)], colour, 3)
        plane.text(plane.across(0.5) + 28, y, words, "lm", 13)
    return plane.picture()


def _box(plane: _Plane, middle: float, width: float, box: BoxStatistics, colour: tuple[int, int, int]) -> None:
    half, cap = 0.22 * width, 0.1 * width
    low, first, median, third, high = (plane.up(v) for v in (box.low, box.first, box.median, box.third, box.high))
    plane.rectangle(middle - half, third, middle + half, first, colour)
    plane.line([(middle - half, median), (middle + half, median)], colour, 3)
    for end, edge in ((low, first), (high, third)):
        plane.line([(middle, edge), (middle, end)], colour, 1)
        plane.line([(middle - cap, end), (middle + cap, end)], colour, 1)


class _Plane:
    """Axes with a grid; places in pixels of the finished picture."""

    def __init__(
        self, title: str, across: str, up: str, x: tuple[float, float], y: tuple[float, float], steps_across: int
    ) -> None:
        self._image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), PAPER)
        self._draw = ImageDraw.Draw(self._image)
        self._x, self._y = x, y
        for value in _ticks(*y):
            self.line([(LEFT, self.up(value)), (WIDTH - RIGHT, self.up(value))], GRID, 1)
            self.text(LEFT - 8, self.up(value), f"{value:.6g}", "rm", 13)
        for number in range(steps_across + 1 if steps_across else 0):
            value = x[0] + (x[1] - x[0]) * number / steps_across
            self.line([(self.across(value), TOP), (self.across(value), HEIGHT - BOTTOM)], GRID, 1)
            self.text(self.across(value), HEIGHT - BOTTOM + 14, f"{value:.3g}", "mm", 13)
        self.line([(LEFT, TOP), (LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, HEIGHT - BOTTOM)], INK, 1)
        self.text(LEFT, 20, title, "lm", 16)
        self.text(LEFT, 42, up, "lm", 13)
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 20, across, "mm", 14)

    def across(self, value: float) -> float:
        """Column of a value."""
        return LEFT + (value - self._x[0]) / (self._x[1] - self._x[0]) * (WIDTH - LEFT - RIGHT)

    def up(self, value: float) -> float:
        """Row of a value."""
        return HEIGHT - BOTTOM - (value - self._y[0]) / (self._y[1] - self._y[0]) * (HEIGHT - TOP - BOTTOM)

    def line(self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], width: int) -> None:
        self._draw.line([(x * SCALE, y * SCALE) for x, y in points], colour, width * SCALE)

    def rectangle(self, left: float, top: float, right: float, bottom: float, colour: tuple[int, int, int]) -> None:
        pale = tuple(int(0.78 * 255 + 0.22 * c) for c in colour)
        corners = [left * SCALE, top * SCALE, right * SCALE, max(bottom, top + 1) * SCALE]
        self._draw.rectangle(corners, fill=pale, outline=colour, width=SCALE)

    def dot(self, x: float, y: float, colour: tuple[int, int, int]) -> None:
        reach = 3
        self._draw.ellipse([(x - reach) * SCALE, (y - reach) * SCALE, (x + reach) * SCALE, (y + reach) * SCALE], colour)

    def text(self, x: float, y: float, words: str, anchor: str, size: int) -> None:
        self._draw.text((x * SCALE, y * SCALE), words, INK, _font(size * SCALE), anchor)

    def picture(self) -> Image.Image:
        return self._image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis that holds all values, with room."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    return low - room, high + room


def _ticks(low: float, high: float) -> list[float]:
    """Round values within an axis, four to nine of them."""
    step = 10.0 ** np.floor(np.log10(high - low))
    step = next(step / part for part in (1, 2, 5, 10) if (high - low) / (step / part) >= 4)
    first = np.ceil(low / step)
    return [float(n * step) for n in np.arange(first, np.floor(high / step) + 1)]
