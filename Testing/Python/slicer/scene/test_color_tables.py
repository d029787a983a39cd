"""Signed colours, terminology and legend: what they promise and whether Slicer takes them."""

import slicer_harness

slicer_harness.require()

import json

import numpy as np
import pytest
import slicer
import vtk

from FAAnomalySlicer.scene import color_tables, terminology
from support.phantoms.mrml_volumes import GRIDS, add_volume, brainlike

TRANSPOSED = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""Linear RGB as a dichromat sees it (Machado, Oliveira and Fernandes 2009, severity 1)."""


def lab(rgb):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return _lab_of_linear(linear)


def _lab_of_linear(linear):
    xyz = np.clip(linear, 0, 1) @ np.array(
        [[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]]
    )
    f = xyz / [0.9505, 1.0, 1.089]
    f = np.where(f > 0.008856, np.cbrt(f), 7.787 * f + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)


def seen_by(kind, rgb):
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return _lab_of_linear(linear if kind == "normal" else linear @ np.array(TRANSPOSED[kind]).T)


def test_transparent_in_the_middle_only_and_symmetric():
    table = color_tables.color_table(0.25, 0.25)
    assert table.shape == (256, 4) and ((table >= 0) & (table <= 1)).all()
    shown = table[:, 3] > 0
    assert set(np.unique(table[:, 3])) == {0.0, 1.0}
    np.testing.assert_array_equal(shown, shown[::-1])
    assert shown.sum() == 256 - 64 and not shown[128] and not shown[127]


def test_each_sign_begins_where_it_is_told_to_and_never_before():
    for up, down in ((0.5, 0.5), (0.5, 0.4), (0.333, 0.5), (0.5, np.inf), (np.inf, 0.5)):
        shown = color_tables.color_table(up, down)[:, 3] > 0
        edges = np.linspace(-1, 1, 257)
        first = edges[:-1][128:][shown[128:]].min(initial=np.inf)
        last = edges[1:][:128][shown[:128]].max(initial=-np.inf)
        assert (up <= first + 1e-9 < up + 1 / 128 + 1e-8) if up < np.inf else first == np.inf
        assert (down <= -last + 1e-9 < down + 1 / 128 + 1e-8) if down < np.inf else last == -np.inf


@pytest.mark.parametrize("kind", ["normal", *TRANSPOSED])
def test_the_two_signs_are_told_apart_by_every_eye(kind):
    table = color_tables.color_table(0.25, 0.25)
    up, down = seen_by(kind, table[table[:, 3] > 0][::-1, :3][:96]), seen_by(kind, table[table[:, 3] > 0][:96, :3])
    apart = np.linalg.norm(up[:, None] - down[None], axis=-1)
    assert apart.min() > 15


@pytest.mark.parametrize("kind", ["normal", *TRANSPOSED])
def test_strength_is_told_by_lightness_and_never_by_grey(kind):
    table = color_tables.color_table(0.25, 0.25)[:, :3]
    for half in (table[160:], table[:96][::-1]):
        seen = seen_by(kind, half)
        assert (np.diff(seen[:, 0]) < 0).all()  # the stronger, the darker
        assert np.linalg.norm(seen[:, 1:], axis=-1).min() > (25 if kind == "normal" else 8)


def shown_map(name="z", up=3.5, down=3.5):
    volume = add_volume(brainlike(), GRIDS["ras"], name)
    volume.CreateDefaultDisplayNodes()
    color_tables.show_beyond(volume, up, down)
    return volume


def test_each_map_has_a_table_of_its_own_and_uses_it_again(scene):
    first, second = shown_map("one"), shown_map("two", 5.0, 2.5)
    tables = [volume.GetDisplayNode().GetColorNode() for volume in (first, second)]
    assert tables[0] is not tables[1] and color_tables.is_signed(first)
    color_tables.show_beyond(first, 6.0, 4.0)
    assert first.GetDisplayNode().GetColorNode() is tables[0]
    rgba = [0.0] * 4
    for entry in (0, 100, 128, 200, 255):
        tables[1].GetColor(entry, rgba)
        np.testing.assert_allclose(rgba, color_tables.color_table(0.5, 0.25)[entry], atol=0.003)
    scene.RemoveNode(first)
    assert shown_map("three").GetDisplayNode().GetColorNode() is tables[0], "one that nobody uses is taken again"
    second.GetDisplayNode().SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    assert not color_tables.is_signed(second), "colours that the user has chosen"


def test_a_value_gets_its_colour(scene):
    volume = shown_map()
    display = volume.GetDisplayNode()
    look_up = vtk.vtkLookupTable()
    look_up.DeepCopy(display.GetColorNode().GetLookupTable())
    look_up.SetRange(display.GetWindowLevelMin(), display.GetWindowLevelMax())
    for value, red_over_blue in ((12.0, True), (-12.0, False), (5.0, True), (-5.0, False)):
        rgb = [0.0] * 3
        look_up.GetColor(value, rgb)
        assert (rgb[0] > rgb[2]) == red_over_blue and look_up.GetOpacity(value) == 1
    for value in (0.0, 3.4, -3.4):
        assert look_up.GetOpacity(value) == 0


def test_the_table_survives_saving(scene, tmp_path):
    shown_map()
    assert scene.WriteToMRB(str(tmp_path / "a.mrb"))
    scene.Clear(0)
    scene.ReadFromMRB(str(tmp_path / "a.mrb"))
    node = scene.GetFirstNodeByName("z").GetDisplayNode().GetColorNode()
    assert color_tables.is_signed(scene.GetFirstNodeByName("z"))
    rgba = [0.0] * 4
    found = []
    for entry in range(256):
        node.GetColor(entry, rgba)
        found.append(list(rgba))
    np.testing.assert_allclose(found, color_tables.color_table(0.5, 0.5), atol=0.003)


def test_a_slicer_without_legends_is_tolerated(scene, monkeypatch):
    volume = add_volume(brainlike(), GRIDS["ras"])
    volume.CreateDefaultDisplayNodes()
    monkeypatch.delattr(slicer.modules, "colors")
    color_tables.add_legend(volume, "z")
    assert volume.GetNumberOfDisplayNodes() == 1


@pytest.mark.parametrize("sign", ["increased", "decreased"])
def test_terminology_is_what_slicer_reads(sign):
    entry = slicer.vtkSlicerTerminologyEntry()
    slicer.vtkSlicerTerminologiesModuleLogic.DeserializeTerminologyEntry(terminology.entry(sign), entry)
    assert entry.GetTerminologyContextName() == "Segmentation category and type - FAAnomaly"
    assert entry.GetCategoryObject().GetCodeValue() == "49755003"
    assert entry.GetTypeObject().GetCodeMeaning().startswith(sign.capitalize())
    assert entry.GetTypeObject().GetCodingSchemeDesignator() == "99FAANOMALY"
    assert entry.GetRegionObject().GetCodeMeaning() == "White Matter"
    assert slicer.vtkSlicerTerminologiesModuleLogic.SerializeTerminologyEntry(entry) == terminology.entry(sign)
    red, _, blue = terminology.color(sign)
    assert (red > blue) == (sign == "increased")


def test_slicer_loads_the_file_once(scene, monkeypatch):
    logic = slicer.modules.terminologies.logic()
    for _ in range(2):
        terminology.load()
    names = vtk.vtkStringArray()
    logic.GetLoadedTerminologyNames(names)
    found = [names.GetValue(number) for number in range(names.GetNumberOfValues())]
    assert found.count("Segmentation category and type - FAAnomaly") == 1
    category = slicer.vtkSlicerTerminologyCategory()
    assert logic.GetNthCategoryInTerminology(found[-1], 0, category) or logic.GetNthCategoryInTerminology(
        "Segmentation category and type - FAAnomaly", 0, category
    )
    assert category.GetCodeMeaning() == "Morphologically Altered Structure"
    monkeypatch.delattr(slicer.modules, "terminologies")
    terminology.load()


def test_codes_are_unique():
    types = json.loads(terminology.FILE.read_text())["SegmentationCodes"]["Category"][0]["Type"]
    assert len({one["CodeValue"] for one in types}) == len(types) == 2
