"""Lesion shapes are chosen by size and land where the registration says, however the subject is stored."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.evaluation.planting.lesions import plant_relative, sphere
from FAAnomalyLib.evaluation.planting.shapes import LesionShape, find_shapes, resample_to_subject
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb

TEMPLATE_PLACE = np.array([26.0, -24.0, 28.0])
# MNI masks are often stored from right to left.
MNI = np.array([[-1.0, 0, 0, 78], [0, 1.0, 0, -112], [0, 0, 1.0, -50], [0, 0, 0, 1]])
POSE = sb.head((1.1, 0.95, 1.05), (6.0, -9.0, 5.0), x=12.0, z=-8.0)


@pytest.fixture(scope="module")
def ball() -> LesionShape:
    """A ball of 9 mm radius about a place in the right hemisphere, with a nose towards the front."""
    grid = Volume(np.zeros((157, 189, 136), np.float32), MNI)
    mask = sphere(grid, tuple(TEMPLATE_PLACE), 18.0) | sphere(grid, tuple(TEMPLATE_PLACE + [0, 14.0, 0]), 6.0)
    return LesionShape("ball", grid.with_data(mask.astype(np.uint8)), float(mask.sum()) / 1000)


def world(volume: Volume, where: np.ndarray) -> np.ndarray:
    return np.argwhere(where) @ volume.affine[:3, :3].T + volume.affine[:3, 3]


@pytest.mark.parametrize(
    ("spacing", "turn", "codes"),
    [
        ((2.0, 2.0, 2.0), 0.0, "RAS"),
        ((2.0, 2.0, 2.0), 0.0, "LAS"),
        ((1.7, 1.7, 3.0), 20.0, "RAS"),
        ((2.5, 2.5, 2.5), -15.0, "PSL"),
    ],
)
def test_a_shape_lands_at_its_place_in_the_subject(ball, spacing, turn, codes):
    shape, affine = sb.grid(spacing, POSE, x=turn, z=turn / 2)
    subject = sb.stored_as(Volume(np.zeros(shape, np.float32), affine), codes)
    found = resample_to_subject(ball, subject, POSE)
    millilitres = found.sum() * abs(np.linalg.det(subject.affine[:3, :3])) / 1000
    assert millilitres == pytest.approx(ball.volume_ml * np.linalg.det(POSE[:3, :3]), rel=0.06)
    centre = POSE[:3, :3] @ world(ball.mask, ball.mask.data > 0).mean(axis=0) + POSE[:3, 3]
    np.testing.assert_allclose(world(subject, found).mean(axis=0), centre, atol=0.3)
    # The nose points the way that the pose turned it: left is not right, front is not back.
    back = np.linalg.inv(POSE)
    in_template = world(subject, found) @ back[:3, :3].T + back[:3, 3] - TEMPLATE_PLACE
    assert in_template[:, 1].max() == pytest.approx(17.0, abs=2.0)
    assert in_template[:, 1].min() == pytest.approx(-9.0, abs=2.0)


def test_what_lies_beyond_the_field_of_view_is_not_there(ball):
    subject = Volume(np.zeros((20, 20, 20), np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    assert not resample_to_subject(ball, Volume(subject.data, subject.affine), sb.head((1, 1, 1), (500.0, 0, 0))).any()


def test_fa_is_lowered_by_a_share_of_itself():
    volume = Volume(np.full((4, 4, 4), 0.5, np.float32), np.eye(4))
    where = np.zeros((4, 4, 4), bool)
    where[1] = True
    changed = plant_relative(volume, where, -0.4)
    np.testing.assert_allclose(changed.data[1], 0.3, rtol=1e-6)
    assert (changed.data[~where] == 0.5).all() and (plant_relative(volume, where, 1.5).data[1] == 1.0).all()


def save_cube(path, edge):
    data = np.zeros((30, 30, 30), np.uint8)
    data[:edge, :edge, :edge] = 1
    save_volume(Volume(data, np.eye(4)), path)


def test_shapes_are_chosen_by_size(tmp_path):
    for name, edge in (("lesion-1", 11), ("lesion-2", 15), ("lesion-3", 25), ("other", 15)):
        save_cube(tmp_path / f"{name}.nii.gz", edge)
    measured = find_shapes(tmp_path)
    assert [(s.name, s.volume_ml) for s in measured] == [("lesion-2", pytest.approx(3.375))]
    (tmp_path / "volumes.csv").write_text(
        "file,size_bin,volume_ml\nlesion-1.nii.gz,medium,2.5\nlesion-2.nii.gz,large,9\n"
    )
    assert [(s.name, s.volume_ml) for s in find_shapes(tmp_path)] == [("lesion-1", 2.5)]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: None,
        lambda folder: save_cube(folder / "lesion-1.nii.gz", 5),
        lambda folder: (
            save_cube(folder / "lesion-1.nii.gz", 15),
            (folder / "volumes.csv").write_text("file,ml\na,b\n"),
        ),
        lambda folder: (folder / "lesion-1.nii.gz").write_bytes(gzip.compress(b"no volume")),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_clear_error(tmp_path, spoil):
    spoil(tmp_path)
    with pytest.raises(FAError) as caught:
        find_shapes(tmp_path)
    assert caught.value.code == "bad-input" and "\n" not in str(caught.value)


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FAError, match="no lesion shapes"):
        find_shapes(tmp_path / "absent")


def test_the_real_shapes_are_there(shared):
    shapes = find_shapes(shared / "lesions")
    assert len(shapes) == 16 and all(2 <= shape.volume_ml <= 8 for shape in shapes)
    for shape in shapes:
        millilitres = (shape.mask.data > 0).sum() * abs(np.linalg.det(shape.mask.affine[:3, :3])) / 1000
        assert millilitres == pytest.approx(shape.volume_ml, rel=0.01)
