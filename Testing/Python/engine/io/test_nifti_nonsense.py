"""NIfTI files that say nonsense are read as what they must mean, and files that do not say the side say so."""

from __future__ import annotations

import gzip
import itertools
import struct

import nibabel
import numpy as np
import pytest
import SimpleITK

from FAAnomalyLib.cli.text_summary import text_summary
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.result import Region, Result
from FAAnomalyLib.volume import Volume

SHAPE = (7, 9, 11)
SCANNER = np.array([[-2.0, 0, 0, 7], [0, 1.5, 0, -8], [0, 0, 3.0, 9], [0, 0, 0, 1]])
KINDS = {"nifti-1": nibabel.Nifti1Image, "nifti-2": nibabel.Nifti2Image}
# Version -> offset and format of the start of the voxels, of slope and intercept, and of the magic.
PLACES = {"nifti-1": ((108, "<f"), (112, "<ff"), 344), "nifti-2": ((168, "<q"), (176, "<dd"), 4)}


def some_data():
    return np.random.default_rng(1).random(SHAPE).astype(np.float32)


def turned(degrees=6.0, shift=12.0):
    matrix = np.eye(4)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[:2, :2], matrix[0, 3] = [[c, -s], [s, c]], shift
    return matrix @ SCANNER


def raw(kind="nifti-1"):
    image = KINDS[kind](some_data(), SCANNER)
    image.set_qform(SCANNER, 1)
    image.set_sform(SCANNER, 1)
    return bytearray(image.to_bytes())


def forms(path, qform, qcode, sform, scode):
    image = nibabel.Nifti1Image(some_data(), None)
    image.header.set_zooms((2.0, 1.5, 3.0))
    image.set_qform(qform if qcode else None, qcode)
    image.set_sform(sform if scode else None, scode)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["begin", "begin without extender", "intercept", "twice"])
