"""Tractography files, building of an atlas from them, and the atlas' own file."""

from __future__ import annotations

import gzip
import hashlib

import nibabel as nib
import numpy as np
import pytest

from FAAnomalyLib.anatomy.atlas_building import Bundle, build_atlas, read_bundles
from FAAnomalyLib.anatomy.tract_atlas import NODES, TRACTS_FILE, load_atlas, save_atlas
from FAAnomalyLib.anatomy.tractography_file import Tractography, read_tractography
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.pipeline.anatomy import atlas_folder
from support.phantoms import tiny_tracts as tt
from support.phantoms.synthetic_brain import template as bundled_template


@pytest.fixture(scope="module")
def atlas():
    return tt.atlas()


def share_on_grid(atlas, number):
    grid = np.zeros(atlas.shape, np.float32)
    grid.ravel()[atlas.tracts[number].voxels] = atlas.tracts[number].share
    return grid


def test_a_tractography_file_gives_its_points_in_mm(tmp_path):
    made = tt.tractography()
    read = read_tractography(tt.write_tiny_track(tmp_path / "a.tt.gz", made))
    assert read.bundle.tolist() == made.bundle.tolist()
    for one, other in zip(read.streamlines, made.streamlines, strict=True):
        np.testing.assert_allclose(one, other, atol=1 / 32)


@pytest.mark.parametrize("damage", ["text", "cut", "bundles"])
def test_a_damaged_tractography_file_is_refused_in_one_line(tmp_path, damage):
    made = tt.tractography()
    if damage == "bundles":
        made = Tractography(made.streamlines, made.bundle[:-1])
    path = tt.write_tiny_track(tmp_path / "a.tt.gz", made)
    if damage == "text":
        path.write_text("no gzip")
    elif damage == "cut":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-700]))
    with pytest.raises(FAError) as raised:
        read_tractography(path)
    assert raised.value.code == "bad-input" and "a.tt.gz" in str(raised.value)


def test_shares_are_of_streamlines_and_lie_where_these_run(atlas):
    assert [tract.name for tract in atlas.tracts] == [bundle.name for bundle in tt.BUNDLES]
    left, right, bridge = (share_on_grid(atlas, number) for number in range(3))
    to_voxel, seven_of_ten = np.linalg.inv(atlas.affine), pytest.approx(0.7)
    for grid, here, not_there in ((left, -20.0, 20.0), (right, 20.0, -20.0)):
        for y in (-24.0, 0.0, 24.0):
            assert grid[tuple(np.rint(nib.affines.apply_affine(to_voxel, (here, y, 0.0))).astype(int))] == seven_of_ten
            assert grid[tuple(np.rint(nib.affines.apply_affine(to_voxel, (not_there, y, 0.0))).astype(int))] == 0.0
    assert bridge[tuple(np.rint(nib.affines.apply_affine(to_voxel, (0.0, 0.0, 0.0))).astype(int))] == seven_of_ten


def test_places_along_a_tract_run_from_one_end_to_the_other_whatever_way_streamlines_run(atlas):
    tract = atlas.tracts[0]
    y = nib.affines.apply_affine(atlas.affine, np.stack(np.unravel_index(tract.voxels, atlas.shape), 1))[:, 1]
    on_it = tract.share > 0.6
    assert abs(np.corrcoef(y[on_it], tract.node[on_it].astype(float))[0, 1]) > 0.995
    assert set(tract.node[on_it]) == set(range(NODES))


def test_membership_is_full_in_the_core_and_fades_over_some_millimetres(atlas):
    tract = atlas.tracts[0]
    points = nib.affines.apply_affine(atlas.affine, np.stack(np.unravel_index(tract.voxels, atlas.shape), 1))
    middle = np.abs(points[:, 1]) < 10
    away = np.abs(points[:, 0] + 20.0)
    assert tract.membership[middle & (away < 1.5) & (np.abs(points[:, 2]) < 1.5)].min() > 0.75
    rim = tract.membership[middle & (away > 6.0) & (away < 8.0)]
    assert rim.size and rim.max() < 0.5 and points[:, 0].max() < 0.0


def test_nerves_and_bundles_outside_white_matter_or_too_small_are_left_out_with_the_reason():
    made, known = tt.tractography(), tt.template()
    bundles = [Bundle("left nerve", "N", "left", "cranial nerve"), *tt.BUNDLES[1:]]
    white = known.priors.white_matter.copy()
    white[20:] = 0.0
    known.priors.white_matter[:] = white
    short = [line[:2] if bundle == 2 else line for line, bundle in zip(made.streamlines, made.bundle, strict=True)]
    atlas, left_out = build_atlas(Tractography(short, made.bundle), bundles, known)
    assert not atlas.tracts
    assert "cranial nerve" in left_out["left nerve"]
    assert left_out["right long tract"] == "0% of it is white matter of the template"
    assert "finer than the resolution" in left_out["bridge"]


