"""Tables 3.10 and 3.11: the source's scoring, and the whole way from published folders to a table."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from scipy import ndimage

from FAAnomalyLib.cli.application import main
from FAAnomalyLib.evaluation.experiments.t2_experiment import T2Result
from FAAnomalyLib.evaluation.experiments.t2_scoring import (
    best_threshold,
    eroded_brain,
    filtered_residual,
    scores_of,
    without_specks,
)
from FAAnomalyLib.evaluation.experiments.t2_tables import PRINTED_ROWS, t2_csv, t2_latex, t2_markdown, table_rows
from FAAnomalyLib.public_data.t2_cohort import T2Request, prepare_t2_cohort
from support.phantoms import t2_cohorts


def patient(seed=0, shape=(50, 50, 12)):
    generator = np.random.default_rng(seed)
    brain = np.zeros(shape, bool)
    brain[6:44, 6:44, 1:11] = True
    lesions = np.zeros(shape, bool)
    lesions[14:24, 16:26, 3:9] = True
    difference = 0.05 * generator.standard_normal(shape) - 0.3 * lesions
    return difference.astype(np.float32), brain, lesions


def test_the_mask_is_eroded_in_slices_and_the_residual_filtered_in_3d():
    difference, brain, _ = patient()
    eroded = eroded_brain(brain)
    assert not eroded[:8].any() and eroded[8:42, 8:42, 1:11].all(), "50 // 25 = 2 voxels within slices, none across"
    residual = filtered_residual(difference, brain)
    at = (20, 20, 6)
    around = np.abs(difference)[18:23, 18:23, 4:9]
    assert residual[at] == pytest.approx(np.median(around)) and residual.min() >= 0
    assert not filtered_residual(difference, np.zeros_like(brain)).any()


def test_the_threshold_is_that_of_the_best_dice_of_all_voxels_together():
    pairs = [(filtered_residual(d, b), lesions) for d, b, lesions in map(patient, range(3))]
    residuals, lesions = zip(*pairs, strict=True)
    found = best_threshold(residuals, lesions)
    values, truth = (np.concatenate([one.ravel() for one in group]) for group in (residuals, lesions))

    def dice(threshold):
        above = values > threshold
        return 2 * (above & truth).sum() / (above.sum() + truth.sum())

    best = max(dice(one) for one in np.linspace(0, values.max(), 400))
    assert dice(found) > best - 0.01 and best > 0.8
    assert best_threshold([np.zeros((3, 3, 3))], [np.ones((3, 3, 3), bool)]) == 0.0


def test_components_of_seven_voxels_and_fewer_are_dropped():
    found = np.zeros((12, 12, 12), bool)
    found[1, 1, 1:8] = found[6, 6, 1:9] = True
    found[9:11, 9:11, 9:11] = True
    kept = without_specks(found)
    assert kept.sum() == 16 and not kept[1, 1].any()
    assert ndimage.label(kept)[1] == 2


def test_scores_of_one_patient():
    difference, brain, lesions = patient()
    residual = filtered_residual(difference, brain)
    scores = scores_of(residual, lesions, brain, 0.15)
    assert scores.dice > 0.75 and scores.average_precision > 0.9
    assert scores.prevalence == lesions.mean()
    assert scores.dice_of_brain == pytest.approx(2 * lesions.sum() / (eroded_brain(brain).sum() + lesions.sum()))
    healthy = scores_of(np.zeros_like(residual), np.zeros_like(lesions), brain, 0.15)
    assert healthy.dice == 1.0 and healthy.average_precision is None


def test_tables_print_the_thesis_and_what_is_missing():
    one = {"dice": 0.5, "average_precision": 0.6, "dice_of_brain": 0.02, "prevalence": 0.01}
    rows = {"a": one, "b": {**one, "dice": 0.3, "average_precision": None}, "c": {"left_out": "no image"}}
    results = [T2Result("pDDPM", 0.1, rows), T2Result("template z-map", 0.2, rows)]
    options = {"pddpm": "pDDPM", "template-z-map": "template z-map", "inpainting-gaussian": "inpainting gaussian"}
    table = table_rows("3.10", results, options)
    assert [(row.printed.dice, row.printed.auprc) for row in table[:3]] == [
        (50.0, 55.12),
        (39.01, 45.25),
        (37.33, 40.44),
    ]
    assert table[0].dice["mean"] == pytest.approx(0.4) and table[0].dice["people"] == 2
    assert table[0].auprc["mean"] == pytest.approx(0.6) and table[0].auprc["cases"] == 1
    assert table[1].missing == "not in this version" and table[2].missing.startswith("not run")
    assert [row.label for row in table[3:]] == ["template z-map", "all of the brain"]
    text = t2_markdown("3.10", table)
    assert "| pDDPM, simplex noise (pDDPM) | 50.00 / 55.12 | 40.00 [30.00, 50.00] | 60.00 |" in text
    records = list(csv.DictReader(io.StringIO(t2_csv("3.10", table))))
    assert records[0]["dice"] == "40.0000" and records[1]["missing"] == "not in this version"
    assert "pDDPM, simplex noise & 50.00 & 55.12 & 40.00 & 60.00" in t2_latex("3.10", table)
    mslub = [(row.dice, row.auprc) for row in PRINTED_ROWS if row.table == "3.11"]
    assert mslub == [(9.95, 7.0), (2.52, 4.09), (4.04, 5.19)]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("t2")
    atlas, masks = t2_cohorts.write_atlas(root / "atlas.nii.gz"), root / "masks"
    sources = {
        "ixi": t2_cohorts.write_ixi(root / "in" / "ixi", 1, masks),
        "mslub": t2_cohorts.write_mslub(root / "in" / "mslub", 2),
    }
    for layout, source in sources.items():
        where = masks if layout == "ixi" else None
        request = T2Request(layout, source, root / layout, atlas, where, settings=t2_cohorts.SETTINGS)
        with t2_cohorts.coarse_registration():
            prepare_t2_cohort(request, lambda text: None)
    return root


@pytest.mark.slow
def test_from_published_folders_to_table_311(prepared, tmp_path, capsys):
    command = ["evaluate", "--experiment", "thesis-3.11", "--data", str(prepared / "mslub"), "-o", str(tmp_path)]
    command += ["--template", str(prepared / "ixi" / "template"), "--methods", "template-z-map"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "1 patients choose the threshold, 1 are tested" in printed and "9.95 / 7.00" in printed
    stored = json.loads((tmp_path / "t2-3.11.json").read_text())
    row = next(row for row in stored["rows"] if row["method"] == "template z-map")
    nothing = next(row for row in stored["rows"] if row["label"] == "all of the brain")
    assert row["dice"]["mean"] > 0.3 and row["auprc"]["mean"] > 50 * nothing["auprc"]["mean"]
    units = sorted(path.stat().st_mtime_ns for path in (tmp_path / "units").glob("t2-*.npz"))
    assert main(command) == 0 and len(units) == 2, "a rerun computes nothing"
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "units").glob("t2-*.npz")) == units
    assert all((tmp_path / f"t2-3.11.{ending}").is_file() for ending in ("md", "csv", "tex"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"--experiment": ["thesis-3.10"]}, "is of brats21"),
        ({"--experiment": ["thesis-3.10", "thesis-3.11"]}, "one at a time"),
        ({"--template": []}, "No --template"),
        ({"--data": ["."]}, "no prepared data set"),
        ({"--quick": []}, "do not fit T2 images"),
    ],
)
def test_a_request_that_cannot_run_is_told(prepared, change, said, capsys):
    options = {
        "--experiment": ["thesis-3.11"],
        "--data": [str(prepared / "mslub")],
        "--template": [str(prepared / "ixi" / "template")],
        **change,
    }
    words = [word for name, values in options.items() if values or name == "--quick" for word in (name, *values)]
    assert main(["evaluate", *words]) == 2
    assert said in capsys.readouterr().err
