"""The benchmarks are run by hand; here they import what the library has, and the quick ones are run."""

from __future__ import annotations

import json
import runpy
import sys

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from FAAnomalyLib.evaluation.cases import LESION, SPHERE
from FAAnomalyLib.evaluation.metrics.froc import Z_THRESHOLDS
from FAAnomalyLib.evaluation.metrics.healthy import QUANTILES
from FAAnomalyLib.evaluation.rows import FAANOMALY, ONE_SIDED
from FAAnomalyLib.evaluation.tables.summary import summarise
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.volume import Volume
from support.paths import TESTING

FOLDER = TESTING / "Benchmarks"
CHART = runpy.run_path(str(FOLDER / "chart.py"))
SIZE, MARGIN, BACK, COLOURS = (CHART[name] for name in ("SIZE", "MARGIN", "BACK", "COLOURS"))
HELPERS = ("chart.py", "messy_cases.py", "network_rate.py")
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.name not in HELPERS)


def test_every_script_has_its_line_in_the_readme():
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    for script in SCRIPTS:
        assert sum(line.startswith(f"| `{script.name}` |") for line in lines) == 1, script.name


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_imports_what_there_is_and_says_how_it_is_used(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script), "--help"])
    monkeypatch.syspath_prepend(str(script.parent))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name="__main__")
    assert not end.value.code and "usage:" in capsys.readouterr().out


def run_script(monkeypatch, name: str, *arguments) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    monkeypatch.syspath_prepend(str(FOLDER))
    runpy.run_path(str(FOLDER / name), run_name="__main__")


def planted(person: str, change: float, points: list[list[float]]) -> dict:
    return {
        "method": FAANOMALY,
        "kind": SPHERE,
        "diameter": 16,
        "change": change,
        "person": person,
        "free_response": points,
    }


