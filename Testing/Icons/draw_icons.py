"""Draw the icons of the module and of the extension: ``python Testing/Icons/draw_icons.py``.

A brain seen from above with one marked spot. One list of shapes becomes the vector icon of the module (Slicer
scales it) and the picture of the catalogue, so that both are the same drawing; nothing but NumPy is needed.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
VECTOR = ROOT / "FAAnomaly" / "Resources" / "Icons" / "FAAnomaly.svg"
PICTURE = ROOT / "Resources" / "FAAnomaly.png"
SIZE = 128
"""Edge of the drawing; every coordinate below is in these units, x to the right and y down."""

TISSUE, FOLD, SPOT, RIM = "#4a6fa5", "#b7cdea", "#ff7f1e", "#ffffff"
"""Colours that stand out on Slicer's light and on its dark background."""


@dataclass(frozen=True)
class Shape:
    """A smooth curve through *points* (n x 2): filled when closed, else a line of *width* with round ends."""

    points: np.ndarray
    colour: str
    width: float = 0.0
    closed: bool = False

    def pieces(self) -> np.ndarray:
        """The curve as cubic Bezier pieces, n x 4 x 2 (Catmull-Rom: the tangent joins the neighbours)."""
        if self.closed:
            around = np.concatenate([self.points[-1:], self.points, self.points[:2]])
        else:
            around = np.concatenate([self.points[:1], self.points, self.points[-1:]])
        before, start, end, after = around[:-3], around[1:-2], around[2:-1], around[3:]
        return np.stack([start, start + (end - before) / 6, end - (after - start) / 6, end], axis=1)

    def polyline(self, steps: int = 12) -> np.ndarray:
        """Corners along the curve, m x 2."""
        t = np.linspace(0, 1, steps, endpoint=False)[:, None]
        weights = np.concatenate([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], axis=1)
        corners = (weights @ self.pieces()).reshape(-1, 2)
        return corners if self.closed else np.concatenate([corners, self.points[-1:]])


def hemisphere(side: int) -> list[Shape]:
    """The left (-1) or right (1) half of the brain with its folds; the front is up."""
    middle, gap = SIZE / 2, 2.6
    angle = np.radians(np.linspace(-78, 78, 15))
    bulge = np.where(np.arange(15) % 2, 1.02, 0.955)
    narrower_in_front = 55 - 6 * np.clip(-np.sin(angle), 0, 1)
    rim = np.stack([bulge * narrower_in_front * np.cos(angle), bulge * 60 * np.sin(angle)], axis=1)
    inner = np.array([[5.5, 57], [gap, 52], [gap, 27], [gap, 0], [gap, -27], [gap, -52], [5.5, -57]])
    folds = [
        [[41, -24], [32, -22], [25, -29], [24, -39]],
        [[12, -46], [12, -36], [15, -25]],
        [[27, 46], [20, 43], [13, 45]],
    ]
    if side < 0:  # The spot hides the other side's.
        folds += [[[45, 2], [37, 4], [29, -3], [18, -3]], [[43, 27], [35, 24], [27, 30], [14, 26]]]

    def place(points) -> np.ndarray:
        return np.asarray(points, dtype=float) * (side, 1) + (middle, SIZE / 2)

    return [
        Shape(place(np.concatenate([rim, inner])), TISSUE, closed=True),
        *(Shape(place(points), FOLD, width=4.0) for points in folds),
    ]


def disc(x: float, y: float, radius: float, colour: str) -> Shape:
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    return Shape(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1), colour, closed=True)


def drawing() -> list[Shape]:
    """Every shape, from the bottom up."""
    x, y = 91, 75
    return [
        *hemisphere(-1),
        *hemisphere(1),
        disc(x, y, 23, RIM),
        disc(x, y, 19, SPOT),
        disc(x, y, 11.5, RIM),
        disc(x, y, 7.5, SPOT),
    ]


def svg(shapes: list[Shape]) -> str:
    """The drawing as SVG text (SVG Tiny, which Qt draws)."""
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" viewBox="0 0 {SIZE} {SIZE}">']
    for shape in shapes:
        pieces = np.round(shape.pieces(), 2) + 0.0
        path = "M" + " ".join(f"{value:g}" for value in pieces[0, 0])
        path += "".join("C" + " ".join(f"{value:g}" for value in piece[1:].ravel()) for piece in pieces)
        if shape.closed:
            lines.append(f'  <path fill="{shape.colour}" d="{path}Z"/>')
        else:
            lines.append(
                f'  <path fill="none" stroke="{shape.colour}" stroke-width="{shape.width:g}" '
                f'stroke-linecap="round" stroke-linejoin="round" d="{path}"/>'
            )
    return "\n".join([*lines, "</svg>", ""])


def distance(corners: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Distance of each place *at* (n x 2) to a line through *corners* (m x 2)."""
    nearest = np.full(len(at), np.inf)
    for start, end in zip(corners[:-1], corners[1:], strict=True):
        step, away = end - start, at - start
        along = np.clip(away @ step / (step @ step), 0, 1)
        nearest = np.minimum(nearest, np.hypot(away[:, 0] - along * step[0], away[:, 1] - along * step[1]))
    return nearest


def inside(corners: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether each place *at* (n x 2) lies in the polygon with these *corners*: an odd number of edges to its left."""
    odd = np.zeros(len(at), dtype=bool)
    for start, end in zip(corners[:-1], corners[1:], strict=True):
        if start[1] != end[1]:
            crossing = start[0] + (at[:, 1] - start[1]) * (end[0] - start[0]) / (end[1] - start[1])
            odd ^= ((start[1] <= at[:, 1]) != (end[1] <= at[:, 1])) & (crossing < at[:, 0])
    return odd


def raster(shapes: list[Shape], size: int) -> np.ndarray:
    """The drawing as *size* x *size* pixels RGBA, uint8; edges are smoothed over one pixel."""
    scale = SIZE / size
    centres = (np.arange(size) + 0.5) * scale
    at = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    colour, opacity = np.zeros((size * size, 3)), np.zeros((size * size, 1))
    for shape in shapes:
        corners = shape.polyline()
        if shape.closed:
            corners = np.concatenate([corners, corners[:1]])
            depth = distance(corners, at) * np.where(inside(corners, at), 1, -1)
        else:
            depth = shape.width / 2 - distance(corners, at)
        cover = np.clip(depth / scale + 0.5, 0, 1)[:, None]
        paint = np.array([int(shape.colour[i : i + 2], 16) for i in (1, 3, 5)])
        total = cover + opacity * (1 - cover)
        colour = np.where(total > 0, (paint * cover + colour * opacity * (1 - cover)) / np.maximum(total, 1e-9), 0)
        opacity = total
    return np.round(np.concatenate([colour, 255 * opacity], axis=1)).astype(np.uint8).reshape(size, size, 4)


def png(pixels: np.ndarray) -> bytes:
    """RGBA *pixels* (height x width x 4, uint8) as the bytes of a PNG file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


def main() -> None:
    shapes = drawing()
    VECTOR.parent.mkdir(parents=True, exist_ok=True)
    VECTOR.write_text(svg(shapes), encoding="utf-8", newline="\n")
    PICTURE.write_bytes(png(raster(shapes, SIZE)))
    print(f"{VECTOR}\n{PICTURE}")


if __name__ == "__main__":
    main()
