"""The detector as a judge: one model for everybody, or for each person one that has not seen them."""

from __future__ import annotations

import json
from pathlib import Path

from ...datasets.folds import read_folds
from ...errors import FAError
from ...models.manifest import calibrated_on, read_manifest, sha256_of, trained_on
from ...models.registry import find_model
from ...pipeline.detector import Detector
from ...pipeline.loaded_model import template_folder
from ...preprocessing.template import Template, load_template
from ...request import DetectRequest
from ...result import Result
from ...runtime.progress import CancelToken
from ...volume import Volume
from ..cases import EvaluationSubject


class DetectorJudge:
    """Full roaming with the detector's defaults and its automatic threshold; see :class:`~.protocol.Judge`.

    Its identity is every file of the model's folder (weights, calibration, template) and the device, not the
    version of the program: who changes the program starts without ``--resume``.  With *work* every volume's
    finished passes are kept there, so that another calibration is evaluated without the network.
    """

    def __init__(
        self,
        detector,
        model: Path,
        device: str,
        mask: Path | None,
        cancel: CancelToken | None,
        work: Path | None = None,
    ) -> None:
        self._detector, self._cancel = detector, cancel
        self._request = DetectRequest(
            input="(in memory)",
            model=str(model),
            device=device,
            brain_mask=None if mask is None else str(mask),
            output=None if work is None else str(work),
            resume=work is not None,
        )
        self.identity = json.dumps([device, [sha256_of(p) for p in sorted(model.rglob("*")) if p.is_file()]])

    def judge(self, volume: Volume) -> Result:
        """See :meth:`.protocol.Judge.judge`."""
        return self._detector.detect(self._request, volume=volume, cancel=self._cancel)


class DetectorJudges:
    """Judges for subjects; a model is loaded when its first subject comes.

    Parameters
    ----------
    model
        Bundled model or model folder, for whoever *folds* does not name.
    folds
        Person -> model folder.
    device
        As in :class:`~FAAnomalyLib.request.DetectRequest`.
    work
        See :class:`DetectorJudge`.
    """

    def __init__(
        self,
        model: str,
        folds: dict[str, Path] | None = None,
        device: str = "auto",
        cancel: CancelToken | None = None,
        work: Path | None = None,
    ) -> None:
        self._model, self._folds, self._device, self._cancel = model, folds, device, cancel
        self._work = work
        self._detector = Detector()
        self._templates: dict[Path, Template] = {}

    def __call__(self, subject: EvaluationSubject) -> DetectorJudge:
        """The subject's judge; raises ``FAError('missing')`` when its model is not there."""
        return DetectorJudge(
            self._detector, self.model_of(subject), self._device, subject.mask, self._cancel, self._work
        )

    def model_of(self, subject: EvaluationSubject) -> Path:
        """Folder of the model that judges *subject*."""
        return find_model(self._model if self._folds is None else self._folds[subject.person])

    def template_of(self, subject: EvaluationSubject) -> Template:
        """Template of the model that judges *subject*."""
        folder = template_folder(self.model_of(subject))
        if folder not in self._templates:
            self._templates[folder] = load_template(folder)
        return self._templates[folder]


def folds_for(table: Path, people: set[str]) -> dict[str, Path]:
    """Person -> model folder, as :func:`~FAAnomalyLib.training.healthy_maps.read_folds`.

    Raises ``FAError('bad-input')`` when the table cannot be used or lacks one of *people*.
    """
    folds = read_folds(table)
    strangers = sorted(people - set(folds))
    if strangers:
        raise FAError(
            "bad-input",
            f"{table} names no model for {', '.join(strangers[:10])}",
            "",
            "Everybody needs a model that has not seen them",
        )
    return folds


def seen_in_training(
    subjects: list[EvaluationSubject], everybody: list[EvaluationSubject], model_of
) -> list[EvaluationSubject]:
    """Subjects whose person their own model was trained or calibrated on, as far as its manifest tells.

    *everybody* is all volumes of the data set, evaluated or not: another volume of the same person counts.
    """
    files: dict[str, set[str]] = {}
    for subject in everybody:
        files.setdefault(subject.person, set()).add(subject.path.name)
    found = []
    for subject in subjects:
        manifest = read_manifest(model_of(subject))
        if files[subject.person] & (trained_on(manifest) | calibrated_on(manifest)):
            found.append(subject)
    return found
