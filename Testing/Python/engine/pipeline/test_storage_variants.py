"""However an FA map is stored, a box lies on the same tissue and a change of FA is found at the same millimetres."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from nibabel.analyze import AnalyzeImage

from FAAnomalyLib.io.markups_roi import box_mask, read_markups_roi
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.detector import Detector
from FAAnomalyLib.pipeline.jobs import run_job
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.volume import Volume
from support.fakes import stand_in
from support.phantoms import synthetic_brain as sb

POSE = sb.head((1.0, 1.0, 1.0), (3.0, -5.0, 4.0), x=6.0)
LESION = sb.Lesion(centre=(-26.0, -24.0, 28.0), radius_mm=13.0, change=0.3)
"""On the left."""
CENTRE = sb.lesion_centre(POSE, LESION)
TURN = sb.head((1.0, 1.0, 1.0), (12.0, 0.0, 0.0), z=6.0)


def oblique() -> Volume:
    shape, affine = sb.grid((3.0, 3.0, 3.0), POSE, x=10, z=-8)
    return sb.brain(shape, affine, POSE, lesion=LESION, variation=0.05)


@pytest.fixture(scope="module")
def upright() -> Volume:
    """Right-anterior-superior, 3 mm."""
    shape, affine = sb.grid((3.0, 3.0, 3.0), POSE)
    return sb.brain(shape, affine, POSE, lesion=LESION, variation=0.05)


def nifti(path, volume, *, qform=None, codes=(1, 1), kind=nibabel.Nifti1Image) -> Path:
    image = kind(volume.data, volume.affine)
    image.set_qform(volume.affine if qform is None else qform, codes[0])
    image.set_sform(volume.affine if codes[1] else None, codes[1])
    nibabel.save(image, path)
    return path


def itk(path, volume) -> Path:
    """By SimpleITK from the NIfTI file, so that no line of ours places it."""
    image = SimpleITK.ReadImage(str(nifti(path.parent / "between.nii", volume)))
    SimpleITK.WriteImage(image, str(path))
    return path


def nrrd_in_ras(path, volume) -> Path:
    directions = " ".join("(" + ",".join(map(repr, map(float, column))) + ")" for column in volume.affine[:3, :3].T)
    head = (
        "NRRD0005\ntype: float\ndimension: 3\nspace: right-anterior-superior\n"
        f"sizes: {' '.join(map(str, volume.shape))}\nspace directions: {directions}\nendian: little\nencoding: raw\n"
        f"space origin: ({','.join(map(repr, map(float, volume.affine[:3, 3])))})\n\n"
    )
    path.write_bytes(head.encode() + volume.data.astype("<f4").tobytes("F"))
    return path


def scaled_integers(path, volume) -> Path:
    image = nibabel.Nifti1Image(np.round(volume.data * 10000).astype(np.int16), volume.affine)
    image.header.set_slope_inter(1e-4, 0)
    nibabel.save(image, path)
    return path


def four_d(path, volume) -> Path:
    nibabel.save(nibabel.Nifti1Image(volume.data[..., None], volume.affine), path)
    return path


def moved_sform(path, volume, code) -> Path:
    """The scanner's place in the qform, another one in the sform."""
    return nifti(path, Volume(volume.data, TURN @ volume.affine), qform=volume.affine, codes=(1, code))


def big_endian(path, volume) -> Path:
    image = nibabel.Nifti1Image(volume.data, volume.affine)
    nibabel.save(nibabel.Nifti1Image(volume.data, volume.affine, image.header.as_byteswapped(">")), path)
    return path


def packed_twice(folder, volume) -> Path:
    path = nifti(folder / "a.nii.gz", volume)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


VARIANTS = {
    "LAS": lambda f, v: nifti(f / "a.nii.gz", sb.stored_as(v, "LAS")),
    "LPS": lambda f, v: nifti(f / "a.nii.gz", sb.stored_as(v, "LPS")),
    "PIR": lambda f, v: nifti(f / "a.nii.gz", sb.stored_as(v, "PIR")),
    "SPR": lambda f, v: nifti(f / "a.nii.gz", sb.stored_as(v, "SPR")),
    "oblique": lambda f, v: nifti(f / "a.nii.gz", oblique()),
    "oblique AIL": lambda f, v: nifti(f / "a.nii.gz", sb.stored_as(oblique(), "AIL")),
    "NIfTI-2": lambda f, v: nifti(f / "a.nii", v, kind=nibabel.Nifti2Image),
    "qform alone": lambda f, v: nifti(f / "a.nii", v, codes=(1, 0)),
    "sform alone": lambda f, v: nifti(f / "a.nii", v, codes=(0, 2)),
    "sform of SPM": lambda f, v: moved_sform(f / "a.nii.gz", v, 2),
    "4D": lambda f, v: four_d(f / "a.nii.gz", v),
    "integers": lambda f, v: scaled_integers(f / "a.nii.gz", v),
    "NRRD LPS": lambda f, v: itk(f / "a.nrrd", sb.stored_as(v, "PIR")),
    "NRRD RAS": lambda f, v: nrrd_in_ras(f / "a.nrrd", sb.stored_as(v, "ASL")),
    "MetaImage": lambda f, v: itk(f / "a.mha", sb.stored_as(v, "LPI")),
    "NIfTI pair": lambda f, v: nifti(f / "a.img", sb.stored_as(v, "RPS"), kind=nibabel.Nifti1Pair),
    "NRRD header": lambda f, v: itk(f / "a.nhdr", sb.stored_as(v, "IRP")),
    "big-endian": lambda f, v: big_endian(f / "a.nii", sb.stored_as(v, "LAI")),
    "packed twice": lambda f, v: packed_twice(f, v),
    "FreeSurfer": lambda f, v: nibabel.save(nibabel.MGHImage(v.data, v.affine), f / "a.mgz") or f / "a.mgz",
}


