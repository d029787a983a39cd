"""The whole way: a request -> pseudo-healthy brain, z-map and regions."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .._version import __version__
from ..anomaly.calibration import Limits
from ..anomaly.detectable_change import DetectableChange, detectable_changes, detectable_in_region
from ..anomaly.drawn_region import drawn_hole
from ..anomaly.regions import choose_threshold, find_regions_and_voxels, restrict_to_signs
from ..anomaly.scoring import Scores, score_brain, score_region
from ..inpainting.estimated_passes import estimate_passes
from ..inpainting.fusion import Inpainted
from ..inpainting.interruptible_network import interruptible_network
from ..inpainting.masks import Pass, pass_from_mask
from ..inpainting.pass_planning import ESTIMATE_LATTICES, passes_identity, whole_brain_passes
from ..inpainting.pass_runner import inpaint_passes
from ..inpainting.sampling import Sampling
from ..io.pass_cache import PassCache, told_which_passes
from ..request import DetectRequest
from ..result import Result
from ..runtime.device import describe
from ..runtime.hardware import peak_memory_mb
from ..runtime.progress import CancelToken, Progress, ProgressCallback
from ..volume import Volume
from .anatomy import LoadedAtlas, mapping_of, name_regions, score_all_tracts
from .filled_brain import expected_sd, fill_remarks, filled_brain, mean_on_native_grid
from .preview import PREVIEW_STAGES, expected_in_region
from .provenance import (
    AtlasProvenance,
    BySign,
    CalibrationProvenance,
    FillProvenance,
    ModelProvenance,
    Provenance,
    RegistrationProvenance,
    package_versions,
    request_without_folders,
    voxels_sha256,
)
from .run_opening import Run, RunOpener

# The names are shown by 3D Slicer and stored in result.json.
STAGES = {
    "reading": 0.2,
    "loading the model": 0.5,
    "registration": 7.0,
    "filling holes": 2.4,
    "second look": 2.7,
    "scoring": 1.1,
}
"""Stages of a detection and their expected shares of the time."""
DRAWING_SECONDS = 7.0
"""Share of filling holes where the network draws in all of them, once, in one step."""


class _Fill(NamedTuple):
    """How the pseudo-healthy brain came about, and what the user should know of it."""

    provenance: FillProvenance
    remarks: list[str]


class Detector:
    """Runs requests one after another; the model stays loaded between them, the last volume registered."""

    def __init__(self) -> None:
        self._opener = RunOpener()

    def detect(
        self,
        request: DetectRequest,
        volume: Volume | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Result:
        """Score a whole brain, or the request's region or ROI alone.

        Parameters
        ----------
        request
            What to do; its ``input`` is read unless *volume* is given.
        volume
            The FA map as it came from a file or from Slicer.
        progress, cancel
            See :mod:`FAAnomalyLib.runtime.progress`; cancelling takes effect before the next iteration or layer.

        Raises
        ------
        FAError
            ``bad-request``, ``bad-input``, ``missing`` or ``cancelled``.
        """
        return self._run(request, volume, None, Progress(progress, cancel, stages_of(request)))

    def inpaint(
        self,
        request: DetectRequest,
        volume: Volume | None = None,
        hole: np.ndarray | None = None,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Result:
        """Fill and score one hole, a boolean array on the native grid; None for the request's region or ROI.

        The rest is as in :meth:`detect`. That there is a hole is checked by :func:`FAAnomalyLib.pipeline.jobs.run_job`.
        """
        return self._run(request, volume, hole, Progress(progress, cancel, stages_of(request)))

    def preview(
        self, request: DetectRequest, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> Volume:
        """Expected FA in the request's region or ROI, the input elsewhere: :func:`.preview.expected_in_region`.

        Errors are those of :meth:`detect`.
        """
        return expected_in_region(self._opener.open(request, None, None, Progress(progress, cancel, PREVIEW_STAGES)))

    def _run(
        self, request: DetectRequest, volume: Volume | None, hole: np.ndarray | None, progress: Progress
    ) -> Result:
        run = self._opener.open(request, volume, hole, progress)
        passes = _planned_passes(run)
        cache = _cache(run)
        with told_which_passes(cache, len(passes)), _interruptible(run):
            scores = _scored(run, _inpainted(run, passes, cache))
            progress.step("scoring")
            threshold = _threshold(run)
            result, fill = _on_native_grid(run, scores, restrict_to_signs(threshold, request.signs))
        progress.finish()
        result.provenance = _provenance(run, scores, threshold, len(passes), fill).as_dict()
        return result


def stages_of(request: DetectRequest) -> dict[str, float]:
    """:data:`STAGES` with the shares that the request's sampler makes of them."""
    return STAGES | ({} if request.sampler == Sampling.sampler else {"filling holes": DRAWING_SECONDS})


def _planned_passes(run: Run) -> list[Pass]:
    """Lattices of holes over the whole brain, or one hole that covers the drawn region."""
    if run.region is None:
        return whole_brain_passes(run.subject, run.request, ESTIMATE_LATTICES if run.by_estimate else 1)
    assert run.edge_mm is not None
    run.loaded.calibration.regions.at(run.edge_mm)
    return [pass_from_mask(drawn_hole(run.subject, run.region, run.request.mask_type))]


def _cache(run: Run) -> PassCache | None:
    """With an output folder, the finished passes of a whole brain by the network are kept there."""
    if not run.request.output or run.region is not None or run.by_estimate:
        return None
    identity = passes_identity(run.subject, run.request, run.loaded.model.manifest["sha256"])
    return PassCache(Path(run.request.output), identity, run.request.resume)


