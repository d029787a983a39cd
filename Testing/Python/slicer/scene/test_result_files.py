"""Result files are read off the GUI thread exactly as the engine wrote them, or refused for what they are."""

import slicer_harness

slicer_harness.require()

import gzip
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.volume import Volume
from FAAnomalySlicer.scene.geometry import InputRecord
from FAAnomalySlicer.scene.result_files import read_nifti, read_result, read_volume
from support.phantoms.mrml_volumes import GRIDS, SHAPE, answer_of, brainlike, made_result


def record(affine, shape=SHAPE):
    return InputRecord("node", "FA", shape, affine, 0, np.eye(4))


@pytest.fixture
def files(tmp_path):
    return answer_of(made_result(brainlike(), GRIDS["oblique"]), tmp_path / "out")["files"]


@pytest.mark.parametrize("name", GRIDS)
def test_what_the_engine_writes_is_read_back(tmp_path, name):
    result = made_result(brainlike(), GRIDS[name])
    answer = answer_of(result, tmp_path / "out")
    arrays = read_result(answer["files"], record(GRIDS[name]))
    for stem, volume in result.volumes().items():
        if stem == "expected_sd":  # for programs; the panel shows the z-map
            continue
        array = getattr(arrays, stem)
        np.testing.assert_array_equal(array.T, volume.data)
        assert array.dtype == volume.data.dtype and array.flags.c_contiguous
    np.testing.assert_array_equal(arrays.ijk_to_ras, GRIDS[name])
    assert arrays.regions == result.regions and len(arrays.regions) == 2
    assert arrays.provenance["model"] == result.provenance["model"] and "regions" not in arrays.provenance
    without = read_result(answer["files"])
    np.testing.assert_allclose(without.ijk_to_ras, GRIDS[name], atol=1e-4)
    np.testing.assert_array_equal(read_volume(answer["files"]["z_map"], record(GRIDS[name])), arrays.z_map)


def test_regions_with_their_tracts_are_read(files):
    path = Path(files["z_map"]).with_name("result.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["regions"][0]["anatomy"] = {"tracts": [], "nearest": "left fornix", "distance_mm": 4.2}
    path.write_text(json.dumps(content), encoding="utf-8")
    regions = read_result(files).regions
    assert len(regions) == 2 and regions[0].sentence().startswith("Region 1: FA increased")


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_plain_and_packed_files_of_both_types(tmp_path, ending, kind):
    data = (100 * brainlike()).astype(kind)
    save_volume(Volume(data, GRIDS["oblique"]), tmp_path / f"a{ending}")
    array, affine = read_nifti(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(array.T, data)
    np.testing.assert_allclose(affine, GRIDS["oblique"], atol=1e-4)


def refused(files, *args):
    with pytest.raises(FAError) as caught:
        read_result(files, *args)
    assert caught.value.code == "bad-input" and caught.value.fix
    return str(caught.value)


def test_a_result_elsewhere_is_refused(files):
    moved = GRIDS["oblique"].copy()
    moved[0, 3] += 0.5
    assert "pseudo_healthy.nii.gz" in refused(files, record(moved)) and "input's grid" in refused(files, record(moved))
    assert "input's grid" in refused(files, record(GRIDS["oblique"], (SHAPE[0] + 1, *SHAPE[1:])))
    save_volume(Volume(brainlike(), moved), files["z_map"])
    assert "z_map.nii.gz" in refused(files)
    with pytest.raises(FAError, match="input's grid"):
        read_volume(files["z_map"], record(GRIDS["oblique"]))


def cut(path):
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(content[: len(content) // 2])


def write(content):
    def act(path):
        with open(path, "wb") as file:
            file.write(content)

    return act


def header(change):
    def act(path):
        content = bytearray(gzip.open(path).read())
        change(content)
        write(gzip.compress(bytes(content)))(path)

    return act


def put(place, value):
    return header(lambda content: content.__setitem__(slice(place, place + len(value)), value))


DAMAGE = {
    "cut": (cut, "ends too early"),
    "empty": (write(b""), "no NIfTI"),
    "text": (write(b"hello " * 100), "no NIfTI"),
    "broken": (write(b"\x1f\x8bnonsense"), "z_map"),
    "short": (header(lambda content: content.__delitem__(slice(-100, None))), "ends before its last voxel"),
    "other type": (put(70, b"\x08\0"), "another way"),
    "four dimensions": (put(40, b"\x04\0"), "another way"),
    "slope": (put(112, np.float32(2.0).tobytes()), "another way"),
    "no sform": (put(254, b"\0\0"), "another way"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused(files, damage):
    act, words = DAMAGE[damage]
    act(files["z_map"])
    assert words in refused(files)


def test_an_absent_file_is_refused(files, tmp_path):
    (tmp_path / "out" / "difference.nii.gz").unlink()
    assert "difference.nii.gz" in refused(files) and "No such file" in refused(files)
    del files["difference"]
    assert "did not name it" in refused(files)


def test_a_wrong_type_is_refused(files):
    save_volume(Volume((brainlike() > 0).astype(np.uint8), GRIDS["oblique"]), files["difference"])
    assert "another type" in refused(files)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"regions": [{"label": 1}]}'])
def test_a_damaged_result_json_is_refused(files, tmp_path, content):
    (tmp_path / "out" / "result.json").write_text(content)
    assert "result.json" in refused(files)


def test_a_region_of_another_version_is_refused(files, tmp_path):
    path = tmp_path / "out" / "result.json"
    content = json.loads(path.read_text())
    content["regions"][0]["colour"] = "red"
    path.write_text(json.dumps(content))
    assert "result.json" in refused(files) and "colour" in refused(files)


def test_the_other_threads_run_while_it_reads(tmp_path):
    shape = (160, 160, 120)
    data = np.random.default_rng(0).random(shape, dtype=np.float32)
    save_volume(Volume(data, GRIDS["ras"]), tmp_path / "a.nii.gz")
    reader = threading.Thread(target=lambda: [read_nifti(tmp_path / "a.nii.gz") for _ in range(2)])
    was = sys.getswitchinterval()
    sys.setswitchinterval(10.0)  # nobody is interrupted: only who lets go lets the others run
    try:
        reader.start()
        turns = 0
        while reader.is_alive():
            turns += 1
            time.sleep(0.001)
    finally:
        sys.setswitchinterval(was)
    assert turns > 20
