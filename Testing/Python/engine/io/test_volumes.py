"""Volumes: geometry through both libraries, and no half-written file."""

import gzip
import itertools
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io import nifti_files as formats
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.volume import Volume
from support.paths import ROOT

SHAPE = (7, 9, 11)
LPS = np.array([-1.0, -1.0, 1.0])


def turned(degrees, axis):
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = [a for a in range(3) if a != axis]
    turn = np.eye(3)
    turn[i, i] = turn[j, j] = c
    turn[i, j], turn[j, i] = -s, s
    return turn


def affine(axes, spacing=(2.0, 2.0, 2.0), origin=(-71.3, 40.25, -13.7)):
    matrix = np.eye(4)
    matrix[:3, :3] = np.asarray(axes, dtype=float) * spacing
    matrix[:3, 3] = origin
    return matrix


OBLIQUE = turned(20, 0) @ turned(20, 2)
AFFINES = {
    "ras": affine(np.eye(3)),
    "las": affine(np.diag([-1, 1, 1])),
    "lps": affine(np.diag([-1, -1, 1])),
    "permuted": affine(np.eye(3)[[1, 2, 0]]),
    "permuted-left-handed": affine(np.eye(3)[[1, 0, 2]]),
    "oblique": affine(OBLIQUE),
    "oblique-left-handed": affine(OBLIQUE @ np.diag([1, -1, 1])),
    "anisotropic": affine(np.eye(3), (1.72, 1.25, 3.0)),
    "everything": affine(OBLIQUE @ np.eye(3)[[2, 0, 1]] @ np.diag([-1, 1, 1]), (0.9, 1.25, 4.0)),
}
ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")


def corners():
    return np.array(list(itertools.product(*[(0, n - 1) for n in SHAPE])))


def world(matrix):
    return corners() @ matrix[:3, :3].T + matrix[:3, 3]


def some_data():
    return np.random.default_rng(1).random(SHAPE).astype(np.float32)


@pytest.mark.parametrize("name", AFFINES)
def test_a_voxel_has_a_volume(name):
    volume = Volume(some_data(), AFFINES[name])
    assert volume.voxel_ml == pytest.approx(np.prod(volume.spacing) / 1000)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", AFFINES)
def test_every_corner_stays_in_place_for_every_reader(tmp_path, name, ending):
    data, matrix = some_data(), AFFINES[name]
    path = tmp_path / f"volume{ending}"
    save_volume(Volume(data, matrix), path)
    ours, remarks = load_volume(path)
    assert remarks == []
    np.testing.assert_array_equal(ours.data, data)
    np.testing.assert_allclose(world(ours.affine), world(matrix), atol=1e-3)
    image = SimpleITK.ReadImage(str(path))
    theirs = [LPS * image.TransformIndexToPhysicalPoint([int(n) for n in c]) for c in corners()]
    np.testing.assert_allclose(theirs, world(matrix), atol=1e-3)
    assert image[3, 2, 5] == data[3, 2, 5]
    if ending in formats.NIFTI_ENDINGS:
        header = nibabel.load(path).header
        assert header["qform_code"] == header["sform_code"] == 1
        np.testing.assert_allclose(world(nibabel.load(path).affine), world(matrix), atol=1e-3)
        np.testing.assert_allclose(world(header.get_qform()), world(matrix), atol=1e-3)


