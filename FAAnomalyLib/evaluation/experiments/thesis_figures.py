"""The thesis' figures 2.5 to 2.8 and 3.1 to 3.43 from the stored units of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ...errors import FAError
from ...reporting.figures import FA_WINDOW, side_by_side, stacked, write
from ..rows import FAANOMALY
from .charts import box_plot, roc_plot
from .design import (
    CUBIC,
    MASK_FIGURES,
    MASK_SIZES,
    PANEL_FIGURES,
    RECONSTRUCTION_FIGURES,
    ROAMING_FIGURES,
    ROC_FIGURE,
    HoleSetting,
    SphereCase,
)
from .thesis_experiment import UnitRow

MEASURES = {
    "ssim": "structural similarity",
    "psnr": "peak signal-to-noise ratio, dB",
    "max_difference": "maximum absolute difference, FA",
    "percentage_error": "average percentage error, %",
}
MASKS = {CUBIC: "cubic mask", "wm": "white-matter guided mask"}
COLUMNS = ("synthetic anomaly", "reconstructed", "anomaly mask", "reconstructed mask")
PANEL = ("lesioned", "filled", "truth", "found", "corner")
"""Arrays of a unit that a panel shows."""
CHOICE = "Choose 2.5 to 2.8, or 3.1 to 3.43"
SUBJECTS = 3
"""Rows of a panel."""
ZOOM = 2
MARGIN = 24
"""Voxels of the slice shown round the anomaly's square in a panel of one hole."""
OUTLINE, FRAME = (255, 196, 0), (70, 70, 70)


def draw_figure(name: str, rows: Sequence[UnitRow], units: Path) -> Image.Image | None:
    """A figure of the thesis; None where the experiment holds nothing of it.

    Parameters
    ----------
    name
        ``2.5`` to ``2.8``, or ``3.1`` to ``3.43``.
    rows
        Of the experiment.
    units
        Folder of its units, for the panels' slices.

    Raises
    ------
    FAError
        ``bad-request`` for a figure that is not one of these; ``bad-input`` for a damaged unit.
    """
    if name in MASK_FIGURES:
        return _masks(name, rows, units)
    if name in RECONSTRUCTION_FIGURES:
        return _reconstruction(name, rows)
    if name == ROC_FIGURE:
        return _roc(rows)
    if name in PANEL_FIGURES:
        setting, case = PANEL_FIGURES[name]
        return _hole_panel(name, setting, case, rows, units)
    if name in ROAMING_FIGURES:
        return _roaming_panel(name, ROAMING_FIGURES[name], rows, units)
    raise FAError("bad-request", f"The thesis has no figure {name!r} of masks or results", "", CHOICE)


def _masks(name: str, rows: Sequence[UnitRow], units: Path) -> Image.Image | None:
    """Holes of every size in one slice, or the slice without what they hide."""
    mask_type, applied = MASK_FIGURES[name]
    own = [row for row in rows if row.kind == "mask"]
    if not own:
        return None
    pictures = []
    for row in own:
        arrays = read_slices(row, units, ("lesioned", mask_type, "corner"))
        shown = {"corner": arrays["corner"], "truth": arrays[mask_type]}
        shown["lesioned"] = np.where(arrays[mask_type], 0, arrays["lesioned"])
        picture = _picture(shown, "lesioned" if applied else "truth", zoomed=False)
        words = f"{row.setting['mask_size']} voxels"
        write(ImageDraw.Draw(picture), (picture.width / 2, picture.height - 14), words, 15, "mm")
        pictures.append(picture)
    line = side_by_side(pictures, 6)
    head = Image.new("RGB", (line.width, 36))
    title = f"Figure {name}. {MASKS[mask_type].capitalize()}{', applied to the map' if applied else ''}"
    write(ImageDraw.Draw(head), (8, 18), title, 17, "lm")
    return stacked([head, line], 4)


def _reconstruction(name: str, rows: Sequence[UnitRow]) -> Image.Image | None:
    network, measure, mask_type = RECONSTRUCTION_FIGURES[name]
    groups: dict[str, list[float]] = {str(size): [] for size in MASK_SIZES}
    own = [r for r in rows if (r.kind, r.method) == ("reconstruction", network) and r.setting["mask_type"] == mask_type]
    for row in own:
        if row.row.get(measure) is not None:
            groups[str(row.setting["mask_size"])].append(row.row[measure])
    title = f"Figure {name}. {network.capitalize()} network, {MASKS[mask_type]}"
    return box_plot(title, MEASURES[measure], "mask size, voxels of 1.25 mm", groups) if own else None


def _roc(rows: Sequence[UnitRow]) -> Image.Image | None:
    """Curves of the roaming network and of the detector on the same cases, the first subject's."""
    curves = {}
    roaming = [row for row in rows if row.kind == "roaming" and row.row.get("roc")]
    for row in roaming:
        if row.subject == roaming[0].subject:
            curves[_roc_words("thesis", row)] = row.row["roc"]
    for row in rows:
        setting = [one.setting for one in roaming if one.subject == row.subject]
        if row.kind == "brain" and row.method == FAANOMALY and row.setting in setting and row.row.get("roc"):
            if row.subject == roaming[0].subject:
                curves[_roc_words("detector", row)] = row.row["roc"]
    return roc_plot("Figure 3.17. Full roaming, voxels of white matter", curves) if curves else None


