"""The thesis' experiments: grid, cubes, planting, rules, tables, figures."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from FAAnomalyLib.datasets.cohort import CohortSubject
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.experiments.bench import Bench
from FAAnomalyLib.evaluation.experiments.design import (
    FIGURES,
    MASK_FIGURES,
    MASK_SIZES,
    TABLES,
    SphereCase,
    chosen_tables,
    spheres,
)
from FAAnomalyLib.evaluation.experiments.laboratory import (
    ALL_POSITIVE,
    SIGNED_RULE,
    THESIS_RULE,
    Equipment,
    Laboratory,
    rule_scores,
)
from FAAnomalyLib.evaluation.experiments.printed import printed_rows
from FAAnomalyLib.evaluation.experiments.results import CELLS, StoredExperiment, write_html, write_tables
from FAAnomalyLib.evaluation.experiments.thesis_experiment import UnitRow
from FAAnomalyLib.evaluation.experiments.thesis_figures import draw_figure
from FAAnomalyLib.evaluation.experiments.thesis_tables import latex_table, markdown_table, measured_rows, tables_csv
from FAAnomalyLib.evaluation.experiments.units import Unit, UnitStore
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.volume import Volume


def test_the_printed_numbers_obey_f1_of_iou():
    assert len(printed_rows()) == 52 and len(spheres(tuple(TABLES.values()))) == 14
    for row in printed_rows():
        assert row.f1 == pytest.approx(2 * row.iou / (1 + row.iou), abs=0.015), row


def test_experiments_by_name():
    assert [table.name for table in chosen_tables(["thesis"])] == list(TABLES)
    assert FIGURES == (*(f"2.{n}" for n in range(5, 9)), *(f"3.{n}" for n in range(1, 44)))
    with pytest.raises(FAError, match="no experiment 'thesis-4.1'"):
        chosen_tables(["thesis-4.1"])


@pytest.mark.slow
def test_anomalies_lie_in_the_products_own_crop(subjects, tmp_path):
    """The thesis' shape at 8, 23, 8, masked; on a coarser grid the same anomaly is as large in millimetres."""
    data = np.random.default_rng(0).uniform(0.05, 0.9, (145, 174, 145)).astype(np.float32)
    mask = np.zeros(data.shape, np.uint8)
    mask[20:130, 30:150, 12:125] = 1
    save_volume(Volume(data, np.diag([1.25, 1.25, 1.25, 1.0])), tmp_path / "ann_FA.nii.gz")
    save_volume(Volume(mask, np.diag([1.25, 1.25, 1.25, 1.0])), tmp_path / "ann_mask.nii.gz")
    ann = CohortSubject.from_file(tmp_path / "ann_FA.nii.gz")
    assert np.array_equal(Bench(0).healthy(ann).volume.data, (data * mask)[8:136, 23:151, 8:136])
    fine, coarse = (Bench(seed=3, voxels=voxels).planted(subjects[0], SphereCase(16, 0.1)) for voxels in (128, 64))
    assert (fine.edge, coarse.edge) == (16, 8) and coarse.volume.shape == (64, 64, 64)
    ml = [one.sphere.sum() * one.volume.voxel_ml for one in (fine, coarse)]
    assert ml[0] == pytest.approx(ml[1], rel=0.05)
    with pytest.raises(FAError, match="they would be 0.5 voxels"):
        Bench(seed=3, voxels=16).corner(subjects[0], 4)


def test_an_anomaly_lies_in_its_cube_and_all_positive_scores_a_sphere_in_a_cube(subjects):
    bench = Bench(seed=3)
    planted = bench.planted(subjects[0], SphereCase(16, -0.2))
    cube = planted.domain("cubic")
    assert cube.sum() == 16**3 and (planted.sphere & ~cube).sum() == 0
    changed = planted.volume.data != planted.healthy.volume.data
    assert not (changed & ~planted.sphere).any() and changed.any()
    assert bench.corner(subjects[0], 16) == Bench(seed=3).corner(subjects[0], 16) == planted.corner
    guided = planted.domain("wm")
    assert (planted.truth("wm") & ~guided).any(), "voxels lowered below 0.2 leave the hole"
    assert np.all(planted.volume.data[guided] > 0.2)
    scores = rule_scores(np.zeros(cube.shape), cube, planted.truth("cubic"), -0.2)
    assert scores[ALL_POSITIVE]["iou"] == pytest.approx(np.pi / 6, abs=0.02)
    assert scores[THESIS_RULE]["iou"] == 0.0


def test_the_rule_at_a_change_of_001_finds_everything_and_its_signed_form_half():
    difference = np.random.default_rng(2).normal(0, 0.2, (16, 16, 16))
    inside = np.ones(difference.shape, bool)
    truth = difference > 10
    truth[4:12] = True
    scores = rule_scores(difference, inside, truth, 0.01)
    assert scores[THESIS_RULE] == scores[ALL_POSITIVE]
    assert scores[SIGNED_RULE]["recall"] == pytest.approx(0.52, abs=0.03)


def rows_of_table_31() -> list[UnitRow]:
    """Two people with one anomaly."""
    setting = {"mask_type": "cubic", "mask_size": 8, "diameter": 8, "change": 0.2}
    rows = []
    for name, iou in (("one", 0.4), ("two", 0.6)):
        score = {"iou": iou, "f1": 2 * iou / (1 + iou), "precision": None, "recall": None}
        scores = {rule: score for rule in (THESIS_RULE, SIGNED_RULE, ALL_POSITIVE)}
        rows.append(UnitRow("hole", name, "conditional", setting, f"hole-{name}", {"scores": scores}))
        case = {"diameter": 8, "change": 0.2}
        rows.append(UnitRow("brain", name, "FAAnomaly", case, "", {"scores": {"cubic": {**score, "iou": 0.9}}}))
        for size in (32, 16, 8):
            measured = {"ssim": iou, "psnr": 20.0, "max_difference": 0.5, "percentage_error": -iou}
            box = {"mask_type": "cubic", "mask_size": size}
            rows.append(UnitRow("reconstruction", name, "unconditional", box, "", measured))
    return rows