def roi(path) -> Path:
    """A box round the lesion as 3D Slicer saves it."""
    lps = [float(-CENTRE[0]), float(-CENTRE[1]), float(CENTRE[2])]
    path.write_text(json.dumps({"markups": [{"type": "ROI", "center": lps, "size": [36.0, 36.0, 36.0]}]}))
    return path


@pytest.mark.parametrize("name", VARIANTS)
def test_a_box_holds_the_same_tissue(upright, tmp_path, name):
    volume, _ = load_volume(VARIANTS[name](tmp_path, upright))
    inside = box_mask(read_markups_roi(roi(tmp_path / "R.mrk.json")), volume.shape, volume.itk_affine)
    # Where 3D Slicer shows the file: the lesion's voxels lie round its centre there, and all of them in the box.
    places = np.argwhere(inside) @ volume.itk_affine[:3, :3].T + volume.itk_affine[:3, 3]
    np.testing.assert_allclose(places.mean(0), CENTRE, atol=1.5)
    truth = sb.sphere(volume.shape, volume.itk_affine, POSE, LESION)
    assert (inside & truth).sum() == truth.sum()
    box = box_mask(read_markups_roi(roi(tmp_path / "R.mrk.json")), upright.shape, upright.affine)
    assert volume.data[inside].mean() == pytest.approx(upright.data[box].mean(), abs=0.005)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory) -> str:
    return str(stand_in.make(tmp_path_factory.mktemp("model") / "coarse", spread=0.02, spacing=4.0))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["oblique AIL", "sform of SPM", "NRRD RAS"])
def test_a_change_is_found_at_the_same_millimetres_on_the_left(upright, coarse, detector, tmp_path, name):
    path = VARIANTS[name](tmp_path, upright)
    request = DetectRequest(input=str(path), model=coarse, device="cpu", threshold=4.0, report=False)
    found = run_job("detect", request, lambda: detector).regions[0]
    place = np.linalg.inv(TURN) @ [*found.centroid_ras, 1.0] if name == "sform of SPM" else found.centroid_ras
    assert np.linalg.norm(place[:3] - CENTRE) < 5.0
    assert ", centred at L " in found.sentence()


@pytest.mark.slow
def test_a_clump_of_nan_and_an_open_cavity_are_neither_filled_nor_judged(upright, coarse, detector):
    where = sb.sphere(upright.shape, upright.affine, POSE, LESION)
    world = np.moveaxis(np.indices(upright.shape), 0, -1) @ upright.affine[:3, :3].T + upright.affine[:3, 3]
    right = np.argwhere((upright.data > 0) & (np.abs(world - CENTRE)[..., 1:].max(-1) < 15))[:, 0].max()
    opened = (np.abs(world - CENTRE)[..., 1:].max(-1) < 15) & (np.arange(upright.shape[0])[:, None, None] > right - 11)
    holed = np.where(where, np.nan, np.where(opened, 0.0, upright.data)).astype(np.float32)
    request = DetectRequest(input="brain", model=coarse, device="cpu", threshold=4.0, report=False)
    result = run_job("detect", request, lambda: detector, volume=upright.with_data(holed))
    for volume in (result.z_map, result.segmentation, result.difference):
        assert not volume.data[where | opened].any()
    assert result.z_map.data.any() and np.abs(result.z_map.data).max() < 30.0
    said = [remark for remark in result.provenance["warnings"] if "nothing was measured" in remark]
    assert len(said) == 1 and f"{where.sum() * upright.voxel_ml:.1f} ml at L " in said[0]
    said = [remark for remark in result.provenance["warnings"] if "nothing where brain is expected" in remark]
    assert len(said) == 1 and " ml at R " in said[0] and "L " not in said[0]


def test_analyze_holds_the_tissue_but_no_side(upright, tmp_path):
    stored = sb.stored_as(upright, "LAS")
    nibabel.save(AnalyzeImage(stored.data, stored.affine), tmp_path / "a.img")
    volume, remarks = load_volume(tmp_path / "a.hdr")
    np.testing.assert_array_equal(volume.data, stored.data)
    assert not volume.sides_known and "the side is unknown" in remarks[0]
    # It says no origin: the place is that of the array's centre.
    centre = volume.affine[:3, :3] @ ((np.array(volume.shape) - 1) / 2) + volume.affine[:3, 3]
    np.testing.assert_allclose(centre, 0.0, atol=1e-6)
    np.testing.assert_allclose(volume.affine[:3, :3], stored.affine[:3, :3], atol=1e-6)
