"""An engine for panel tests: the real worker around a detector that needs no torch and finds two blobs.

``run(MODE, "worker")``, in a process of its own that :mod:`.engine_copies` makes. It goes through the real stages; MODE
says what it does on the way:

``quick``
    Nothing.
``stuck:STAGE``
    Stays in STAGE until it is cancelled.
``fails``, ``memory``
    Refuses the input; runs out of memory.
``slow:SECONDS``
    Spends so long on filling holes.
``planted``
    Finds the decreased FA where it was planted in the bundled sample.
``noisy``
    Finds the blobs in noise, as in a real map: a low threshold leaves very many regions.
``tracts``
    Names the blobs by the bundled atlas, in which the decreased one lies in the left corticospinal tract, and tells a
    score for three tracts.
"""

from __future__ import annotations

import importlib
import sys
import time

import numpy as np
from scipy import ndimage

from FAAnomalyLib.anomaly.regions import find_regions, find_regions_and_voxels
from FAAnomalyLib.errors import FAError
from FAAnomalyLib.geometry.subject_to_atlas import SubjectToAtlas
from FAAnomalyLib.io.markups_roi import box_mask, read_markups_roi
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.pipeline.anatomy import name_regions, open_atlas
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.result import Result
from FAAnomalyLib.runtime.progress import Progress
from FAAnomalyLib.runtime.resources import resources_dir
from FAAnomalyLib.tracts import TractScore
from FAAnomalyLib.volume import Volume
from support.fakes.fake_engine import install

STAGES = {"reading": 1.0, "loading the model": 1.0, "registration": 4.0, "filling holes": 10.0, "scoring": 2.0}
THRESHOLD = 5.0
PEAKS = {"increased": 12.0, "decreased": 9.0}
CORTICOSPINAL = np.array([-17.0, -13.0, -13.0])
"""In the cerebral peduncle, where the left corticospinal tract is most its own, mm of the template's world."""
NOISE_SIGMA = 2.0
"""Voxels; how smooth the noise is."""
IMPORTED_ON_THE_WAY = (
    "FAAnomalyLib.cli.application",
    "FAAnomalyLib.cli.commands.worker",
    "FAAnomalyLib.pipeline.jobs",
    "FAAnomalyLib.reporting.result_files",
    "nibabel",
)
MODE = "quick"


class Detector:
    """See the module."""

    def detect(self, request: DetectRequest, volume=None, progress=None, cancel=None) -> Result:
        steps = Progress(progress, cancel, STAGES)
        mode, _, detail = MODE.partition(":")
        volume = None
        for stage in STAGES:
            slow = mode == "slow" and stage == "filling holes"
            parts, pause = (50, float(detail) / 50) if slow else (3, 0.01)
            for part in range(parts):
                steps.step(stage, part / parts)
                time.sleep(pause)
            if stage == "reading":
                volume = load_volume(request.input)[0]
                refuse(mode)
            while mode == "stuck" and stage == detail:
                steps.step(stage, 0.5)  # raises when it is cancelled
                time.sleep(0.01)
        steps.finish()
        return blobs(volume, region_of(request, volume), request)

    def inpaint(self, request: DetectRequest, volume=None, hole=None, progress=None, cancel=None) -> Result:
        return self.detect(request, volume, progress, cancel)

    def preview(self, request: DetectRequest, progress=None, cancel=None) -> Volume:
        return self.detect(request, None, progress, cancel).expected


def refuse(mode: str) -> None:
    if mode == "fails":
        raise FAError("bad-input", "This does not look like an FA map", "its values run to 3000", "Choose an FA map")
    if mode == "memory":
        raise MemoryError


def region_of(request: DetectRequest, volume: Volume) -> np.ndarray:
    if request.roi:
        return box_mask(read_markups_roi(request.roi), volume.shape, volume.affine)
    if request.region:
        return load_volume(request.region)[0].data > 0.5
    return np.ones(volume.shape, bool)


