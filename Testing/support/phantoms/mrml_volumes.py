"""Volumes, transforms and results in a real MRML scene, for the tests of the Slicer side."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import slicer
import slicer.util
from scipy import ndimage

from FAAnomalyLib.anomaly.regions import find_regions
from FAAnomalyLib.reporting.result_files import write_result
from FAAnomalyLib.result import Result
from FAAnomalyLib.volume import Volume
from FAAnomalySlicer.scene.result_nodes import ResultNodes

SHAPE = (28, 32, 24)
"""(x, y, z), all different, so that an exchanged axis is noticed."""


def turn(x: float, y: float, z: float) -> np.ndarray:
    """4x4 rotation about x, then y, then z, degrees."""
    whole = np.eye(4)
    for axis, degrees in enumerate((x, y, z)):
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        a, b = [n for n in range(3) if n != axis]
        one = np.eye(4)
        one[a, a] = one[b, b] = c
        one[a, b], one[b, a] = -s, s
        whole = one @ whole
    return whole


def grid(axes: np.ndarray, spacing=(3.0, 3.0, 3.0), origin=(-40.0, 35.5, -20.25)) -> np.ndarray:
    """4x4 from voxel indices to RAS mm."""
    affine = np.eye(4)
    affine[:3, :3] = axes[:3, :3] * np.array(spacing)
    affine[:3, 3] = origin
    return affine


GRIDS = {
    "ras": grid(np.eye(3)),
    "left-handed": grid(np.diag([-1.0, 1, 1])),
    "oblique": grid(turn(20, -10, 35)),
    "oblique left-handed anisotropic": grid(
        turn(20, -10, 35)[:3, :3] @ np.diag([1, -1, 1])[[2, 0, 1]], (2.5, 3.0, 4.5)
    ),
}
PARENT = turn(5, 40, -12)
PARENT[:3, 3] = 12.0, -7.5, 30.0
"""A rigid parent transform."""


def add_volume(data_xyz: np.ndarray, affine: np.ndarray, name: str = "FA"):
    """A scalar volume node with an array indexed (x, y, z) and its affine to RAS mm."""
    return slicer.util.addVolumeFromArray(np.ascontiguousarray(data_xyz.T), ijkToRAS=affine, name=name)


def put_under(node, matrix: np.ndarray):
    """Give *node* a new linear parent transform; returns that transform node."""
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def world_of(node) -> np.ndarray:
    """4x4 from voxel indices to world RAS, asked of MRML itself."""
    import vtk

    local, parent = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(local)
    slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(node.GetParentTransformNode(), None, parent)
    return slicer.util.arrayFromVTKMatrix(parent) @ slicer.util.arrayFromVTKMatrix(local)


def brainlike(shape=SHAPE, seed: int = 0) -> np.ndarray:
    """FA in an ellipsoid, 0 around it, float32 (x, y, z)."""
    rng = np.random.default_rng(seed)
    x, y, z = (np.linspace(-1.15, 1.15, n) for n in shape)
    radius = np.sqrt(x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2)
    fa = np.clip(0.45 * (1 - radius) + 0.1 + 0.12 * rng.standard_normal(shape), 0.01, 0.95)
    return np.where(radius < 1, fa, 0.0).astype(np.float32)


def made_result(data_xyz: np.ndarray, affine: np.ndarray, threshold: float = 5.0, **request) -> Result:
    """A result as the engine makes it: one bright and one dark blob, with regions and provenance."""
    volume = Volume(data_xyz, affine)
    x, y, z = (np.arange(n, dtype=np.float32) for n in volume.shape)

    def blob(centre):
        far = (
            (x[:, None, None] - centre[0]) ** 2
            + (y[None, :, None] - centre[1]) ** 2
            + (z[None, None, :] - centre[2]) ** 2
        )
        return np.exp(-far / 8.0)

    shape = np.array(volume.shape)
    z_map = (12 * blob(shape * 0.3) - 9 * blob(shape * 0.65)).astype(np.float32)
    z_map[np.abs(z_map) < 1e-3] = 0.0
    difference = (0.03 * z_map).astype(np.float32)
    segmentation, regions = find_regions(volume.with_data(z_map), volume.with_data(difference), threshold)
    provenance = {
        "faanomaly": "0.1.0",
        "threshold_z": threshold,
        "calibration": {"sensitive_z": 3.0, "alone_z": 2.5},
        "device": "cpu",
        "warnings": ["one remark"],
        "model": {"name": "inpainter", "sha256": "ab" * 32, "template_sha256": "cd" * 32},
        "request": {
            "input": "Doe_John.nrrd",
            "output": "case-Doe",
            "region": None,
            "roi": "Doe.mrk.json",
            "brain_mask": None,
            "model": "default",
            "mask_type": "cubic",
            "mask_size": 16,
            "sampler": "mean",
            "steps": 0,
            "samples": 1,
            "seed": 7,
            "threshold": "auto",
            "device": "auto",
            **request,
        },
    }
    return Result(
        volume,
        volume.with_data(np.where(segmentation.data > 0, data_xyz - difference, data_xyz)),
        volume.with_data(difference),
        volume.with_data(z_map),
        segmentation,
        regions,
        provenance,
        expected=volume.with_data(data_xyz - difference),
    )


def answer_of(result: Result, folder: Path) -> dict:
    """Write *result* as the engine does and return what its worker answers."""
    write_result(result, folder, report=lambda _: "<html></html>")
    names = (
        "pseudo_healthy.nii.gz",
        "expected.nii.gz",
        "difference.nii.gz",
        "z_map.nii.gz",
        "segmentation.nii.gz",
        "regions.csv",
        "report.html",
    )
    return {
        "output": str(folder),
        "files": {name.partition(".")[0]: str(folder / name) for name in names},
        "regions": [asdict(region) for region in result.regions],
        "warnings": list(result.provenance["warnings"]),
    }


def add_map(shape, spacing):
    """Nodes of a z-map as real brains have: noise smoothed over some mm in a ball, and a dozen strong blobs."""
    rng = np.random.default_rng(0)
    x, y, z = (np.linspace(-1.15, 1.15, n) for n in shape)
    ball = x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2 < 1
    data = ndimage.gaussian_filter(rng.standard_normal(shape, dtype=np.float32), 4.0 / spacing)
    data *= 1.2 / data[ball].std()
    strong = np.zeros(shape, np.float32)
    middle = np.array(shape) // 2
    for number in range(12):
        place = middle + rng.integers(-0.28 * middle.min(), 0.28 * middle.min(), 3)
        strong[tuple(place)] = 9.0 * (-1) ** number
    blob = ndimage.gaussian_filter(strong, 5.0 / spacing)
    data = np.where(ball, data + blob * 9.0 / np.abs(blob).max(), 0).astype(np.float32)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    nodes = ResultNodes(zMap=add_volume(data, affine, "z"), difference=add_volume(0.03 * data, affine, "d"))
    nodes.segmentation = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    nodes.segmentation.CreateDefaultDisplayNodes()
    nodes.table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    return nodes
