"""The provenance of a result as node attributes: saved with the scene, without any path or file name of a patient."""

from __future__ import annotations

import json
from typing import Any

from slicer.i18n import tr as _

from . import detectable_change
from .threshold import ONE_SIDED, SENSITIVE, THRESHOLD, as_text

PREFIX = "FAAnomaly."
SCOPE = detectable_change.SCOPE
"""Attribute that every result has: what was analysed."""
INPUT = PREFIX + "input"
"""Reference of a result to its input."""
REQUEST_ATTRIBUTES = {
    "mask_type": "maskType",
    "mask_size": "maskSize",
    "sampler": "sampler",
    "steps": "steps",
    "samples": "samples",
    "seed": "seed",
    "scale": "scale",
}
"""Fields of the request that are kept; none of them is a path."""


def result_problem(node: Any) -> str:
    """Why *node* cannot be analysed if it is a result of this module; else empty."""
    if node is None or not node.GetAttribute(SCOPE):
        return ""
    source = node.GetNodeReference(INPUT)
    if source is None or source is node:
        return _("{name} is a result of FA Anomaly; choose the FA map that was measured").format(name=node.GetName())
    return _("{name} is a result of FA Anomaly; choose {source}, of which it was made").format(
        name=node.GetName(), source=source.GetName()
    )


def attributes(provenance: dict) -> dict[str, str]:
    """``FAAnomaly.*`` attributes from the engine's provenance; absent values are left out."""
    request, model = provenance.get("request", {}), provenance.get("model", {})
    values = {
        "version": provenance.get("faanomaly"),
        "model": model.get("name"),
        "modelSha256": model.get("sha256"),
        "templateSha256": model.get("template_sha256"),
        "device": provenance.get("device"),
        "scope": "ROI" if request.get("roi") else "segment" if request.get("region") else "whole brain",
        **{attribute: request.get(field) for field, attribute in REQUEST_ATTRIBUTES.items()},
    }
    result = {PREFIX + name: str(value) for name, value in values.items() if value is not None}
    if provenance.get("threshold_z") is not None:
        result[THRESHOLD] = as_text(provenance["threshold_z"])
    if provenance.get("detectable_change"):
        result[detectable_change.ATTRIBUTE] = json.dumps(provenance["detectable_change"])
    calibration = provenance.get("calibration", {})
    for key, attribute in (("sensitive_z", SENSITIVE), ("alone_z", ONE_SIDED)):
        if calibration.get(key) is not None:
            result[attribute] = as_text(calibration[key])
    return result
