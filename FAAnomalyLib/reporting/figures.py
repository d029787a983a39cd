"""Slices of a result as pictures, in radiological display.

Every volume is reoriented to its nearest RAS axes first, so that a picture looks the same whatever the axis order of
the file. Pixels are square in millimetres.
"""

from __future__ import annotations

import functools
import io
import math
import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from ..geometry.bounding_box import bounding_box
from ..geometry.orientation import nearest_canonical
from ..io.atomic import cannot_write
from ..result import Region, Result

FA_WINDOW = (0.0, 0.8)
MARGIN_MM = 6.0
"""Of black round the brain."""
Z_VISIBLE = 2.0
"""Below this |z| the overlay is transparent."""
Voxel = tuple[int, int, int]

SAGITTAL, CORONAL, AXIAL = 0, 1, 2
PLANES = {AXIAL: "axial", CORONAL: "coronal", SAGITTAL: "sagittal"}
EDGES = {AXIAL: tuple("RLAP"), CORONAL: tuple("RLSI"), SAGITTAL: tuple("APSI")}
"""Letters at the left, right, upper and lower edge of a picture."""
UNKNOWN_SIDE = "?"
"""Stands for L and R where the file does not say them."""
COLUMNS = ("input", "expected", "z-map")

WARM = np.array([(0.65, 0.06, 0.08), (0.95, 0.25, 0.10), (1.0, 0.62, 0.15), (1.0, 0.93, 0.55)])
COOL = np.array([(0.10, 0.16, 0.70), (0.12, 0.42, 0.98), (0.25, 0.75, 1.0), (0.75, 0.97, 1.0)])
OUTLINE, CROSS, INK = (255, 255, 255), (120, 255, 140), (214, 218, 224)


