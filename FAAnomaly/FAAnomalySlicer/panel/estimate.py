"""Estimated duration of a run: that of the last similar one, stored between sessions."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..scene.choices import PanelParameters, RegionMode

PREFIX = "FAAnomaly/seconds"


def kind_of_run(parameters: PanelParameters) -> str:
    """Settings key of similar runs, which take about the same time on one computer."""
    region = "whole" if parameters.regionMode is RegionMode.WHOLE_BRAIN else "region"
    return "/".join(
        [
            PREFIX,
            region,
            parameters.sampler.value,
            str(parameters.steps),
            str(parameters.samples),
            parameters.maskSize.name,
            parameters.device.value,
        ]
    )


def store_duration(settings, kind: str, seconds: float, device: str) -> None:
    """Store the duration and the device of a run."""
    settings.setValue(kind, f"{seconds:.1f}")
    settings.setValue(f"{kind}/device", device)


def seconds_of_last(settings, kind: str) -> float | None:
    """Duration of the last run of the kind; ``None`` when there was none."""
    try:
        return float(settings.value(kind))
    except (TypeError, ValueError):
        return None


def device_of_last(settings, kind: str) -> str:
    """Device of the last run of the kind; empty when there was none."""
    return str(settings.value(f"{kind}/device") or "")


def duration(seconds: float) -> str:
    """A duration as text."""
    if seconds < 90:
        return _("{seconds:.0f} s").format(seconds=max(1, seconds))
    if seconds < 5400:
        return _("{minutes:.0f} min").format(minutes=seconds / 60)
    return _("{hours:.1f} h").format(hours=seconds / 3600)
