"""What ``result.json`` holds: its keys and their order, as the documentation tells them."""

from __future__ import annotations

import json
import re
from dataclasses import fields

import numpy as np
import pytest

from FAAnomalyLib.anomaly.detectable_change import DetectableChange
from FAAnomalyLib.pipeline.provenance import (
    PACKAGES,
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
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.result import Region
from FAAnomalyLib.tracts import TractShare
from support.paths import ROOT

PAGE = ROOT / "docs" / "result-json.md"
LIMITS = BySign.of((4.29949, 4.3))

KEYS = """faanomaly input_sha256 request threshold_z model registration calibration drawn_ml drawn_edge_mm
detectable_change passes hidden_share network_evaluations seconds device dtype peak_memory_mb warnings
versions""".split()
"""As version 0.1.0 wrote them, and since then ``drawn_edge_mm``, ``detectable_change``."""
NEWER_KEYS = ["atlas", "pseudo_healthy"]


@pytest.fixture
def provenance() -> Provenance:
    return Provenance(
        faanomaly="0.1.0",
        input_sha256="ab" * 32,
        request=request_without_folders(DetectRequest("/data/Jane Doe/fa.nii.gz", roi="/data/Jane Doe/r.mrk.json")),
        threshold_z=LIMITS,
        model=ModelProvenance("inpainter", "cd" * 32, "ef" * 32),
        registration=RegistrationProvenance("affine", 0.93, np.eye(4).tolist()),
        calibration=CalibrationProvenance(11, LIMITS, LIMITS, LIMITS, None),
        drawn_ml=None,
        drawn_edge_mm=None,
        detectable_change=[DetectableChange(20.0, 0.18, None)],
        passes=32,
        hidden_share=0.1,
        network_evaluations=34,
        seconds={"reading": 0.1},
        device="CPU",
        dtype="float32",
        peak_memory_mb=None,
        warnings=["a remark"],
        versions=package_versions(),
        atlas=AtlasProvenance("hcp1065", "01" * 32, 83, 13, LIMITS),
        pseudo_healthy=FillProvenance(0, 1200, 0),
    )


def test_keys_and_their_order_stay(provenance):
    told = provenance.as_dict()
    assert list(told) == [*KEYS, *NEWER_KEYS]
    assert list(told["model"]) == ["name", "sha256", "template_sha256"]
    assert list(told["registration"]) == ["method", "correlation", "template_to_input_ras"]
    assert list(told["calibration"]) == ["people", "threshold_z", "sensitive_z", "alone_z", "sha256"]
    assert told["threshold_z"] == {"increased": 4.299, "decreased": 4.3}
    assert list(told["atlas"]) == ["name", "sha256", "tracts", "people", "threshold_z"]
    assert list(told["pseudo_healthy"]) == ["seed", "voxels", "without_texture"]
    assert list(told["versions"]) == ["python", *PACKAGES]
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_no_folder_of_a_path_is_told(provenance):
    assert "Doe" not in json.dumps(provenance.as_dict())
    assert provenance.request["input"] == "fa.nii.gz" and provenance.request["output"] is None


def test_the_identity_of_the_input_is_that_of_its_values():
    data = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert voxels_sha256(np.asfortranarray(data)) == voxels_sha256(data) != voxels_sha256(data[::-1])


def test_the_page_names_every_key_in_order(provenance):
    tables = [re.findall(r"^\| (`[^|]*) \|", part, re.M) for part in PAGE.read_text(encoding="utf-8").split("\n## ")]
    top, change, request, regions, anatomy = (
        [key for row in rows for key in re.findall(r"`([^`]+)`", row)] for rows in tables
    )
    told = provenance.as_dict()
    nested = {"model", "registration", "calibration", "atlas", "pseudo_healthy"}
    expected = [f"{key}.{inner}" for key in told if key in nested for inner in told[key]]
    assert [key for key in top if "." in key] == expected
    assert list(dict.fromkeys(key.partition(".")[0] for key in top)) == [*KEYS, *NEWER_KEYS, "regions"]
    assert change == [field.name for field in fields(DetectableChange)]
    assert request == list(told["request"])
    assert regions == [field.name for field in fields(Region)]
    assert anatomy == [f"tracts[].{field.name}" for field in fields(TractShare)] + ["nearest", "distance_mm"]
