"""Every bad volume file is refused with one clear line, and nothing is printed."""

import gzip
import os

import nibabel
import numpy as np
import pytest
import SimpleITK

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io import file_bytes, itk_files
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.volume import Volume

SHAPE = (7, 9, 11)
ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")


def some_data():
    return np.random.default_rng(1).random(SHAPE).astype(np.float32)


def line_of(error):
    text = str(error)
    assert "\n" not in text and "Traceback" not in text and len(text) < 400
    return text


def refused(path, capfd, code="bad-input"):
    """The single line that *path* is refused with; nothing may be printed."""
    with pytest.raises(FAError) as caught:
        load_volume(path)
    assert caught.value.code == code
    assert caught.value.what and caught.value.fix
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
    return line_of(caught.value)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("keep", ["nothing", "two bytes", "part of the header", "half", "all but five bytes"])
def test_truncated_files_are_refused(tmp_path, capfd, ending, keep):
    path = tmp_path / f"volume{ending}"
    save_volume(Volume(some_data(), np.eye(4)), path)
    whole = path.read_bytes()
    count = {"nothing": 0, "two bytes": 2, "part of the header": 60, "half": len(whole) // 2}
    path.write_bytes(whole[: count.get(keep, len(whole) - 5)])
    line = refused(path, capfd)
    assert path.name in line
    assert keep != "nothing" or "empty" in line


def test_uncompressed_metaimage_cut_short_prints_nothing(tmp_path, capfd):
    path = tmp_path / "volume.mha"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(some_data()), str(path), useCompression=False)
    path.write_bytes(path.read_bytes()[:-400])
    assert "ends before its last voxel" in refused(path, capfd)


def test_damaged_gzip_data_are_noticed(tmp_path, capfd):
    path = tmp_path / "volume.nii.gz"
    raw = bytearray(nibabel.Nifti1Image(some_data(), np.eye(4)).to_bytes())
    packed = bytearray(gzip.compress(bytes(raw), compresslevel=0))
    packed[1500] ^= 1
    path.write_bytes(packed)
    assert "damaged" in refused(path, capfd)


@pytest.mark.parametrize("ending", ENDINGS)
def test_text_files_are_refused(tmp_path, capfd, ending):
    path = tmp_path / f"notes{ending}"
    path.write_text("no volume here\n" * 50)
    refused(path, capfd)


