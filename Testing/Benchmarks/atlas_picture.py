"""Every tract of the bundled atlas on the template, one contact sheet.

    python Testing/Benchmarks/atlas_picture.py [-o Resources/Screenshots/tracts.png]

Each cell shows one tract in sagittal, coronal and axial projection over the template's slices through its middle; left
tracts are green, right ones violet, others yellow.  Radiological display: the patient's right is on the left.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from FAAnomalyLib.anatomy.tract_atlas import Tract, TractAtlas, load_atlas
from FAAnomalyLib.pipeline.anatomy import atlas_folder
from FAAnomalyLib.preprocessing.template import load_template
from FAAnomalyLib.reporting.figures import cut
from FAAnomalyLib.runtime.resources import resources_dir

COLOURS = {"left": (110, 225, 160), "right": (205, 140, 255), "both": (255, 205, 90)}
COLUMNS, TEXT_HEIGHT, GAP = 6, 16, 6
COLOURS_KEPT = 96


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=resources_dir() / "Screenshots" / "tracts.png")
    args = parser.parse_args()
    atlas = load_atlas(atlas_folder("default"))
    fa = load_template(resources_dir() / "Template").fa.data
    pictures = [cell(name, tracts, atlas, fa) for name, tracts in pairs(atlas).items()]
    width, height = pictures[0].size
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + GAP) + GAP, rows * (height + GAP) + GAP), (20, 24, 29))
    for number, picture in enumerate(pictures):
        row, column = divmod(number, COLUMNS)
        sheet.paste(picture, (GAP + column * (width + GAP), GAP + row * (height + GAP)))
    sheet.quantize(COLOURS_KEPT).save(args.output, optimize=True)
    print(f"{len(atlas.tracts)} tracts in {args.output}")


def pairs(atlas: TractAtlas) -> dict[str, list[Tract]]:
    """Name without its side -> the tract, or both twins."""
    found: dict[str, list[Tract]] = {}
    for tract in atlas.tracts:
        name = tract.name if tract.side == "both" else tract.name.removeprefix(f"{tract.side} ")
        found.setdefault(name, []).append(tract)
    return found


def cell(name: str, tracts: list[Tract], atlas: TractAtlas, fa: np.ndarray) -> Image.Image:
    volumes = []
    for tract in tracts:
        volume = np.zeros(atlas.shape, np.float32)
        volume.ravel()[tract.voxels] = tract.membership
        volumes.append((COLOURS[tract.side], volume))
    views = [view(axis, volumes, fa) for axis in (0, 1, 2)]
    height = max(shown.height for shown in views)
    picture = Image.new("RGB", (sum(shown.width for shown in views), height + TEXT_HEIGHT), (0, 0, 0))
    at = 0
    for shown in views:
        picture.paste(shown, (at, TEXT_HEIGHT + (height - shown.height) // 2))
        at += shown.width
    short = tracts[0].abbreviation.removesuffix(" L").removesuffix(" R")
    text = f"{name} ({short})"
    ImageDraw.Draw(picture).text((3, 2), text, fill=(230, 233, 238), font=fitting_font(text, picture.width - 6))
    return picture


def fitting_font(text: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The largest font in which a text is no wider."""
    sizes = (ImageFont.load_default(size) for size in np.arange(11.0, 6.0, -0.5))
    return next(font for font in sizes if font.getlength(text) <= width)


def view(axis: int, volumes: list[tuple[tuple[int, int, int], np.ndarray]], fa: np.ndarray) -> Image.Image:
    """Maximum of the memberships along one axis over the template's slice through the first tract's middle."""
    middle = int(
        np.average(np.arange(fa.shape[axis]), weights=volumes[0][1].sum(tuple(a for a in range(3) if a != axis)))
    )
    shade = np.clip(cut(fa, axis, middle) / 0.8, 0, 1)[..., None] * np.array([150.0, 150.0, 150.0])
    for colour, volume in volumes:
        strength = np.clip(cut(volume.max(axis=axis, keepdims=True), axis, 0), 0, 1)[..., None] * 0.85
        shade = shade * (1 - strength) + strength * np.array(colour)
    return Image.fromarray(np.rint(shade).astype(np.uint8))


if __name__ == "__main__":
    main()
