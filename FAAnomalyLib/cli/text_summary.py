"""A result in a few lines for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .progress_bar import format_duration

if TYPE_CHECKING:
    from ..result import Region, Result

MAX_ROWS = 20
HEADING = "  #  FA         size (ml)  change   mean z  peak z  centre R, A, S (mm)  tract"
HEADING_WITHOUT_SIDE = HEADING.replace("centre R, A, S (mm)", "centre L or R, A, S")


def text_summary(result: Result, folder: str, seconds: float) -> str:
    """The warnings, the regions as a table, and where the files are.

    Parameters
    ----------
    result
        Of a detection or an inpainting.
    folder
        Where its files were written.
    seconds
        That the job took.
    """
    lines = [f"Note: {warning}" for warning in result.provenance.get("warnings", [])]
    regions = result.regions
    if result.signs != "both":
        lines.append(f"Only {result.signs} FA was looked for.")
    if regions:
        lines += [f"{len(regions)} region{'s' if len(regions) > 1 else ''} beyond the threshold:"]
        lines.append(HEADING if regions[0].side_known else HEADING_WITHOUT_SIDE)
        lines += [_row(region) for region in regions[:MAX_ROWS]]
        if len(regions) > MAX_ROWS:
            lines.append(f"  and {len(regions) - MAX_ROWS} more in regions.csv")
    else:
        lines.append(result.nothing_found)
        if result.drawn_ml is None:
            lines.append("The pseudo-healthy brain is therefore the input.")
    lines += _tracts_beyond(result)
    lines.append(f"Done in {format_duration(seconds)}. Results are in {folder}; open {Path(folder) / 'report.html'}.")
    lines.append("For research; this is not a diagnosis.")
    return "\n".join(lines)


def _tracts_beyond(result: Result) -> list[str]:
    beyond = [score for score in result.tracts if score.verdict in ("increased", "decreased")]
    return [
        f"Tract: FA of the {score.tract} is {score.verdict} as a whole, {score.mean_fa:.3f} instead of "
        f"{score.expected_fa:.3f} ± {score.expected_se:.3f} (z {score.z:+.1f})."
        for score in beyond
    ]


def _row(region: Region) -> str:
    x, y, z = region.centroid_ras
    x = x if region.side_known else abs(x)
    return (
        f"{region.label:3d}  {region.sign:9s}  {region.volume_ml:9.2f}  {region.mean_difference:+.3f}  "
        f"{region.mean_z:+7.1f} {region.peak_z:+7.1f}  {_padded(f'{x:.0f}, {y:.0f}, {z:.0f}')}{_tract(region)}"
    ).rstrip()


def _padded(place: str) -> str:
    return f"{place:21s}"


def _tract(region: Region) -> str:
    """The best matching tract and the region's share in it."""
    if region.anatomy is None:
        return ""
    if not region.anatomy.tracts:
        return "none" if region.anatomy.nearest is None else f"near the {region.anatomy.nearest}"
    best = region.anatomy.tracts[0]
    return f"{best.tract} ({best.share_of_region:.0%})".replace("%", " %")
