"""Pairs of header and image, NIfTI and Analyze 7.5, and files with bytes behind their compressed data."""

from __future__ import annotations

import gzip
import struct

import nibabel
import numpy as np
import pytest
from nibabel.analyze import AnalyzeImage
from nibabel.spm2analyze import Spm2AnalyzeImage

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.masks import read_mask_file
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.volume import Volume

SHAPE = (7, 9, 11)
SCANNER = np.array([[-2.0, 0, 0, 7], [0, 1.5, 0, -8], [0, 0, 3.0, 9], [0, 0, 0, 1]])
KINDS = {"nifti-1": nibabel.Nifti1Pair, "nifti-2": nibabel.Nifti2Pair, "analyze": AnalyzeImage}


def some_data():
    return np.random.default_rng(1).random(SHAPE).astype(np.float32)


def saved(folder, kind, data=None):
    image = KINDS[kind](some_data() if data is None else data, SCANNER)
    nibabel.save(image, folder / "v.img")
    return folder / "v.hdr", folder / "v.img"


@pytest.mark.parametrize("kind", ["nifti-1", "nifti-2"])
@pytest.mark.parametrize("named", [0, 1], ids=["header", "image"])
def test_a_nifti_pair_is_read_by_either_name(tmp_path, kind, named):
    volume, remarks = load_volume(saved(tmp_path, kind)[named])
    np.testing.assert_array_equal(volume.data, some_data())
    np.testing.assert_allclose(volume.affine, SCANNER, atol=1e-5)
    assert remarks == [] and volume.sides_known


@pytest.mark.parametrize("order", ["<", ">"])
def test_analyze_is_read_and_claims_no_side(tmp_path, order):
    header, image = saved(tmp_path, "analyze")
    if order == ">":
        swapped = AnalyzeImage.from_filename(str(image))
        nibabel.save(AnalyzeImage(some_data(), SCANNER, swapped.header.as_byteswapped(">")), image)
    volume, remarks = load_volume(header)
    np.testing.assert_array_equal(volume.data, some_data())
    np.testing.assert_allclose(volume.spacing, (2.0, 1.5, 3.0))
    assert len(remarks) == 1 and "the side is unknown" in remarks[0] and not volume.sides_known
    # A result claims no more than its input did, and lies on it.
    save_volume(volume, tmp_path / "z.nii.gz")
    again, _ = load_volume(tmp_path / "z.nii.gz")
    np.testing.assert_allclose(again.affine, volume.affine, atol=1e-5)
    assert not again.sides_known


def test_the_scale_of_spm_is_applied(tmp_path):
    image = Spm2AnalyzeImage(np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE), SCANNER)
    nibabel.save(image, tmp_path / "v.img")
    raw = bytearray((tmp_path / "v.hdr").read_bytes())
    struct.pack_into("<f", raw, 112, 0.25)
    (tmp_path / "v.hdr").write_bytes(raw)
    np.testing.assert_allclose(load_volume(tmp_path / "v.img")[0].data.ravel()[:5], [0, 0.25, 0.5, 0.75, 1])


def test_packed_pairs_capitals_and_masks(tmp_path):
    for path in saved(tmp_path, "nifti-1", (some_data() > 0.5).astype(np.uint8)):
        (tmp_path / f"packed{path.suffix}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.rename(path.with_suffix(path.suffix.upper()))
    for name in ("packed.hdr.gz", "packed.img.gz", "v.HDR", "v.IMG"):
        assert read_mask_file(tmp_path / name).volume.data.sum() == (some_data() > 0.5).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_a_pair_that_is_cut_is_refused(tmp_path, kind):
    header, image = saved(tmp_path, kind)
    image.write_bytes(image.read_bytes()[:-9])
    with pytest.raises(FAError, match="v.img cannot be read: it ends before its last voxel"):
        load_volume(image)
    header.write_bytes(header.read_bytes()[:200])
    with pytest.raises(FAError, match="v.hdr cannot be read"):
        load_volume(header)


@pytest.mark.parametrize("behind", [b"garbage", b"<html>404</html>" * 9, b"\0" * 512])
def test_bytes_behind_the_compressed_data_are_left_out(tmp_path, behind):
    path = tmp_path / "v.nii.gz"
    save_volume(Volume(some_data(), SCANNER), path)
    path.write_bytes(path.read_bytes() + behind)
    volume, remarks = load_volume(path)
    np.testing.assert_array_equal(volume.data, some_data())
    said = [f"{len(behind)} bytes behind the compressed data of v.nii.gz belong to nothing and were left out"]
    assert remarks == (said if behind.strip(b"\0") else [])


def test_garbage_does_not_stand_for_missing_data(tmp_path):
    path = tmp_path / "v.nii.gz"
    save_volume(Volume(some_data(), SCANNER), path)
    whole = path.read_bytes()
    for damaged, word in ((whole[:-60] + b"x" * 60, "damaged"), (whole + whole[:-30], "ends too early")):
        path.write_bytes(damaged)
        with pytest.raises(FAError, match=word):
            load_volume(path)
