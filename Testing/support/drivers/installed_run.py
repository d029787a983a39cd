"""Loads an installed FAAnomaly.py in the harness and analyses a box of the sample: ``installed_run.py MODULES TOLD``.

A process of its own, because the one that runs the tests has the checkout's modules in memory. Writes to TOLD, as
JSON, which files the modules came from and what was found. MODULES has to be the first of PYTHONPATH.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from slicer_harness.start import application, install

BOX_MM = 30.0
OURS = ("FAAnomaly", "FAAnomalyLib", "FAAnomalySlicer")


def main(modules: str, told: str) -> None:
    install()
    import nibabel
    import numpy as np
    import slicer

    from slicer_harness.fixtures import ModuleOpener

    widget = ModuleOpener(application())(str(Path(modules) / "FAAnomaly.py"))
    sample = Path(modules) / "Resources" / "SampleData"
    node = slicer.util.loadVolume(str(sample / "sample_fa.nii.gz"))
    truth = nibabel.load(sample / "sample_truth.nii.gz")
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode")
    roi.SetCenter(*nibabel.affines.apply_affine(truth.affine, np.argwhere(truth.get_fdata() > 0).mean(axis=0)))
    roi.SetSize(BOX_MM, BOX_MM, BOX_MM)
    nodes = widget.logic.run(node, roi=roi)
    z = slicer.util.arrayFromVolume(nodes.zMap)
    found = {
        "files": {
            name: module.__file__
            for name, module in sys.modules.items()
            if name.partition(".")[0] in OURS and getattr(module, "__file__", None)
        },
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
