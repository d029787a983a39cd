"""The detector as the method under evaluation: one model for everybody, or one for each fold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ...datasets.cohort import CohortSubject
from ...datasets.folds import read_folds
from ...errors import FAError
from ...models.manifest import calibrated_on, read_manifest, sha256_of, trained_on
from ...models.registry import find_model
from ...pipeline.detector import Detector
from ...pipeline.loaded_model import template_folder
from ...preprocessing.template import Template, load_template
from ...request import DetectRequest, changed_hole_options
from ...result import Result
from ...runtime.progress import CancelToken
from ...volume import Volume


class VolumeDetector(Protocol):
    """The part of :class:`~FAAnomalyLib.pipeline.detector.Detector` that is used here."""

    def detect(
        self, request: DetectRequest, *, volume: Volume | None = None, cancel: CancelToken | None = None
    ) -> Result: ...


class DetectorMethod:
    """Detection over the whole brain with the defaults and the automatic threshold; a :class:`~.method.Method`.

    The identity covers the device and every file of the model's folder (weights, calibration, template), but not
    the version of the program: after a change of the program, start without ``--resume``.

    Parameters
    ----------
    detector
        Shared by all subjects, so that a model is loaded once.
    request
        Model, device, brain mask, and where finished passes are kept.
    cancel
        Stops a detection.
    """

    def __init__(self, detector: VolumeDetector, request: DetectRequest, cancel: CancelToken | None) -> None:
        self._detector, self._request, self._cancel = detector, request, cancel
        files = [path for path in sorted(Path(request.model).rglob("*")) if path.is_file()]
        # Records of the default options stay valid.
        changed = changed_hole_options(request)
        self.identity = json.dumps(
            [request.device, [sha256_of(path) for path in files], *([changed] if changed else [])]
        )

    def score(self, volume: Volume) -> Result:
        """See :meth:`.method.Method.score`."""
        return self._detector.detect(self._request, volume=volume, cancel=self._cancel)


def whole_brain_request(
    model: Path, device: str, mask: Path | None, passes: Path | None = None, holes: DetectRequest | None = None
) -> DetectRequest:
    """Request for a volume in memory: with the detector's defaults, or holes filled as those of the request *holes*.

    With *passes* every volume's finished passes are kept in that folder, so that another calibration is evaluated
    without running the network again.
    """
    return replace(
        holes or DetectRequest(),
        input="(in memory)",
        model=str(model),
        device=device,
        brain_mask=None if mask is None else str(mask),
        output=None if passes is None else str(passes),
        resume=passes is not None,
    )


class DetectorMethods:
    """A :class:`~.method.MethodProvider`; a model is loaded when its first subject is scored.

    Parameters
    ----------
    model
        Bundled model or model folder, used without *folds*.
    folds
        Person -> model folder.
    device
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    cancel
        Stops a detection.
    work
        Folder for finished passes, see :func:`whole_brain_request`.
    holes
        How holes are filled; None for the detector's defaults.
    """

    def __init__(
        self,
        model: str,
        folds: dict[str, Path] | None = None,
        device: str = "auto",
        cancel: CancelToken | None = None,
        work: Path | None = None,
        holes: DetectRequest | None = None,
    ) -> None:
        self._model, self._folds, self._device, self._cancel = model, folds, device, cancel
        self._work, self._holes = work, holes
        self._detector = Detector()
        self._templates: dict[Path, Template] = {}

    def method_for(self, subject: CohortSubject) -> DetectorMethod:
        """The subject's method; raises ``FAError('missing')`` when its model is not there."""
        request = whole_brain_request(self.model_of(subject), self._device, subject.mask, self._work, self._holes)
        return DetectorMethod(self._detector, request, self._cancel)

    def model_of(self, subject: CohortSubject) -> Path:
        """Folder of the model that scores *subject*."""
        return find_model(self._model if self._folds is None else self._folds[subject.person])

    def template_for(self, subject: CohortSubject) -> Template:
        """Template of the model that scores *subject*."""
        folder = template_folder(self.model_of(subject))
        if folder not in self._templates:
            self._templates[folder] = load_template(folder)
        return self._templates[folder]


def folds_for(table: Path, people: set[str]) -> dict[str, Path]:
    """Person -> model folder, as :func:`~FAAnomalyLib.datasets.folds.read_folds` reads it.

    Raises ``FAError('bad-input')`` when the table cannot be used or lacks one of *people*.
    """
    folds = read_folds(table)
    missing = sorted(people - set(folds))
    if missing:
        raise FAError(
            "bad-input",
            f"{table} names no model for {', '.join(missing[:10])}",
            "",
            "Everybody needs a model that has not seen them",
        )
    return folds


def seen_in_training(
    subjects: list[CohortSubject],
    cohort: list[CohortSubject],
    model_of: Callable[[CohortSubject], Path],
) -> list[CohortSubject]:
    """Subjects whose person their own model was trained or calibrated on, as far as its manifest says.

    Parameters
    ----------
    subjects
        The subjects under evaluation.
    cohort
        All volumes of the data set, evaluated or not: another volume of the same person counts.
    model_of
        Folder of the model that scores a subject.
    """
    files: dict[str, set[str]] = {}
    for subject in cohort:
        files.setdefault(subject.person, set()).add(subject.path.name)
    seen = []
    for subject in subjects:
        manifest = read_manifest(model_of(subject))
        if files[subject.person] & (trained_on(manifest) | calibrated_on(manifest)):
            seen.append(subject)
    return seen
