"""The whole way: a request -> pseudo-healthy brain, z-map and regions."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import numpy as np
from scipy import ndimage

from ..anomaly.regions import find_regions, restrict_to_signs
from ..anomaly.scoring import Scores, score_brain, score_region
from ..errors import FAError
from ..geometry.bounding_box import bounding_box
from ..inpainting.fusion import Inpainted
from ..inpainting.masks import Pass, pass_from_mask
from ..inpainting.pass_planning import passes_identity, whole_brain_passes
from ..inpainting.pass_runner import inpaint_passes_by_size
from ..inpainting.volume_inpainter import Sampling
from ..io.markups_roi import box_mask, read_markups_roi
from ..io.pass_cache import PassCache
from ..io.volumes import load_volume
from ..preprocessing.fa_validation import validate_brain_mask, validate_fa
from ..preprocessing.model_grid import PreparedSubject, prepare
from ..preprocessing.template import WHITE_MATTER_PROBABILITY
from ..request import DetectRequest
from ..result import Result
from ..runtime.device import describe
from ..runtime.hardware import peak_memory_mb
from ..runtime.progress import CancelToken, Progress, ProgressCallback
from ..volume import Volume
from .loaded_model import LoadedModel, open_model

STAGES = {
    "reading": 0.3,
    "loading the model": 1.0,
    "registration": 6.0,
    "filling holes": 14.0,
    "second look": 8.0,
    "scoring": 0.5,
}
"""Expected shares of the time."""
REACH_VOXELS = 3
"""A drawn hole is widened so far on the model grid: interpolation carries a voxel's value that far."""