def test_the_froc_curve_is_drawn_where_it_lies(tmp_path, monkeypatch, capsys):
    half = [[1.0, 2.0], *[[0.0, 0.0]] * (len(Z_THRESHOLDS) - 1)]
    rows = [planted("A", change, half) for change in (0.2, -0.2)]
    aside = {"free_response": [[1.0, 3.0]] * len(Z_THRESHOLDS)}
    rows += [
        {**rows[0], "method": ONE_SIDED["increased"], **aside},
        *({**rows[1], "kind": LESION, "method": method, **aside} for method in (FAANOMALY, ONE_SIDED["decreased"])),
    ]
    path, picture = tmp_path / "evaluation.json", tmp_path / "froc.png"
    path.write_text(json.dumps({"planted": summarise(rows)}))
    run_script(monkeypatch, "froc_plot.py", path, "-o", picture)
    lines = capsys.readouterr().out.splitlines()
    assert [", decreases alone" in line for line in lines if line.startswith("lesion")] == [False, True]
    told = [line for line in lines if line.startswith("sphere 16")]
    assert len(told) == 1 and "±0.2" in told[0] and "1.00 (2.0)" in told[0], "both signs together, once"
    with Image.open(picture) as drawn:
        at = {
            name: drawn.getpixel(place)
            for name, place in {
                "two false, all found": (SIZE // 2, MARGIN),
                "none": (MARGIN, SIZE - MARGIN),
                "between": (SIZE // 4 + MARGIN // 2, SIZE // 2),
                "beside": (SIZE // 2 + 40, SIZE // 2 - 60),
            }.items()
        }
    assert at.pop("beside") == BACK
    assert all(sum(abs(a - b) for a, b in zip(pixel, COLOURS[0], strict=True)) < 60 for pixel in at.values()), at


def test_quantiles_of_a_standard_normal_lie_on_the_diagonal(tmp_path, monkeypatch, capsys):
    path, picture = tmp_path / "evaluation.json", tmp_path / "qq.png"
    path.write_text(
        json.dumps(
            {
                "untouched_rows": [
                    {"method": FAANOMALY, "z_quantiles": norm.ppf(QUANTILES).tolist()},
                    {"method": "template z-map", "z_quantiles": [0.0]},
                ]
            }
        )
    )
    run_script(monkeypatch, "qq_plot.py", path, "-o", picture)
    assert capsys.readouterr().out.startswith("1 brains")
    with Image.open(picture) as drawn:
        line = [
            x
            for x in range(SIZE)
            for y in range(MARGIN, SIZE - MARGIN)
            if x + y == SIZE - 1 and drawn.getpixel((x, y))[2] - drawn.getpixel((x, y))[0] > 100
        ]
    assert len(line) > 0.7 * (SIZE - 2 * MARGIN), "a blue line from -3 to 3 of -4 to 4"


def test_nothing_to_draw_is_told(tmp_path, monkeypatch, capsys):
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({"planted": [], "untouched_rows": []}))
    for name in ("froc_plot.py", "qq_plot.py"):
        with pytest.raises(SystemExit):
            run_script(monkeypatch, name, path, "-o", tmp_path / "no.png")
        assert "evaluation.json" in capsys.readouterr().err
    assert not (tmp_path / "no.png").exists()


def test_a_larger_sphere_needs_less_of_a_change(monkeypatch, capsys):
    run_script(monkeypatch, "detection_limits.py")
    least = capsys.readouterr().out.splitlines()[-1].split("|")[2:-1]
    for needed in zip(
        *([float(side) if side.strip() != "–" else float("inf") for side in cell.split("/")] for cell in least),
        strict=True,
    ):
        assert list(needed) == sorted(needed, reverse=True) and 0.02 < needed[-1] < 0.2


def test_a_segmentation_is_scored_against_the_planted_truth(tmp_path, monkeypatch, capsys):
    truth = np.zeros((8, 8, 8), np.uint8)
    truth[2:6, 2:6, 2:6] = 1
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    save_volume(Volume(truth, affine), tmp_path / "truth.nii.gz")
    truth[4:] = 0
    save_volume(Volume(2 * truth, affine), tmp_path / "segmentation.nii.gz")
    (tmp_path / "regions.csv").write_text(
        "label,sign,centroid_r,centroid_a,centroid_s\n1,decreased,70,7,7\n2,decreased,7,7,10\n"
    )
    with pytest.raises(SystemExit) as end:
        run_script(monkeypatch, "score_sample.py", tmp_path, tmp_path / "truth.nii.gz", "--at-least", "0.6")
    printed = capsys.readouterr().out
    assert end.value.code == 1 and "IoU 0.500, Dice 0.667, sensitivity 0.500, precision 1.000" in printed
    assert "number 2, decreased, 3.0 mm from the planted centre" in printed


@pytest.mark.slow
def test_a_page_of_pairs_and_what_a_classifier_tells(monkeypatch, tmp_path, capsys):
    rng = np.random.default_rng(0)
    region, around = np.zeros((16, 14, 12), bool), np.zeros((16, 14, 12), bool)
    around[2:-2, 2:-2, 2:-2], region[5:11, 5:10, 4:9] = True, True
    around &= ~region
    for number in range(12):
        truth, other = rng.uniform(0.2, 0.6, (2, *region.shape)).astype(np.float32)
        fills = {
            method: np.where(region, 0.4 + 0.05 * other, truth)
            for method in ("harmonic", "biharmonic", "template", "expected")
        }
        hole = {"truth": truth, "draw": np.where(region, other, truth), **fills, "region": region, "around": around}
        np.savez(tmp_path / f"person{number % 4}_hole{number}.npz", spacing=np.array([1.0, 1.5, 3.0]), **hole)
    run_script(monkeypatch, "which_is_real.py", tmp_path, "-o", tmp_path / "page.html", "--pairs", "5")
    page, said = (tmp_path / "page.html").read_text(encoding="utf-8"), capsys.readouterr().out
    assert page.count('"pictures"') == 5 and "http" not in page
    told = {line[:42].strip(): int(line.split(" in ")[-1].split(" %")[0]) for line in said.splitlines()[1:]}
    assert told["expected (the model's mean)"] == 100 and 10 <= told["pseudo-healthy (the draw)"] <= 85