def test_an_atlas_survives_its_file(atlas, tmp_path):
    save_atlas(atlas, tmp_path / "made")
    read = load_atlas(tmp_path / "made")
    assert read.shape == atlas.shape
    assert read.sha256 == hashlib.sha256((tmp_path / "made" / TRACTS_FILE).read_bytes()).hexdigest()
    np.testing.assert_array_equal(read.affine, atlas.affine)
    for one, other in zip(read.tracts, atlas.tracts, strict=True):
        assert (one.name, one.abbreviation, one.side, one.group, one.streamlines) == (
            other.name,
            other.abbreviation,
            other.side,
            other.group,
            other.streamlines,
        )
        np.testing.assert_array_equal(one.voxels, other.voxels)
        np.testing.assert_array_equal(one.node, other.node)
        for name in ("share", "membership"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1 / 500)


@pytest.mark.parametrize("damage", ["absent", "no table", "cut", "other table", "beyond the grid"])
def test_a_damaged_atlas_is_refused_in_one_line(atlas, tmp_path, damage):
    folder = tmp_path / "ä atlas"
    save_atlas(atlas, folder)
    arrays = folder / TRACTS_FILE
    if damage == "absent":
        arrays.unlink()
    elif damage == "no table":
        (folder / "tracts.csv").unlink()
    elif damage == "cut":
        arrays.write_bytes(arrays.read_bytes()[:200])
    elif damage == "other table":
        (folder / "tracts.csv").write_text("name,abbreviation,side,group,streamlines\na,b,left,c,1\n")
    else:
        stored = dict(np.load(arrays))
        np.savez(arrays, **{**stored, "shape": np.array([2, 2, 2])})
    with pytest.raises(FAError) as raised:
        load_atlas(folder)
    assert raised.value.code == "missing" and "ä atlas" in str(raised.value) and "--atlas" in raised.value.fix


def test_a_table_of_bundles_is_checked(tmp_path):
    table = tmp_path / "bundles.csv"
    table.write_text("bundle,name,abbreviation,side,group\nA,left a,a L,left,association\n")
    assert read_bundles(table) == [Bundle("left a", "a L", "left", "association")]
    table.write_text("bundle,name,abbreviation,side,group\nA,left a,a L,west,association\n")
    with pytest.raises(FAError, match="west"):
        read_bundles(table)
    table.write_text("bundle,name\nA,left a\n")
    with pytest.raises(FAError, match="abbreviation"):
        read_bundles(table)
    with pytest.raises(FAError, match="3 bundles, the table 1"):
        build_atlas(tt.tractography(), tt.BUNDLES[:1], tt.template())


def test_flat_indices_are_those_of_the_grid_and_none_outside(atlas):
    voxels = np.array([(0, 0, 0), (39, 35, 19), (7, 30, 3)])
    flat = atlas.flat_indices(nib.affines.apply_affine(atlas.affine, voxels) + 0.4)
    np.testing.assert_array_equal(flat, np.ravel_multi_index(voxels.T, atlas.shape))
    assert atlas.flat_indices(np.array([(-200.0, 0.0, 0.0)])).tolist() == [-1]


def test_the_bundled_atlas_has_its_sides_right_and_lies_in_white_matter():
    atlas, template = load_atlas(atlas_folder("default")), bundled_template()
    assert len(atlas.tracts) == 83 and atlas.shape == template.fa.shape
    np.testing.assert_array_equal(atlas.affine, template.fa.affine)
    assert len({tract.name for tract in atlas.tracts}) == len({tract.abbreviation for tract in atlas.tracts}) == 83
    white = template.priors.white_matter.ravel() > 0.5
    for tract in atlas.tracts:
        x = nib.affines.apply_affine(atlas.affine, np.stack(np.unravel_index(tract.voxels, atlas.shape), 1))[:, 0]
        mean = float(np.average(x, weights=tract.share))
        assert {"left": mean < -3, "right": mean > 3, "both": abs(mean) < 12}[tract.side], tract.name
        assert tract.share[white[tract.voxels]].sum() > 0.3 * tract.share.sum(), tract.name
        assert tract.side == "both" or tract.name.startswith(tract.side)