class Detector:
    """Runs requests one after another; the model stays loaded between them."""

    def __init__(self) -> None:
        self._loaded: LoadedModel | None = None
        self._key: tuple[str, str] | None = None
        self._last: tuple[tuple, PreparedSubject, list[str]] | None = None

    def detect(
        self,
        request: DetectRequest,
        volume: Volume | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Result:
        """Judge a whole brain, or the request's region or ROI alone.

        Parameters
        ----------
        request
            What to do; its ``input`` is read unless *volume* is given.
        volume
            The FA map as it came from a file or from Slicer.
        progress, cancel
            See :mod:`FAAnomalyLib.runtime.progress`; cancelling takes effect before the next network call.

        Raises
        ------
        FAError
            ``bad-request``, ``bad-input``, ``missing`` or ``cancelled``, each in one clear line.
        """
        return self._run(request, volume, None, progress, cancel)

    def inpaint(
        self,
        request: DetectRequest,
        volume: Volume | None = None,
        hole: np.ndarray | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Result:
        """Fill one hole, given as a boolean array on the native grid or by the request's region or ROI."""
        if hole is None and not (request.region or request.roi):
            raise FAError(
                "bad-request",
                "There is nothing to fill",
                "neither a region nor a ROI is given",
                "Give --region or --roi",
            )
        return self._run(request, volume, hole, progress, cancel)

    def _run(self, request, volume, hole, callback, cancel) -> Result:
        progress = Progress(callback, cancel, STAGES)
        sampling = Sampling(request.check().sampler, request.steps_used, request.samples, request.seed)
        prepared, region, loaded, remarks = self._open(request, volume, hole, sampling, progress)
        passes = _passes(prepared, request, region)
        store = None
        if request.output and region is None:
            identity = passes_identity(prepared, request, loaded.model.manifest["sha256"])
            store = PassCache(Path(request.output), identity, request.resume)
        by_size = _roam_or_keep(loaded, prepared, passes, sampling, progress, store)
        if region is None:
            progress.step("second look")
            judgement = score_brain(
                loaded.inpainter,
                prepared,
                by_size,
                loaded.calibration,
                sampling,
                lambda share: progress.step("second look", share),
            )
        else:
            judgement = score_region(prepared, by_size[0], loaded.calibration)
        progress.step("scoring")
        threshold = _threshold(request, loaded)
        if not loaded.calibration.people:
            remarks.append(f"the model {loaded.model.name} is not calibrated: its z and threshold are a guess")
        result = _score(prepared, judgement, region, restrict_to_signs(threshold, request.signs))
        progress.finish()
        result.provenance = _provenance(
            request, prepared, region, loaded, judgement, remarks, progress, len(passes), threshold
        )
        return result

    def _open(
        self,
        request: DetectRequest,
        volume: Volume | None,
        hole: np.ndarray | None,
        sampling: Sampling,
        progress: Progress,
    ) -> tuple[PreparedSubject, np.ndarray | None, LoadedModel, list[str]]:
        """Everything before the first hole: the brain on the model grid, the region, the model, remarks.

        Whatever can be wrong with the files is found before the model is loaded.
        """
        progress.step("reading")
        key = None if volume is not None else _source(request)
        known = self._last is not None and self._last[0] == key
        brain = None
        if known:
            volume, remarks = self._last[1].grid.native, self._last[2]
        else:
            volume, remarks = _read(request, volume)
            brain = validate_brain_mask(load_volume(request.brain_mask)[0], volume) if request.brain_mask else None
        region = _region(request, volume) if hole is None else np.asarray(hole, bool)
        progress.step("loading the model")
        loaded = self._ready(request)
        loaded.inpainter.check(sampling)
        progress.step("registration")
        if known:
            return self._last[1], region, loaded, list(remarks)
        prepared = prepare(volume, loaded.template, brain)
        remarks = remarks + prepared.remarks
        self._last = None if key is None else (key, prepared, remarks)
        return prepared, region, loaded, list(remarks)

    def _ready(self, request: DetectRequest) -> LoadedModel:
        key = (request.model, request.device)
        if self._loaded is None or self._key != key:
            self._loaded, self._key = open_model(*key), key
        return self._loaded


def _source(request: DetectRequest) -> tuple:
    """What decides how a volume lies on the model grid: while it is the same, registration is not done again."""
    files = []
    for name in (request.input, request.brain_mask):
        state = os.stat(name) if name and os.path.isfile(name) else None
        files.append((name, state and (state.st_mtime_ns, state.st_size, state.st_ino)))
    return (*files, request.scale, request.model)


def _read(request: DetectRequest, volume: Volume | None) -> tuple[Volume, list[str]]:
    remarks: list[str] = []
    if volume is None:
        volume, remarks = load_volume(request.input)
    volume, more = validate_fa(volume, request.scale)
    return volume, remarks + more


def _region(request: DetectRequest, volume: Volume) -> np.ndarray | None:
    """The request's region or ROI as a boolean array on the native grid."""
    if request.region:
        mask = load_volume(request.region)[0]
        if not mask.same_geometry(volume):
            raise FAError(
                "bad-input",
                f"The region {Path(request.region).name} does not lie on the volume's grid",
                f"its shape is {mask.shape}, the volume's {volume.shape}",
                "Resample the mask to the volume first",
            )
        return mask.data > 0.5
    if request.roi:
        return box_mask(read_markups_roi(request.roi), volume.shape, volume.affine)
    return None


def _passes(prepared: PreparedSubject, request: DetectRequest, region: np.ndarray | None) -> list[Pass]:
    if region is None:
        return whole_brain_passes(prepared, request)
    grid = prepared.grid
    hole = ndimage.binary_dilation(grid.voxels_touching(region), iterations=REACH_VOXELS) & prepared.brain
    if not hole.any():
        raise FAError(
            "bad-request",
            "The region lies outside the brain",
            "none of its voxels is brain",
            "Draw it over brain tissue",
        )
    return [
        pass_from_mask(
            hole & (grid.priors.white_matter > WHITE_MATTER_PROBABILITY) if request.mask_type == "wm" else hole
        )
    ]


def _roam_or_keep(
    loaded: LoadedModel,
    prepared: PreparedSubject,
    passes: list[Pass],
    sampling: Sampling,
    progress: Progress,
    store: PassCache | None,
) -> dict[int, Inpainted]:
    """Roam; who cancels is told that the finished passes are kept."""
    try:
        return inpaint_passes_by_size(
            loaded.inpainter,
            prepared.fa,
            passes,
            sampling,
            lambda share: progress.step("filling holes", share),
            store,
            prepared.grid.priors,
        )
    except FAError as error:
        if error.code == "cancelled" and store:
            kept = f"{len(store)} of {len(passes)} passes are kept in {store.folder.parent}"
            raise FAError("cancelled", "Cancelled", kept, "Run again with --resume to go on") from error
        raise


def _threshold(request: DetectRequest, loaded: LoadedModel) -> tuple[float, float]:
    """|z| for increases and for decreases, whichever of them are looked for."""
    calibration = loaded.calibration
    known = {
        "auto": calibration.threshold,
        "sensitive": calibration.sensitive if request.signs == "both" else calibration.one_sided,
    }
    return known[request.threshold] if request.threshold in known else (float(request.threshold),) * 2


def _score(
    prepared: PreparedSubject, judgement: Scores, region: np.ndarray | None, threshold: tuple[float, float]
) -> Result:
    volume, filled = prepared.grid.native, judgement.filled
    replaced = prepared.inpainted_on_native(filled.covered)
    if region is not None:
        replaced &= region
    healthy = np.where(replaced, _mean_on_native(prepared, filled, replaced), volume.data).astype(np.float32)
    difference, z_map = volume.with_data(volume.data - healthy), prepared.z_on_native(judgement.z, replaced)
    segmentation, regions = find_regions(z_map, difference, threshold)
    return Result(volume, volume.with_data(healthy), difference, z_map, segmentation, regions)


def _mean_on_native(prepared: PreparedSubject, filled: Inpainted, replaced: np.ndarray) -> np.ndarray:
    # Outside the holes the input stands in, so that interpolation at their rims meets no zeros.
    whole = np.where(filled.covered, filled.mean, prepared.fa)
    return np.clip(prepared.grid.to_native(whole, order=3, box=bounding_box(replaced)), 0.0, 1.0)


def _provenance(request, prepared, region, loaded, judgement, remarks, progress, passes, threshold) -> dict:
    from .._version import __version__

    alignment, device = prepared.grid.alignment, loaded.inpainter.device
    data = prepared.grid.native.data
    return {
        "faanomaly": __version__,
        "input_sha256": hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest(),
        "request": _without_folders(request),
        "threshold_z": _by_sign(threshold),
        "model": {
            "name": loaded.model.name,
            "sha256": loaded.model.manifest["sha256"],
            "template_sha256": loaded.template.sha256,
        },
        "registration": {
            "method": alignment.method,
            "correlation": round(alignment.correlation, 4),
            "template_to_input_ras": alignment.matrix.round(6).tolist(),
        },
        "calibration": {
            "people": loaded.calibration.people,
            "threshold_z": _by_sign(loaded.calibration.threshold),
            "sensitive_z": _by_sign(loaded.calibration.sensitive),
            "alone_z": _by_sign(loaded.calibration.one_sided),
            "sha256": (loaded.model.manifest.get("calibration") or {}).get("sha256"),
        },
        "drawn_ml": None if region is None else float(region.sum() * prepared.grid.native.voxel_ml),
        "passes": passes,
        "hidden_share": round(judgement.hidden_share, 4),
        "network_evaluations": judgement.filled.evaluations,
        "seconds": {stage: round(value, 3) for stage, value in progress.seconds.items()},
        "device": describe(device),
        "dtype": str(loaded.inpainter.dtype).removeprefix("torch."),
        "peak_memory_mb": peak_memory_mb(),
        "warnings": remarks,
        "versions": {"python": platform.python_version(), **_versions()},
    }


def _by_sign(threshold: tuple[float, float]) -> dict[str, float]:
    return {"increased": round(threshold[0], 3), "decreased": round(threshold[1], 3)}


def _without_folders(request: DetectRequest) -> dict:
    """Every parameter, of paths the file name alone: folders often carry a patient's name."""
    values = asdict(request)
    for name in ("input", "output", "region", "roi", "brain_mask"):
        if values[name]:
            values[name] = Path(values[name]).name
    return values


@functools.cache
def _versions() -> dict[str, str]:
    found = {}
    for name in ("torch", "numpy", "scipy", "nibabel", "scikit-image", "SimpleITK"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