def test_what_a_header_must_mean(tmp_path, kind, fault):
    data, path = raw(kind), tmp_path / "v.nii.gz"
    (begin, integer), (slope, floats), _ = PLACES[kind]
    if fault.startswith("begin"):
        struct.pack_into(integer, data, begin, 0)
        if "without" in fault:
            size = 348 if kind == "nifti-1" else 540
            del data[size : size + 4]
    elif fault == "intercept":
        struct.pack_into(floats, data, slope, 1.0, np.nan)
    packed = gzip.compress(bytes(data))
    path.write_bytes(gzip.compress(packed) if fault == "twice" else packed)
    volume, remarks = load_volume(path)
    np.testing.assert_array_equal(volume.data, some_data())
    np.testing.assert_allclose(volume.affine, SCANNER, atol=1e-5)
    word = {"b": "where its voxels begin", "i": "intercept"}.get(fault[0])
    assert len(remarks) == (word is not None) and (word is None or word in remarks[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_without_the_mark_of_nifti_is_refused(tmp_path, kind):
    data = raw(kind)
    struct.pack_into("<4s", data, PLACES[kind][2], b"\0\0\0\0")
    (tmp_path / "v.nii").write_bytes(data)
    with pytest.raises(FAError, match="lacks the mark of NIfTI") as caught:
        load_volume(tmp_path / "v.nii")
    assert caught.value.code == "bad-input"


@pytest.mark.parametrize("code", [1, 3])
def test_a_unit_that_cannot_be_is_not_believed(tmp_path, code):
    data = raw()
    struct.pack_into("<B", data, 123, code)
    (tmp_path / "v.nii").write_bytes(data)
    volume, remarks = load_volume(tmp_path / "v.nii")
    np.testing.assert_allclose(volume.affine, SCANNER, atol=1e-5)
    assert "millimetres were taken" in remarks[0]


@pytest.mark.parametrize("codes", list(itertools.product(range(5), repeat=2)))
@pytest.mark.parametrize("skew", [0.0, 0.3])
def test_drawings_are_placed_as_itk_places_the_file(tmp_path, codes, skew):
    sheared = np.eye(4)
    sheared[0, 1] = np.tan(np.radians(skew))
    path = forms(tmp_path / "v.nii", SCANNER, codes[0], turned() @ sheared, codes[1])
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError:
        assert skew and not codes[0], "ITK refuses nothing else of this"
        return
    volume, _ = load_volume(path)
    corner = np.array(SHAPE) - 1
    theirs = np.array([-1, -1, 1]) * image.TransformIndexToPhysicalPoint(corner.tolist())
    np.testing.assert_allclose((volume.itk_affine @ [*corner, 1])[:3], theirs, atol=1e-3)


@pytest.mark.parametrize("codes", [(1, 1), (1, 2), (2, 1), (2, 4), (1, 0), (0, 2), (0, 0)])
def test_results_repeat_both_forms_and_codes(tmp_path, codes):
    path = forms(tmp_path / "fa.nii.gz", SCANNER, codes[0], turned(), codes[1])
    volume, remarks = load_volume(path)
    save_volume(volume.with_data(np.ones(SHAPE, np.uint8)), tmp_path / "z.nii.gz")
    given, kept = nibabel.load(path), nibabel.load(tmp_path / "z.nii.gz")
    assert [int(kept.header[name]) for name in ("qform_code", "sform_code")] == list(codes)
    np.testing.assert_allclose(kept.affine, given.affine, atol=1e-4)
    for code, read in zip(codes, ("get_qform", "get_sform"), strict=True):
        if code:
            np.testing.assert_allclose(getattr(kept.header, read)(), getattr(given.header, read)(), atol=1e-4)
    images = [SimpleITK.ReadImage(str(p)) for p in (path, tmp_path / "z.nii.gz")]
    np.testing.assert_allclose(images[1].GetOrigin(), images[0].GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(images[1].GetDirection(), images[0].GetDirection(), atol=1e-5)
    if min(codes):
        assert len(remarks) == 1 and "disagree by up to" in remarks[0]
        assert ("here and in 3D Slicer" if codes[1] == 1 else "placed by the qform") in remarks[0]


def test_forms_that_mirror_each_other_leave_the_side_unknown(tmp_path):
    path = forms(tmp_path / "v.nii", SCANNER, 1, np.diag([-1.0, 1, 1, 1]) @ SCANNER, 2)
    volume, remarks = load_volume(path)
    assert not volume.sides_known and "side is unknown" in remarks[0]


def plain(path):
    """A file that says the lengths of its voxels and nothing about the patient."""
    sizes, data = " ".join(map(str, SHAPE)), some_data().tobytes("F")
    if path.suffix == ".nrrd":
        head = f"NRRD0004\ntype: float\ndimension: 3\nsizes: {sizes}\nendian: little\nencoding: raw\n"
        path.write_bytes((head + "spacings: 2 1.5 3\n\n").encode() + data)
    elif path.suffix == ".mha":
        head = f"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nDimSize = {sizes}\n"
        more = "ElementSpacing = 2 1.5 3\nElementType = MET_FLOAT\nElementDataFile = LOCAL\n"
        path.write_bytes((head + more).encode() + data)
    elif path.suffix == ".mgz":
        nibabel.save(nibabel.MGHImage(some_data(), SCANNER), path)
        unpacked = bytearray(gzip.decompress(path.read_bytes()))
        struct.pack_into(">h", unpacked, 28, 0)
        path.write_bytes(gzip.compress(bytes(unpacked)))
    else:
        forms(path, SCANNER, 0, SCANNER, 0)
    return path


@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha", ".mgz"])
def test_a_file_that_does_not_say_its_side_is_not_given_one(tmp_path, ending):
    volume, remarks = load_volume(plain(tmp_path / f"v{ending}"))
    np.testing.assert_array_equal(volume.data, some_data())
    assert len(remarks) == 1 and "the side is unknown" in remarks[0] and not volume.sides_known
    found = Region(1, "decreased", 160, 1.3, -6.1, -4.0, -0.2, 0.05, (-34.0, -16.0, 4.0), (-34.0, -15.0, 4.0))
    result = Result(volume, volume, volume, volume, volume, [found])
    assert "at L or R 34, P 16, S 4 mm (side unknown)." in result.regions[0].sentence()
    assert "34.0000" in result.regions_csv() and result.regions_csv().rstrip().endswith(",false")
    assert '"side_known": false' in result.result_json()
    told = text_summary(result, "out", 1.0)
    assert "centre L or R, A, S" in told and "centre R" not in told and " 34, -16, 4" in told


@pytest.mark.parametrize("ending", [".nii", ".nrrd", ".mha"])
def test_a_file_that_says_its_side_keeps_it(tmp_path, ending):
    save_volume(Volume(some_data(), SCANNER), tmp_path / f"v{ending}")
    volume, remarks = load_volume(tmp_path / f"v{ending}")
    assert volume.sides_known and remarks == []
