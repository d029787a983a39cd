"""The way to the model grid and back: nothing may lie one voxel beside its place, however it is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from FAAnomalyLib.geometry.bounding_box import bounding_box
from FAAnomalyLib.geometry.orientation import LPS_TO_RAS
from FAAnomalyLib.io.volumes import to_itk
from FAAnomalyLib.preprocessing import preparation
from FAAnomalyLib.preprocessing.affine_registration import Alignment
from FAAnomalyLib.preprocessing.model_grid import ModelGrid, with_other_fa
from FAAnomalyLib.preprocessing.preparation import find_brain_mask, prepare
from FAAnomalyLib.preprocessing.template import on_grid, symmetric_grid
from FAAnomalyLib.volume import Volume
from support.phantoms import synthetic_brain as sb

TILTED = sb.head(x=8, y=-5, z=12)


def subject_grids() -> dict[str, tuple[tuple, np.ndarray]]:
    """Grids of every kind that hold the whole head."""
    grids = {
        "RAS": sb.grid(matrix=TILTED),
        "oblique": sb.grid(matrix=TILTED, x=20, z=-15),
        "anisotropic": sb.grid((1.7, 1.7, 3.0), TILTED),
        "fine": sb.grid((1.4, 1.4, 1.4), TILTED),
    }
    for name, codes in (("LAS", "LAS"), ("left-handed oblique", "RPS"), ("permuted", "PIR")):
        shape, affine = grids["oblique" if "oblique" in name else "RAS"]
        turned = sb.stored_as(Volume(np.zeros(shape, np.uint8), affine), codes)
        grids[name] = turned.shape, turned.affine
    return grids


GRIDS = subject_grids()
any_grid = pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())


def space_of(volume: Volume, spacing: float = 4.0) -> ModelGrid:
    """A space whose alignment is known, on a coarse model grid."""
    shape = tuple(int(160 / spacing) if n == 80 else int(192 / spacing) for n in (80, 96, 80))
    return ModelGrid(volume, on_grid(sb.template(), shape, spacing), Alignment(TILTED, 1.0, "affine"))


def places(shape: tuple, affine: np.ndarray) -> np.ndarray:
    """World coordinates of all voxel centres, (3, X, Y, Z)."""
    return np.einsum("ij,jxyz->ixyz", affine[:3, :3], np.indices(shape)) + affine[:3, 3, None, None, None]


def carried(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.einsum("ij,jxyz->ixyz", matrix[:3, :3], points) + matrix[:3, 3, None, None, None]


@any_grid
def test_every_model_voxel_shows_its_own_place(grid):
    shape, affine = grid
    grid = space_of(Volume(np.zeros(shape, np.float32), affine))
    expected = carried(TILTED, places(grid.template.fa.shape, grid.template.fa.affine))
    inside = grid.to_model(np.ones(shape), order=1) > 0.999
    voxel = np.linalg.inv(affine)
    index = carried(voxel, expected)
    # Smoothing and cubic interpolation see 8 mm beyond a place; nearer to the border a ramp bends.
    margin = 9.0 / np.linalg.norm(affine[:3, :3], axis=0)
    deep = inside & np.all([(i >= m) & (i <= n - 1 - m) for i, m, n in zip(index, margin, shape, strict=True)], axis=0)
    assert deep.sum() > 10000
    for axis, ramp in enumerate(places(shape, affine)):
        for order in (1, 3):
            assert np.abs(grid.to_model(ramp, order)[deep] - expected[axis][deep]).max() < 0.05


@pytest.mark.slow
@any_grid
def test_every_native_voxel_gets_what_lies_at_its_own_place(grid):
    shape, affine = grid
    grid = space_of(Volume(np.zeros(shape, np.float32), affine))
    model = grid.template.fa
    expected = carried(np.linalg.inv(TILTED), places(shape, affine))
    index = carried(np.linalg.inv(model.affine), expected)
    for axis, ramp in enumerate(places(model.shape, model.affine)):
        for order, margin in ((1, 0.01), (3, 6.0)):
            inside = np.all(
                [(i >= margin) & (i <= n - 1 - margin) for i, n in zip(index, model.shape, strict=True)], axis=0
            )
            assert inside.sum() > 10000
            assert np.abs(grid.to_native(ramp, order)[inside] - expected[axis][inside]).max() < 0.05


@any_grid
@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_part_of_the_native_grid_gets_what_it_gets_in_the_whole(grid, order):
    shape, affine = grid
    grid = space_of(Volume(np.zeros(shape, np.float32), affine))
    where = np.zeros(shape, bool)
    where[tuple(slice(n // 3, n // 2 + 2) for n in shape)] = True
    fa = grid.template.fa.data
    whole, part = grid.to_native(fa, order), grid.to_native(fa, order, bounding_box(where))
    assert np.ptp(whole[where]) > 0.2 and part.shape == whole.shape
    np.testing.assert_allclose(part[where], whole[where], atol=1e-6 if order else 0)
    assert not part[~where].any()


@any_grid
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.5])
def test_every_model_voxel_that_a_region_reaches_is_found(grid, scale):
    """Whatever the head's size in the template's world: what is sought in a part is what the whole would show."""
    shape, affine = grid
    plain = space_of(Volume(np.zeros(shape, np.float32), affine))
    grid = replace(plain, alignment=Alignment(TILTED @ np.diag([scale, scale, scale, 1.0]), 1.0, "affine"))
    for low, high in ((0.4, 0.55), (0.5, 0.5), (0.0, 0.1)):
        mask = np.zeros(shape, bool)
        mask[tuple(slice(int(low * n), int(high * n) + 1) for n in shape)] = True
        touched, reached = grid.voxels_touching(mask), grid.to_model(mask, order=1) > 0.01
        assert touched[reached].all()
        assert touched.any() and reached.any() or low != 0.4, "of one small voxel, or at the rim, there may be none"


@pytest.mark.parametrize("name", ["left-handed oblique", "permuted", "anisotropic"])
def test_both_ways_agree_with_simpleitk(name):
    shape, affine = GRIDS[name]
    native = sb.brain(shape, affine, TILTED)
    grid = space_of(native, spacing=2.0)
    lps = LPS_TO_RAS @ TILTED @ LPS_TO_RAS
    transform = sitk.AffineTransform(lps[:3, :3].ravel().tolist(), lps[:3, 3].tolist())

    def resampled(source: Volume, target: Volume, way) -> np.ndarray:
        image = sitk.Resample(to_itk(source), to_itk(target), way, sitk.sitkLinear, 0.0)
        return sitk.GetArrayFromImage(image).transpose(2, 1, 0)

    target = grid.template.fa
    # Between the last voxel's centre and its face ITK still has a value; FA is 0 there.
    target = target.with_data(np.pad(target.data[1:-1, 1:-1, 1:-1], 1))
    to_model, to_native = grid.to_model(native.data, order=1), grid.to_native(target.data)
    assert to_model.max() > 0.6 and to_native.max() > 0.6
    np.testing.assert_allclose(to_model, resampled(native, target, transform), atol=2e-4)
    np.testing.assert_allclose(to_native, resampled(target, native, transform.GetInverse()), atol=2e-4)


def test_a_template_on_another_grid_keeps_its_place():
    coarse = on_grid(sb.template(), (40, 48, 40), 4.0)
    fine = sb.template()
    for grid in (coarse.fa, fine.fa):
        middle = grid.affine @ [*(np.array(grid.shape) - 1) / 2, 1]
        np.testing.assert_allclose(middle, [0, -16, 8, 1], atol=1e-6)

    def centre(volume: Volume) -> np.ndarray:
        return (places(volume.shape, volume.affine) * volume.data).sum((1, 2, 3)) / volume.data.sum()

    np.testing.assert_allclose(centre(coarse.fa), centre(fine.fa), atol=0.1)
    np.testing.assert_array_equal(symmetric_grid(fine.fa.shape, 2.0, (0, -16, 8)), fine.fa.affine)


@any_grid
def test_a_mask_comes_back_to_the_voxels_whose_centre_it_holds(grid):
    shape, affine = grid
    grid = space_of(Volume(np.zeros(shape, np.float32), affine))
    mask = np.random.default_rng(0).random(grid.template.fa.shape) > 0.5
    index = carried(np.linalg.inv(TILTED @ grid.template.fa.affine), places(shape, affine))
    nearest = np.round(index).astype(int)
    # Beyond the outermost centres nothing is known, be it half a voxel.
    within = np.all([(i >= 0) & (i <= size - 1) for i, size in zip(index, mask.shape, strict=True)], axis=0)
    expected = np.zeros(shape, bool)
    expected[within] = mask[tuple(nearest[:, within])]
    # A centre on the face of two voxels may go to either.
    clear = np.all(np.abs(index - np.floor(index) - 0.5) > 1e-3, axis=0)
    assert within.mean() > 0.5
    np.testing.assert_array_equal(grid.mask_to_native(mask)[clear], expected[clear])


def main_piece(mask: np.ndarray) -> np.ndarray:
    """The largest connected part: the synthetic brain has the template's shreds about it."""
    labels, _ = ndimage.label(mask)
    return labels == 1 + np.argmax(np.bincount(labels.ravel())[1:])


