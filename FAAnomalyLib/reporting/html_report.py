"""A result as one self-contained HTML page that a reader of brain images can go through in a minute."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from pathlib import PurePath

import numpy as np
from PIL import Image

from ..geometry.orientation import nearest_canonical
from ..request import BOTH_SIZES, MASK_VOXEL_MM
from ..result import Region, Result
from .figures import FA_WINDOW, Z_VISIBLE, Scene, filled_strip, lightbox, montage, png, region_strip
from .tract_section import tract_section

MAX_REGIONS = 12
"""Regions with a section of their own; the table holds all."""

STYLE = """
:root { color-scheme: dark; --ink: #e6e9ee; --dim: #9aa4b2; --line: #2b323c; --page: #14181d; --card: #1b2027;
  --warm: #ff8a5c; --cool: #62b6ff; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 27px; margin: 0; font-weight: 650; }
h2 { font-size: 20px; margin: 44px 0 10px; font-weight: 600; }
h3 { font-size: 17px; margin: 30px 0 4px; font-weight: 600; }
p { max-width: 78ch; margin: 6px 0 12px; }
.dim, figcaption { color: var(--dim); font-size: 14px; }
.caution { border: 1px solid #6d5a22; background: #2a2413; color: #f3dd9b; padding: 9px 14px; border-radius: 6px;
  margin: 16px 0; }
.remarks { border-left: 3px solid #b08a2e; padding: 2px 14px; margin: 16px 0; }
.remarks ul { margin: 4px 0; padding-left: 18px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 10px; margin: 18px 0; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: 10px 14px; }
.facts b { display: block; font-size: 20px; font-weight: 600; overflow-wrap: anywhere; }
.facts span { color: var(--dim); font-size: 13px; }
figure { margin: 12px 0; background: #000; border: 1px solid var(--line); border-radius: 6px; padding: 12px; }
figure img { display: block; width: 100%; height: auto; margin: 0 auto; }
figcaption { margin-top: 8px; text-align: center; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--dim); font-weight: 500; }
th:nth-child(2), td:nth-child(2), th:nth-child(3), td:nth-child(3) { text-align: left; }
table.tracts th, table.tracts td { text-align: right; }
table.tracts th:first-child, table.tracts td:first-child { text-align: left; }
.profiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0; }
.profiles svg { background: var(--card); border: 1px solid var(--line); border-radius: 6px; }
figure svg { display: block; width: 100%; height: auto; }
.increased { color: var(--warm); } .decreased { color: var(--cool); }
.scroll { overflow-x: auto; }
summary { cursor: pointer; color: var(--dim); }
pre { background: var(--card); padding: 14px; overflow-x: auto; font-size: 13px; }
a { color: var(--cool); }
@media print { :root { color-scheme: light; --ink: #111; --dim: #555; --line: #ccc; --page: #fff; --card: #f6f6f6;
  --warm: #b3320c; --cool: #0b4fa0; } .caution { background: #fff; color: #111; }
  figure { break-inside: avoid; print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""


def report_html(result: Result) -> str:
    """A result as one HTML page with its pictures inside, well below 3 MB, naming no folder of the machine.

    Pictures are in radiological display (patient's right on the left), in the scan's own planes nearest to axial,
    coronal and sagittal, all at one scale in mm. Values are the result's own; no region is computed again. What the
    provenance does not tell is left out.

    Parameters
    ----------
    result
        Of any size, with or without regions.
    """
    scene = Scene(result)
    strongest = result.regions[0] if result.regions else None
    name = PurePath(_request(result).get("input", "").replace("\\", "/")).name
    elsewhere = "near the middle of the brain" if result.drawn_ml is None else "through the drawn region"
    through = f"through the peak of region {strongest.label}" if strongest else elsewhere
    parts = [
        f"<h1>FA anomaly report</h1>\n<p class='dim'>{_text(name or 'FA map')}</p>",
        "<div class='caution'><b>Research software, not a diagnosis.</b> Do not use it to decide on care.</div>",
        _remarks(result),
        _facts(result),
        "<h2>Overview</h2>",
        _figure(
            montage(scene, strongest),
            "Axial, coronal and sagittal slices: input, expected, z-map",
            f"Slices {through}. {_display(result)}",
        ),
        *_filled(scene, result),
        _reading(scene),
        *_series(scene, result),
        "<h2>Regions</h2>",
        *_regions(scene, result),
        *_tracts(result),
        _provenance(result),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        f"<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>FA anomaly report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n"
        f"</main>\n</body>\n</html>\n"
    )


def _filled(scene: Scene, result: Result) -> list[str]:
    """The pseudo-healthy brain, where it differs from the input."""
    strongest = result.regions[0] if result.regions else None
    if strongest is None and result.drawn_ml is None:
        return []
    what = "regions" if result.drawn_ml is None else "drawn region"
    return [
        _figure(
            filled_strip(scene, strongest),
            "The same slices of the pseudo-healthy brain",
            f"Pseudo-healthy brain, same slices: the input with its {what} replaced by one draw of healthy tissue, at "
            "the input's own resolution and noise.",
        )
    ]


def _series(scene: Scene, result: Result) -> list[str]:
    if result.drawn_ml is not None:
        return [
            f"<p>Only the drawn region of {result.drawn_ml:.1f} ml was analysed; the rest of the brain is shown as "
            "it is.</p>"
        ]
    return [
        "<h2>Axial series</h2>",
        _figure(
            lightbox(scene),
            "Twelve axial slices with the z-map",
            f"z-map on the input from below to above{', radiological display' if result.input.sides_known else ''}.",
        ),
    ]


def _display(result: Result) -> str:
    low, high = FA_WINDOW
    turn = nearest_canonical(result.input)
    tilt = np.degrees(np.arccos(np.clip(np.diag(turn.affine[:3, :3]) / turn.spacing, -1, 1))).max()
    oblique = f" The scan is tilted by {tilt:.0f} degrees; slices follow its own planes." if tilt > 3 else ""
    sides = "Radiological display: the patient's right (R) is on the left."
    if not result.input.sides_known:
        sides = "The file does not say left from right: the side is unknown, and a picture may be mirrored."
    return f"{sides} FA window {low:g} to {high:g}. Positions in mm of scanner space.{oblique}"


def _reading(scene: Scene) -> str:
    return (
        "<h2>How to read this</h2>\n"
        "<p>Expected FA is the model's mean for each piece of tissue, made from its surroundings while the "
        "piece itself was hidden. The z-map weighs how far the input departs from it by the uncertainty that "
        "the model predicts, on the scale of this brain's own white matter: <span class='decreased'>blue, FA lower "
        f"than expected</span>; <span class='increased'>red, FA higher</span>. Below |z| {Z_VISIBLE:g} nothing is "
        f"drawn, and colours saturate at {scene.top:g}. White lines "
        "surround the regions beyond the threshold; colour without an outline is ordinary variation.</p>\n"
        "<p>A region says that the tissue is unusual for the model, not why. Motion, distortion, noise, partial volume "
        "at the rim of the brain, and anatomy or age that the model never saw raise z as disease does. Small or "
        "widespread changes may be missed: an empty list does not mean a healthy brain.</p>"
    )


def _regions(scene: Scene, result: Result) -> list[str]:
    parts = [] if result.signs == "both" else [f"<p>Only {_text(result.signs)} FA was looked for.</p>"]
    if not result.regions:
        return [*parts, f"<p>{_text(result.nothing_found)}</p>"]
    parts.append(_table(result.regions))
    for region in result.regions[:MAX_REGIONS]:
        parts.append(
            f"<h3 class='{_text(region.sign)}'>Region {region.label}, FA {_text(region.sign)}</h3>\n"
            f"<p>{_text(region.sentence())}{_text(_other_tracts(region))}</p>"
        )
        parts.append(
            _figure(
                region_strip(scene, region),
                f"Three slices through the peak of region {region.label}",
                "Input with outlines above, z-map below, colours as in the overview. The cross-hair marks the peak.",
            )
        )
    if len(result.regions) > MAX_REGIONS:
        parts.append(f"<p class='dim'>{len(result.regions) - MAX_REGIONS} weaker regions are in the table only.</p>")
    return parts


def _other_tracts(region: Region) -> str:
    """The next two tracts that the region lies in."""
    others = [] if region.anatomy is None else region.anatomy.tracts[1:3]
    return f" Also in the {' and the '.join(share.words() for share in others)}." if others else ""


def _tracts(result: Result) -> list[str]:
    known = result.provenance.get("atlas") or {}
    return tract_section(result.tracts, known.get("threshold_z"), known.get("people", 0))


def _table(regions: list[Region]) -> str:
    right = "R" if all(region.side_known for region in regions) else "L or R"
    axes = f"{right}, A, S, mm"
    head = ("", "FA", "Tract", "Volume, ml", "Peak z", "Mean z", "Mean FA change", f"Centre {axes}", f"Peak {axes}")
    rows = []
    for r in regions:
        cells = (
            str(r.label),
            r.sign,
            "" if r.anatomy is None else r.anatomy.tracts[0].tract if r.anatomy.tracts else "none",
            f"{r.volume_ml:.2f}",
            f"{r.peak_z:+.1f}",
            f"{r.mean_z:+.1f}",
            f"{r.mean_difference:+.3f}",
            _place(r.centroid_ras),
            _place(r.peak_ras),
        )
        rows.append(f"<tr class='{_text(r.sign)}'>" + "".join(f"<td>{_text(c)}</td>" for c in cells) + "</tr>")
    return (
        "<div class='scroll'><table>\n<tr>"
        + "".join(f"<th>{h}</th>" for h in head)
        + "</tr>\n"
        + "\n".join(rows)
        + "\n</table></div>"
    )


def _facts(result: Result) -> str:
    signs = [r.sign for r in result.regions]
    spacing = " x ".join(f"{s:.3g}" for s in result.input.spacing)
    cards = [
        ("Regions", str(len(signs))),
        ("FA decreased / increased", f"{signs.count('decreased')} / {signs.count('increased')}"),
        ("Volume of all regions", f"{sum(r.volume_ml for r in result.regions):.1f} ml"),
        ("Voxels, mm", spacing),
    ]
    told, request = result.provenance, _request(result)
    if "threshold_z" in told:
        cards.append(("Threshold z", _threshold(told["threshold_z"], result.signs)))
    if "model" in told:
        cards.append(("Model", _without_folders(told["model"]["name"])))
    if "mask_type" in request:
        cards.append(("Holes", f"{request['mask_type']}, {_hole_edges(request['mask_size'])} mm"))
    if "seconds" in told:
        cards.append(("Run time", f"{sum(told['seconds'].values()):.0f} s"))
    return (
        "<div class='facts'>"
        + "".join(f"<div><b>{_text(v)}</b><span>{_text(c)}</span></div>" for c, v in cards)
        + "</div>"
    )


def _request(result: Result) -> dict:
    """The options of the run."""
    return result.provenance.get("request", {})


def _threshold(limits: dict[str, float], signs: str) -> str:
    """The threshold of the signs that were searched."""
    tails = {"increased": f"+{limits['increased']:.2f}", "decreased": f"-{limits['decreased']:.2f}"}
    return tails.get(signs, " / ".join(tails.values()))


def _hole_edges(mask_size: int) -> str:
    """Edges of the holes in mm."""
    sizes = [mask_size] if mask_size else BOTH_SIZES
    return " and ".join(f"{size * MASK_VOXEL_MM:g}" for size in sizes)


def _remarks(result: Result) -> str:
    remarks = result.provenance.get("warnings", [])
    if not remarks:
        return ""
    items = "".join(f"<li>{_text(_without_folders(remark))}</li>" for remark in remarks)
    return f"<div class='remarks'><b>Remarks on this run</b><ul>{items}</ul></div>"


def _provenance(result: Result) -> str:
    known = json.dumps(_scrub(result.provenance), indent=2, default=str, ensure_ascii=False)
    return (
        f"<h2>How it was made</h2>\n<details><summary>Versions, parameters and times</summary>"
        f"<pre>{_text(known)}</pre></details>"
    )


def _scrub(values: object) -> object:
    # A page is mailed around; folder names often hold a patient's or a user's name.
    if isinstance(values, dict):
        return {_without_folders(str(k)): _scrub(v) for k, v in values.items()}
    if isinstance(values, (list, tuple)):
        return [_scrub(v) for v in values]
    return _without_folders(os.fspath(values)) if isinstance(values, (str, os.PathLike)) else values


def _without_folders(text: str) -> str:
    whole = re.fullmatch(r"(?:[A-Za-z]:[\\/]|~?/|\\\\|\.{1,2}[\\/]).*[\\/]([^\\/]*)[\\/]?", text)
    return whole.group(1) if whole else re.sub(r"(?:[A-Za-z]:)?(?:[\\/][^\\/\s'\"]+)+[\\/](?=[^\\/\s])", "", text)


def _place(ras: tuple[float, float, float]) -> str:
    return ", ".join(f"{v:.0f}" for v in ras)


def _figure(picture: Image.Image, alt: str, caption: str) -> str:
    data = base64.b64encode(png(picture)).decode("ascii")
    below = f"<figcaption>{_text(caption)}</figcaption>" if caption else ""
    return (
        f"<figure><img alt='{_text(alt)}' width='{picture.width}' height='{picture.height}' "
        f"src='data:image/png;base64,{data}'>{below}</figure>"
    )


def _text(value: str) -> str:
    return html.escape(value, quote=True)
