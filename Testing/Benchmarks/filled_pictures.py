"""Pseudo-healthy tissue in real brains, before and after: a row for each brain, at native resolution.

    python Testing/Benchmarks/filled_pictures.py OUT.png NAME_FA.nii.gz [...] [--diameter MM] [--change FA] [--seeds N]

In each map, beside which NAME_mask.nii.gz may lie, a sphere of changed FA is planted in the white matter, and the whole
brain is analysed as anybody would.  Columns: the brain with the lesion, the outline of what was found; what is expected
(the model's mean); the pseudo-healthy brain; the brain before the lesion was planted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import FAAnomalyLib as fa
from FAAnomalyLib.evaluation.planting.lesions import plant, sphere, white_matter_centre
from FAAnomalyLib.evaluation.planting.truth import healthy_reference
from FAAnomalyLib.geometry.orientation import nearest_canonical
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.loaded_model import open_model
from FAAnomalyLib.preprocessing.fa_validation import validate_brain_mask, validate_fa
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.reporting.figures import AXIAL, cut
from FAAnomalyLib.volume import Volume

FIELD_MM, TILE, GAP, CAPTION = 84.0, 210, 4, 22
CAPTIONS = ("lesion planted, found", "expected (mean)", "pseudo-healthy", "before the lesion")
FA_TOP, GREYS = 0.9, 40
INK, OUTLINE = 235, 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("maps", type=Path, nargs="+")
    parser.add_argument("--model", default="default")
    parser.add_argument("--diameter", type=float, default=26.0)
    parser.add_argument("--change", type=float, default=-0.25)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2], help="of the lesion's place, one for each map")
    args = parser.parse_args()
    seeds = args.seeds * len(args.maps) if len(args.seeds) == 1 else args.seeds
    rows = [
        row_of(path, args.model, args.diameter, args.change, seed) for path, seed in zip(args.maps, seeds, strict=True)
    ]
    sheet = np.concatenate(rows, axis=0)
    image = Image.new("L", (sheet.shape[1], sheet.shape[0] + CAPTION))
    image.paste(Image.fromarray(sheet), (0, CAPTION))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14)
    for number, caption in enumerate(CAPTIONS):
        draw.text((number * (TILE + GAP) + TILE / 2, 3), caption, INK, font, anchor="ma")
    image.quantize(GREYS, dither=Image.Dither.NONE).save(args.out, optimize=True)
    print(f"{args.out}: {args.out.stat().st_size / 1000:.0f} kB")


def row_of(path: Path, model: str, diameter: float, change: float, seed: int) -> np.ndarray:
    """The four slices of one brain, uint8."""
    healthy, _ = validate_fa(load_volume(path)[0])
    mask = path.with_name(path.name.replace("_FA", "_mask"))
    known = mask.exists()
    brain = validate_brain_mask(load_volume(mask)[0], healthy) if known else None
    white_matter = healthy_reference(prepare(healthy, open_model(model).template, brain)).white_matter
    centre = white_matter_centre(healthy, white_matter, diameter, seed)
    lesion = plant(healthy, sphere(healthy, centre, diameter) & white_matter, change)
    result = fa.detect(
        lesion, model=model, brain_mask=str(mask) if known else None, threshold="sensitive", atlas="none"
    )
    print(f"{path.name}: {change:+.2f} in {diameter:g} mm at {np.round(centre)}")
    for region in result.regions:
        print(f"  {region.sentence()}")
    found = result.segmentation.with_data((result.segmentation.data > 0).astype(np.float32))
    tiles = [tile(volume, centre) for volume in (lesion, result.expected, result.pseudo_healthy, healthy)]
    inside = tile(found, centre, FA_TOP) > 127
    edge = inside & ~(np.roll(inside, 1, 0) & np.roll(inside, -1, 0) & np.roll(inside, 1, 1) & np.roll(inside, -1, 1))
    tiles[0][edge] = OUTLINE
    gap = np.zeros((TILE, GAP), np.uint8)
    line = np.concatenate([part for one in tiles for part in (one, gap)][:-1], axis=1)
    return np.concatenate([line, np.zeros((GAP, line.shape[1]), np.uint8)])


def tile(volume: Volume, centre: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Axial slice through *centre* (RAS mm), the field of view of one picture, uint8."""
    turned = nearest_canonical(volume)
    at = np.rint(np.linalg.solve(turned.affine, [*centre, 1.0])[:3]).astype(int)
    half = np.rint(FIELD_MM / 2 / turned.spacing[:2]).astype(int)
    padded = np.pad(turned.data, [(h, h) for h in half] + [(0, 0)])
    part = padded[at[0] : at[0] + 2 * half[0] + 1, at[1] : at[1] + 2 * half[1] + 1]
    plane = np.clip(cut(part, AXIAL, at[2]) * scale / FA_TOP, 0, 1)
    picture = Image.fromarray((plane * 255).astype(np.uint8)).resize((TILE, TILE), Image.Resampling.BICUBIC)
    return np.array(picture)


if __name__ == "__main__":
    main()
