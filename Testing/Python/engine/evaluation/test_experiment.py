"""A whole evaluation of methods whose scores are known beforehand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.datasets.cohort import load_subject
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.cases import Case, EvaluationProtocol
from FAAnomalyLib.evaluation.methods.harmonic_zmap import HARMONIC_ZMAP
from FAAnomalyLib.evaluation.methods.template_zmap import TEMPLATE_ZMAP
from FAAnomalyLib.evaluation.metrics.froc import Z_THRESHOLDS
from FAAnomalyLib.evaluation.planting.lesion_simulator import LesionSimulator
from FAAnomalyLib.evaluation.planting.lesions import sphere
from FAAnomalyLib.evaluation.planting.shapes import LesionShape
from FAAnomalyLib.evaluation.rows import ALL_POSITIVE, FAANOMALY, ONE_SIDED, SENSITIVE, THESIS_RULE
from FAAnomalyLib.evaluation.tables.evaluation_report import FILES, evaluation_report, report_text, write_report
from FAAnomalyLib.evaluation.tables.formats import markdown
from FAAnomalyLib.evaluation.tables.summary import summarise, summarise_healthy
from FAAnomalyLib.result import Result
from FAAnomalyLib.runtime.progress import CancelToken
from FAAnomalyLib.volume import Volume
from support.drivers.evaluation_bench import ALONE, PROTOCOL, Knowing, of, run
from support.phantoms import synthetic_brain as sb

COMPARATORS = TEMPLATE_ZMAP.name, HARMONIC_ZMAP.name
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("aligned")]


class Cautious(Knowing):
    """Knows as much and says nothing, but tells of a lower threshold."""

    def score(self, volume):
        known = super().score(volume)
        empty = replace(known, segmentation=volume.with_data(np.zeros(volume.shape, np.uint8)), regions=[])
        return replace(
            empty,
            provenance={
                "calibration": {
                    "sensitive_z": {"increased": 5.0, "decreased": 6.0},
                    "alone_z": {"increased": 4.0, "decreased": 20.0},
                }
            },
        )


class Repeating(Knowing):
    """Predicts what it sees and finds the anomaly all the same."""

    def predict(self, volume):
        return volume.data


class Everything(Knowing):
    """Calls every voxel of the brain increased."""

    def score(self, volume):
        z = volume.with_data(np.where(volume.data > 0, 10.0, 0.0).astype(np.float32))
        return Result(volume, volume, volume.with_data(0 * volume.data), z, *find_regions(z, z, 3.0))


@pytest.fixture(scope="module")
def perfect(tmp_path_factory, subjects, template):
    reports: list = []
    rows = run(tmp_path_factory.mktemp("out"), subjects, template, progress=lambda *report: reports.append(report))
    return rows, reports


def test_a_perfect_method_scores_one(perfect):
    rows = of(perfect[0].planted, FAANOMALY)
    assert len(rows) == 3 * 2
    for row in rows:
        assert [row[k] for k in ("dice", "iou", "auprc", "dice_best", "found", "precision", "sensitivity")] == [1.0] * 7
        assert row["false_regions"] == row["found_untouched"] == row["leak"] == 0.0
        assert row["free_response"] == [[1.0, 0.0]] * len(Z_THRESHOLDS), "z is 10, beyond every level"
        assert row["evaluations"] == 7 and row["seconds"] > 0
        assert row["effective_change"] == pytest.approx(row["change"], abs=0.05)
    healthy = of(perfect[0].healthy, FAANOMALY)
    assert [row["any_region"] for row in healthy] == [0.0] * 3 and healthy[0]["threshold_z"] == 3.0


def test_beside_it_stand_the_comparators(perfect):
    rows = perfect[0]
    for name in (*COMPARATORS, THESIS_RULE, ALL_POSITIVE):
        assert len(of(rows.planted, name)) == 6
    for row in of(rows.planted, ALL_POSITIVE):
        p = row["prevalence"]
        assert row["precision"] == pytest.approx(p) and row["auprc"] == pytest.approx(p)
        assert row["dice"] == pytest.approx(2 * p / (1 + p)) and row["dice_best"] == pytest.approx(2 * p / (1 + p))
    # The method's difference is exactly the planted change, beyond change - 0.02 wherever it was not clipped.
    assert all(row["dice"] > 0.9 for row in of(rows.planted, THESIS_RULE))
    for name in COMPARATORS:
        assert all(len(row["threshold_z"]) == 2 for row in of(rows.healthy, name))
    # The synthetic brains are the template with little variation: it knows them well, their surroundings do not.
    # A change at the rim of what is analysed may be missed.
    by_template = of(rows.planted, "template z-map")
    assert np.median([row["auprc"] for row in by_template]) > 0.5
    assert all(abs(row["leak"]) < 0.15 for row in by_template)
    assert all(0.1 < row["leak"] < 0.6 for row in of(rows.planted, "harmonic fill"))


def test_the_same_map_is_scored_at_its_sensitive_threshold_as_well(tmp_path, subjects, template):
    rows = run(tmp_path, subjects[:1], template, Cautious, methods=ALONE)
    for method, score in ((FAANOMALY, 0.0), (SENSITIVE, 1.0)):
        found = of(rows.planted, method)
        assert len(found) == 2 and [(row["found"], row["dice"]) for row in found] == [(score, score)] * 2
        assert [row["found_untouched"] for row in found] == [0.0] * 2
        (healthy,) = of(rows.healthy, method)
        assert healthy["regions"] == 0
    assert healthy["threshold_z"] == [5.0, 6.0]
    # Each sign alone where it was planted; the decrease is not beyond the 20 that this method asks for.
    for sign, score in (("increased", 1.0), ("decreased", 0.0)):
        (row,) = of(rows.planted, ONE_SIDED[sign])
        assert (row["found"], row["dice"], row["false_regions"], row["threshold_z"]) == (score, score, 0, [4.0, 20.0])
        assert (row["change"] > 0) == (sign == "increased") and row["found_untouched"] == 0.0
        assert row["free_response"] == [[1.0, 0.0]] * len(Z_THRESHOLDS)
        assert [one["regions"] for one in of(rows.healthy, ONE_SIDED[sign])] == [0]
    shown = markdown(summarise(rows.planted), summarise_healthy(rows.healthy))
    assert all(shown.count(f"| {method} |") == 2 for method in ONE_SIDED.values())
    again = run(tmp_path, subjects[:1], template, Cautious, resume=True, methods=ALONE)
    assert again.healthy == rows.healthy and again.planted == rows.planted


def test_comparators_never_set_their_threshold_on_the_same_person(perfect):
    by_person = {row["person"]: row["threshold_z"] for row in of(perfect[0].healthy, "template z-map")}
    highest = {
        person: max(row["z_highest"] for row in of(perfect[0].healthy, "template z-map") if row["person"] == person)
        for person in "AB"
    }
    assert by_person["A"][0] == pytest.approx(highest["B"]) and by_person["B"][0] == pytest.approx(highest["A"])


def test_progress_runs_forward(perfect):
    fractions = [fraction for fraction, _, _ in perfect[1]]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0


@pytest.mark.fast
def test_a_method_that_repeats_its_input_leaks_one(tmp_path, subjects, template):
    rows = run(tmp_path, subjects[:1], template, Repeating, methods=ALONE)
    assert [row["leak"] for row in of(rows.planted, FAANOMALY)] == [pytest.approx(1.0, abs=1e-5)] * 2


def test_a_method_that_calls_everything_anomalous_has_the_prevalence_for_precision(tmp_path, subjects, template):
    rows = run(tmp_path, subjects[:1], template, Everything, methods=ALONE)
    brain = np.count_nonzero(load_subject(subjects[0])[0].data)
    white = LesionSimulator(subjects[0], template, 3).reference.white_matter
    (healthy,) = of(rows.healthy, FAANOMALY)
    for row in of(rows.planted, FAANOMALY):
        assert row["auprc"] == pytest.approx(row["prevalence"])
        truth = row["prevalence"] * white.sum()
        assert row["precision"] == pytest.approx(truth / brain if row["change"] > 0 else 0.0)
        # Of the wrong sign it is no find and a false region; of the right one it was there without the anomaly.
        hits = int(row["change"] > 0)
        assert (row["found"], row["false_regions"]) == (float(hits), healthy["regions"] - hits)
        assert row["found_untouched"] == row["found"]
    assert healthy["any_region"] == 1.0


def test_places_are_reproducible_and_the_same_for_all_changes(subjects, template):
    def truth(seed=3, place=0, change=0.2, subject=subjects[0]):
        return LesionSimulator(subject, template, seed).plant(Case("sphere", 16, place, "", change)).truth

    first = truth()
    assert (truth() == first).all() and (truth(change=-0.3) == first).all()
    others = [truth(seed=4), truth(place=1), truth(subject=subjects[1])]
    assert not any((other == first).all() for other in others)


def test_the_truth_is_white_matter_of_a_whole_sphere(subjects, template):
    simulator = LesionSimulator(subjects[0], template, 3)
    planted = simulator.plant(Case("sphere", 16, 0, "", 0.2))
    assert not (planted.truth & ~simulator.reference.white_matter).any()
    changed = planted.volume.data != simulator.reference.volume.data
    assert not (changed & ~planted.truth).any()
    millilitres = simulator.reference.millilitres(planted.truth)
    assert 0.5 * 4.19 * 0.8 < millilitres < 4.19 * 1.2


def ball(name, centre, diameter):
    grid = Volume(
        np.zeros((90, 110, 90), np.float32),
        np.array([[-2.0, 0, 0, 90], [0, 2, 0, -130], [0, 0, 2, -70], [0, 0, 0, 1.0]]),
    )
    return LesionShape(name, grid.with_data(sphere(grid, centre, diameter).astype(np.uint8)), 4.0)


def test_lesion_shapes_are_planted_and_those_outside_white_matter_left_out(tmp_path, subjects, template):
    shapes = [ball("inside", sb.DEEP_WHITE_MATTER, 20.0), ball("outside", (80.0, 90.0, 80.0), 20.0)]
    rows = run(
        tmp_path, subjects[:1], template, protocol=EvaluationProtocol(diameters=()), shapes=shapes, methods=ALONE
    )
    assert [row["lesion"] for row in rows.left_out] == ["outside"]
    (row,) = of(rows.planted, FAANOMALY)
    assert row["lesion"] == "inside" and row["dice"] == 1.0 and row["change"] == -0.4
    assert -0.4 < row["effective_change"] < -0.1


class Stopping(Knowing):
    """Cancels the run at its fifth volume."""

    token: CancelToken
    analysed: list

    def __init__(self, subject):
        super().__init__(subject, Stopping.analysed)

    def score(self, volume):
        if len(self.analysed) == 4:
            self.token.cancel()
        return super().score(volume)


def test_a_cancelled_run_goes_on_where_it_stopped(tmp_path, subjects, template, perfect):
    two = subjects[::2]
    Stopping.token, Stopping.analysed = CancelToken(), []
    with pytest.raises(FAError) as caught:
        run(tmp_path, two, template, Stopping, cancel=Stopping.token)
    assert caught.value.code == "cancelled" and "--resume" in str(caught.value) and "\n" not in str(caught.value)
    before = len(Stopping.analysed)
    Stopping.token = CancelToken()
    rows = run(tmp_path, two, template, Stopping, resume=True)
    assert before < 6 and len(Stopping.analysed) == 6, "two untouched and four planted brains, each scored once"

    def timeless(rows):
        """Of both people the detector's rows, and the comparators' of A, whose thresholds are from B alone."""
        chosen = [row for row in rows if row["subject"] == "a1" or (row["subject"], row["method"]) == ("b1", FAANOMALY)]
        return [{k: v for k, v in row.items() if k != "seconds"} for row in chosen]

    assert {row["method"] for row in timeless(rows.planted)} >= {FAANOMALY, *COMPARATORS}
    assert timeless(rows.planted) == timeless(perfect[0].planted)
    assert timeless(rows.healthy) == timeless(perfect[0].healthy)
    # A finished run is read back, and more places add to it.
    more = EvaluationProtocol(PROTOCOL.diameters, PROTOCOL.changes[:1], 2, PROTOCOL.seed)
    run(tmp_path, two, template, Stopping, more, resume=True, methods=ALONE)
    assert len(Stopping.analysed) == 6 + 2
    # Without --resume nothing is believed.
    run(tmp_path, two[:1], template, Stopping, EvaluationProtocol(diameters=()), methods=ALONE)
    assert len(Stopping.analysed) == 6 + 2 + 1


class Another(Knowing):
    """Scores alike under another name."""

    def __init__(self, subject):
        super().__init__(subject)
        self.identity = "another"


def test_what_earlier_runs_planted_in_the_same_subjects_stands_in_the_table(tmp_path, subjects, template):
    def cases(subjects, changes, resume=True, method=Knowing):
        rows = run(tmp_path, subjects, template, method, EvaluationProtocol((16,), changes, 1, 3), resume=resume)
        told = {
            method: [(row["subject"], row["change"]) for row in of(rows.planted, method)]
            for method in (FAANOMALY, *COMPARATORS, ALL_POSITIVE)
        }
        assert len({tuple(told[method]) for method in told}) == 1, "every method has the same ones"
        return sorted(told[FAANOMALY])

    one = subjects[:1]
    assert cases(one, (0.2,), resume=False) == [("a1", 0.2)]
    assert cases(one, (0.1,)) == [("a1", 0.1), ("a1", 0.2)]
    # With another person the comparators have other thresholds: what was scored with the old ones is left out.
    assert cases(subjects[::2], (0.1,)) == [("a1", 0.1), ("b1", 0.1)]
    # Another method has planted nothing yet; without --resume nobody has.
    assert cases(one, (0.1,), method=Another) == [("a1", 0.1)]
    assert cases(one, (0.1,), resume=False) == [("a1", 0.1)]


class Failing(Knowing):
    def score(self, volume):
        raise FAError("bad-input", "The volume could not be aligned", "it is none", "Choose another")


def test_an_error_names_the_subject_in_one_line(tmp_path, subjects, template):
    with pytest.raises(FAError, match=r"^a1_FA.nii.gz: The volume could not be aligned") as caught:
        run(tmp_path, subjects, template, Failing)
    assert "\n" not in str(caught.value)


def test_the_files_tell_everything_in_strict_json(tmp_path, perfect):
    report = evaluation_report(perfect[0], PROTOCOL, {"model_sha256": {}}, ["a warning"])
    write_report(report, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(FILES)
    stored = json.loads((tmp_path / "evaluation.json").read_text(), parse_constant=pytest.fail)
    both = next(c for c in stored["planted"] if c["method"] == FAANOMALY and c["signs"] == "both")
    assert both["dice"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "people": 2, "cases": 6}
    text = (tmp_path / "table.md").read_text()
    assert text == report_text(report) and "a warning" in text and "2 people, 3 volumes, 6 planted anomalies" in text
    assert "| FAAnomaly | sphere 16 (20 mm) | ±0.2 | 1.00 [1.00, 1.00] |" in text
    assert text.count("| FAAnomaly | sphere") == 3 and text.count("| all positive | sphere") == 1
    widths = {line.count("|") for line in (tmp_path / "table.csv").read_text().splitlines()}
    assert widths == {0} and len((tmp_path / "table.csv").read_text().splitlines()) == 1 + 6 * 3
