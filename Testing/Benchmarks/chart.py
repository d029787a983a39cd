"""A chart of lines, for pictures in the README: axes, grid, lines with points, a legend."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

SIZE, MARGIN, SCALE = 560, 64, 2
"""Pixels of the picture and of its margin; drawn larger by SCALE, then made smaller."""
BACK, AXIS, GRID = (255, 255, 255), (60, 64, 72), (225, 228, 233)
COLOURS = ((32, 105, 180), (217, 119, 6), (5, 130, 100), (178, 50, 110), (110, 80, 190), (120, 120, 120), (150, 95, 50))
"""Told apart with any kind of colour vision by their lightness and the legend's order."""


class Chart:
    """Lines in a plane.

    Parameters
    ----------
    title, across, up
        Words over the chart, under its x axis and beside its y axis.
    x, y
        Ticks; the first and the last are the ends of the axis. As ``(value, words)``.
    legend
        Height of the legend's upper end, as a share of the y axis; it stands at the right.
    """

    def __init__(
        self,
        title: str,
        across: str,
        up: str,
        x: Sequence[tuple[float, str]],
        y: Sequence[tuple[float, str]],
        legend: float = 1.0,
    ) -> None:
        self._image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), BACK)
        self._draw, self._font = ImageDraw.Draw(self._image), ImageFont.load_default(14 * SCALE)
        self._x, self._y = ([value for value, _ in ticks] for ticks in (x, y))
        for value, words in x:
            self._draw.line([self._place(value, self._y[0]), self._place(value, self._y[-1])], GRID, SCALE)
            left, bottom = self._place(value, self._y[0])
            self._text(left, bottom + 16 * SCALE, words, "mm")
        for value, words in y:
            self._draw.line([self._place(self._x[0], value), self._place(self._x[-1], value)], GRID, SCALE)
            left, bottom = self._place(self._x[0], value)
            self._text(left - 8 * SCALE, bottom, words, "rm")
        self._text(SIZE * SCALE // 2, (SIZE - 18) * SCALE, across, "mm")
        self._text(MARGIN * SCALE, MARGIN * SCALE // 3, title, "lm")
        self._text(MARGIN * SCALE, MARGIN * SCALE * 3 // 4, up, "lm")
        self._legend = self._place(x[-1][0], y[0][0] + legend * (y[-1][0] - y[0][0]))

    def diagonal(self) -> None:
        """Where x and y are equal."""
        low, high = max(self._x[0], self._y[0]), min(self._x[-1], self._y[-1])
        self._draw.line([self._place(low, low), self._place(high, high)], AXIS, SCALE)

    def line(
        self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int] = COLOURS[0], words: str = ""
    ) -> None:
        """A line with its points, and *words* in the legend."""
        places = [self._place(x, y) for x, y in points]
        self._draw.line(places, colour, 2 * SCALE)
        for x, y in places:
            self._draw.ellipse([x - 3 * SCALE, y - 3 * SCALE, x + 3 * SCALE, y + 3 * SCALE], colour)
        if words:
            right, top = self._legend
            self._text(right - 30 * SCALE, top, words, "rm")
            self._draw.line([(right - 24 * SCALE, top), (right - 4 * SCALE, top)], colour, 3 * SCALE)
            self._legend = right, top + 18 * SCALE

    def finished(self) -> Image.Image:
        """The picture."""
        return self._image.resize((SIZE, SIZE), Image.LANCZOS)

    def _place(self, x: float, y: float) -> tuple[float, float]:
        span = (SIZE - 2 * MARGIN) * SCALE
        return (
            MARGIN * SCALE + span * (x - self._x[0]) / (self._x[-1] - self._x[0]),
            (SIZE - MARGIN) * SCALE - span * (y - self._y[0]) / (self._y[-1] - self._y[0]),
        )

    def _text(self, x: float, y: float, words: str, anchor: str) -> None:
        self._draw.text((x, y), words, AXIS, self._font, anchor=anchor)
