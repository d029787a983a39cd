"""Export: volumes, table and report as files. The nodes keep their own file names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..scene.report_text import report_of
from ..scene.result_nodes import ResultNodes
from .panel_context import PanelContext, show_text

VOLUMES = {
    "pseudoHealthy": "pseudo_healthy.nii.gz",
    "difference": "difference.nii.gz",
    "zMap": "z_map.nii.gz",
    "segmentation": "segmentation.seg.nrrd",
}
"""Result -> file name, as the engine's own where it has one."""


class Exporter:
    """The three buttons.

    Parameters
    ----------
    context
        Of the panel.
    nodes
        Returns the results that are shown, or None.
    """

    def __init__(self, context: PanelContext, nodes: Callable[[], ResultNodes | None]) -> None:
        self._context, self._nodes = context, nodes
        ui = context.ui
        for button, action in (
            (ui.exportVolumesButton, self._volumes),
            (ui.exportTableButton, self._table),
            (ui.exportReportButton, self._report),
        ):
            button.connect("clicked(bool)", context.guarded(action))

    def update(self) -> None:
        """Enable the buttons whose nodes exist."""
        nodes, ui = self._nodes(), self._context.ui
        ui.exportVolumesButton.enabled = nodes is not None and nodes.zMap is not None
        ui.exportTableButton.enabled = nodes is not None and nodes.table is not None
        ui.exportReportButton.enabled = self._report_node() is not None

    def _volumes(self) -> None:
        import qt

        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder for the volumes"))
        if folder:
            present = self._present_nodes().nodes()
            with slicer.util.WaitCursor():
                for role, name in VOLUMES.items():
                    if role in present:
                        _write(present[role], Path(folder) / name)
            self._show_saved(folder)

    def _table(self) -> None:
        path = self._ask(_("Table of regions"), "regions.csv", _("Table (*.csv *.tsv)"))
        if path:
            _write(self._present_nodes().table, path)
            self._show_saved(path)

    def _report(self) -> None:
        path = self._ask(_("Report"), "report.html", _("Page (*.html)"))
        if path:
            try:
                path.write_text(self._report_node().GetText(), encoding="utf-8")
            except OSError as error:
                raise _cannot_write(path, error.strerror or str(error)) from error
            self._show_saved(path)

    def _present_nodes(self) -> ResultNodes:
        return self._nodes() or ResultNodes()

    def _report_node(self):
        nodes = self._nodes()
        volume = nodes.zMap.GetNodeReference("FAAnomaly.input") if nodes and nodes.zMap else None
        return report_of(volume)

    def _ask(self, title: str, name: str, pattern: str) -> Path | None:
        import qt

        chosen = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, name, pattern)
        if not chosen:
            return None
        path = Path(chosen)
        return path if path.suffix else path.with_suffix(Path(name).suffix)

    def _show_saved(self, path) -> None:
        show_text(self._context.ui.summaryLabel, _("Saved to {path}.").format(path=path))


def _write(node, path: Path) -> None:
    """Write *node* to *path* without changing the node's own file name. Raises ``FAError``."""
    storage = slicer.mrmlScene.CreateNodeByClass(node.GetDefaultStorageNodeClassName(str(path)))
    storage.UnRegister(None)
    storage.SetFileName(str(path))
    if not storage.WriteData(node):
        raise _cannot_write(
            path, storage.GetUserMessages().GetAllMessagesAsString() if hasattr(storage, "GetUserMessages") else ""
        )


def _cannot_write(path: Path, why: str) -> FAError:
    return FAError(
        "bad-input",
        _("Cannot write {path}").format(path=path),
        " ".join(why.split()),
        _("Choose a folder with room that you may write to"),
    )
