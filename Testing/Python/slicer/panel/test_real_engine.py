"""The panel with the real engine and the bundled weights: nothing is pretended."""

import slicer_harness

slicer_harness.require()

import time

import numpy as np
import pytest
import slicer.util

from FAAnomalyLib.io.volumes import load_volume
from support.drivers.panel_bench import Responsiveness, gone, results_of
from support.phantoms.mrml_volumes import PARENT, put_under

pytestmark = pytest.mark.slow

LONGEST = 900.0
"""Seconds, on a slow and busy machine; half a minute is usual."""


def test_the_sample_from_one_click_to_the_planted_anomaly_and_the_preview(bench, layout):
    from FAAnomalySlicer.scene.sample_data import sample_path

    panel = bench(None)
    panel.ui.sampleButton.click()
    panel.settle()
    volume = panel.parameters.inputVolume
    put_under(volume, PARENT)
    responsiveness = Responsiveness()
    panel.apply()
    panel.until(lambda: not panel.running, LONGEST)
    panel.settle()
    responsiveness.stop()
    assert panel.panel.message.error is None, panel.ui.messageLabel.text
    assert responsiveness.busiest <= slicer_harness.HELD_UP

    nodes = results_of(volume)
    truth, _ = load_volume(sample_path().with_name("sample_truth.nii.gz"))
    found = slicer.util.arrayFromSegmentBinaryLabelmap(nodes.segmentation, "decreased", nodes.zMap) > 0
    # Slicer may have turned an axis of the file; places in the world are compared, not indices.
    given = slicer.util.arrayFromVolume(volume)
    planted = truth.data if same_order(volume, truth) else truth.data[:, :, ::-1]
    planted = planted.T > 0.5
    assert 2 * (found & planted).sum() / (found.sum() + planted.sum()) > 0.4
    assert panel.ui.regionsTable.item(0, 1).text() == "decreased"
    assert (
        panel.ui.regionsTable.item(0, 5).text() and panel.ui.tractsTable.rowCount == nodes.tracts.GetNumberOfRows() > 50
    )
    healthy = slicer.util.arrayFromVolume(nodes.pseudoHealthy)
    assert healthy[planted].mean() > given[planted].mean() + 0.1, "the anomaly is healed"
    assert panel.ui.deviceLabel.text and "FAAnomaly.modelSha256" in nodes.zMap.GetAttributeNames()

    panel.ui.lensButton.click()
    preview = panel.panel.preview
    panel.until(lambda: preview._picture.node is not None, LONGEST)
    roi = panel.parameters.roi
    roi.SetCenter(*(np.array(roi.GetCenter()) - [6.0, 4.0, 2.0]))
    began = time.monotonic()
    panel.settle(0.05)
    panel.until(lambda: not preview._preview.busy, LONGEST)
    print(f"preview: {time.monotonic() - began:.2f} s from release to picture")
    seen = slicer.util.arrayFromVolume(preview._picture.node)
    assert 0 < (np.abs(seen - given) > 1e-6).sum() <= 30**3

    pid = panel.engine_pid()
    panel.close()
    panel.until(lambda: gone(pid))


def same_order(volume, truth) -> bool:
    """Whether the node's third axis runs as the file's."""
    from FAAnomalySlicer.scene.geometry import ijk_to_ras

    return bool(ijk_to_ras(volume)[:3, 2] @ truth.affine[:3, 2] > 0)
