"""Loads an installed FAAnomaly.py in the fake Slicer and detects: ``python installed_run.py MODULES VOLUME TOLD``.

A process of its own, because the one that runs the tests has the checkout's modules in memory. Writes to TOLD, as
JSON, which files the modules came from and what was found. MODULES has to be the first of PYTHONPATH.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from slicer_harness.start import application, install

OURS = ("FAAnomaly", "FAAnomalyLib", "FAAnomalySlicer")


def main(modules: str, volume: str, told: str) -> None:
    install()
    import slicer
    from slicer_harness.fixtures import ModuleOpener

    widget = ModuleOpener(application())(str(Path(modules) / "FAAnomaly.py"))
    node = slicer.util.loadVolume(volume)
    nodes = widget.logic.run(node)
    z = slicer.util.arrayFromVolume(nodes.zMap)
    found = {
        "files": {name: module.__file__ for name, module in sys.modules.items()
                  if name.partition(".")[0] in OURS and getattr(module, "__file__", None)},
        "shapes_agree": z.shape == slicer.util.arrayFromVolume(node).shape,
        "lowest_z": float(z.min()),
        "regions": nodes.table.GetNumberOfRows(),
        "segments": nodes.segmentation.GetSegmentation().GetNumberOfSegments(),
        "icon": Path(slicer.modules.FAAnomalyInstance.resourcePath("Icons/FAAnomaly.svg")).is_file(),
    }
    Path(told).write_text(json.dumps(found), encoding="utf-8")
    widget.cleanup()


if __name__ == "__main__":
    main(*sys.argv[1:])
