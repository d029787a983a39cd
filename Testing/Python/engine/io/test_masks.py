"""A mask file holds one mask, or several of which one is chosen and none is merged unasked."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.masks import read_mask_file
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.pipeline.inputs import read_brain_mask, read_region
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.volume import Volume

SHAPE = (8, 9, 10)
FA = Volume(np.full(SHAPE, 0.3, np.float32), np.diag([-2.0, 2.0, 2.0, 1.0]))
BOXES = {"Tumour": (slice(1, 4),) * 3, "Edema": (slice(2, 6),) * 3, "Nothing": (slice(0, 0),) * 3}


def boxes():
    masks = []
    for box in BOXES.values():
        mask = np.zeros(SHAPE, np.uint8)
        mask[box] = 1
        masks.append(mask)
    return masks


def slicer(path, layers, segments):
    """A segmentation as 3D Slicer saves it: overlapping segments in layers, names in the header."""
    images = [SimpleITK.GetImageFromArray(np.ascontiguousarray(layer.T)) for layer in layers]
    image = SimpleITK.Compose(images) if len(images) > 1 else images[0]
    image.SetSpacing((2.0, 2.0, 2.0))
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    for number, (name, layer, label) in enumerate(segments):
        for key, value in (("ID", f"S_{number}"), ("Name", name), ("Layer", layer), ("LabelValue", label)):
            image.SetMetaData(f"Segment{number}_{key}", str(value))
    SimpleITK.WriteImage(image, str(path))
    return path


def region(path, segment=None):
    return read_region(DetectRequest("fa", region=str(path), segment=segment), FA)[0]


def refused(path, segment=None, code="bad-request"):
    with pytest.raises(FAError) as caught:
        region(path, segment)
    assert caught.value.code == code and "\n" not in str(caught.value)
    return str(caught.value)


def test_overlapping_segments_of_slicer_are_chosen_by_name_or_place(tmp_path):
    segments = [(name, layer, 1) for layer, name in enumerate(BOXES)]
    path = slicer(tmp_path / "s.seg.nrrd", boxes(), segments)
    assert "holds 3 segments: they are 1 (Tumour), 2 (Edema), 3 (Nothing). Choose one with --segment" in refused(path)
    for number, (name, mask) in enumerate(zip(BOXES, boxes(), strict=True), 1):
        for chosen in (name, str(number)):
            if mask.any():
                np.testing.assert_array_equal(region(path, chosen), mask > 0)
            else:
                assert "Segment 3 (Nothing) of s.seg.nrrd is empty" in refused(path, chosen, "bad-input")
    assert "no one segment 'tumor'" in refused(path, "tumor")


def test_segments_in_one_layer_are_chosen_by_name_or_label(tmp_path):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3], labels[5:7] = 4, 2
    path = slicer(tmp_path / "s.seg.nrrd", [labels], [("A", 0, 4), ("B", 0, 2)])
    for chosen, label in (("A", 4), ("4", 4), ("B", 2), ("2", 2)):
        np.testing.assert_array_equal(region(path, chosen), labels == label)
    refused(path, "1")


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
def test_a_label_map_is_not_merged(tmp_path, ending):
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3], labels[5:7] = 1, 3
    path = tmp_path / f"labels{ending}"
    save_volume(FA.with_data(labels), path)
    assert "holds 2 segments: they are 1, 3." in refused(path)
    np.testing.assert_array_equal(region(path, "3"), labels == 3)
    brain, remarks = read_brain_mask(DetectRequest("fa", brain_mask=str(path)), FA)
    np.testing.assert_array_equal(brain, labels > 0)
    assert remarks == [f"all 2 segments of {path.name} count as brain"]


def test_one_mask_needs_no_choice(tmp_path):
    values = np.zeros(SHAPE)
    values[2:5], values[5] = 0.8, 0.3
    for name, data in (("share", values), ("whole", (values > 0.5) * 255), ("nan", np.where(values > 0.5, 1, np.nan))):
        save_volume(FA.with_data(data), tmp_path / f"{name}.nii")
        np.testing.assert_array_equal(region(tmp_path / f"{name}.nii"), values > 0.5)
    one = slicer(tmp_path / "one.seg.nrrd", boxes()[:1], [("Tumour", 0, 1)])
    np.testing.assert_array_equal(region(one), boxes()[0] > 0)
    assert [str(segment) for segment in read_mask_file(one).segments] == ["1 (Tumour)"]


def test_an_empty_mask_is_called_empty_wherever_it_lies(tmp_path):
    save_volume(Volume(np.zeros(SHAPE), np.diag([1.0, 2.0, 3.0, 1.0])), tmp_path / "none.nii")
    assert "The region none.nii is empty" in refused(tmp_path / "none.nii", code="bad-input")
    with pytest.raises(FAError, match="brain mask is empty"):
        read_brain_mask(DetectRequest("fa", brain_mask=str(tmp_path / "none.nii")), FA)


def test_a_segment_needs_a_region():
    assert DetectRequest.from_dict({"input": "a", "region": "b", "segment": 2}).check().segment == "2"
    assert len(DetectRequest("a", segment="2").problems()) == 1
    assert len(DetectRequest("a", region="b", segment="").problems()) == 1