def test_find_brain_keeps_a_stripped_outline_and_cuts_noise_off():
    shape, affine = GRIDS["RAS"]
    brain = sb.brain(shape, affine, TILTED)
    grid = space_of(brain, spacing=2.0)
    outline = main_piece(brain.data > 0)
    punched = brain.data.copy()
    middle = tuple(np.argwhere(outline).mean(0).astype(int))
    punched[middle] = 0.0
    np.testing.assert_array_equal(find_brain_mask(brain.with_data(punched), grid), outline)

    air = np.random.default_rng(0).uniform(0.01, 0.3, shape).astype(np.float32)
    unstripped = brain.with_data(np.where(outline, brain.data, air))
    found = find_brain_mask(unstripped, grid)
    assert found[outline].all()
    away = ndimage.distance_transform_edt(brain.data == 0, sampling=brain.spacing)
    assert not found[away > 16.0].any()


def test_find_brain_drops_what_lies_apart():
    shape, affine = GRIDS["RAS"]
    brain = sb.brain(shape, affine, TILTED)
    grid = space_of(brain, spacing=2.0)
    outline = main_piece(brain.data > 0)
    rim = ndimage.distance_transform_edt(~outline)
    speck = np.zeros(shape, bool)
    speck[tuple(np.argwhere((rim >= 2) & (rim < 2.2))[0])] = True
    found = find_brain_mask(brain.with_data(np.where(speck, 0.3, brain.data).astype(np.float32)), grid)
    np.testing.assert_array_equal(found, outline)


