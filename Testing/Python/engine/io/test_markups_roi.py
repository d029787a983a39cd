"""A box drawn in Slicer chooses the voxels whose centres it holds, however it is turned and stored."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.markups_roi import Roi, box_mask, read_markups_roi

TO_LPS = np.diag([-1.0, -1.0, 1.0])
SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


def rotation(seed):
    """A random rotation, columns orthonormal, determinant 1."""
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def oblique(seed, spacing=(2.0, 1.5, 3.0), flip=False):
    affine = np.eye(4)
    affine[:3, :3] = rotation(seed) * spacing
    if flip:
        affine[:3, 0] *= -1
    affine[:3, 3] = (-12.0, 7.5, -9.0)
    return affine


def write(path, center, axes, size, system="LPS", **more):
    """A file as Slicer writes it, from a box in RAS."""
    if system in ("LPS", 1, "1"):
        center, axes = TO_LPS @ center, TO_LPS @ axes
    markup = {
        "type": "ROI",
        "coordinateSystem": system,
        "coordinateUnits": "mm",
        "locked": False,
        "roiType": "Box",
        "center": list(center),
        "orientation": list(np.ravel(axes)),
        "size": list(size),
        "insideOut": False,
        "controlPoints": [],
        "measurements": [],
        "display": {"visibility": True},
        **more,
    }
    path.write_text(json.dumps({"@schema": SCHEMA, "markups": [markup]}))
    return path


def middle(affine, shape):
    return affine[:3, :3] @ (np.array(shape) / 2) + affine[:3, 3]


@pytest.mark.parametrize("seed, flip", list(itertools.product(range(4), (False, True))))
def test_oblique_volume_and_turned_box_agree_with_brute_force(seed, flip):
    shape, affine, axes, size = (11, 14, 9), oblique(seed, flip=flip), rotation(seed + 50), (9.0, 15.0, 11.0)
    center = middle(affine, shape)
    expected = np.zeros(shape, dtype=bool)
    for voxel in np.ndindex(shape):
        point = affine[:3, :3] @ voxel + affine[:3, 3]
        expected[voxel] = all(abs(axes[:, k] @ (point - center)) <= size[k] / 2 for k in range(3))
    mask = box_mask(Roi(center, axes, np.array(size)), shape, affine)
    assert mask.dtype == bool and mask.any() and not mask.all()
    assert (mask == expected).all()
    assert (box_mask(Roi(center, axes, np.array(size), inside_out=True), shape, affine) == ~expected).all()


@pytest.mark.parametrize("system", ["LPS", "RAS", 1, 0, "1", "0"])
def test_files_in_either_coordinate_system_mean_the_same_box(tmp_path, system):
    axes, center = rotation(3), np.array([12.0, -20.0, 31.0])
    roi = read_markups_roi(write(tmp_path / "roi.mrk.json", center, axes, (10, 20, 30), system))
    np.testing.assert_allclose(roi.center, center)
    np.testing.assert_allclose(roi.axes, axes)
    np.testing.assert_allclose(roi.size, (10, 20, 30))
    assert roi.inside_out is False


def test_a_file_as_slicer_writes_it(tmp_path):
    # An upright box: Slicer writes LPS, so the first two rows of the orientation are negated.
    path = tmp_path / "R.mrk.json"
    path.write_text(
        "\ufeff"
        + json.dumps(
            {
                "@schema": SCHEMA,
                "markups": [
                    {
                        "type": "ROI",
                        "coordinateSystem": "LPS",
                        "coordinateUnits": ["mm", "UCUM", "millimeter"],
                        "roiType": "BoundingBox",
                        "center": [-10.0, 20.0, 5.0],
                        "size": [4.0, 6.0, 8.0],
                        "insideOut": True,
                        "orientation": [-1.0, -0.0, -0.0, -0.0, -1.0, -0.0, 0.0, 0.0, 1.0],
                    }
                ],
            }
        ),
        encoding="utf-8",
    )
    roi = read_markups_roi(path)
    np.testing.assert_array_equal(roi.center, (10, -20, 5))
    np.testing.assert_array_equal(roi.axes, np.eye(3))
    assert roi.inside_out is True


def test_orientation_is_row_major(tmp_path):
    axes = rotation(8)
    roi = read_markups_roi(write(tmp_path / "r.mrk.json", np.zeros(3), axes, (1, 2, 3), "RAS"))
    flat = json.loads((tmp_path / "r.mrk.json").read_text())["markups"][0]["orientation"]
    np.testing.assert_allclose(roi.axes[:, 0], [flat[0], flat[3], flat[6]])


def test_what_may_be_absent(tmp_path):
    path = tmp_path / "short.mrk.json"
    path.write_text(json.dumps({"markups": [{"type": "ROI", "center": [1, 2, 3], "size": [4, 4, 4]}]}))
    roi = read_markups_roi(path)
    np.testing.assert_array_equal(roi.center, (-1, -2, 3))
    np.testing.assert_array_equal(np.abs(roi.axes), np.eye(3))


def test_file_and_volume_together(tmp_path):
    shape, affine = (20, 22, 18), oblique(5)
    axes = rotation(6)
    center = middle(affine, shape)
    masks = [
        box_mask(read_markups_roi(write(tmp_path / "r.mrk.json", center, axes, (12, 9, 20), system)), shape, affine)
        for system in ("LPS", "RAS")
    ]
    assert (masks[0] == masks[1]).all()
    volume = masks[0].sum() * abs(np.linalg.det(affine[:3, :3]))
    assert volume == pytest.approx(12 * 9 * 20, rel=0.1)


def test_a_centre_on_a_face_is_inside():
    affine = np.diag([1.25, 1.25, 1.25, 1.0])
    affine[:3, 3] = 0.1
    roi = Roi(np.full(3, 0.1 + 1.25 * 4), np.eye(3), np.full(3, 2.5))
    assert box_mask(roi, (9, 9, 9), affine).sum() == 27


def test_a_box_without_voxels_is_refused():
    affine = np.eye(4)
    for center, size in (((50, 0, 0), (5, 5, 5)), ((2.5, 2.5, 2.5), (0.5, 0.5, 0.5))):
        with pytest.raises(FAError, match="no voxel") as caught:
            box_mask(Roi(np.array(center, float), np.eye(3), np.array(size, float)), (6, 6, 6), affine)
        assert caught.value.code == "bad-input"
    with pytest.raises(FAError, match="no voxel"):
        box_mask(Roi(np.full(3, 2.5), np.eye(3), np.full(3, 99.0), inside_out=True), (6, 6, 6), affine)


def test_several_rois_in_one_file_are_refused_with_their_number(tmp_path):
    path = write(tmp_path / "two.mrk.json", np.zeros(3), np.eye(3), (1, 2, 3))
    content = json.loads(path.read_text())
    line = {"type": "Line", "controlPoints": []}
    path.write_text(json.dumps({"markups": [line, *content["markups"]]}))
    np.testing.assert_array_equal(read_markups_roi(path).size, (1, 2, 3))
    path.write_text(json.dumps({"markups": content["markups"] * 2}))
    with pytest.raises(FAError, match=r"two\.mrk\.json holds 2 ROIs") as caught:
        read_markups_roi(path)
    assert caught.value.code == "bad-input"


@pytest.mark.parametrize(
    "content, words",
    [
        ("", "damaged"),
        ('{"markups": [{"type": "RO', "damaged"),
        ("[" * 100000, "damaged"),
        ("[1, 2]", "no markup"),
        ("{}", "no markup"),
        ('{"markups": []}', "no markup"),
        ('{"markups": [3]}', "no markup"),
        ('{"markups": [{"type": "Fiducial"}]}', "Fiducial"),
        ('{"markups": [{"center": [0, 0, 0]}]}', "None"),
        ('{"markups": [{"type": "ROI", "size": [1, 1, 1]}]}', "center"),
        ('{"markups": [{"type": "ROI", "center": [0, 0, 0]}]}', "size"),
        ('{"markups": [{"type": "ROI", "center": [0, 0], "size": [1, 1, 1]}]}', "center"),
        ('{"markups": [{"type": "ROI", "center": [0, "a", 0], "size": [1, 1, 1]}]}', "center"),
        ('{"markups": [{"type": "ROI", "center": [0, NaN, 0], "size": [1, 1, 1]}]}', "finite"),
        ('{"markups": [{"type": "ROI", "center": [0, 1' + "0" * 400 + ', 0], "size": [1, 1, 1]}]}', "finite"),
        ('{"markups": [{"type": "ROI", "center": [0, 0, 0], "size": [1, 0, 1]}]}', "no volume"),
        (
            '{"markups": [{"type": "ROI", "center": [0, 0, 0], "size": [1, 1, 1], "orientation": [1, 0]}]}',
            "orientation",
        ),
        (
            '{"markups": [{"type": "ROI", "center": [0, 0, 0], "size": [1, 1, 1], '
            '"orientation": [0, 0, 0, 0, 0, 0, 0, 0, 0]}]}',
            "rotation",
        ),
        ('{"markups": [{"type": "ROI", "coordinateSystem": "IJK", "center": [0, 0, 0], "size": [1, 1, 1]}]}', "IJK"),
        ('{"markups": [{"type": "ROI", "coordinateUnits": "um", "center": [0, 0, 0], "size": [1, 1, 1]}]}', "um"),
        ('{"markups": [{"type": "ROI", "insideOut": "no", "center": [0, 0, 0], "size": [1, 1, 1]}]}', "insideOut"),
    ],
)
def test_a_damaged_file_is_one_clear_line(tmp_path, content, words):
    path = tmp_path / "bad.mrk.json"
    path.write_text(content)
    with pytest.raises(FAError, match=words) as caught:
        read_markups_roi(path)
    assert caught.value.code == "bad-input" and "\n" not in str(caught.value)


def test_an_absent_or_binary_file_is_refused(tmp_path):
    (tmp_path / "binary.mrk.json").write_bytes(b"\x1f\x8b\x08\x00\xff\xfe")
    for path in (tmp_path / "none.mrk.json", tmp_path, tmp_path / "binary.mrk.json"):
        with pytest.raises(FAError) as caught:
            read_markups_roi(path)
        assert caught.value.code == "bad-input"
