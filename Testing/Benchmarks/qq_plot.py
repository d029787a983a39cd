"""Is z standard normal in healthy white matter? Draw the quantiles that ``faanomaly evaluate`` wrote.

    python Testing/Benchmarks/qq_plot.py OUT/evaluation.json ... -o qq.png

One line for each untouched brain: quantiles of its z against those of a standard normal; the diagonal is what
they should be.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from scipy.stats import norm

from FAAnomalyLib.evaluation.health import QUANTILES

SIZE, MARGIN, REACH, SCALE = 560, 64, 4.2, 2
BACK, AXIS, GRID, LINE = (255, 255, 255), (60, 64, 72), (225, 228, 233), (32, 105, 180)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    rows = [row["z_quantiles"] for path in args.evaluation for row in json.loads(path.read_text())["untouched_rows"]
            if row["method"] == "FAAnomaly" and row.get("z_quantiles")]
    if not rows:
        parser.error(f"no untouched brain in {', '.join(map(str, args.evaluation))}")
    drawn(rows).save(args.output, optimize=True)
    print(f"{len(rows)} brains: {args.output} written")


def drawn(rows: list[list[float]]) -> Image.Image:
    image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE), BACK)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(14 * SCALE)
    expected = norm.ppf(QUANTILES)
    for tick in range(-4, 5):
        draw.line([place(tick, -REACH), place(tick, REACH)], GRID, SCALE)
        draw.line([place(-REACH, tick), place(REACH, tick)], GRID, SCALE)
        draw.text(place(tick, -REACH - 0.25), f"{tick:+d}" if tick else "0", AXIS, font, anchor="mm")
        draw.text(place(-REACH - 0.25, tick), f"{tick:+d}" if tick else "0", AXIS, font, anchor="mm")
    draw.line([place(-REACH, -REACH), place(REACH, REACH)], AXIS, SCALE)
    for row in rows:
        points = [place(x, y) for x, y in zip(expected, row, strict=True)]
        draw.line(points, LINE, 2 * SCALE)
        for x, y in points:
            draw.ellipse([x - 3 * SCALE, y - 3 * SCALE, x + 3 * SCALE, y + 3 * SCALE], LINE)
    draw.text(place(0, -REACH - 0.55), "standard normal quantile", AXIS, font, anchor="mm")
    title = f"z in the white matter of {len(rows)} untouched brains"
    draw.text((MARGIN * SCALE, MARGIN * SCALE // 2), title, AXIS, font, anchor="lm")
    return image.resize((SIZE, SIZE), Image.LANCZOS)


def place(x: float, y: float) -> tuple[float, float]:
    """Pixel of a pair of quantiles."""
    span = (SIZE - 2 * MARGIN) * SCALE / (2 * REACH)
    return MARGIN * SCALE + (x + REACH) * span, (SIZE - MARGIN) * SCALE - (y + REACH) * span


if __name__ == "__main__":
    main()
