"""Can anybody, or a classifier, tell filled tissue from real tissue?

    python Testing/Benchmarks/which_is_real.py HOLES -o PAGE.html [--fill draw] [--pairs 40] [--seed N]

HOLES is what healthy_tissue.py has written.  PAGE.html is one file that needs no other: pairs of the same slice of one
brain, as it was measured and with a hole of 20 mm filled, side by side in random order; corners mark it.  Click on
the real one; answers and score come after the last pair.  Right by chance: 50 %.

Printed, for each fill: the accuracy of a classifier of local texture (logistic regression; gradient energy, power in
three bands, step across the rim, skewness and kurtosis, each beside that of the tissue around), trained on the holes of
all people but one and asked about that one.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
from pathlib import Path

import numpy as np
from healthy_tissue import METHODS, TITLES, Hole, band_powers, gradient_energy
from PIL import Image
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

WIDTH = 330
"""Of a picture, pixels."""
FA_TOP = 0.9
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Which is real?</title><style>
body{background:#14181d;color:#e6e9ee;font:17px/1.5 system-ui,sans-serif;text-align:center;margin:24px}
img{cursor:pointer;margin:8px;border:3px solid #14181d}img:hover{border-color:#9aa4b2}
td{padding:2px 14px}table{margin:auto}</style>
<h1>Which is real?</h1><p id="ask">One of the two has a hole of 20 mm between the corners that was filled. Click on the
brain as it was measured.</p><div id="pair"></div><p id="at"></p><script>
const pairs=PAIRS;let at=0;const given=[];
function show(){const [left,right]=pairs[at].pictures,box=document.getElementById("pair");box.innerHTML="";
 [left,right].forEach((data,side)=>{const i=new Image();i.src="data:image/png;base64,"+data;
  i.alt=side?"right":"left";i.onclick=()=>{given.push(side);at++;at<pairs.length?show():end()};box.append(i)});
 document.getElementById("at").textContent=(at+1)+" of "+pairs.length}
function end(){const real=pairs.map(p=>Number(atob(p.key)[5])),right=given.filter((g,n)=>g===real[n]).length;
 document.getElementById("ask").textContent=right+" of "+pairs.length+" right ("+Math.round(100*right/pairs.length)+
 " %); by chance half of them.";document.getElementById("at").textContent="";
 document.getElementById("pair").innerHTML="<table><tr><td>pair</td><td>your answer</td><td>real</td></tr>"+given.map(
 (g,n)=>"<tr><td>"+(n+1)+"</td><td>"+(g?"right":"left")+"</td><td>"+(real[n]?"right":"left")+"</td></tr>").join("")+
 "</table>"}
show()</script></html>
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("holes", type=Path, help="folder that healthy_tissue.py has written")
    parser.add_argument("-o", "--page", type=Path, required=True)
    parser.add_argument("--fill", choices=METHODS, default="draw", help="what the page shows (default draw)")
    parser.add_argument("--pairs", type=int, default=40, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    paths = sorted(args.holes.glob("*_hole*.npz"))
    holes = [dict(np.load(path)) for path in paths]
    people = [path.name.rpartition("_hole")[0] for path in paths]
    rng = np.random.default_rng(args.seed)
    chosen = rng.permutation(len(holes))[: args.pairs]
    args.page.write_text(page([holes[n] for n in chosen], args.fill, rng), encoding="utf-8")
    print(f"{args.page}: {len(chosen)} pairs; {len(holes)} holes of {len(set(people))} people for the classifier")
    for method in METHODS:
        right = accuracy(holes, people, method)
        print(f"{TITLES[method]:42} told from real tissue in {100 * right:.0f} % (by chance 50 %)")


def page(holes: list[Hole], fill: str, rng: np.random.Generator) -> str:
    """The page with a pair for each hole; the real one's side is the sixth digit of a key that nobody reads by eye."""
    pairs = []
    for hole in holes:
        real = int(rng.integers(2))
        pictures = [picture(hole, "truth"), picture(hole, fill)]
        digits = rng.integers(0, 10, 12)
        digits[5] = real
        key = base64.b64encode("".join(map(str, digits)).encode()).decode()
        pairs.append({"pictures": pictures[::-1] if real else pictures, "key": key})
    return PAGE.replace("PAIRS", json.dumps(pairs))


def picture(hole: Hole, which: str) -> str:
    """The slice through the middle of the hole with the finest pixels, as a PNG in base64; corners mark the hole."""
    axis = int(np.argmax(hole["spacing"]))
    region = hole["region"].astype(bool)
    level = int(np.argmax(region.sum(axis=tuple(a for a in range(3) if a != axis))))
    edges = np.delete(hole["spacing"], axis)
    plane = np.take(hole[which], level, axis)
    size = np.array(plane.shape) * edges
    pixels = tuple(int(n) for n in np.rint(size * WIDTH / size.max()))
    grey = Image.fromarray((np.clip(plane / FA_TOP, 0, 1) * 255).astype(np.uint8).T[::-1])
    canvas = np.array(grey.resize(pixels, Image.Resampling.BICUBIC))
    inside = np.argwhere(np.take(region, level, axis))
    low, high = inside.min(0) * edges, (inside.max(0) + 1) * edges
    scale = WIDTH / size.max()
    for x in (low[0], high[0]):
        for y in (low[1], high[1]):
            column, row = int(x * scale), int(canvas.shape[0] - y * scale)
            canvas[max(row - 1, 0) : row + 1, max(column - 5, 0) : column + 5] = 255
            canvas[max(row - 5, 0) : row + 5, max(column - 1, 0) : column + 1] = 255
    out = io.BytesIO()
    Image.fromarray(canvas).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


def accuracy(holes: list[Hole], people: list[str], method: str) -> float:
    """Share of real and filled holes that the classifier tells right, people held out one after the other."""
    rows = [features(hole, which) for hole in holes for which in ("truth", method)]
    labels, groups = np.tile([0, 1], len(holes)), np.repeat(people, 2)
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    told = cross_val_predict(classifier, rows, labels, groups=groups, cv=GroupKFold(len(set(people))))
    return float((told == labels).mean())


def features(hole: Hole, which: str) -> list[float]:
    """Texture in the hole beside that of the tissue around: logarithms of ratios, and moments."""
    fa = hole[which].astype(np.float64)
    region, around = hole["region"].astype(bool), hole["around"].astype(bool)
    inside = np.array([gradient_energy(fa, region), *band_powers(fa, region), across(fa, region)])
    outside = np.array([gradient_energy(fa, around), *band_powers(fa, around), gradient_energy(fa, around)])
    moments = [float(f(fa[region]) - f(fa[around])) for f in (stats.skew, stats.kurtosis)]
    return [*np.log((inside + 1e-8) / (outside + 1e-8)), *moments]


def across(fa: np.ndarray, region: np.ndarray) -> float:
    """Mean squared step across the border of a region."""
    steps = [np.diff(fa, axis=axis)[np.diff(region.astype(np.int8), axis=axis) != 0] for axis in range(3)]
    return float((np.concatenate(steps) ** 2).mean())


if __name__ == "__main__":
    main()
