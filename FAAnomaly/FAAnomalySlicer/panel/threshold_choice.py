"""Which threshold is wanted, which one the model's calibration offers, and which one the segments show."""

from __future__ import annotations

from ..scene.choices import PanelParameters, Signs, ThresholdMode
from ..scene.result_list import ResultNodes
from ..scene.threshold import ONE_SIDED, SENSITIVE, SHOWN_SIGNS, THRESHOLD, both_tails


def calibrated_threshold(nodes: ResultNodes, mode: ThresholdMode, signs: Signs) -> tuple[float, float] | None:
    """The model's calibrated threshold for this map and these signs, (increased, decreased).

    None for the sensitive threshold of a result of an earlier version, which had none.
    """
    if mode is ThresholdMode.AUTOMATIC:
        return both_tails(nodes.zMap.GetAttribute(THRESHOLD))
    text = nodes.zMap.GetAttribute(SENSITIVE if signs is Signs.BOTH else ONE_SIDED)
    return both_tails(text) if text else None


def wanted_threshold(nodes: ResultNodes, parameters: PanelParameters) -> tuple[float, float, str]:
    """The threshold that the parameter node asks for: (increased, decreased, signs)."""
    mode, signs = parameters.thresholdMode, parameters.signs
    if mode is ThresholdMode.BY_HAND:
        return parameters.threshold, parameters.threshold, signs.value
    calibrated = calibrated_threshold(nodes, mode, signs)
    up, down = calibrated or both_tails(nodes.zMap.GetAttribute(THRESHOLD))
    return up, down, signs.value


def applied_threshold(nodes: ResultNodes) -> tuple[float, float, str] | None:
    """The threshold of the present segments and table: (increased, decreased, signs)."""
    holder = nodes.segmentation or nodes.table
    if holder is None or not holder.GetAttribute(THRESHOLD):
        return None
    up, down = both_tails(holder.GetAttribute(THRESHOLD))
    return up, down, holder.GetAttribute(SHOWN_SIGNS)
