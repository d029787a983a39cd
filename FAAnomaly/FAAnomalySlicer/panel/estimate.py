"""How long a run takes here: what the last one like it took, remembered between sessions."""

from __future__ import annotations

from slicer.i18n import tr as _

from ..scene.choices import RegionMode

PREFIX = "FAAnomaly/seconds"


def kind_of_run(parameters) -> str:
    """Runs of one kind take about the same time on one computer."""
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


def remember(settings, kind: str, seconds: float, device: str) -> None:
    """Note what a run took, and on what it was computed."""
    settings.setValue(kind, f"{seconds:.1f}")
    settings.setValue(f"{kind}/device", device)


def seconds_of_last(settings, kind: str) -> float | None:
    """What the last run of the kind took; ``None`` when there was none."""
    try:
        return float(settings.value(kind))
    except (TypeError, ValueError):
        return None


def device_of_last(settings, kind: str) -> str:
    """What the last run of the kind was computed on; empty when there was none."""
    return str(settings.value(f"{kind}/device") or "")


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 90:
        return _("{seconds:.0f} s").format(seconds=max(1, seconds))
    if seconds < 5400:
        return _("{minutes:.0f} min").format(minutes=seconds / 60)
    return _("{hours:.1f} h").format(hours=seconds / 3600)
