"""Names of regions: sides, shares, nearest tract; the same for every grid a region can be stored on."""

from __future__ import annotations

import numpy as np
import pytest

from FAAnomalyLib.anatomy.region_anatomy import RegionNamer
from FAAnomalyLib.anatomy.unknown_side import either_side, without_sides
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.geometry.subject_to_atlas import SubjectToAtlas, coarse_mapping, load_mapping, save_mapping
from support.phantoms import synthetic_brain as sb
from support.phantoms import tiny_tracts as tt

SAME = SubjectToAtlas(np.eye(4), np.zeros((3, 1, 1, 1), np.float32), np.eye(4))


@pytest.fixture(scope="module")
def atlas():
    return tt.atlas()


def sphere(centre, radius_mm, spacing=(1.0, 1.0, 1.0)):
    """Centres of voxels within a sphere, mm, and the volume of one."""
    grid = np.stack(np.meshgrid(*[np.arange(-radius_mm, radius_mm + s, s) for s in spacing], indexing="ij"), -1)
    points = grid.reshape(-1, 3)
    return points[(points**2).sum(1) <= radius_mm**2] + centre, float(np.prod(spacing)) / 1000


@pytest.mark.parametrize(
    ("centre", "name"),
    [((-20, -15, 0), "left long tract"), ((20, 15, 0), "right long tract"), ((0, 0, 0), "bridge")],
)
def test_a_sphere_in_a_tract_is_named_by_it_first(atlas, centre, name):
    found = RegionNamer(atlas, SAME).anatomy(*sphere(centre, 6.0))
    assert found.tracts[0].tract == name and found.nearest is None
    assert {"left long tract": "right", "right long tract": "left"}.get(name, "?") not in {t.side for t in found.tracts}


def test_where_tracts_cross_both_are_named(atlas):
    found = RegionNamer(atlas, SAME).anatomy(*sphere((20, 0, 0), 5.0))
    assert {"right long tract", "bridge"} == {share.tract for share in found.tracts}


def test_shares_are_of_volumes_and_do_not_depend_on_the_voxels(atlas):
    namer = RegionNamer(atlas, SAME)
    fine = namer.anatomy(*sphere((-20, 0, 0), 10.0, (0.8, 0.8, 0.8))).tracts[0]
    thick = namer.anatomy(*sphere((-20, 0, 0), 10.0, (1.5, 1.5, 5.0))).tracts[0]
    # 20 of the 52 mm of a straight tract lie within a sphere of 20 mm, less what its round ends leave out.
    assert fine.share_of_tract == pytest.approx(0.9 * 20 / 52, abs=0.04)
    assert thick.share_of_tract == pytest.approx(fine.share_of_tract, abs=0.06)
    assert thick.share_of_region == pytest.approx(fine.share_of_region, abs=0.1)


def test_a_region_beside_all_tracts_names_the_nearest_and_its_distance(atlas):
    found = RegionNamer(atlas, SAME).anatomy(*sphere((-20, 20, 17), 2.0))
    assert not found.tracts and found.nearest == "left long tract"
    # The tract's edge lies some millimetres from its axis.
    assert 6.0 < found.distance_mm < 14.0
    assert "the nearest is the left long tract" in found.words()


def test_a_region_outside_the_atlas_says_so(atlas):
    assert RegionNamer(atlas, SAME).anatomy(*sphere((500, 0, 0), 3.0)).words() == "outside the atlas"


def test_a_turned_scaled_and_shifted_head_gives_the_same_names_and_shares(atlas):
    pose = sb.head((1.1, 0.95, 1.05), (12.0, -30.0, 8.0), x=20, z=-15)
    template_points, voxel_ml = sphere((-20.23, -15.17, 0.37), 6.0)
    points = template_points @ pose[:3, :3].T + pose[:3, 3]
    mapping = SubjectToAtlas(np.linalg.inv(pose), np.zeros((3, 1, 1, 1), np.float32), np.eye(4))
    in_scan = voxel_ml * abs(np.linalg.det(pose[:3, :3]))
    straight = RegionNamer(atlas, SAME).anatomy(template_points, voxel_ml).tracts[0]
    turned = RegionNamer(atlas, mapping).anatomy(points, in_scan).tracts[0]
    assert turned.tract == "left long tract"
    assert turned.share_of_tract == pytest.approx(straight.share_of_tract, rel=1e-3)
    assert turned.share_of_region == pytest.approx(straight.share_of_region, rel=1e-3)


def test_a_mapping_follows_the_displacement_and_survives_its_file(tmp_path):
    known = tt.template()
    rng = np.random.default_rng(0)
    smooth = np.stack([np.full(tt.SHAPE, rng.normal()) + 0.05 * np.indices(tt.SHAPE)[axis] for axis in range(3)])
    pose = sb.head((1.05, 1.0, 0.95), (3.0, 2.0, -4.0), y=12)
    mapping = coarse_mapping(np.linalg.inv(pose), smooth, known.fa.affine)
    save_mapping(mapping, tmp_path / "anatomy.npz")
    read = load_mapping(tmp_path / "anatomy.npz")
    voxels = rng.integers(2, np.array(tt.SHAPE) - 3, (50, 3))
    in_template = voxels @ known.fa.affine[:3, :3].T + known.fa.affine[:3, 3]
    scan = in_template @ pose[:3, :3].T + pose[:3, 3]
    wanted = voxels + smooth[:, voxels[:, 0], voxels[:, 1], voxels[:, 2]].T
    wanted = wanted @ known.fa.affine[:3, :3].T + known.fa.affine[:3, 3]
    np.testing.assert_allclose(mapping(scan), wanted, atol=1e-3)
    np.testing.assert_allclose(read(scan), wanted, atol=0.02)
    assert read.volume_ratio == pytest.approx(1 / abs(np.linalg.det(pose[:3, :3])))


def test_no_mapping_is_read_as_none_and_a_damaged_one_is_refused(tmp_path):
    save_mapping(None, tmp_path / "none.npz")
    assert load_mapping(tmp_path / "none.npz") is None
    (tmp_path / "bad.npz").write_bytes(b"PK no")
    with pytest.raises(FAError, match="bad.npz"):
        load_mapping(tmp_path / "bad.npz")


def test_without_a_known_side_no_name_claims_one(atlas):
    found = without_sides(RegionNamer(atlas, SAME).anatomy(*sphere((-20, -15, 0), 6.0)))
    assert found.tracts[0].tract == "left or right long tract" and found.tracts[0].side == "unknown"
    assert found.tracts[0].abbreviation == "LT"
    assert either_side("bridge") == "bridge"