@pytest.mark.slow
def test_another_map_of_the_same_brain_needs_no_registration(monkeypatch):
    """The same map gives the same bits; an anomaly shows where it is, and the priors stay."""
    calls, known = [], Alignment(np.eye(4), 0.9, "affine")
    monkeypatch.setattr(preparation, "register_either_way", lambda *_: calls.append(1) or known)
    shape, affine = sb.grid((4.5, 4.5, 4.5))
    volume = sb.brain(shape, affine, seed=1)
    prepared = prepare(volume, on_grid(sb.template(), (40, 48, 40), 4.0), volume.data > 0)
    assert np.array_equal(with_other_fa(prepared, volume).fa, prepared.fa)
    ball = np.linalg.norm(places(shape, affine) - np.array([26.0, -24.0, 26.0])[:, None, None, None], axis=0) < 12
    lowered = volume.with_data(np.where(ball, 0.2 * volume.data, volume.data).astype(np.float32))
    other = with_other_fa(prepared, lowered)
    assert len(calls) == 1 and other.grid.native is lowered and other.grid.priors is prepared.grid.priors
    inside = prepared.grid.to_model(ball, order=1) > 0.99
    assert np.median(other.fa[inside] / np.maximum(prepared.fa[inside], 1e-3)) < 0.3
    anew = with_other_fa(prepared, lowered, warps=True)
    fresh = prepare(lowered, prepared.grid.template, volume.data > 0)
    np.testing.assert_array_equal(anew.grid.priors.fa, fresh.grid.priors.fa)
    assert not np.array_equal(anew.grid.priors.fa, prepared.grid.priors.fa)
    away = prepared.grid.to_model(ndimage.binary_dilation(ball, iterations=4), order=1) == 0
    np.testing.assert_allclose(other.fa[away], prepared.fa[away], atol=1e-3)  # the spline rings
    with pytest.raises(ValueError, match="another grid"):
        with_other_fa(prepared, Volume(volume.data, affine @ np.diag([2.0, 1.0, 1.0, 1.0])))
