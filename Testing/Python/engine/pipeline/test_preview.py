"""The preview of a box: what the whole way expects there, in one file, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.io.volumes import load_volume, save_volume
from FAAnomalyLib.pipeline import run_opening
from FAAnomalyLib.pipeline.detector import Detector
from FAAnomalyLib.pipeline.jobs import PREVIEW_FILE, run_job, run_preview
from FAAnomalyLib.pipeline.preview import PREVIEW_STAGES
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.runtime.progress import CancelToken
from support.fakes import stand_in
from support.phantoms import synthetic_brain as sb

pytestmark = pytest.mark.slow

POSE = sb.head((1.0, 1.0, 1.0), (3.0, -5.0, 4.0), x=6.0)
LESION = sb.Lesion(radius_mm=9.0, change=0.3)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    """An oblique brain with a bright sphere, and a box about the sphere."""
    folder = tmp_path_factory.mktemp("preview é")
    shape, affine = sb.grid((2.5, 2.5, 2.5), POSE, x=10)
    save_volume(sb.brain(shape, affine, POSE, lesion=LESION, variation=0.05), folder / "brain.nii.gz")
    for name, edge in (("box", 25.0), ("huge", 150.0)):
        centre = list(sb.lesion_centre(POSE, LESION))
        roi = {"type": "ROI", "coordinateSystem": "RAS", "center": centre, "size": [edge] * 3}
        (folder / f"{name}.mrk.json").write_text(json.dumps({"markups": [roi]}))
    # Its network corrects nothing, so that its mean is the estimate.
    model = stand_in.make(folder / "model", spacing=4.0)
    return {"input": str(folder / "brain.nii.gz"), "model": str(model), "device": "cpu", "folder": str(folder)}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


def preview(request: DetectRequest, *more, **options) -> Path:
    return run_preview(request, Path(request.output), *more, **options)


@pytest.fixture
def request_of(files, tmp_path):
    def made(box: str = "box", **options) -> DetectRequest:
        known = {name: value for name, value in files.items() if name != "folder"}
        return DetectRequest(
            **{**known, "roi": f"{files['folder']}/{box}.mrk.json", "output": str(tmp_path / "out"), **options}
        )

    return made


def test_a_preview_is_what_a_fill_of_the_box_expects(detector, request_of, tmp_path):
    reports: list = []
    path = preview(request_of(), lambda: detector, progress=lambda *report: reports.append(report))
    assert path == tmp_path / "out" / PREVIEW_FILE and [one.name for one in path.parent.iterdir()] == [PREVIEW_FILE]
    assert list(dict.fromkeys(stage for _, stage, _ in reports)) == [*PREVIEW_STAGES, "done"]
    request = request_of(output=str(tmp_path / "whole"), report=False)
    whole = run_job("inpaint", request, lambda: detector)
    shown = load_volume(path)[0]
    np.testing.assert_allclose(shown.affine, whole.input.affine, atol=1e-4)
    np.testing.assert_allclose(shown.data, whole.expected.data, atol=1e-5)
    assert (shown.data != whole.input.data).sum() > 500


def test_the_next_box_needs_no_registration(detector, request_of, tmp_path, monkeypatch):
    preview(request_of(), lambda: detector)
    monkeypatch.setattr(run_opening, "prepare", None)
    monkeypatch.setattr(run_opening, "open_model", None)
    again = preview(request_of(output=str(tmp_path / "again")), lambda: detector)
    assert again.is_file()
    with pytest.raises(FAError, match="replaced"):
        preview(request_of(output=str(tmp_path / "again")), lambda: detector)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"box": "huge"}, "too large to be judged"), ({"roi": None}, "nothing to fill")],
)
def test_what_cannot_be_filled_is_refused_and_leaves_nothing(detector, request_of, tmp_path, options, says):
    with pytest.raises(FAError, match=says) as caught:
        preview(request_of(**options), lambda: detector)
    assert caught.value.code == "bad-request"
    assert not (tmp_path / "out" / PREVIEW_FILE).exists()


def test_a_cancelled_preview_writes_nothing(detector, request_of, tmp_path):
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(FAError) as caught:
        preview(request_of(), lambda: detector, cancel=cancel)
    assert caught.value.code == "cancelled" and not list(Path(tmp_path).rglob("*.nii.gz"))
