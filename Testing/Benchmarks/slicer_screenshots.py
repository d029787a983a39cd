"""Pictures of the Slicer module, made without Slicer: the real panel and slice views on the fake Slicer of the tests.

    python Testing/Benchmarks/slicer_screenshots.py [--real FA.nii.gz --diameter MM --change FA --seed N]

Draws the bundled sample into ``Resources/Screenshots/slicer_*.png`` with the real engine, and says how long the lens
took. With ``--real`` a change is planted into another brain, and its slice views are drawn as well, with the truth.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT)]

import slicer_harness

slicer_harness.install()

import slicer
import slicer.util

from slicer_harness.fixtures import ModuleOpener

OUT = ROOT / "Resources" / "Screenshots"
LONGEST = 1800
TILE = (340, 310)
FIELD_MM, LENS_FIELD_MM = 215.0, 90.0
CAPTION, GAP = 30, 8
TRUTH_COLOUR = (0.3, 1.0, 0.3)
WINDOW = (0.0, 0.8)
"""FA from black to white; Slicer's own choice follows the noise at a real brain's rim."""
PANEL_WIDTH, TRACTS_HEIGHT = 430, 300
DRAGS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, help="an FA map whose slice views are drawn too, with a change planted")
    parser.add_argument("--diameter", type=float, default=40.0)
    parser.add_argument("--change", type=float, default=-0.2)
    parser.add_argument("--seed", type=int, default=3)
    args = parser.parse_args()

    slicer_harness.open_layout()
    arrangements = slicer.vtkMRMLLayoutLogic()  # as in a Slicer with a window: there are layouts to choose from
    arrangements.SetMRMLScene(slicer.mrmlScene)
    widget = ModuleOpener(slicer_harness.application())("FAAnomaly")
    widget.ui.sampleButton.click()
    slices(np.zeros(3))  # the views are there before there are results, as in Slicer
    detect(widget)
    picture_panel(widget)
    picture_views(widget, OUT / "slicer_views.png")
    picture_comparison(widget, OUT / "slicer_side_by_side.png")
    picture_tracts(widget)
    picture_lens(widget)
    if args.real:
        volume, truth = planted(args)
        widget.ui.inputSelector.setCurrentNode(volume)
        detect(widget)
        picture_views(
            widget,
            OUT / "slicer_real_brain.png",
            truth,
            f"; green: FA {'lowered' if args.change < 0 else 'raised'} by {abs(args.change):g}",
        )
    widget.logic.close()
    slicer_harness.pump(2.0)
    sys.stdout.flush()
    os._exit(0)  # VTK's windows do not survive Python's own end


def detect(widget) -> None:
    """Run a detection on the chosen volume with the panel's button."""
    slicer_harness.pump(0.5)
    widget.ui.regionModeSelector.setCurrentIndex(0)
    widget.ui.applyButton.click()
    slicer_harness.pump_until(lambda: widget.logic.detections.running is None, LONGEST)
    slicer_harness.pump(0.5)
    if widget.panel.message.error:
        raise SystemExit(str(widget.panel.message.error))
    print(widget.ui.summaryLabel.text)


def picture_panel(widget) -> None:
    """The panel after a run."""
    widget.ui.regionsTable.setCurrentCell(0, 0)
    slicer_harness.grab(widget.parent, OUT / "slicer_panel.png", PANEL_WIDTH)


def picture_views(widget, path: Path, truth=None, remark: str = "") -> None:
    """Axial, coronal and sagittal: input with the outline of *truth*, expected FA, z-map with outlines."""
    position = strongest(widget)
    rows = []
    for button, title in (
        (widget.ui.showInputButton, f"Input{remark}"),
        (widget.ui.showExpectedButton, "Expected"),
        (widget.ui.showZMapButton, "Input, z-map and outlines of the regions"),
    ):
        if not button.checked:
            button.click()
        show_segments(widget, button is widget.ui.showZMapButton)
        if truth is not None:
            truth.SetDisplayVisibility(button is widget.ui.showInputButton)
        rows.append((title, slices(position)))
    save(rows, path)