def _roc_words(method: str, row: UnitRow) -> str:
    return f"{method}, {row.setting['diameter']}, {row.setting['change']:+g}: AUC {row.row['auc']:.2f}"


def _hole_panel(
    name: str, setting: HoleSetting, case: SphereCase, rows: Sequence[UnitRow], units: Path
) -> Image.Image | None:
    wanted = {
        "mask_type": setting.mask_type,
        "mask_size": setting.mask_size,
        "diameter": case.diameter,
        "change": case.change,
    }
    own = [row for row in rows if row.kind == "hole" and row.setting == wanted and "scores" in row.row][:SUBJECTS]
    if not own:
        return None
    title = (
        f"Figure {name}. {MASKS[setting.mask_type].capitalize()} of {setting.mask_size} on an anomaly of "
        f"{case.diameter}, FA {case.change:+g}"
    )
    return _panel(title, {row.subject: read_slices(row, units) for row in own}, zoomed=True)


def _roaming_panel(name: str, diameter: int, rows: Sequence[UnitRow], units: Path) -> Image.Image | None:
    own = [row for row in rows if row.kind == "roaming" and row.setting["diameter"] == diameter and "scores" in row.row]
    own = [row for row in own if row.subject == own[0].subject]
    if not own:
        return None
    title = f"Figure {name}. Roaming white-matter guided masks of 16, anomaly of {diameter}"
    slices = {f"FA {row.setting['change']:+g}": read_slices(row, units) for row in own}
    return _panel(title, slices, zoomed=False)


def read_slices(row: UnitRow, units: Path, names: Sequence[str] = PANEL) -> dict[str, np.ndarray]:
    """The slices that a unit stored; raises ``FAError('bad-input')`` where its file is gone or damaged."""
    try:
        with np.load(units / f"{row.file}.npz", allow_pickle=False) as stored:
            return {name: stored[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise FAError(
            "bad-input", f"The unit {row.file} is missing or damaged", str(error), "Run the experiment again"
        ) from error


def _panel(title: str, slices: Mapping[str, dict[str, np.ndarray]], zoomed: bool) -> Image.Image:
    """Rows of subjects or changes; columns as in the thesis. Radiological display, front up."""
    lines = []
    for words, arrays in slices.items():
        images = [_picture(arrays, column, zoomed) for column in ("lesioned", "filled", "truth", "found")]
        label = Image.new("RGB", (120, images[0].height))
        write(ImageDraw.Draw(label), (116, label.height / 2), _short(words), 13, "rm")
        lines.append(side_by_side([label, *images], 6))
    width = max(line.width for line in lines)
    head = Image.new("RGB", (width, 60))
    draw = ImageDraw.Draw(head)
    write(draw, (8, 16), title, 17, "lm")
    write(draw, (width - 8, 16), "axial, the person's right on the left", 12, "rm")
    column = (width - 126) / 4
    for number, words in enumerate(COLUMNS):
        write(draw, (126 + column * (number + 0.5), 46), words, 14, "mm")
    return stacked([head, *lines], 6)


def _picture(arrays: Mapping[str, np.ndarray], name: str, zoomed: bool) -> Image.Image:
    x, y, edge = (int(n) for n in arrays["corner"])
    data = arrays[name].astype(np.float32)
    if data.max() > 0 and arrays[name].dtype == bool:
        grey = data
    else:
        low, high = FA_WINDOW
        grey = np.clip((data - low) / (high - low), 0.0, 1.0)
    box = (slice(0, data.shape[0]), slice(0, data.shape[1]))
    if zoomed:
        # The anomaly's surroundings.
        middle = (x + edge // 2, y + edge // 2)
        half = max(edge // 2 + MARGIN // 2, 20)
        box = tuple(  # type: ignore[assignment]
            slice(int(np.clip(m - half, 0, n - 2 * half)), int(np.clip(m - half, 0, n - 2 * half)) + 2 * half)
            for m, n in zip(middle, data.shape, strict=True)
        )
    plane = (grey[box].T[::-1, ::-1] * 255 + 0.5).astype(np.uint8)
    picture = Image.fromarray(plane).convert("RGB")
    size = 200 if zoomed else 128 * ZOOM
    factor = size / picture.width
    picture = picture.resize((size, size), Image.Resampling.NEAREST if zoomed else Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, size - 1, size - 1), outline=FRAME)
    if name in ("lesioned", "filled"):
        # Columns and rows run against the axes.
        right, bottom = (box[axis].stop - start for axis, start in enumerate((x, y)))
        corners = [(right - edge) * factor, (bottom - edge) * factor, right * factor - 1, bottom * factor - 1]
        draw.rectangle(corners, outline=OUTLINE)
    return picture


def _short(words: str) -> str:
    return words if len(words) <= 15 else f"{words[:14]}…"
