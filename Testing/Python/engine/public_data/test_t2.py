"""IXI, BraTS 2021 and MSLUB from published folders to one grid."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from FAAnomalyLib.cli.application import main
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.models.manifest import sha256_of
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.preprocessing.template import load_template
from FAAnomalyLib.public_data import t2_cohort
from FAAnomalyLib.public_data.preparation import read_manifest
from FAAnomalyLib.public_data.t2_cohort import T2Request, prepare_t2_cohort
from FAAnomalyLib.public_data.t2_image import T2Input, T2Settings, bias_field, prepare_t2
from FAAnomalyLib.public_data.t2_layouts import LAYOUTS, find_scans
from FAAnomalyLib.runtime.progress import CancelToken
from FAAnomalyLib.volume import Volume
from support.phantoms import t2_cohorts

pytestmark = pytest.mark.slow

SUBJECTS = {"ixi": "IXI002-Guys-0828", "brats21": "BraTS2021_00001", "mslub": "patient01"}


def volumes(cohorts, layout, name):
    return {
        end: load_volume(path)[0]
        for end in ("", "_mask", "_lesion-mask")
        if (path := cohorts.root / layout / f"{name}{end}.nii.gz").is_file()
    }


def test_every_layout_comes_to_one_grid(cohorts):
    grids = [volumes(cohorts, layout, name)[""] for layout, name in SUBJECTS.items()]
    assert all(one.same_geometry(grids[0]) for one in grids) and grids[0].shape == (32, 32, 16)
    assert np.allclose(grids[0].spacing, 6.0)
    for layout, name in SUBJECTS.items():
        assert len(cohorts.outcomes[layout].records) == (3 if layout == "brats21" else 2)
        files = volumes(cohorts, layout, name)
        image, brain = files[""].data, files["_mask"].data > 0
        assert image.min() == 0 and image.max() == 1 and not image[~brain].any()
        assert 0.005 < (image[brain] == 1).mean() < 0.02, "the 99th percentile is 1"
        assert ("_lesion-mask" in files) == (layout != "ixi")


def test_brains_of_any_pose_lie_on_the_atlas(cohorts):
    places = np.indices((32, 32, 16))
    affine = volumes(cohorts, "ixi", SUBJECTS["ixi"])[""].affine
    world = np.einsum("ij,jxyz->ixyz", affine[:3, :3], places) + affine[:3, 3].reshape(3, 1, 1, 1)
    _, brain, lesion = t2_cohorts.brain_at(world, lesion=True)
    for layout, name in SUBJECTS.items():
        files = volumes(cohorts, layout, name)
        found = files["_mask"].data > 0
        assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) > 0.96, layout
        if layout != "ixi":
            spot = files["_lesion-mask"].data > 0
            assert 2 * (spot & lesion).sum() / (spot.sum() + lesion.sum()) > 0.75, layout
            assert files[""].data[spot].mean() > 1.5 * files[""].data[found & ~spot].mean()


def test_a_manifest_tells_files_sets_and_settings(cohorts):
    manifest = read_manifest(cohorts.root / "mslub")
    one = manifest["subjects"]["patient01"]
    assert {sub["set"] for sub in manifest["subjects"].values()} == {"validation", "test"}
    assert one["files"]["patient01.nii.gz"] == sha256_of(cohorts.root / "mslub" / "patient01.nii.gz")
    assert set(one["made_from"]) == {f"patient01_{end}.nii.gz" for end in ("T2W", "brainmask", "consensus_gt")}
    assert manifest["settings"]["template_sha256"] == sha256_of(cohorts.requests["mslub"].template)
    assert read_manifest(cohorts.root / "brats21")["subjects"]["BraTS2021_00000"]["skull_strip"] != "brain mask"
    with pytest.raises(FAError, match="no prepared data set"):
        read_manifest(cohorts.root)


def test_healthy_people_give_a_template_that_needs_no_registration(cohorts):
    template = load_template(cohorts.root / "ixi" / "template")
    files = volumes(cohorts, "mslub", "patient01")
    prepared = prepare(files[""], template, files["_mask"].data > 0)
    assert template.aligned and prepared.grid.alignment.method == "none"
    assert np.array_equal(prepared.fa, files[""].data), "nothing is smoothed or moved"
    with pytest.raises(FAError, match="does not lie on the grid"):
        prepare(Volume(files[""].data[1:], files[""].affine), template)


def test_finished_subjects_are_skipped_and_bad_ones_told(cohorts, tmp_path):
    request = replace(cohorts.requests["brats21"], output=tmp_path / "out", source=tmp_path / "in")
    for name in ("BraTS2021_00000", "BraTS2021_00001"):
        shutil.copytree(cohorts.requests["brats21"].source / name, request.source / name)
    broken = request.source / "BraTS2021_00007" / "BraTS2021_00007_t2.nii.gz"
    broken.parent.mkdir()
    broken.write_bytes(b"no image")
    shutil.copy(
        request.source / "BraTS2021_00000" / "BraTS2021_00000_seg.nii.gz",
        broken.with_name("BraTS2021_00007_seg.nii.gz"),
    )
    told: list[str] = []
    token = CancelToken()

    def progress(fraction, stage, eta):
        if fraction >= 1 / 3:
            token.cancel()

    with pytest.raises(FAError, match=r"1 of 3 subjects are ready") as caught:
        prepare_t2_cohort(request, told.append, progress, token)
    assert caught.value.code == "cancelled"
    first = (request.output / "BraTS2021_00000.nii.gz").stat().st_mtime_ns
    outcome = prepare_t2_cohort(request, told.append)
    assert outcome.skipped == 1 and (request.output / "BraTS2021_00000.nii.gz").stat().st_mtime_ns == first
    assert set(outcome.left_out) == {"BraTS2021_00007"} and len(told) == 2 and "\n" not in told[0]
    assert told[1].startswith("1 for validation, 1 for test")
    assert "BraTS2021_00007_t2.nii.gz" in told[0]
    stored = json.loads((request.output / "manifest.json").read_text())
    assert list(stored["left_out"]) == ["BraTS2021_00007"] and len(stored["subjects"]) == 2
    split = (request.output / "split.csv").read_text()
    prepare_t2_cohort(replace(request, seed=5), told.append)
    assert (request.output / "split.csv").read_text() == split, "a split stays"


def test_a_skull_is_never_left_in_silently(cohorts, tmp_path):
    with pytest.raises(FAError, match="No subject could be prepared"):
        prepare_t2_cohort(replace(cohorts.requests["ixi"], masks=None, output=tmp_path / "a"), lambda text: None)
    told: list[str] = []
    with pytest.raises(FAError, match="No subject"):
        prepare_t2_cohort(
            replace(cohorts.requests["ixi"], masks=None, stripped=True, output=tmp_path / "b"), told.append
        )
    assert all("not skull-stripped" in line for line in told) and len(told) == 2
    with pytest.raises(FAError, match="licence") as caught:
        prepare_t2_cohort(replace(cohorts.requests["ixi"], template=tmp_path / "none.nii.gz"))
    assert caught.value.code == "missing"


def test_an_image_that_lies_elsewhere_is_refused(cohorts):
    image = load_volume(cohorts.requests["brats21"].source / "BraTS2021_00000" / "BraTS2021_00000_t2.nii.gz")[0]
    moved = image.affine.copy()
    moved[:3, 3] += 60.0
    atlas = load_volume(cohorts.requests["brats21"].template)[0]
    with pytest.raises(FAError, match="could not be aligned"):
        prepare_t2(T2Input(Volume(image.data, moved)), atlas, t2_cohorts.SETTINGS, registered=True)


@pytest.mark.fast
def test_a_bias_field_is_found():
    places, _ = t2_cohorts.world((40, 44, 34), 4.5)
    image, brain, _ = t2_cohorts.brain_at(places)
    field = np.exp(0.4 * places[0] / 66 + 0.2 * places[2] / 62).astype(np.float32)
    found = bias_field(image * field, brain, T2Settings(bias_iterations=(50, 50)))
    plain = bias_field(image, brain, T2Settings(bias_iterations=(50, 50)))
    ratio = found / plain
    assert np.corrcoef(np.log(ratio[brain]), np.log(field[brain]))[0, 1] > 0.98
    assert np.std(np.log(field / ratio)[brain]) < 0.3 * np.std(np.log(field)[brain])
    assert (found[~brain] == 1).all()


@pytest.mark.fast
def test_the_settings_are_those_of_the_source():
    known = T2Settings()
    assert (known.borders, known.final, known.bias_iterations) == ((192, 192, 160), (192, 192, 100), (200,) * 4)
    assert (known.flow_step, known.flow_iterations, known.percentiles) == (0.125, 3, (1.0, 99.0))
    # The thesis' 80 slices less 15 at both ends are the same part of the brain.
    assert known.borders[2] // 2 - 2 * 15 == known.final[2] // 2 == 50
    assert [(one.validation, one.published) for one in LAYOUTS.values()] == [(0, 560), (100, 1251), (10, 30)]


@pytest.mark.fast
def test_layouts_tell_what_is_missing_or_double(tmp_path):
    blank = Volume(np.zeros((4, 4, 4), np.float32), np.eye(4))
    for name in (
        "raw/patient01/a_T2W.nii.gz",
        "patient01/a_T2W.nii.gz",
        "patient01/b_T2W.nii.gz",
        "patient01/consensus.nii.gz",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        save_volume(blank, tmp_path / name)
    assert "2 files with T2W" in find_scans("mslub", tmp_path)[0].problem
    (tmp_path / "BraTS2021_00003").mkdir()
    save_volume(blank, tmp_path / "BraTS2021_00003" / "BraTS2021_00003_t2.nii.gz")
    assert "no BraTS2021_00003_seg" in find_scans("brats21", tmp_path)[0].problem
    with pytest.raises(FAError, match="No subject of ixi"):
        find_scans("ixi", tmp_path)


def test_the_command_prepares_and_sums_up(cohorts, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(t2_cohort, "T2Request", partial(T2Request, settings=t2_cohorts.SETTINGS))
    source, template = cohorts.requests["brats21"].source, cohorts.requests["brats21"].template
    command = ["preprocess", "t2", "--layout", "brats21", str(source), str(tmp_path), "--template", str(template)]
    command += ["--registered", "--validation", "2"]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert f"3 subjects in {tmp_path}" in printed.out and "2 for validation, 1 for test" in printed.err
    assert main(command) == 0
    assert "3 of them from before" in capsys.readouterr().out
    assert main([*command[:-1], "0"]) == 2
    assert "--validation must be at least 1" in capsys.readouterr().err
