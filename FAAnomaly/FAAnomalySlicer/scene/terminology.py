"""Terminology entries of the two segments, which other programs can read.

The codes come from ``Resources/FAAnomaly.term.json``: Slicer's own lists contain no changed anisotropy.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import slicer
import vtk

FILE = Path(__file__).resolve().parents[2] / "Resources" / "FAAnomaly.term.json"
REGION_CONTEXT = "Anatomic codes - DICOM master list"
WHITE_MATTER = ("SCT", "389080008", "White Matter")


@lru_cache(maxsize=1)
def _content() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


def entry(sign: str) -> str:
    """The serialised terminology entry of a segment of *sign* ``increased`` or ``decreased``."""
    category = _content()["SegmentationCodes"]["Category"][0]
    parts = [
        _content()["SegmentationCategoryTypeContextName"],
        _code(category),
        _code(_type(sign)),
        "^^",
        REGION_CONTEXT,
        "^".join(WHITE_MATTER),
        "^^",
    ]
    return "~".join(parts)


def color(sign: str) -> tuple[float, float, float]:
    """Red, green and blue in 0..1 of a segment of *sign*."""
    return tuple(value / 255 for value in _type(sign)["recommendedDisplayRGBValue"])


def load() -> None:
    """Add the entries to Slicer's terminology selector, once; without effect in a Slicer that has none."""
    module = getattr(slicer.modules, "terminologies", None)
    logic = module.logic() if module else None
    if logic is None:
        return
    loaded = vtk.vtkStringArray()
    logic.GetLoadedTerminologyNames(loaded)
    if loaded.LookupValue(_content()["SegmentationCategoryTypeContextName"]) < 0:
        logic.LoadTerminologyFromFile(str(FILE))


def _type(sign: str) -> dict:
    types = _content()["SegmentationCodes"]["Category"][0]["Type"]
    return next(one for one in types if one["3dSlicerLabel"] == sign)


def _code(item: dict) -> str:
    return "^".join((item["CodingSchemeDesignator"], item["CodeValue"], item["CodeMeaning"]))
