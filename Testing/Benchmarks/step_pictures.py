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
from FAAnomalyLib.anomaly.scoring import score_brain, search_brain
from FAAnomalyLib.evaluation.planting.lesions import plant, sphere, white_matter_centre
from FAAnomalyLib.evaluation.planting.truth import healthy_reference
from FAAnomalyLib.inpainting.estimated_passes import estimate_passes
from FAAnomalyLib.inpainting.pass_planning import ESTIMATE_LATTICES, whole_brain_passes
from FAAnomalyLib.inpainting.sampling import Sampling
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.loaded_model import LoadedModel, open_model
from FAAnomalyLib.preprocessing.fa_validation import validate_brain_mask, validate_fa
from FAAnomalyLib.preprocessing.model_grid import PreparedSubject
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.reporting.figures import colours, cut
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.result import Region

ZOOM, GAP, CAPTION = 3, 6, 24
AXIAL = 2
LINE = (255, 214, 64)
TRUTH = (120, 255, 140)
Tile = tuple[str, np.ndarray, "np.ndarray | None", tuple[int, int, int]]
"""Caption, RGB picture in [0, 1], outlined mask on the model grid, colour of the outline."""


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

    model = open_model(args.model)
    healthy, _ = validate_fa(load_volume(args.fa)[0])
    brain = validate_brain_mask(load_volume(args.brain_mask)[0], healthy) if args.brain_mask else None
    white_matter = healthy_reference(prepare(healthy, model.template, brain)).white_matter
    centre = white_matter_centre(healthy, white_matter, args.diameter, args.seed)
    ball = sphere(healthy, centre, args.diameter) & white_matter
    prepared = prepare(plant(healthy, ball, args.change), model.template, brain)

    truth = prepared.grid.to_model(ball, order=1) > 0.5
    level = int(np.argmax(truth.sum((0, 1))))
    tiles, regions = detect_in_steps(model, prepared, truth, level)
    picture(tiles, level, truth).save(args.out, optimize=True)
    for region in regions:
        print(region.sentence())
    print(f"planted {args.change:+.2f}, {args.diameter:g} mm, at {np.round(centre, 1)}: {args.out} written")


def detect_in_steps(
    model: LoadedModel, prepared: PreparedSubject, truth: np.ndarray, level: int
) -> tuple[list[Tile], list[Region]]:
    """A picture of slice *level* after every step, and the regions."""
    grid, fa, calibration = prepared.grid, prepared.fa, model.calibration
    passes = whole_brain_passes(prepared, DetectRequest(), ESTIMATE_LATTICES)
    inpainted = estimate_passes(model.inpainter, prepared, passes)
    found = search_brain(prepared, calibration)
    candidates = candidate_mask(found.statistic, grid.spacing_mm, found.analysed)
    refilled = refill_candidates(model.inpainter, prepared, candidates, Sampling())
    hidden = np.zeros(fa.shape, bool) if refilled is None else refilled.covered
    scores = score_brain(model.inpainter, prepared, inpainted, calibration, Sampling())
    z = grid.native.with_data(grid.to_native(scores.z))
    mean = grid.to_native(np.where(scores.inpainted.covered, scores.inpainted.mean, fa))
    difference = grid.native.with_data(grid.native.data - mean)
    segmentation, regions = find_regions(z, difference, calibration.threshold)

    shown = next(one.hole for one in passes if one.mask_size == 16 and (one.hole & truth)[:, :, level].any())
    expected = np.where(inpainted.covered & prepared.brain, inpainted.mean, fa)
    again = np.where(hidden & prepared.brain, scores.inpainted.mean, fa)
    detected = grid.to_model(segmentation.data > 0, order=1) > 0.5
    tiles: list[Tile] = [
        ("1  FA map, change planted", grey(fa, level), truth, TRUTH),
        ("2  template warped to it", grey(grid.priors.fa, level), None, LINE),
        ("3  holes of one pass", grey(np.where(shown, 0.0, fa), level), None, LINE),
        ("4  filled, all passes", grey(expected, level), None, LINE),
        ("5  residuals, all scales", heat(found.statistic, fa, level), None, LINE),
        ("6  candidates hidden whole", grey(np.where(hidden, 0.0, fa), level), None, LINE),
        ("7  inpainted again", grey(again, level), None, LINE),
        ("8  z, region and truth", heat(scores.z, fa, level), detected, LINE),
    ]
    return tiles, regions


def grey(values: np.ndarray, level: int) -> np.ndarray:
    """A slice as RGB in [0, 1], FA 0 to 0.8."""
    return np.repeat(np.clip(cut(values, AXIAL, level) / 0.8, 0, 1)[..., None], 3, -1)


def heat(z: np.ndarray, fa: np.ndarray, level: int) -> np.ndarray:
    """z over the map."""
    rgb, opacity = colours(cut(z, AXIAL, level), 8.0)
    return grey(fa, level) * (1 - opacity[..., None]) + rgb * opacity[..., None]


def picture(tiles: list[Tile], level: int, truth: np.ndarray) -> Image.Image:
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