def blobs(volume: Volume, region: np.ndarray, request: DetectRequest) -> Result:
    """Increased FA at 35 % of the field of view, decreased FA at 65 % or where it was planted, in the region alone."""
    grid = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in volume.shape), indexing="ij")
    z = np.zeros(volume.shape, np.float32)
    size = np.array(volume.shape)
    decreased = planted_index(volume) if MODE == "planted" else 0.65 * size
    for peak, place in ((PEAKS["increased"], 0.35 * size), (-PEAKS["decreased"], decreased)):
        far = sum((axis - at) ** 2 for axis, at in zip(grid, place.astype(np.float32), strict=True))
        z += np.float32(peak) * np.exp(-far / 12.0)
    brain = (volume.data > 0) & region
    if MODE == "noisy":
        noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(z.shape, np.float32), NOISE_SIGMA)
        z += noise / noise.std()
    z = np.where(brain & (np.abs(z) > 0.01), z, 0).astype(np.float32)
    expected = np.where(brain, np.clip(volume.data - 0.03 * z - 0.01, 0, 1), volume.data).astype(np.float32)
    difference = volume.with_data(volume.data - expected)
    segmentation, regions = find_regions(volume.with_data(z), difference, THRESHOLD)
    filled = brain if request.roi or request.region else segmentation.data > 0
    healthy = volume.with_data(np.where(filled, expected, volume.data))
    provenance = {
        "faanomaly": "0.1.0",
        "threshold_z": THRESHOLD,
        "calibration": {"sensitive_z": 3.0, "alone_z": 2.5},
        "device": "pretended device",
        "warnings": [],
        "model": {"name": "inpainter", "sha256": "ab" * 32, "template_sha256": "cd" * 32},
        "request": {
            "mask_size": request.mask_size,
            "sampler": request.sampler,
            "seed": request.seed,
            "mask_type": request.mask_type,
        },
    }
    z_map, mean = volume.with_data(z), volume.with_data(expected)
    result = Result(volume, healthy, difference, z_map, segmentation, regions, provenance, expected=mean)
    return with_tracts(result) if MODE == "tracts" else result


def with_tracts(result: Result) -> Result:
    """Named by the bundled atlas; turned like the template, the decreased region in the left corticospinal tract."""
    loaded = open_atlas("default", "")
    increased, decreased = result.regions
    matrix = np.eye(4)
    matrix[:3, 3] = CORTICOSPINAL - np.array(decreased.centroid_ras)
    result.to_atlas = SubjectToAtlas(matrix, np.zeros((3, 1, 1, 1), np.float32), np.eye(4))
    limits = [(result.provenance["threshold_z"], np.inf), (np.inf, result.provenance["threshold_z"])]
    found = [find_regions_and_voxels(result.z_map, result.difference, one)[1][0] for one in limits]
    voxels = [at for _, at in found]
    result.regions = name_regions(
        loaded, result.to_atlas, result.input, list(zip([increased, decreased], voxels, strict=True))
    )
    result.provenance["atlas"] = {"name": loaded.name, "sha256": loaded.sha256}
    left, right = "left corticospinal tract", "right corticospinal tract"
    result.tracts = [
        TractScore(right, "CST R", "right", "projection", 0.9, 0.5, 0.5, 0.02, 0.0, 0.1, "typical"),
        TractScore("left fornix", "F L", "left", "association", 0.1),
        TractScore(left, "CST L", "left", "projection", 0.9, 0.45, 0.5, 0.02, -0.05, -4.5, "decreased"),
    ]
    return result


def planted_index(volume: Volume) -> np.ndarray:
    """Voxel of *volume* in the middle of what was planted in the bundled sample."""
    truth = load_volume(resources_dir() / "SampleData" / "sample_truth.nii.gz")[0]
    index = np.argwhere(truth.data > 0.5).mean(axis=0)
    return (np.linalg.inv(volume.affine) @ truth.affine @ [*index, 1.0])[:3]


def prepare() -> None:
    """Put the detector in its place, and import what a run imports on its way."""
    install()
    sys.modules["FAAnomalyLib.pipeline.detector"].Detector = Detector
    for name in IMPORTED_ON_THE_WAY:
        importlib.import_module(name)
    assert "torch" not in sys.modules, "every panel test would wait seconds for it"


def run(mode: str, *arguments: str) -> int:
    """``faanomaly ARGUMENTS`` with this detector, which behaves like *mode*."""
    global MODE
    from FAAnomalyLib.cli.application import main

    MODE, sys.argv[1:] = mode, arguments
    return main()