def test_wrong_paths_are_refused(tmp_path, capfd):
    assert "no file" in refused(tmp_path / "absent.nii.gz", capfd)
    assert "folder" in refused(tmp_path, capfd)
    (tmp_path / "folder.nii.gz").mkdir()
    assert "folder" in refused(tmp_path / "folder.nii.gz", capfd)
    refused(tmp_path / ("x" * 300 + ".nii"), capfd)
    refused("null\0byte.nii", capfd)
    for name, word in (("a.img", "no a.hdr beside it"), ("b.hdr", "no b.img"), ("a.dcm", "ending"), ("a", "ending")):
        (tmp_path / name).write_bytes(b"\0" * 400)
        assert word in refused(tmp_path / name, capfd)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path, capfd):
    os.mkfifo(tmp_path / "pipe.nii")
    assert "not a file" in refused(tmp_path / "pipe.nii", capfd)


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_files_without_permission(tmp_path, capfd, monkeypatch, ending):
    path = tmp_path / f"volume{ending}"
    save_volume(Volume(some_data(), np.eye(4)), path)

    def closed(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    # chmod does not stop an administrator, so the refusal itself is played.
    for reader in (file_bytes, itk_files):
        monkeypatch.setattr(reader, "open", closed, raising=False)
    assert "Permission denied. Ask for the right" in refused(path, capfd)


@pytest.mark.parametrize(
    ("name", "image", "word"),
    [
        ("4d.nii.gz", np.zeros((5, 5, 5, 3), np.float32), "(5, 5, 5, 3)"),
        ("2d.nii", np.zeros((5, 5), np.float32), "3D"),
        ("complex.nii", np.zeros((5, 5, 5), np.complex64), "complex"),
        ("rgb.nii", np.zeros((5, 5, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "colours"),
    ],
)
def test_nifti_of_another_kind_is_refused(tmp_path, capfd, name, image, word):
    nibabel.save(nibabel.Nifti1Image(image, np.eye(4)), tmp_path / name)
    assert word in refused(tmp_path / name, capfd)


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_itk_images_of_another_kind_are_refused(tmp_path, capfd, ending):
    kinds = {
        "vector": SimpleITK.GetImageFromArray(np.zeros((5, 5, 5, 3), np.float32), isVector=True),
        "flat": SimpleITK.GetImageFromArray(np.zeros((5, 5), np.float32)),
        "series": SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(np.zeros((5, 5, 5), np.float32))] * 2),
    }
    for name, image in kinds.items():
        SimpleITK.WriteImage(image, str(tmp_path / (name + ending)))
        refused(tmp_path / (name + ending), capfd)


def shifted(millimetres):
    matrix = np.diag([2.0, 2.0, 2.0, 1.0])
    matrix[0, 3] = millimetres
    return matrix


def write_header(path, **fields):
    """A NIfTI-1 file whose header fields are set to whatever a test wants."""
    header = nibabel.Nifti1Image(some_data(), np.eye(4)).header.copy()
    header["magic"], header["vox_offset"] = b"n+1", 352
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + b"\0" * 4 + some_data().tobytes("F"))
    return path


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([(2, 0.2, 0, 0), (0, 2, 0, 0), (0, 0, 2, 0)], "sheared"),
        ([(2, 2, 0, 0), (0, 0, 0, 0), (0, 0, 2, 0)], "singular"),
        ([(0, 0, 0, 0)] * 3, "singular"),
        ([(np.nan,) * 4] * 3, "finite"),
        ([(2, 0, 0, np.inf), (0, 2, 0, 0), (0, 0, 2, 0)], "finite"),
    ],
)
def test_unusable_affines_are_refused(tmp_path, capfd, rows, word):
    path = write_header(tmp_path / "v.nii", qform_code=0, sform_code=1, srow_x=rows[0], srow_y=rows[1], srow_z=rows[2])
    line = refused(path, capfd)
    assert word in line and "v.nii" in line


@pytest.mark.parametrize(
    "fields",
    [
        {"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]},
        {"dim": [3, -4, 9, 11, 1, 1, 1, 1]},
        {"dim": [3, 0, 9, 11, 1, 1, 1, 1]},
        {"datatype": 999},
        {"vox_offset": 100},
    ],
)
def test_forged_headers_are_refused_without_noise(tmp_path, capfd, fields):
    refused(write_header(tmp_path / "v.nii", **fields), capfd)


def test_an_unusable_qform_beside_a_good_sform_does_no_harm(tmp_path, capfd):
    path = write_header(tmp_path / "v.nii", qform_code=1, sform_code=1, quatern_b=5.0, quatern_c=3.0)
    assert load_volume(path)[1] == []
    assert capfd.readouterr() == ("", "")


def test_remarks_on_orientation_and_units(tmp_path, capfd):
    image = nibabel.Nifti1Image(some_data(), np.eye(4))
    image.set_qform(shifted(5), code=1)
    image.set_sform(shifted(9), code=1)
    nibabel.save(image, tmp_path / "v.nii")
    volume, remarks = load_volume(tmp_path / "v.nii")
    assert "disagree" in remarks[0] and volume.affine[0, 3] == 9
    _, remarks = load_volume(write_header(tmp_path / "v.nii", qform_code=0, sform_code=0, pixdim=[1, -2] + [2] * 6))
    assert "left and right" in remarks[0]
    metres = write_header(
        tmp_path / "v.nii",
        xyzt_units=1,
        sform_code=1,
        srow_x=[0.002, 0, 0, 0.01],
        srow_y=[0, 0.002, 0, 0],
        srow_z=[0, 0, 0.002, 0],
    )
    volume, remarks = load_volume(metres)
    np.testing.assert_allclose(volume.affine[0], [2, 0, 0, 10], atol=1e-5)
    assert "metres" in remarks[0]
    assert capfd.readouterr() == ("", "")