def test_a_table_shows_the_thesis_ours_the_detector_and_how_many():
    table = TABLES["3.1"]
    measured = measured_rows(table, rows_of_table_31(), {"one": "A", "two": "B"})
    line = next(one for one in markdown_table(table, measured).splitlines() if one.startswith("| 8 | 8 | +0.2 "))
    assert "| 0.61 / 0.76 | 0.50 [0.40, 0.60] / " in line and "| 0.90 [0.90, 0.90] / " in line
    assert line.endswith("| 2, 2 |")
    lines = list(csv.DictReader(io.StringIO(tables_csv([(table, measured)]))))
    ours = [one for one in lines if one["method"] == "ours, thesis' method"]
    assert len(ours) == 1 and ours[0]["iou"] == "0.5" and ours[0]["people"] == "2"
    assert latex_table(table, measured).count(r"\\") == 8
    swapped = measured_rows(TABLES["3.2"], [], {})
    assert "0.23 / 0.37 *" in markdown_table(TABLES["3.2"], swapped)


def test_comparators_stand_below_a_table_and_what_is_left_out_is_told_in_every_text(tmp_path):
    """A column for each of twenty comparators could not be read; the thesis' columns stay whatever takes part."""
    rows, person_of = rows_of_table_31(), {"one": "A", "two": "B"}
    columns = markdown_table(TABLES["3.1"], measured_rows(TABLES["3.1"], rows, person_of)).splitlines()[2]
    score = {"scores": {"cubic": {"iou": 0.25, "f1": 0.4}}}
    case = {"diameter": 8, "change": 0.2}
    rows += [UnitRow("brain", "one", name, case, "", score) for name in ("mean fill", "net")]
    rows.append(UnitRow("brain", "one", "blind", case, "", {"left_out": "x < y"}))
    measured = measured_rows(TABLES["3.1"], rows, person_of)
    lines = markdown_table(TABLES["3.1"], measured).splitlines()
    assert lines[2] == columns and lines[-4:] == [
        "| method | anomaly 8, +0.2 |",
        "|---|---|",
        "| mean fill | 0.25 / 0.40 |",
        "| net | 0.25 / 0.40 |",
    ]
    latex = latex_table(TABLES["3.1"], measured)
    assert latex.count("begin{tabular}") == latex.count("end{tabular}") == 2 and r"net & 0.25 / 0.40 \\" in latex
    facts = dict(faanomaly="0", date="", machine="", seed=0, subjects=[], people=2, learned_from=[], networks={})
    stored = StoredExperiment({**facts, "warnings": []}, person_of, ("3.1",), tuple(rows))
    write_html(stored, tmp_path, {})
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<td>mean fill</td><td>0.25 / 0.40</td>" in page and "one, blind: x &lt; y" in page and CELLS in page
    assert "one, blind: x < y" in write_tables(stored, tmp_path)


def test_figures_are_drawn_where_there_is_something(tmp_path):
    rows = rows_of_table_31()
    picture = draw_figure("3.1", rows, tmp_path)
    assert picture is not None and len(picture.getcolors(1 << 24) or ()) > 20
    assert draw_figure("3.9", rows, tmp_path) is None and draw_figure("3.42", rows, tmp_path) is None
    with pytest.raises(FAError, match="no figure '4.1'"):
        draw_figure("4.1", rows, tmp_path)
    with pytest.raises(FAError, match="missing or damaged"):
        draw_figure("3.26", [UnitRow("hole", "one", "c", rows[0].setting, "gone", rows[0].row)], tmp_path)


def test_masks_are_drawn_in_every_size_and_applied(subjects, tmp_path):
    """Figures 2.5 to 2.8, without any network."""
    store, subject = UnitStore(tmp_path), subjects[0]
    laboratory = Laboratory(Equipment({subject.name: subject}, {}, (), "default", "cpu", 0), store)
    rows, hidden = [], {"cubic": 0, "wm": 0}
    for size in MASK_SIZES:
        unit = Unit("mask", subject.name, "", {"mask_size": size})
        finished = laboratory.compute(unit)
        store.write(unit, finished)
        rows.append(UnitRow("mask", subject.name, "", unit.setting, unit.name, finished.row))
        fa, cubic, guided = (finished.arrays[name] for name in ("lesioned", "cubic", "wm"))
        assert cubic.sum() == size**2 and np.array_equal(guided, cubic & (fa > 0.2))
        hidden = {name: count + int(finished.arrays[name].sum()) for name, count in hidden.items()}
    units = tmp_path / "units"
    masks = {name: np.asarray(draw_figure(name, rows, units).convert("L"))[42:-30] for name in MASK_FIGURES}
    white = {name: int((masks[name] > 250).sum()) for name in ("2.5", "2.6")}
    # A voxel is two pixels wide.
    assert white["2.5"] == pytest.approx(4 * hidden["cubic"], rel=0.1) and 0 < hidden["wm"] < hidden["cubic"]
    assert white["2.6"] < white["2.5"]
    # Applied: what was the mask's is black, and the rest is the map.
    outlined = 4 * 4 * sum(MASK_SIZES)
    for mask, applied in (("2.5", "2.7"), ("2.6", "2.8")):
        assert (masks[applied][masks[mask] > 250] > 40).sum() < outlined
        assert (masks[applied][masks[mask] < 5] > 40).sum() > 10_000
