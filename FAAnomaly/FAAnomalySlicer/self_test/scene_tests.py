"""Self-test of what needs no engine: real nodes and an artificial result."""

from __future__ import annotations

import numpy as np
import slicer
import slicer.util

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.volume import Volume

from ..runs.detection_run import RunOptions
from ..scene import geometry
from ..scene.choices import MaskSize, RegionMode, request_options
from ..scene.input_check import check_fa
from ..scene.result_nodes import ResultArrays, find_results, import_result
from ..scene.threshold import apply_threshold

SHAPE = (40, 44, 36)
"""(k, j, i)."""
THRESHOLD = 5.0


def parameters_are_saved(logic) -> None:
    """Choices are stored in the scene's parameter node."""
    logic.getParameterNode().maskSize = MaskSize.SIZE_8
    logic.getParameterNode().regionMode = RegionMode.BOX
    again = logic.getParameterNode()
    assert again.maskSize is MaskSize.SIZE_8 and again.regionMode is RegionMode.BOX
    assert request_options(again)["mask_size"] == 8


def a_run_without_a_volume_is_refused(logic) -> None:
    """A run that cannot start is refused before it starts."""
    assert RunOptions(None).problems()
    assert not RunOptions(make_volume(), options=request_options(logic.getParameterNode())).problems()


def fa_is_distinguished_from_other_maps(logic) -> None:
    """An FA map is accepted, another one is refused."""
    volume = make_volume()
    assert check_fa(volume).ok
    slicer.util.updateVolumeFromArray(volume, slicer.util.arrayFromVolume(volume) * 700.0 - 60.0)
    assert not check_fa(volume).ok


def results_become_nodes(logic) -> None:
    """A result has the place of its input, and the threshold changes its segments and its table."""
    volume = make_volume()
    nodes = import_result(make_result(volume), {"name": "FA"}, volume)
    stored = find_results(volume)
    assert stored is not None and stored.zMap is nodes.zMap
    assert np.allclose(geometry.ijk_to_ras(nodes.zMap), geometry.ijk_to_ras(volume))
    assert nodes.table.GetNumberOfRows() == 2
    assert len(apply_threshold(nodes, 10.0)) == 1 and nodes.table.GetNumberOfRows() == 1


TESTS = [
    parameters_are_saved,
    a_run_without_a_volume_is_refused,
    fa_is_distinguished_from_other_maps,
    results_become_nodes,
]


def make_volume():
    """A volume node with something like FA in an ellipsoid."""
    k, j, i = np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in SHAPE), indexing="ij")
    radius = np.sqrt(k**2 + j**2 + i**2)
    noise = np.random.default_rng(0).normal(0.0, 0.12, SHAPE)
    fa = np.where(radius < 1.0, np.clip(0.55 - 0.45 * radius + noise, 0.01, 0.95), 0.0).astype(np.float32)
    matrix = np.diag([-2.5, 2.5, 2.5, 1.0])
    return slicer.util.addVolumeFromArray(fa, ijkToRAS=matrix, name="self-test FA")


def make_result(volume) -> ResultArrays:
    """One region of increased and one of decreased FA in *volume*."""
    fa = slicer.util.arrayFromVolume(volume)
    grid = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    z = np.zeros(SHAPE, np.float32)
    for peak, share in ((12.0, 0.4), (-9.0, 0.6)):
        far = sum((axis - share * n) ** 2 for axis, n in zip(grid, SHAPE, strict=True))
        z += np.float32(peak) * np.exp(-far / 10.0).astype(np.float32)
    difference = (0.03 * z).astype(np.float32)
    affine = geometry.ijk_to_ras(volume)
    columns = affine[:, [2, 1, 0, 3]]
    segmentation, regions = find_regions(Volume(z, columns), Volume(difference, columns), THRESHOLD)
    healthy, provenance = fa - difference, {"threshold_z": THRESHOLD, "warnings": []}
    return ResultArrays(healthy, healthy, difference, z, segmentation.data, affine, regions, provenance)