def _interruptible(run: Run) -> AbstractContextManager[None]:
    return interruptible_network(run.loaded.inpainter.network, run.progress.check)


def _inpainted(run: Run, passes: list[Pass], cache: PassCache | None) -> Inpainted:
    inpainter, subject = run.loaded.inpainter, run.subject

    def on_progress(share: float) -> None:
        run.progress.step("filling holes", share)

    if run.by_estimate:
        return estimate_passes(inpainter, subject, passes, on_progress)
    return inpaint_passes(inpainter, subject.fa, passes, run.sampling, on_progress, cache, subject.grid.priors)


def _scored(run: Run, inpainted: Inpainted) -> Scores:
    if run.region is not None:
        assert run.edge_mm is not None
        return score_region(run.subject, inpainted, run.loaded.calibration, run.edge_mm)
    run.progress.step("second look")
    return score_brain(
        run.loaded.inpainter,
        run.subject,
        inpainted,
        run.loaded.calibration,
        run.sampling,
        lambda share: run.progress.step("second look", share),
        run.progress.check,
    )


def _threshold(run: Run) -> Limits:
    """Positive z for increases and for decreases, whichever of them are searched."""
    calibration = run.loaded.calibration
    known = calibration if run.edge_mm is None else calibration.regions.at(run.edge_mm)
    chosen = choose_threshold(
        run.request.threshold,
        run.request.signs,
        auto=known.threshold,
        sensitive=known.sensitive,
        one_sided=known.one_sided,
    )
    return chosen if isinstance(chosen, tuple) else (float(chosen), float(chosen))


def _on_native_grid(run: Run, scores: Scores, threshold: Limits) -> tuple[Result, _Fill]:
    """Volumes and regions on the input's own grid; only what lay in a hole, and in the drawn region, is judged."""
    subject, volume, region = run.subject, run.subject.grid.native, run.region
    predicted = subject.inpainted_on_native(scores.inpainted.covered)
    judged = predicted if region is None else predicted & region
    mean = mean_on_native_grid(subject, scores.inpainted, predicted)
    run.progress.check()
    expected = np.where(judged, mean, volume.data).astype(np.float32)
    difference, z_map = volume.with_data(volume.data - expected), subject.z_on_native(scores.z, judged)
    run.progress.check()
    segmentation, regions = find_regions_and_voxels(z_map, difference, threshold)
    filled = segmentation.data > 0 if region is None else judged
    seed, check = run.request.seed, run.progress.check
    drawn = filled_brain(subject, predicted, mean, filled, seed, check, segmentation.data)
    sd, unknown = expected_sd(subject, scores.inpainted, judged)
    result = Result(
        volume,
        volume.with_data(drawn.fa),
        difference,
        z_map,
        segmentation,
        [one for one, _ in regions],
        expected=volume.with_data(expected),
        expected_sd=volume.with_data(sd),
    )
    fill = _Fill(FillProvenance(seed, int(filled.sum()), drawn.plain), [*fill_remarks(drawn.plain), *unknown])
    if run.atlas is not None:
        result = _with_tracts(run, run.atlas, scores, result, [at for _, at in regions])
    return result, fill


def _with_tracts(run: Run, loaded: LoadedAtlas, scores: Scores, result: Result, voxels: list[np.ndarray]) -> Result:
    """The result with names for its regions, whose *voxels* are given, and for a whole brain a score of every tract."""
    result.to_atlas = mapping_of(run.subject)
    result.regions = name_regions(loaded, result.to_atlas, result.input, list(zip(result.regions, voxels, strict=True)))
    run.progress.check()
    if run.region is None:
        result.tracts = score_all_tracts(loaded, run.subject, scores.analysed, result.segmentation)
    return result


def _detectable(run: Run, scores: Scores, threshold: Limits) -> list[DetectableChange]:
    if run.edge_mm is None:
        return detectable_changes(run.loaded.calibration, scores.scale, threshold)
    return detectable_in_region(run.loaded.calibration, scores.scale, threshold, run.edge_mm)


def _provenance(run: Run, scores: Scores, threshold: Limits, passes: int, fill: _Fill) -> Provenance:
    native, inpainter = run.subject.grid.native, run.loaded.inpainter
    return Provenance(
        faanomaly=__version__,
        input_sha256=voxels_sha256(native.data),
        request=request_without_folders(run.request),
        threshold_z=BySign.of(threshold),
        model=ModelProvenance.of(run.loaded),
        registration=RegistrationProvenance.of(run.subject.grid.alignment),
        calibration=CalibrationProvenance.of(run.loaded, run.edge_mm),
        drawn_ml=None if run.region is None else float(run.region.sum() * native.voxel_ml),
        drawn_edge_mm=None if run.edge_mm is None else round(run.edge_mm, 1),
        detectable_change=_detectable(run, scores, restrict_to_signs(threshold, run.request.signs)),
        passes=passes,
        hidden_share=round(scores.hidden_share, 4),
        network_evaluations=scores.inpainted.evaluations,
        seconds={stage: round(value, 3) for stage, value in run.progress.seconds.items()},
        device=describe(inpainter.device),
        dtype=str(inpainter.dtype).removeprefix("torch."),
        peak_memory_mb=peak_memory_mb(),
        warnings=[*run.remarks, *fill.remarks],
        versions=package_versions(),
        atlas=None if run.atlas is None else AtlasProvenance.of(run.atlas),
        pseudo_healthy=fill.provenance,
    )
