"""HCP's folders to the thesis' training pairs and a split by family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from FAAnomalyLib.cli.application import main
from FAAnomalyLib.datasets.split_table import split_by_table
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import save_volume
from FAAnomalyLib.public_data.hcp import HcpRequest, find_hcp, prepare_hcp
from FAAnomalyLib.public_data.preparation import read_manifest
from FAAnomalyLib.public_data.split_file import choose_groups, read_split, share_of
from FAAnomalyLib.training.volume_pairs import find_pairs
from FAAnomalyLib.volume import Volume

SHAPE = (145, 174, 145)


def fa_map(half_mm=(62.0, 76.0, 60.0), shape=SHAPE, mm=1.25) -> Volume:
    affine = np.diag([-mm, mm, mm, 1.0])
    affine[:3, 3] = [mm * (shape[0] - 1) / 2, -mm * (shape[1] - 1) / 2, -mm * (shape[2] - 1) / 2]
    axes = [mm * (np.arange(n) - (n - 1) / 2) / half for n, half in zip(shape, half_mm, strict=True)]
    radius = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2
    wave = 0.3 + 0.25 * np.sin(9 * axes[0])[:, None, None] * np.cos(7 * axes[1])[:, None]
    return Volume(np.where(radius < 1, wave + 0.02 * axes[2], 0.0).astype(np.float32), affine)


def write_hcp(folder: Path, names, **shape) -> Path:
    for name in names:
        place = folder / str(name) / "T1w" / "Diffusion"
        place.mkdir(parents=True)
        save_volume(fa_map(**shape), place / "dti_FA.nii.gz")
    return folder


def test_the_crop_begins_where_the_thesis_crops_and_is_trained_on(tmp_path):
    source = write_hcp(tmp_path / "in", ["100307"])
    told: list[str] = []
    outcome = prepare_hcp(HcpRequest(source, tmp_path / "out"), told.append)
    record = outcome.records["100307"]
    assert record["start"] == [8, 23, 8] and record["clipped_ml"] == 0
    (pair,) = find_pairs(tmp_path / "out", (128, 128, 128))
    # Axes are brought to right, anterior, superior; then voxel (8, 23, 8) is the first one.
    whole = fa_map().data[::-1]
    assert np.array_equal(pair.fa.numpy(), whole[8:136, 23:151, 8:136])
    assert np.array_equal(pair.white_matter.numpy(), whole[8:136, 23:151, 8:136] > np.float32(0.2))
    assert any("split is by subject" in line for line in told)


def test_a_long_brain_is_told_and_a_bad_subject_left_out(tmp_path, capsys):
    coarse = {"shape": (48, 60, 48), "mm": 3.75}
    source = write_hcp(tmp_path / "in", ["100307", "100408"], half_mm=(62.0, 88.0, 60.0), **coarse)
    (source / "100610" / "T1w").mkdir(parents=True)
    (source / "100610" / "T1w" / "dti_FA.nii.gz").write_bytes(b"no map")
    table = tmp_path / "restricted.csv"
    table.write_text("Subject,Family_ID,Age\n100307,51488_81149,27\n100408,51488_81149,29\n100610,x,30\n")
    command = ["preprocess", "hcp", str(source), str(tmp_path / "out"), "--families", str(table), "--grid", "32"]
    assert main(command) == 0
    printed = capsys.readouterr()
    lines = [line for line in printed.err.splitlines() if line.startswith("left out")]
    assert len(lines) == 1 and "100610" in lines[0] and "dti_FA.nii.gz" in lines[0]
    assert "cuts 2 of 2 brains" in printed.err and "outside the crop of 160 mm" in printed.err
    assert "2 subjects" in printed.out and "1 left out: 100610" in printed.out
    manifest = read_manifest(tmp_path / "out")
    assert manifest["settings"]["split_by"] == "family"
    assert len({one["set"] for one in manifest["subjects"].values()}) == 1, "siblings stay together"
    assert main(command) == 0
    assert "2 of them from before" in capsys.readouterr().out


def test_a_split_by_family_is_exact_and_kept(tmp_path):
    generator = np.random.default_rng(0)
    families = {str(100000 + n): f"f{generator.integers(430)}" for n in range(972)}
    chosen = choose_groups(families, share_of(72, 972, list(families)), seed=0)
    assert len(chosen) == 72
    assert not {families[name] for name in chosen} & {families[name] for name in families.keys() - chosen}


def test_a_split_that_divides_families_is_refused(tmp_path):
    source = write_hcp(tmp_path / "in", range(1, 4), shape=(48, 60, 48), mm=3.75)
    request = HcpRequest(source, tmp_path / "out", voxels=16, test=1)
    prepare_hcp(request, lambda text: None)
    split = read_split(tmp_path / "out")
    assert sorted(split.values()) == ["test", "train", "train"]
    training, held_out = split_by_table(find_pairs(tmp_path / "out", (16,) * 3), tmp_path / "out" / "split.csv")
    assert (len(training), len(held_out)) == (2, 1)
    table = tmp_path / "families.csv"
    table.write_text("Subject;Family_ID\n" + "".join(f"{n};same\n" for n in range(1, 4)))
    with pytest.raises(FAError, match="divides 1 families") as caught:
        prepare_hcp(HcpRequest(source, tmp_path / "out", table, voxels=16), lambda text: None)
    assert caught.value.code == "bad-request"
    table.write_text("Subject,Family_ID\n9,a\n")
    with pytest.raises(FAError, match="names none of the subjects"):
        prepare_hcp(HcpRequest(source, tmp_path / "new", table), lambda text: None)


def test_maps_beside_each_other_are_subjects_too(tmp_path):
    save_volume(fa_map(shape=(48, 60, 48), mm=3.75), tmp_path / "ann_FA.nii.gz")
    assert [one.name for one in find_hcp(tmp_path)] == ["ann"]
    (tmp_path / "bob").mkdir()
    for name in ("a_FA.nii.gz", "b_FA.nii.gz"):
        save_volume(fa_map(shape=(48, 60, 48), mm=3.75), tmp_path / "bob" / name)
    with pytest.raises(FAError, match="No subject"):
        prepare_hcp(HcpRequest(tmp_path, tmp_path / "out"), lambda text: None)
