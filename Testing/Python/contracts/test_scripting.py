"""Detection from a script: blocking without an event loop, and in the background."""

import slicer_harness

slicer_harness.require()

import os
import re

import numpy as np
import pytest
import slicer
import slicer.util

from FAAnomalyLib.errors import FAError
from support.drivers.engine_bench import is_running
from support.drivers.panel_bench import node_ids, results_of
from support.fakes import engine_copies
from support.paths import ROOT
from support.phantoms.mrml_volumes import GRIDS, add_volume, brainlike

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "slicer.md"
SECTION = "## From the Python console"


@pytest.fixture
def logic_on(open_module, monkeypatch):
    """Makes the module's logic, without a panel, on an engine of a mode."""
    made = []

    def make(mode="quick"):
        from FAAnomalySlicer.worker_client import launcher as engine

        monkeypatch.setattr(
            engine,
            "engine_command",
            lambda *arguments: engine_copies.command(engine.engine_environment(), mode, *arguments),
        )
        open_module.module("FAAnomaly")
        import FAAnomaly

        made.append(FAAnomaly.FAAnomalyLogic())
        return made[-1]

    yield make
    for logic in made:
        close(logic)


def close(logic):
    logic.close()
    for connection in logic.detections._connections.values():
        for _ in range(500):
            slicer_harness.pump(0.01)
            connection.poll(0.02)
            if connection.client.status == "stopped":
                break
        assert connection.client.status == "stopped"


@pytest.mark.fast
def test_run_waits_and_returns_nodes(logic_on):
    logic, volume, seen = logic_on(), add_volume(brainlike(), GRIDS["oblique"]), []
    nodes = logic.run(volume, seed=5, mask_size=8, progress=lambda *report: seen.append(report))
    assert nodes.zMap is results_of(volume).zMap and nodes.table.GetNumberOfRows() == 2
    assert nodes.zMap.GetAttribute("FAAnomaly.seed") == "5" and nodes.zMap.GetAttribute("FAAnomaly.maskSize") == "8"
    fractions = [fraction for fraction, stage, eta in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    before = node_ids()
    again = logic.run(volume, threshold=10.0, signs="increased")
    assert node_ids() == before and again.table.GetNumberOfRows() == 1
    decreases = logic.run(volume, threshold="sensitive", signs="decreased")
    assert (
        decreases.segmentation.GetAttribute("FAAnomaly.threshold") == "2.5" and decreases.table.GetNumberOfRows() == 1
    )


def test_a_box_and_a_segment_by_name(logic_on):
    logic, volume = logic_on(), add_volume(brainlike(), GRIDS["ras"])
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter(0.0, 70.0, 10.0)
    roi.SetSize(30, 30, 30)
    nodes = logic.run(volume, roi=roi)
    changed = slicer.util.arrayFromVolume(nodes.pseudoHealthy) != slicer.util.arrayFromVolume(volume)
    assert 0 < changed.sum() <= 11**3

    segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    segmentation.CreateDefaultDisplayNodes()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    segment = segmentation.GetSegmentation().AddEmptySegment("", "suspect")
    mask = np.zeros_like(changed, np.uint8)
    mask[8:12, 12:18, 10:16] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, segmentation, segment, volume)
    nodes = logic.run(volume, segment=(segmentation, "suspect"))
    changed = slicer.util.arrayFromVolume(nodes.pseudoHealthy) != slicer.util.arrayFromVolume(volume)
    assert changed.any() and not changed[mask == 0].any()


def test_errors_are_of_one_class_and_say_everything(logic_on):
    logic, volume = logic_on("fails"), add_volume(brainlike(), GRIDS["ras"])
    with pytest.raises(FAError) as caught:
        logic.run(volume)
    error = caught.value
    assert (error.code, error.fix) == ("bad-input", "Choose an FA map") and error.why
    for wrong in ({"mask_size": 7}, {"roi": volume, "segment": (None, "")}, {"threshold": -1}, {"signs": "up"}):
        with pytest.raises(FAError) as caught:
            logic.run(volume, **wrong)
        assert caught.value.code == "bad-request"
    with pytest.raises(FAError) as caught:
        logic.run(None)
    assert "no input volume" in str(caught.value)
    with pytest.raises(FAError, match="Unknown option colour"):
        logic.run(volume, colour="red")


def test_start_returns_at_once_and_tells_how_it_goes(logic_on):
    logic, volume, seen, ended = logic_on("slow:0.3"), add_volume(brainlike(), GRIDS["ras"]), [], []
    job = logic.start(volume)
    job.progress.connect(lambda fraction, stage, eta: seen.append(stage))
    job.finished.connect(ended.append)
    assert job.result is None and job.state == "preparing"
    with pytest.raises(FAError, match="A run is going on"):
        logic.start(volume)
    slicer_harness.pump_until(lambda: job.over, 120)
    assert ended == [job] and job.state == "done" and "filling holes" in seen
    assert job.result.zMap is results_of(volume).zMap
    assert [region.sign for region in job.regions] == ["increased", "decreased"]
    assert job.provenance["device"] == "pretended device"


def test_start_can_be_cancelled(logic_on):
    logic, volume = logic_on("stuck:registration"), add_volume(brainlike(), GRIDS["ras"])
    before = node_ids()
    job = logic.start(volume)
    slicer_harness.pump_until(lambda: job.state == "running", 120)
    job.cancel()
    slicer_harness.pump_until(lambda: job.over, 120)
    assert (job.state, job.error.code) == ("cancelled", "cancelled") and node_ids() == before


def test_an_interrupted_script_leaves_no_engine(logic_on):
    logic, volume = logic_on("stuck:registration"), add_volume(brainlike(), GRIDS["ras"])

    def interrupt(fraction, stage, eta):
        if stage == "registration":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        logic.run(volume, progress=interrupt)
    close(logic)


def test_a_logic_that_is_not_kept_ends_its_engine(logic_on):
    volume = add_volume(brainlike(), GRIDS["ras"])
    logic_on()
    import FAAnomaly

    logic = FAAnomaly.FAAnomalyLogic()
    logic.run(volume)
    pid = logic.detections.connection(False).client._session.hello["pid"]
    assert is_running(pid) and pid != os.getpid()
    del logic
    slicer_harness.pump_until(lambda: not is_running(pid), 60)


def documented_lines():
    text = PAGE.read_text(encoding="utf-8")
    if SECTION not in text:
        return None
    section = text.partition(SECTION)[2].partition("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


def test_the_documented_lines_run(logic_on, tmp_path, monkeypatch):
    blocks = documented_lines()
    assert blocks, f"docs/slicer.md has no lines under {SECTION!r}"
    logic_on()
    another = add_volume(brainlike(seed=1), GRIDS["ras"], "FA of another")
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode")
    sequence.SetDataNodeAtValue(another, "0")
    add_volume(brainlike(), GRIDS["oblique"], "FA")
    slicer.mrmlScene.RemoveNode(another)
    before = set(slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"))
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    slicer_harness.pump_until(lambda: names["job"].over, 120)
    assert names["job"].state == "done"
    copies = [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        if node not in before and node.GetAttribute("FAAnomaly.version") is None
    ]
    assert [results_of(copy).zMap is not None for copy in copies] == [True], "the sequence's only map was analysed"
    close(names["logic"])
