"""Boxes drawn in 3D Slicer (markups ROI): read from their file and turned into a mask."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FAError
from ..geometry.orientation import LPS_TO_RAS
from ..volume import check_affine

# Slicer's storage enumeration: some old files hold the number instead of the name.
COORDINATE_SYSTEMS = {"RAS": "RAS", "LPS": "LPS", "0": "RAS", "1": "LPS"}
REDRAW = "Draw the ROI again in 3D Slicer and save it as .mrk.json"


@dataclass(frozen=True, eq=False)
class Roi:
    """A box in the world at any angle.

    Attributes
    ----------
    center
        Middle of the box in RAS millimetres, shape (3,).
    axes
        Shape (3, 3); the columns are the directions of the box's edges, unit vectors in RAS.
    size
        Full edge lengths along those directions in millimetres, shape (3,), all positive.
    inside_out
        Whether everything outside the box is meant instead.
    """

    center: np.ndarray
    axes: np.ndarray
    size: np.ndarray
    inside_out: bool = False


def read_markups_roi(path: str | os.PathLike) -> Roi:
    """Read the one ROI of a Slicer markups file.

    The fields are those of Slicer's markups schema 1.0: ``center`` and ``size`` (3 numbers, mm), ``orientation``
    (9 numbers row by row, the columns are the box's axes; upright when absent), ``coordinateSystem`` (``LPS`` when
    absent, ``RAS``, or the old 1 and 0) and ``insideOut``. The ROI's parent transform is not in the file: harden it
    before saving.

    Parameters
    ----------
    path
        A ``.mrk.json`` file.

    Returns
    -------
    Roi
        In RAS mm.

    Raises
    ------
    FAError
        ``bad-input`` when the file is absent or damaged, holds no ROI or several, or its box has no usable place, size
        or orientation.
    """
    path = Path(path)
    markup = _only_roi(path)
    unit = markup.get("coordinateUnits", "mm")
    if (unit[:1] if isinstance(unit, list) else [unit]) != ["mm"]:
        raise _unusable(path, f"its unit is {unit!r}, not 'mm'")
    system = COORDINATE_SYSTEMS.get(str(markup.get("coordinateSystem", "LPS")).upper())
    if system is None:
        raise _unusable(path, f"its coordinate system {markup['coordinateSystem']!r} is neither LPS nor RAS")
    inside_out = markup.get("insideOut", False)
    if not isinstance(inside_out, bool):
        raise _unusable(path, f"insideOut is {inside_out!r}, neither true nor false")

    center = _numbers(path, markup, "center", 3)
    size = _numbers(path, markup, "size", 3)
    axes = _numbers(path, markup, "orientation", 9, np.eye(3)).reshape(3, 3)
    if (size <= 0).any():
        raise _unusable(path, "its box has no volume")
    if np.abs(axes.T @ axes - np.eye(3)).max() > 1e-3:
        raise _unusable(path, "its orientation is not a rotation")
    if system == "LPS":
        to_ras = LPS_TO_RAS[:3, :3]
        center, axes = to_ras @ center, to_ras @ axes
    return Roi(center, axes, size, inside_out)


def _only_roi(path: Path) -> dict:
    """The one markup of a file that is a ROI, as the file holds it."""
    if not path.is_file():
        raise FAError("bad-input", f"There is no file {path}", "", "Check the path of the ROI")
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FAError(
            "bad-input", f"{path.name} cannot be read", error.strerror or "", "Check its permissions"
        ) from error
    except (ValueError, RecursionError) as error:
        raise _unusable(path, "it is damaged or not a JSON file") from error
    markups = content.get("markups") if isinstance(content, dict) else None
    if not isinstance(markups, list) or not markups or not isinstance(markups[0], dict):
        raise _unusable(path, "there is no markup in it")
    rois = [markup for markup in markups if isinstance(markup, dict) and markup.get("type") == "ROI"]
    if not rois:
        raise _unusable(path, f"its markup is of the type {markups[0].get('type')!r}, not 'ROI'")
    if len(rois) > 1:
        raise FAError(
            "bad-input",
            f"{path.name} holds {len(rois)} ROIs",
            "one box is analysed at a time",
            "Save each ROI in a file of its own, or draw one mask and give it as the region",
        )
    return rois[0]


def box_mask(roi: Roi, volume_shape: tuple[int, int, int], affine_ras: np.ndarray) -> np.ndarray:
    """Mask of the voxels whose centre lies in the box, or outside it when the ROI is inside out.

    Parameters
    ----------
    roi
        The box.
    volume_shape
        Number of voxels along x, y and z.
    affine_ras
        4x4 matrix from voxel indices (whole at the centre of a voxel) to RAS millimetres.

    Returns
    -------
    numpy.ndarray
        bool, of shape *volume_shape*. A centre on a face counts as inside the box.

    Raises
    ------
    FAError
        ``bad-input`` when the mask is empty or the affine is unusable.

    Examples
    --------
    >>> roi = Roi(center=np.array([2.0, 2.0, 2.0]), axes=np.eye(3), size=np.array([2.0, 2.0, 0.5]))
    >>> int(box_mask(roi, (5, 5, 5), np.eye(4)).sum())
    9
    """
    affine = np.asarray(affine_ras, dtype=np.float64)
    check_affine(affine)
    # From voxel indices straight to millimetres along the box's own axes.
    rotated = roi.axes.T @ affine[:3, :3]
    start = roi.axes.T @ (affine[:3, 3] - roi.center)
    x, y, z = np.ogrid[tuple(slice(n) for n in volume_shape)]
    inside = np.ones(volume_shape, dtype=bool)
    for (dx, dy, dz), begin, edge in zip(rotated, start, roi.size, strict=True):
        # A nanometre of tolerance, so that rounding does not decide about a centre on a face.
        inside &= np.abs(dx * x + dy * y + dz * z + begin) <= edge / 2 + 1e-6
    if roi.inside_out:
        inside = ~inside
    if not inside.any():
        raise FAError(
            "bad-input",
            "The ROI holds no voxel of the volume",
            "it lies beside the volume or between the centres of its voxels",
            "Move or enlarge the ROI, or choose the volume it was drawn on",
        )
    return inside


def _numbers(path: Path, markup: dict, key: str, count: int, default: np.ndarray | None = None) -> np.ndarray:
    if key not in markup and default is not None:
        return default
    values = markup.get(key)
    if not isinstance(values, list) or len(values) != count or not all(type(v) in (int, float) for v in values):
        raise _unusable(path, f"its {key} is not a list of {count} numbers")
    try:
        numbers = np.array(values, dtype=np.float64)
    except OverflowError:
        numbers = np.array([np.inf])
    if not np.isfinite(numbers).all():
        raise _unusable(path, f"its {key} is not finite")
    return numbers


def _unusable(path: Path, why: str) -> FAError:
    return FAError("bad-input", f"{path.name} is not a usable ROI", why, REDRAW)
