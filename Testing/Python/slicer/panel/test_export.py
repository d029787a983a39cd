"""Export of a result's volumes, table and report from the panel."""

import slicer_harness

slicer_harness.require()

import csv

import numpy as np
import pytest
import qt
import slicer
import slicer.util

from FAAnomalyLib.io.volumes import load_volume
from support.drivers.panel_bench import results_of
from support.phantoms.mrml_volumes import GRIDS

pytestmark = pytest.mark.slow

AUTOMATIC, SENSITIVE, BY_HAND = range(3)
"""Rows of the threshold's selector."""


def test_export(analysed, tmp_path, dialogs, main_window):
    panel, volume = analysed
    nodes = results_of(volume)
    dialogs.answer("Folder for the volumes", str(tmp_path))
    panel.ui.exportVolumesButton.click()
    written, _ = load_volume(tmp_path / "FA_of_somebody_z_map.nii.gz")
    np.testing.assert_allclose(written.data, slicer.util.arrayFromVolume(nodes.zMap).T, atol=1e-6)
    np.testing.assert_allclose(written.affine, GRIDS["oblique"], atol=1e-4)
    assert {path.name for path in tmp_path.iterdir()} == {
        "FA_of_somebody_pseudo_healthy.nii.gz",
        "FA_of_somebody_expected.nii.gz",
        "FA_of_somebody_difference.nii.gz",
        "FA_of_somebody_z_map.nii.gz",
        "FA_of_somebody_segmentation.seg.nrrd",
    }
    assert nodes.zMap.GetStorageNode() is None, "the node itself is saved where it was"

    dialogs.answer("Table of regions", str(tmp_path / "found.csv"))
    panel.ui.exportTableButton.click()
    with open(tmp_path / "found.csv", newline="") as file:
        assert len(list(csv.reader(file))) == 3
    dialogs.answer("Report", str(tmp_path / "page"))
    panel.ui.exportReportButton.click()
    assert (tmp_path / "page.html").read_text() == "<html>report</html>"
    assert "page.html" in panel.ui.summaryLabel.text


def test_export_replaces_nothing_without_a_question(analysed, tmp_path, dialogs, main_window):
    panel, _ = analysed
    kept = tmp_path / "FA_of_somebody_z_map.nii.gz", tmp_path / "page.html"
    for path in kept:
        path.write_text("mine")
    dialogs.answer("Folder for the volumes", str(tmp_path))
    dialogs.answer("Replace what is there already?", qt.QMessageBox.Cancel)
    panel.press(panel.ui.exportVolumesButton)
    dialogs.answer("Report", str(tmp_path / "page"))
    dialogs.answer("Replace what is there already?", qt.QMessageBox.Cancel)
    panel.press(panel.ui.exportReportButton)
    assert {path: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(kept, "mine")
    dialogs.answer("Folder for the volumes", str(tmp_path))
    dialogs.answer("Replace what is there already?", qt.QMessageBox.Ok)
    panel.press(panel.ui.exportVolumesButton)
    assert kept[0].read_bytes()[:2] == b"\x1f\x8b"


def test_export_says_why_it_failed(analysed, tmp_path, dialogs, main_window):
    panel, _ = analysed
    dialogs.answer("Report", str(tmp_path / "no folder" / "page.html"))
    panel.ui.exportReportButton.click()
    assert "Cannot write" in panel.ui.messageLabel.text