def picture_comparison(widget, path: Path) -> None:
    """The layout *Side by side* in coronal and sagittal orientation, at the strongest region."""
    from FAAnomalySlicer.views.slice_views import COMPARED

    views = [slicer_harness.slice_view(name) for name in COMPARED]
    slicer_harness.open_layout(*COMPARED)  # in Slicer they come with the layout
    for view in views:
        view.logic.ResizeSliceNode(*TILE)
    widget.ui.compareCheckBox.click()
    rows = []
    for orientation in ("Coronal", "Sagittal"):
        widget.ui.orientationSelector.setCurrentText(orientation)
        slicer_harness.pump(0.3)
        picture = np.concatenate([view.picture(*TILE) for view in views], axis=1)
        rows.append((f"Input, expected, z-map over the input: {orientation.lower()}", Image.fromarray(picture)))
    widget.ui.compareCheckBox.click()
    save(rows, path)


def picture_tracts(widget) -> None:
    """The tract of the first region beside the region, and the table of tracts."""
    from FAAnomalySlicer.panel.region_table import TRACT_COLUMN

    section, table = widget.ui.tractsSection, widget.ui.tractsTable
    section.collapsed = False
    table.setMinimumHeight(TRACTS_HEIGHT)
    widget.ui.regionsTable.setCurrentCell(0, 0)
    widget.ui.showTractButton.click()
    slicer_harness.pump_until(lambda: widget.ui.hideTractsButton.visible, LONGEST)
    slicer_harness.pump(0.5)
    if not widget.ui.showInputButton.checked:
        widget.ui.showInputButton.click()
    path = OUT / "slicer_tracts.png"
    slicer_harness.grab(section, path, 3 * TILE[0])
    with Image.open(path) as listed:
        tract = widget.ui.regionsTable.item(0, TRACT_COLUMN).text()
        rows = [
            (f"The region (blue) and its tract (violet): {tract}", slices(strongest(widget))),
            ("Every tract beside healthy people, the most unusual on top", listed.convert("RGB")),
        ]
        save(rows, path)
    widget.ui.hideTractsButton.click()
    section.collapsed = True
    slicer_harness.pump(0.3)


def picture_lens(widget) -> None:
    """The box over the strongest region: input, and healthy tissue inside the box; the time of each fill."""
    position = strongest(widget)
    show_segments(widget, False)
    widget.ui.lensButton.click()
    wait_for_lens(widget)
    roi = widget.logic.getParameterNode().roi
    seconds = []
    for step in range(DRAGS, -1, -1):
        began = time.monotonic()
        roi.SetCenter(*(position + np.array([1.5, 1.0, 0.5]) * step))
        slicer_harness.pump(0.04)
        wait_for_lens(widget)
        seconds.append(time.monotonic() - began)
    print(
        f"lens: {statistics.median(seconds):.2f} s from release to picture (median of {len(seconds)}, "
        f"slowest {max(seconds):.2f} s)"
    )
    healthy = slices(position, LENS_FIELD_MM)
    widget.ui.lensButton.click()
    slicer_harness.pump(0.3)
    if not widget.ui.showInputButton.checked:
        widget.ui.showInputButton.click()
    save(
        [("Input", slices(position, LENS_FIELD_MM)), ("The healthy lens: draft fill inside the box", healthy)],
        OUT / "slicer_lens.png",
    )
    widget.ui.roiVisibleCheckBox.click()


def wait_for_lens(widget) -> None:
    """Wait until nothing is being filled."""
    section = widget.panel.preview
    slicer_harness.pump_until(lambda: section._picture.node is not None and not section._preview.busy, LONGEST)


def strongest(widget) -> np.ndarray:
    """Where the strongest region has its centre, world RAS."""
    from FAAnomalySlicer.scene.result_nodes import find_results

    table = find_results(widget.logic.getParameterNode().inputVolume).table.GetTable()
    return np.array([table.GetColumnByName(f"centroid_{axis}").GetValue(0) for axis in "ras"])


def show_segments(widget, shown: bool) -> None:
    """Outlines, and the legend in the last view alone: small pictures have no room for three."""
    from FAAnomalySlicer.scene.result_nodes import find_results

    nodes = find_results(widget.logic.getParameterNode().inputVolume)
    nodes.segmentation.GetDisplayNode().SetVisibility(shown)
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(nodes.zMap)
    legend.SetVisibility(shown)
    legend.SetViewNodeIDs([slicer_harness.slice_view("Yellow").slice_node.GetID()])
    legend.SetSize(0.09, 0.45)
    legend.SetPosition(0.93, 0.04)
    for text in (legend.GetTitleTextProperty(), legend.GetLabelTextProperty()):
        text.SetFontSize(13)
    legend.Modified()


