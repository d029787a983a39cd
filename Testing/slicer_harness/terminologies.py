"""Slicer's terminologies, which the wheel lacks: under their real names, with one entry each."""

from __future__ import annotations

import json
from pathlib import Path

SEGMENTS = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/segment-context-schema.json#"
ANATOMY = "https://raw.githubusercontent.com/qiicr/dcmqi/master/doc/anatomic-context-schema.json#"


def _code(value: str, meaning: str, **more) -> dict:
    return {"CodingSchemeDesignator": "SCT", "CodeValue": value, "CodeMeaning": meaning, **more}


TISSUE = _code(
    "85756007",
    "Tissue",
    showAnatomy=False,
    Type=[_code("85756007", "Tissue", recommendedDisplayRGBValue=[128, 174, 128])],
)
BRAIN = _code("12738006", "Brain")

FILES = {
    "SegmentationCategoryTypeModifier-SlicerGeneralAnatomy.term.json": {
        "@schema": SEGMENTS,
        "SegmentationCategoryTypeContextName": "Segmentation category and type - 3D Slicer General Anatomy list",
        "SegmentationCodes": {"Category": [TISSUE]},
    },
    "SegmentationCategoryTypeModifier-DICOM-Master.term.json": {
        "@schema": SEGMENTS,
        "SegmentationCategoryTypeContextName": "Segmentation category and type - DICOM master list",
        "SegmentationCodes": {"Category": [TISSUE]},
    },
    "AnatomicRegionAndModifier-DICOM-Master.term.json": {
        "@schema": ANATOMY,
        "AnatomicContextName": "Anatomic codes - DICOM master list",
        "AnatomicCodes": {"AnatomicRegion": [BRAIN]},
    },
}


def write_terminologies(folder: Path) -> None:
    """Write the files where the Terminologies module looks for them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