def cut(data: np.ndarray, axis: int, index: int) -> np.ndarray:
    """One slice of a canonical volume as picture rows and columns.

    Patient's right (axial, coronal) or front (sagittal) is on the left, front or top is up.

    Parameters
    ----------
    data
        (X, Y, Z), axes to the right, anterior and superior.
    axis, index
        Which slice.

    Examples
    --------
    >>> data = np.zeros((2, 2, 2))
    >>> data[1, 1, 0] = 1.0  # right, front
    >>> cut(data, AXIAL, 0).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    return np.take(data, index, axis).T[::-1, ::-1]


def colours(z: np.ndarray, top: float) -> tuple[np.ndarray, np.ndarray]:
    """RGB in [0, 1], shape (..., 3), and opacity in [0, 1] for z: blue below 0, red above, brightest from *top*."""
    strength = np.clip((np.abs(z) - Z_VISIBLE) / max(top - Z_VISIBLE, 1e-6), 0.0, 1.0)
    steps = np.linspace(0.0, 1.0, len(WARM))
    rgb = np.stack(
        [
            np.where(z > 0, np.interp(strength, steps, WARM[:, c]), np.interp(strength, steps, COOL[:, c]))
            for c in range(3)
        ],
        axis=-1,
    )
    return rgb, np.where(np.abs(z) >= Z_VISIBLE, 0.55 + 0.4 * strength, 0.0)


class Scene:
    """A result ready for drawing: canonical axes, one crop and one scale for all pictures.

    Parameters
    ----------
    result
        What is drawn.
    width
        Width of the widest slice in pixels.
    """

    def __init__(self, result: Result, width: int = 380) -> None:
        maps = (result.input, result.expected, result.z_map, result.pseudo_healthy)
        volumes = [nearest_canonical(v) for v in (*maps, result.segmentation)]
        self.affine, self.spacing = volumes[0].affine, volumes[0].spacing
        self.fa, self.expected, self.z, self.healthy = (np.nan_to_num(v.data.astype(np.float32)) for v in volumes[:4])
        self.labels, self.sides_known = volumes[4].data, result.input.sides_known
        x, y, z = (int(np.ceil(MARGIN_MM / s)) for s in self.spacing)
        self.box = bounding_box(self.fa > 0, (x, y, z))
        self.size_mm = np.array([s.stop - s.start for s in self.box]) * self.spacing
        self.zoom = width / float(self.size_mm[:2].max())
        self._drawn = None if result.drawn_ml is None else bounding_box(self.fa != self.expected)
        extreme = float(np.abs(self.z).max()) if self.z.size else 0.0
        self.top = float(min(max(math.ceil(extreme), 5), 10))

    def index(self, ras: tuple[float, float, float]) -> Voxel:
        """Canonical voxel nearest to a position in RAS mm, inside the volume."""
        where = np.linalg.solve(self.affine, [*ras, 1.0])[:3]
        x, y, z = (int(n) for n in np.clip(np.rint(where), 0, np.array(self.fa.shape) - 1))
        return x, y, z

    def centre(self) -> Voxel:
        """Canonical voxel of a result without regions: the middle of the drawn region or of the brain.

        In a brain a little to the right, so that no slice falls between halves.
        """
        if self._drawn is not None:
            i, j, k = ((s.start + s.stop - 1) // 2 for s in self._drawn)
            return i, j, k
        x, y, z = ((s.start + s.stop - 1) / 2 for s in self.box)
        return int(min(x + 14.0 / self.spacing[0], self.fa.shape[0] - 1)), int(y), int(z)

    def heights(self, count: int) -> list[int]:
        """*count* axial slices spread over the brain, from below."""
        s = self.box[AXIAL]
        return [int(s.start + f * (s.stop - s.start - 1)) for f in np.linspace(0.18, 0.88, count)]

    def panel(self, column: str, axis: int, at: Voxel, cross: bool = False, zoom: float | None = None) -> Image.Image:
        """One labelled slice through canonical voxel *at*.

        *column* is one of ``COLUMNS``, ``outline`` or ``pseudo-healthy``.
        """
        zoom = zoom or self.zoom
        sides = [a for a in range(3) if a != axis]
        width, height = (max(int(round(self.size_mm[a] * zoom)), 8) for a in sides)
        pixels = width, height
        back = {"expected": self.expected, "pseudo-healthy": self.healthy}.get(column, self.fa)
        low, high = FA_WINDOW
        fa = self._resized(back, axis, at[axis], pixels, Image.Resampling.BICUBIC)
        rgb = np.repeat(np.clip((fa - low) / (high - low), 0.0, 1.0)[..., None], 3, axis=2)
        if column == "z-map":
            tint, alpha = colours(self._resized(self.z, axis, at[axis], pixels, Image.Resampling.BILINEAR), self.top)
            rgb = rgb * (1 - alpha[..., None]) + tint * alpha[..., None]
        rgb = (rgb * 255 + 0.5).astype(np.uint8)
        if column in ("z-map", "outline"):
            for label in (1, 2):
                inside = self._resized(self.labels == label, axis, at[axis], pixels, Image.Resampling.BILINEAR) > 0.5
                rgb[inside ^ ndimage.binary_dilation(inside)] = OUTLINE
        picture = Image.fromarray(rgb)
        if cross:
            self._cross(picture, sides, at, zoom)
        self._letters(picture, axis, at, zoom)
        return picture

    def _resized(self, data: np.ndarray, axis: int, index: int, pixels: tuple[int, int], how) -> np.ndarray:
        box = list(self.box)
        box[axis] = slice(None)
        plane = np.ascontiguousarray(cut(data[tuple(box)], axis, index), dtype=np.float32)
        return np.asarray(Image.fromarray(plane).resize(pixels, how))

    def _cross(self, picture: Image.Image, sides: list[int], at: Voxel, zoom: float) -> None:
        # Columns and rows run against the canonical axes, see cut().
        x, y = ((self.box[a].stop - at[a] - 0.5) * self.spacing[a] * zoom for a in sides)
        draw, gap = ImageDraw.Draw(picture), 9 * zoom
        for line in (
            (0, y, x - gap, y),
            (x + gap, y, picture.width, y),
            (x, 0, x, y - gap),
            (x, y + gap, x, picture.height),
        ):
            if line[2] > line[0] or line[3] > line[1]:
                draw.line(line, fill=CROSS, width=1)

    def _letters(self, picture: Image.Image, axis: int, at: Voxel, zoom: float) -> None:
        draw, size = ImageDraw.Draw(picture), max(11, min(18, int(self.size_mm[:2].max() * zoom / 20)))
        w, h = picture.size
        left, right, up, down = (
            letter if self.sides_known or letter not in "LR" else UNKNOWN_SIDE for letter in EDGES[axis]
        )
        for letter, place, anchor in (
            (left, (4, h / 2), "lm"),
            (right, (w - 4, h / 2), "rm"),
            (up, (w / 2, 3), "mt"),
            (down, (w / 2, h - 4), "mb"),
        ):
            write(draw, place, letter, size, anchor)
        position = round(float((self.affine @ [*at, 1.0])[axis]))
        letter = ("RAS" if position >= 0 else "LPI")[axis]
        if axis == SAGITTAL and not self.sides_known:
            letter = "L or R"
        write(draw, (5, h - 5), f"{letter} {abs(position)} mm", max(11, size - 3), "lb")


@functools.lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def write(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    anchor: str,
    ink: tuple[int, int, int] = INK,
) -> None:
    """Draw *text* with a black rim, readable on any tissue."""
    draw.text(place, text, fill=ink, font=_font(size), anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0))


def side_by_side(pictures: list[Image.Image], gap: int = 10) -> Image.Image:
    """Pictures in one row on black, centred in height."""
    sheet = Image.new(
        "RGB", (sum(p.width for p in pictures) + gap * (len(pictures) - 1), max(p.height for p in pictures))
    )
    x = 0
    for picture in pictures:
        sheet.paste(picture, (x, (sheet.height - picture.height) // 2))
        x += picture.width + gap
    return sheet


def stacked(pictures: list[Image.Image], gap: int = 10) -> Image.Image:
    """Pictures under each other on black, centred in width."""
    sheet = Image.new(
        "RGB", (max(p.width for p in pictures), sum(p.height for p in pictures) + gap * (len(pictures) - 1))
    )
    y = 0
    for picture in pictures:
        sheet.paste(picture, ((sheet.width - picture.width) // 2, y))
        y += picture.height + gap
    return sheet


def _on_black(picture: Image.Image, width: int) -> Image.Image:
    sheet = Image.new("RGB", (max(width, picture.width), picture.height))
    sheet.paste(picture, ((sheet.width - picture.width) // 2, 0))
    return sheet


def colour_bar(top: float, width: int = 560) -> Image.Image:
    """The z scale with its numbers, from -*top* (FA decreased) to +*top* (FA increased)."""
    bar, height, edge = Image.new("RGB", (width, 62)), 18, 26
    z = np.linspace(-top, top, width - 2 * edge)
    tint, alpha = colours(z, top)
    strip = np.where(alpha[:, None] > 0, 0.5 * (1 - alpha[:, None]) + tint * alpha[:, None], 0.16)
    bar.paste(Image.fromarray((np.repeat(strip[None], height, axis=0) * 255).astype(np.uint8)), (edge, 4))
    draw = ImageDraw.Draw(bar)
    for value in (-top, -top / 2 - 1, -Z_VISIBLE, 0, Z_VISIBLE, top / 2 + 1, top):
        x = edge + (value + top) / (2 * top) * (width - 2 * edge - 1)
        draw.line((x, 4 + height, x, 8 + height), fill=INK)
        write(draw, (x, 11 + height), f"{value:+.3g}" if value else "0", 13, "mt")
    write(draw, (edge, 60), "FA decreased", 12, "lb")
    write(draw, (width / 2, 60), "z", 12, "mb")
    write(draw, (width - edge, 60), "FA increased", 12, "rb")
    return bar


def montage(scene: Scene, region: Region | None = None) -> Image.Image:
    """Axial, coronal and sagittal slices (rows) of input, expected and z-map (columns), with the z scale.

    The slices pass through the peak of *region*, without one through :meth:`Scene.centre`.
    """
    at = scene.index(region.peak_ras) if region else scene.centre()
    rows = [[scene.panel(column, axis, at) for column in COLUMNS] for axis in (AXIAL, CORONAL, SAGITTAL)]
    widest = max(p.width for row in rows for p in row)
    head = Image.new("RGB", (3 * widest + 20, 30))
    for i, column in enumerate(("Input FA", "Expected FA", "z-map on input")):
        write(ImageDraw.Draw(head), (widest * (i + 0.5) + 10 * i, 24), column, 18, "ms")
    body = [side_by_side([_on_black(p, widest) for p in row]) for row in rows]
    return stacked([head, *body, colour_bar(scene.top)])


def lightbox(scene: Scene, count: int = 12, columns: int = 4) -> Image.Image:
    """*count* axial z-map slices from below to above, in rows of *columns*, with the z scale."""
    zoom = scene.zoom * 0.75
    pictures = [scene.panel("z-map", AXIAL, (0, 0, k), zoom=zoom) for k in scene.heights(count)]
    rows = [side_by_side(pictures[i : i + columns], 6) for i in range(0, count, columns)]
    return stacked([*rows, colour_bar(scene.top)], 6)


def region_strip(scene: Scene, region: Region) -> Image.Image:
    """Axial, coronal and sagittal slice through the peak of *region*: input with outlines above, z-map below."""
    at = scene.index(region.peak_ras)
    rows = [
        side_by_side([scene.panel(column, axis, at, cross=True, zoom=scene.zoom) for axis in PLANES])
        for column in ("outline", "z-map")
    ]
    return stacked(rows, 4)


def filled_strip(scene: Scene, region: Region | None = None) -> Image.Image:
    """Axial, coronal and sagittal slice of the pseudo-healthy brain, where :func:`montage` cuts."""
    at = scene.index(region.peak_ras) if region else scene.centre()
    return side_by_side([scene.panel("pseudo-healthy", axis, at) for axis in PLANES])


def _palette() -> Image.Image:
    # Greys and the overlay at 14 strengths over 5 greys, so that no colour of the z scale is shifted.
    strengths = np.concatenate([sign * np.linspace(Z_VISIBLE, 1.0 + Z_VISIBLE, 14) for sign in (-1, 1)])
    tint, alpha = colours(strengths, 1.0 + Z_VISIBLE)
    under = np.linspace(0.0, 1.0, 5)[:, None, None]
    blends = (under * (1 - alpha[:, None]) + tint * alpha[:, None]).reshape(-1, 3) * 255
    greys = np.repeat(np.linspace(0, 255, 256 - len(blends) - 1)[:, None], 3, axis=1)
    image = Image.new("P", (1, 1))
    image.putpalette(np.rint(np.concatenate([greys, blends, [CROSS]])).astype(np.uint8).ravel().tolist())
    return image


def png(picture: Image.Image) -> bytes:
    """*picture* as a PNG with a palette of 256 colours made for it: a third of the size at no visible loss."""
    out = io.BytesIO()
    picture.quantize(palette=_palette(), dither=Image.Dither.NONE).save(out, "PNG", compress_level=6)
    return out.getvalue()


def save_montage_png(result: Result, path: str | os.PathLike) -> None:
    """Write the montage of *result*, through its strongest region, as a PNG of about 1160 x 1100 pixels.

    Raises ``FAError('bad-input')`` when the file cannot be written.
    """
    picture = montage(Scene(result), result.regions[0] if result.regions else None)
    try:
        Path(path).write_bytes(png(picture))
    except OSError as error:
        raise cannot_write(Path(path), error) from None
