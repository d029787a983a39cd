"""One picture of every step of a detection, on a real brain with a planted change.

python Testing/Benchmarks/step_pictures.py FA.nii.gz OUT.png [--brain-mask MASK] [--model NAME|DIR]
    [--diameter MM] [--change FA] [--seed N]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from FAAnomalyLib.anomaly.candidates import candidate_mask
from FAAnomalyLib.anomaly.refinement import refill_candidates
from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.anomaly.scoring import score_brain
from FAAnomalyLib.anomaly.screening import screen
from FAAnomalyLib.evaluation.planting.lesions import plant, sphere, white_matter_centre
from FAAnomalyLib.evaluation.planting.truth import anatomy
from FAAnomalyLib.inpainting.masks import plan
from FAAnomalyLib.inpainting.pass_runner import inpaint_passes_by_size
from FAAnomalyLib.inpainting.volume_inpainter import Sampling
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.loaded_model import open_model
from FAAnomalyLib.preprocessing.fa_validation import validate_brain_mask, validate_fa
from FAAnomalyLib.preprocessing.model_grid import prepare
from FAAnomalyLib.reporting.figures import colours, cut
from FAAnomalyLib.request import BOTH_SIZES

ZOOM, GAP, CAPTION = 3, 6, 24
AXIAL = 2
LINE = (255, 214, 64)
TRUTH = (120, 255, 140)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fa", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--brain-mask", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--diameter", type=float, default=40.0)
    parser.add_argument("--change", type=float, default=-0.2)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()

    engine = open_model(args.model)
    healthy, _ = validate_fa(load_volume(args.fa)[0])
    brain = validate_brain_mask(load_volume(args.brain_mask)[0], healthy) if args.brain_mask else None
    before = prepare(healthy, engine.template, brain)
    white = anatomy(before).white
    centre = white_matter_centre(healthy, white, args.diameter, args.seed)
    ball = sphere(healthy, centre, args.diameter) & white
    volume = plant(healthy, ball, args.change)

    prepared = prepare(volume, engine.template, brain)
    grid, fa, spacing = prepared.grid, prepared.fa, prepared.grid.spacing_mm
    passes = [one for size in BOTH_SIZES for one in plan(prepared.brain, size, (spacing,) * 3)]
    by_size = inpaint_passes_by_size(engine.inpainter, fa, passes, Sampling(), priors=grid.priors)
    first = screen(prepared, by_size)
    filled, known = first.inpainted, engine.calibration
    statistic = known.strongest(known.combined(first.maps, first.analysed, first.subject_scale))
    candidates = candidate_mask(statistic, spacing, first.analysed)
    again = refill_candidates(engine.inpainter, prepared, candidates, Sampling())
    hidden = np.zeros(fa.shape, bool) if again is None else again.covered
    scores = score_brain(engine.inpainter, prepared, by_size, engine.calibration, Sampling())
    z = healthy.with_data(grid.to_native(scores.z))
    mean = grid.to_native(np.where(scores.inpainted.covered, scores.inpainted.mean, fa))
    segmentation, regions = find_regions(z, volume.with_data(volume.data - mean), engine.calibration.threshold)

    truth = grid.to_model(ball, order=1) > 0.5
    level = int(np.argmax(truth.sum((0, 1))))
    shown = next(one.hole for one in passes if one.mask_size == 16 and (one.hole & truth)[:, :, level].any())
    found = grid.to_model(segmentation.data > 0, order=1) > 0.5
    tiles = [
        ("1  FA map, change planted", grey(fa, level), truth, TRUTH),
        ("2  template bent to it", grey(grid.priors.fa, level), None, LINE),
        ("3  holes of one pass", grey(np.where(shown, 0.0, fa), level), None, LINE),
        ("4  filled, all passes", grey(np.where(filled.covered & prepared.brain, filled.mean, fa), level), None, LINE),
        ("5  evidence, all scales", heat(statistic, fa, level), None, LINE),
        ("6  suspects hidden whole", grey(np.where(hidden, 0.0, fa), level), None, LINE),
        ("7  filled again", grey(np.where(hidden & prepared.brain, scores.inpainted.mean, fa), level), None, LINE),
        ("8  z, region and truth", heat(scores.z, fa, level), found, LINE),
    ]
    picture(tiles, level, truth).save(args.out, optimize=True)
    for region in regions:
        print(region.sentence())
    print(f"planted {args.change:+.2f}, {args.diameter:g} mm, at {np.round(centre, 1)}: {args.out} written")


def grey(values: np.ndarray, level: int) -> np.ndarray:
    """A slice as RGB in [0, 1], FA 0 to 0.8."""
    return np.repeat(np.clip(cut(values, AXIAL, level) / 0.8, 0, 1)[..., None], 3, -1)


def heat(z: np.ndarray, fa: np.ndarray, level: int) -> np.ndarray:
    """z over the map."""
    rgb, opacity = colours(cut(z, AXIAL, level), 8.0)
    return grey(fa, level) * (1 - opacity[..., None]) + rgb * opacity[..., None]


def picture(tiles: list, level: int, truth: np.ndarray) -> Image.Image:
    """Four columns of captioned slices."""
    font = ImageFont.load_default(15)
    height, width = (ZOOM * n for n in tiles[0][1].shape[:2])
    whole = Image.new("RGB", (4 * (width + GAP) - GAP, 2 * (height + CAPTION + GAP) - GAP), (12, 14, 18))
    draw = ImageDraw.Draw(whole)
    for number, (caption, rgb, outline, colour) in enumerate(tiles):
        x, y = (number % 4) * (width + GAP), (number // 4) * (height + CAPTION + GAP)
        image = Image.fromarray((rgb * 255).astype(np.uint8)).resize((width, height), Image.BICUBIC)
        pixels = np.array(image)
        for mask, ink in ((outline, colour), (truth if number == 7 else None, TRUTH)):
            if mask is not None:
                pixels[edge(cut(mask, AXIAL, level))] = ink
        whole.paste(Image.fromarray(pixels), (x, y + CAPTION))
        draw.text((x + 4, y + 4), caption, (224, 228, 234), font)
    return whole


def edge(mask: np.ndarray) -> np.ndarray:
    """Outline of a slice's mask on the zoomed picture, one pixel wide."""
    smooth = ndimage.zoom(mask.astype(np.float32), ZOOM, order=1, grid_mode=True, mode="nearest") > 0.5
    return smooth & ~ndimage.binary_erosion(smooth)


if __name__ == "__main__":
    main()
