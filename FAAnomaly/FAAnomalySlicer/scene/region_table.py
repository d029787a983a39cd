"""The regions as a table node, and back.

The table shows world positions, as the slice views do. A parent transform that changes afterwards does not change the
table, so the matrix of its positions is stored beside it, and :func:`regions_of` returns the positions in the volume's
local frame again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import numpy_to_vtk

from FAAnomalyLib.result import Region

from . import geometry
from .stored_anatomy import anatomies_as_text, anatomies_from_text, best_match

LOCAL_TO_WORLD = "FAAnomaly.localToWorld"
ANATOMY = "FAAnomaly.anatomy"
"""Attribute: the tracts of every region with their shares, see ``stored_anatomy.py``."""
WORDS = ("sign", "tract")
DECIMALS = {
    "voxels": 0,
    "volume_ml": 2,
    "peak_z": 1,
    "mean_z": 1,
    "mean_difference": 3,
    "mean_difference_sd": 3,
    "centroid_r": 1,
    "centroid_a": 1,
    "centroid_s": 1,
    "peak_r": 1,
    "peak_a": 1,
    "peak_s": 1,
}
"""Column with numbers -> decimals."""


def _titles() -> dict[str, tuple[str, str]]:
    """Column -> title and unit, in the user's language."""
    return {
        "label": (_("Region"), ""),
        "sign": (_("FA"), ""),
        "voxels": (_("Voxels"), ""),
        "volume_ml": (_("Volume"), "ml"),
        "peak_z": (_("Peak z"), ""),
        "mean_z": (_("Mean z"), ""),
        "mean_difference": (_("Mean change of FA"), ""),
        "mean_difference_sd": (_("± SD"), ""),
        "centroid_r": (_("Centre R"), "mm"),
        "centroid_a": (_("Centre A"), "mm"),
        "centroid_s": (_("Centre S"), "mm"),
        "peak_r": (_("Peak R"), "mm"),
        "peak_a": (_("Peak A"), "mm"),
        "peak_s": (_("Peak S"), "mm"),
        "tract": (_("Tract"), ""),
    }


def fill_table(tableNode, regions: Iterable[Region], volumeNode) -> None:
    """Replace the rows by *regions*, whose positions are in the local frame of *volumeNode*."""
    to_world = geometry.parent_to_world(volumeNode)
    regions = list(regions)
    columns = _columns(regions, to_world)
    table = vtk.vtkTable()
    for name in _titles():
        if name in WORDS:
            column = vtk.vtkStringArray()
            for value in columns[name]:
                column.InsertNextValue(value)
        elif name in ("label", "voxels"):
            column = numpy_to_vtk(np.array(columns[name], dtype=np.int32), deep=True, array_type=vtk.VTK_INT)
        else:
            rounded = np.round(np.array(columns[name], dtype=np.float64), DECIMALS[name])
            column = numpy_to_vtk(rounded, deep=True, array_type=vtk.VTK_DOUBLE)
        column.SetName(name)
        table.AddColumn(column)
    was = tableNode.StartModify()
    try:
        tableNode.SetAndObserveTable(table)
        tableNode.SetUseColumnTitleAsColumnHeader(True)
        for name, (title, unit) in _titles().items():
            tableNode.SetColumnTitle(name, title)
            tableNode.SetColumnUnitLabel(name, unit)
        tableNode.SetAttribute(LOCAL_TO_WORLD, json.dumps(to_world.ravel().tolist()))
        named = any(region.anatomy is not None for region in regions)
        tableNode.SetAttribute(ANATOMY, anatomies_as_text(regions) if named else None)
        tableNode.SetLocked(True)
    finally:
        tableNode.EndModify(was)


def regions_of(tableNode) -> list[Region]:
    """The rows as regions, positions in the volume's local frame, rounded as the table shows them."""
    table = tableNode.GetTable()
    matrix = tableNode.GetAttribute(LOCAL_TO_WORLD)
    if not matrix:
        return []
    to_local = np.linalg.inv(np.array(json.loads(matrix)).reshape(4, 4))
    anatomies = anatomies_from_text(tableNode.GetAttribute(ANATOMY), table.GetNumberOfRows())
    regions = []
    for number, anatomy in enumerate(anatomies):
        row = {name: table.GetColumnByName(name).GetValue(number) for name in ("label", *DECIMALS)}
        centroid, peak = (
            to_local @ [*(row.pop(f"{key}_{axis}") for axis in "ras"), 1.0] for key in ("centroid", "peak")
        )
        # The word in the table depends on the language of the user who made it; the sign of z does not.
        regions.append(
            Region(
                sign="increased" if row["peak_z"] > 0 else "decreased",
                centroid_ras=(float(centroid[0]), float(centroid[1]), float(centroid[2])),
                peak_ras=(float(peak[0]), float(peak[1]), float(peak[2])),
                anatomy=anatomy,
                **row,
            )
        )
    return regions


def _columns(regions: list[Region], to_world: np.ndarray) -> dict:
    columns: dict[str, Any] = {
        name: [getattr(region, name) for region in regions]
        for name in (
            "label",
            "voxels",
            "volume_ml",
            "peak_z",
            "mean_z",
            "mean_difference",
            "mean_difference_sd",
        )
    }
    words = {"increased": _("increased"), "decreased": _("decreased")}
    columns["sign"] = [words[region.sign] for region in regions]
    columns["tract"] = [best_match(region.anatomy) for region in regions]
    for key in ("centroid", "peak"):
        places = np.array([getattr(region, f"{key}_ras") for region in regions], dtype=float).reshape(-1, 3)
        for axis, values in zip("ras", (places @ to_world[:3, :3].T + to_world[:3, 3]).T, strict=True):
            columns[f"{key}_{axis}"] = np.ascontiguousarray(values)
    return columns