@pytest.mark.parametrize("ending", ENDINGS)
def test_files_of_other_writers_are_read_in_place(tmp_path, ending):
    data, matrix = some_data(), AFFINES["everything"]
    path = tmp_path / f"volume{ending}"
    image = SimpleITK.GetImageFromArray(data.transpose(2, 1, 0))
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((LPS[:, None] * matrix[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin((LPS * matrix[:3, 3]).tolist())
    SimpleITK.WriteImage(image, str(path))
    volume, _ = load_volume(path)
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_allclose(world(volume.affine), world(matrix), atol=1e-3)


def test_types_on_disk(tmp_path):
    for dtype, stored in ((bool, np.uint8), (np.uint8, np.uint8), (np.float64, np.float32), (np.int32, np.float32)):
        save_volume(Volume(np.ones(SHAPE, dtype), np.eye(4)), tmp_path / "v.nii.gz")
        assert nibabel.load(tmp_path / "v.nii.gz").get_data_dtype() == stored
    assert load_volume(tmp_path / "v.nii.gz")[0].data.dtype == np.float32


def test_paths_with_spaces_and_accents(tmp_path):
    folder = tmp_path / "Führer été 脳"
    folder.mkdir()
    for ending in ENDINGS:
        save_volume(Volume(some_data(), np.eye(4)), folder / f"carte é à{ending}")
        assert load_volume(folder / f"carte é à{ending}")[0].shape == SHAPE


def test_a_fourth_axis_of_one_is_dropped(tmp_path):
    nibabel.save(nibabel.Nifti1Image(some_data()[..., None], AFFINES["oblique"]), tmp_path / "v.nii")
    image = SimpleITK.ReadImage(str(tmp_path / "v.nii"))
    SimpleITK.WriteImage(
        SimpleITK.JoinSeries([image[:, :, :, 0]]) if image.GetDimension() == 4 else SimpleITK.JoinSeries([image]),
        str(tmp_path / "v.nrrd"),
    )
    for name in ("v.nii", "v.nrrd"):
        volume, _ = load_volume(tmp_path / name)
        np.testing.assert_array_equal(volume.data, some_data())
        np.testing.assert_allclose(world(volume.affine), world(AFFINES["oblique"]), atol=1e-3)


def test_gzip_is_recognised_by_its_content(tmp_path):
    raw = nibabel.Nifti1Image(some_data(), np.eye(4)).to_bytes()
    (tmp_path / "plain.nii.gz").write_bytes(raw)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(raw))
    for name in ("plain.nii.gz", "packed.nii"):
        np.testing.assert_array_equal(load_volume(tmp_path / name)[0].data, some_data())


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("first\nReason: disk full\n")])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, ending, error):
    path = tmp_path / f"volume{ending}"
    save_volume(Volume(some_data(), np.eye(4)), path)
    before = path.read_bytes()

    def fails(volume, where):
        Path(where).write_bytes(b"half")
        raise error

    for name in ("write_nifti", "write_itk"):
        monkeypatch.setattr(f"FAAnomalyLib.io.volumes.{name}", fails)
    with pytest.raises(FAError, match="No space left|disk full") as caught:
        save_volume(Volume(some_data() + 1, np.eye(4)), path)
    assert caught.value.code == "bad-input" and path.name in str(caught.value)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="no file size limit here")
def test_a_real_write_error_is_one_line_for_every_writer(tmp_path):
    code = """
import resource, sys
import numpy as np, nibabel, SimpleITK
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.volume import Volume
volume = Volume(np.random.default_rng(0).random((30, 30, 30), dtype=np.float32), np.eye(4))
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
for ending in (".nii", ".nii.gz", ".nrrd", ".mha"):
    try:
        save_volume(volume, sys.argv[1] + "/v" + ending)
    except FAError as error:
        print(error.code)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == (["bad-input"] * 4, "")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_places_and_endings(tmp_path):
    volume = Volume(some_data(), np.eye(4))
    with pytest.raises(FAError, match="Cannot write"):
        save_volume(volume, tmp_path / "absent" / "v.nii")
    for name in ("v.png", "v.mhd", "v.nhdr", "v"):
        with pytest.raises(FAError) as caught:
            save_volume(volume, tmp_path / name)
        assert caught.value.code == "bad-request"
    assert list(tmp_path.iterdir()) == []


def test_values_without_any_library():
    """3D Slicer's own process has neither nibabel nor torch to spare."""
    code = """
import sys
for name in ("nibabel", "SimpleITK", "torch", "scipy", "skimage", "PIL"):
    sys.modules[name] = None
import numpy as np
from FAAnomalyLib.volume import Volume
from FAAnomalyLib import errors, request
print(Volume(np.zeros((2, 3, 4)), np.diag([2, 2, 3, 1])).spacing.tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[2.0, 2.0, 3.0]", "")


def test_same_geometry():
    volume = Volume(some_data(), AFFINES["oblique"])
    moved = AFFINES["oblique"].copy()
    moved[0, 3] += 0.02
    assert volume.same_geometry(Volume(some_data(), AFFINES["oblique"] + 1e-5))
    assert not volume.same_geometry(Volume(some_data(), moved))
    assert volume.same_geometry(Volume(some_data(), moved), 0.05)
    assert not volume.same_geometry(Volume(some_data()[1:], AFFINES["oblique"]))