def slices(position: np.ndarray, field_mm: float = FIELD_MM) -> Image.Image:
    """The three slice views side by side, cut at *position*; a small field is centred there, too."""
    pictures = []
    for name in ("Red", "Green", "Yellow"):
        view = slicer_harness.slice_view(name)
        view.logic.ResizeSliceNode(*TILE)
        view.logic.FitSliceToBackground()
        view.slice_node.SetFieldOfView(field_mm, field_mm * TILE[1] / TILE[0], view.slice_node.GetFieldOfView()[2])
        jump = view.slice_node.JumpSliceByOffsetting if field_mm == FIELD_MM else view.slice_node.JumpSliceByCentering
        jump(*position)
        pictures.append(view.picture(*TILE))
    row = Image.fromarray(np.concatenate(pictures, axis=1))
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(15)
    for number, name in enumerate(("Red", "Green", "Yellow")):
        place = (number * TILE[0] + 12, TILE[1] // 2)
        draw.text(
            place,
            side_on_the_left(name),
            fill=(200, 200, 200),
            font=font,
            anchor="mm",
            stroke_width=2,
            stroke_fill=(0, 0, 0),
        )
    return row


def side_on_the_left(name: str) -> str:
    """The anatomical direction of a slice view's left edge, a letter of RASLPI."""
    to_ras = slicer.util.arrayFromVTKMatrix(slicer_harness.slice_view(name).slice_node.GetSliceToRAS())
    axis = int(np.abs(to_ras[:3, 0]).argmax())
    return ("LPI" if to_ras[axis, 0] > 0 else "RAS")[axis]


def save(rows: list[tuple[str, Image.Image]], path: Path) -> None:
    """Rows of pictures under their captions."""
    width = rows[0][1].width
    height = sum(picture.height + CAPTION + GAP for _, picture in rows)
    whole = Image.new("RGB", (width, height), (0, 0, 0))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(18)
    top = 0
    for title, picture in rows:
        draw.text((10, top + 5), title, fill=(235, 235, 235), font=font)
        whole.paste(picture, (0, top + CAPTION))
        top += picture.height + CAPTION + GAP
    whole.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path} written")


def planted(args: argparse.Namespace):
    """The volume node of ``--real`` with a sphere of changed FA in its white matter, and that sphere's outline."""
    from FAAnomalyLib.evaluation.planting.lesions import plant, sphere, white_matter_centre
    from FAAnomalyLib.evaluation.planting.truth import healthy_reference
    from FAAnomalyLib.io.volumes import load_volume
    from FAAnomalyLib.pipeline.loaded_model import open_model
    from FAAnomalyLib.preprocessing.fa_validation import validate_fa
    from FAAnomalyLib.preprocessing.preparation import prepare

    healthy, _ = validate_fa(load_volume(args.real)[0])
    prepared = prepare(healthy, open_model("default").template, None)
    white_matter = healthy_reference(prepared).white_matter
    centre = white_matter_centre(healthy, white_matter, args.diameter, args.seed)
    ball = sphere(healthy, centre, args.diameter) & white_matter
    volume = plant(healthy, ball, args.change)
    node = slicer.util.addVolumeFromArray(
        np.ascontiguousarray(volume.data.T), ijkToRAS=volume.affine, name="FA of a person"
    )
    node.CreateDefaultDisplayNodes()
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(*WINDOW)
    return node, outline(ball, volume.affine)


def outline(mask: np.ndarray, affine: np.ndarray):
    """A segmentation node that shows the edge of *mask* in the slice views."""
    labels = slicer.util.addVolumeFromArray(
        np.ascontiguousarray(mask.T.astype(np.uint8)), ijkToRAS=affine, nodeClassName="vtkMRMLLabelMapVolumeNode"
    )
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "truth")
    node.CreateDefaultDisplayNodes()
    slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labels, node)
    slicer.mrmlScene.RemoveNode(labels)
    node.GetSegmentation().GetNthSegment(0).SetColor(*TRUTH_COLOUR)
    node.GetDisplayNode().SetVisibility2DFill(False)
    return node


if __name__ == "__main__":
    main()
