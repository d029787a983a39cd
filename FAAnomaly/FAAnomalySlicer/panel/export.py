"""Export: volumes, table and report as files. The nodes keep their own file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import slicer
import slicer.util
from slicer.i18n import tr as _

from FAAnomalyLib.errors import FAError

from ..scene.node_attributes import INPUT
from ..scene.report_text import report_of
from ..scene.result_list import ResultNodes
from .panel_context import PanelContext, show_text

VOLUMES = {
    "pseudoHealthy": "pseudo_healthy.nii.gz",
    "expected": "expected.nii.gz",
    "difference": "difference.nii.gz",
    "zMap": "z_map.nii.gz",
    "segmentation": "segmentation.seg.nrrd",
}
"""Result -> file name after the volume's, as the engine's own where it has one."""


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
        if not folder:
            return
        if self._may_write(self._volume_paths(Path(folder)).values()):
            self.write_volumes(Path(folder))
            self._show_saved(folder)

    def _table(self) -> None:
        path = self._ask(_("Table of regions"), self._named("regions.csv"), _("Table (*.csv *.tsv)"))
        if path:
            self.write_table(path)
            self._show_saved(path)

    def _report(self) -> None:
        path = self._ask(_("Report"), self._named("report.html"), _("Page (*.html)"))
        if path:
            self.write_report(path)
            self._show_saved(path)

    @property
    def nodes(self) -> ResultNodes:
        """What is exported."""
        return self._nodes() or ResultNodes()

    def write_volumes(self, folder: Path) -> None:
        """Write the volumes and the segmentation, replacing files of the same names. Raises ``FAError``."""
        present = self.nodes.nodes()
        with slicer.util.WaitCursor():
            for role, path in self._volume_paths(folder).items():
                _write(present[role], path)

    def write_table(self, path: Path) -> None:
        """Write the table of regions. Raises ``FAError``."""
        _write(self.nodes.table, path)

    def write_report(self, path: Path) -> None:
        """Write the report. Raises ``FAError``."""
        try:
            path.write_text(self._report_node().GetText(), encoding="utf-8")
        except OSError as error:
            raise _cannot_write(path, error.strerror or str(error)) from error

    def _volume_paths(self, folder: Path) -> dict[str, Path]:
        present = self.nodes.nodes()
        return {role: folder / self._named(name) for role, name in VOLUMES.items() if role in present}

    def _report_node(self):
        nodes = self._nodes()
        volume = nodes.zMap.GetNodeReference(INPUT) if nodes and nodes.zMap else None
        return report_of(volume)

    def _ask(self, title: str, name: str, pattern: str) -> Path | None:
        import qt

        chosen = qt.QFileDialog.getSaveFileName(slicer.util.mainWindow(), title, name, pattern)
        if not chosen:
            return None
        path = Path(chosen)
        if path.suffix:
            return path  # the dialog has asked before it gives an existing file
        path = path.with_suffix(Path(name).suffix)
        return path if self._may_write([path]) else None

    def _named(self, name: str) -> str:
        """*name* after volume and scope, so that the files of several people and boxes fit into one folder."""
        nodes = self.nodes
        node = next(iter(nodes.nodes().values()), None)
        source = node.GetNodeReference(INPUT) if node is not None else None
        if source is not None:
            begin = nodes.scope().prefix(source.GetName())
        else:
            begin = node.GetName() if node is not None else ""
        if nodes.kept():
            begin = f"{begin} kept {nodes.kept()}"
        begin = re.sub(r"[^\w.-]+", "_", begin).strip("._")
        return f"{begin or 'FA'}_{name}"

    @staticmethod
    def _may_write(paths: Iterable[Path]) -> bool:
        """Whether the files are new, or the user agrees to replace those that exist."""
        present = [path for path in paths if path.exists()]
        text = _("Replace what is there already?") + "\n\n" + "\n".join(path.name for path in present)
        return not present or slicer.util.confirmOkCancelDisplay(text, windowTitle=_("Export"))

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
