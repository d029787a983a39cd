"""Everything before the first hole: files read, model loaded, brain registered; kept for the next request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anomaly.drawn_region import drawn_edge_mm
from ..diffusion.registry import samplers
from ..inpainting.sampling import Sampling
from ..preprocessing.missing_data import clump_remarks
from ..preprocessing.model_grid import PreparedSubject
from ..preprocessing.preparation import prepare
from ..request import DetectRequest
from ..runtime.progress import Progress
from ..volume import Volume
from .anatomy import NO_ATLAS, LoadedAtlas, open_atlas
from .inputs import read_brain_mask, read_fa, read_region, source_key
from .loaded_model import LoadedModel, open_model


@dataclass(frozen=True)
class _Registered:
    """A volume on the model grid, kept for the next request on the same files."""

    key: tuple
    subject: PreparedSubject
    remarks: list[str]


@dataclass(frozen=True)
class Run:
    """One request with everything that it needs.

    Attributes
    ----------
    request, sampling
        What was asked for.
    loaded
        The model on its device.
    subject
        The brain on the model grid.
    region
        The drawn region, bool on the native grid; None for a whole brain.
    edge_mm
        Edge of the cube of the region's volume of brain; None for a whole brain.
    remarks
        For the user.
    progress
        Reports, and raises once the run is cancelled.
    atlas
        Tracts that regions are named by; None for none.
    """

    request: DetectRequest
    sampling: Sampling
    loaded: LoadedModel
    subject: PreparedSubject
    region: np.ndarray | None
    edge_mm: float | None
    remarks: list[str]
    progress: Progress
    atlas: LoadedAtlas | None

    @property
    def by_estimate(self) -> bool:
        """Whether the network's linear estimate serves the mean of a whole brain, and the network candidates alone.

        The network's own mean misses hidden tissue by as much (``docs/measurements.md``) and costs ten times as much.
        Draws come from the network alone.
        """
        asked = self.region is None and not samplers()[self.sampling.sampler].stochastic
        return asked and self.loaded.inpainter.kind.estimate is not None


class RunOpener:
    """Opens one request after another; the model stays loaded between them, the last volume registered."""

    def __init__(self) -> None:
        self._loaded: LoadedModel | None = None
        self._loaded_key: tuple[str, str] | None = None
        self._registered: _Registered | None = None
        self._atlas: LoadedAtlas | None = None
        self._atlas_key: tuple[str, str] | None = None

    def open(self, request: DetectRequest, volume: Volume | None, hole: np.ndarray | None, progress: Progress) -> Run:
        """Everything before the first hole. What can be wrong with the files is found before the model is loaded.

        *volume* stands for the request's input, *hole* (bool on its grid) for its region or ROI; None for these.
        """
        sampling = Sampling.of_request(request.check())
        progress.step("reading")
        key = None if volume is not None else source_key(request)
        known = self._registered if self._registered is not None and self._registered.key == key else None
        brain = None
        if known is not None:
            volume, remarks = known.subject.grid.native, known.remarks
        else:
            volume, remarks = read_fa(request, volume)
            brain, more = read_brain_mask(request, volume)
            remarks = remarks + more
        region, about_region = read_region(request, volume) if hole is None else (np.asarray(hole, bool), [])
        progress.step("loading the model")
        loaded = self._model(request)
        loaded.inpainter.check(sampling)
        atlas = self._tracts(request, loaded)
        progress.step("registration")
        if known is not None:
            subject = known.subject
        else:
            subject = prepare(volume, loaded.template, brain, progress.check)
            remarks = remarks + subject.remarks + clump_remarks(volume, subject.native_brain)
            self._registered = None if key is None else _Registered(key, subject, remarks)
        if atlas is None and request.atlas != NO_ATLAS:
            remarks = [*remarks, "the tract atlas is not installed: regions are not named by their tracts"]
        edge = None if region is None else drawn_edge_mm(subject, region)
        remarks = [*remarks, *_about_calibration(loaded, edge), *about_region]
        return Run(request, sampling, loaded, subject, region, edge, remarks, progress, atlas)

    def _model(self, request: DetectRequest) -> LoadedModel:
        key = (request.model, request.device)
        if self._loaded is None or self._loaded_key != key:
            self._loaded, self._loaded_key = open_model(*key), key
        return self._loaded

    def _tracts(self, request: DetectRequest, loaded: LoadedModel) -> LoadedAtlas | None:
        key = (request.atlas, loaded.template.sha256)
        if self._atlas_key != key:
            self._atlas, self._atlas_key = open_atlas(*key), key
        return self._atlas


def _about_calibration(loaded: LoadedModel, edge_mm: float | None) -> list[str]:
    """A remark where z stands on no healthy people."""
    if loaded.calibration.outdated:
        return [
            f"the calibration of the model {loaded.model.name} is of an earlier version and has no part in this: z and "
            "threshold are a guess; faanomaly calibrate makes a new one"
        ]
    if not loaded.calibration.people:
        return [f"the model {loaded.model.name} is not calibrated: its z and threshold are a guess"]
    if edge_mm is not None and not loaded.calibration.regions.people:
        return [
            f"the model {loaded.model.name} is not calibrated for drawn regions: z and threshold here are a guess; "
            "faanomaly calibrate --regions-only adds what is missing"
        ]
    return []
