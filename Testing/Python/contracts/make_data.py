"""Made the files in ``data/`` that the contract tests read.

It ran once, with FAAnomaly 0.1.0 at commit 21e8522 (before the modules were moved into sub-packages), Python 3.11 and
torch 2.13 on the CPU: ``python Testing/Python/contracts/make_data.py WHAT`` from the repository's root, WHAT being
``models``, ``scene`` and ``answers`` in this order. It is kept for the record of how the files came about. It imports
modules by the names that they had then and need not run any more; to run it again would replace the very evidence that
old files can be read.

What is in them: heads and weights are synthetic, no person's. Most weights are overlapping views of one short random
vector, so that a model folder with every tensor stays small.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[2]), str(HERE.parent), str(HERE)]
os.environ.update(OMP_NUM_THREADS="1", QT_QPA_PLATFORM="offscreen")

import numpy as np  # noqa: E402
import public_faces as faces  # noqa: E402
import tiny_brain  # noqa: E402
import tiny_training  # noqa: E402
import torch  # noqa: E402
from public_faces import DATA, HEAD, MODEL, PEOPLE, REGION, ROI, SCENE, THESIS_MODEL  # noqa: E402

from FAAnomalyLib.checkpoints import sha256_of  # noqa: E402
from FAAnomalyLib.diffusion.schedule import cosine_schedule  # noqa: E402
from FAAnomalyLib.networks.inpainter import Inpainter  # noqa: E402
from FAAnomalyLib.networks.thesis import ThesisUNet  # noqa: E402
from FAAnomalyLib.training.recipes import RECIPES  # noqa: E402
from FAAnomalyLib.training.template import save_template  # noqa: E402
from FAAnomalyLib.volume import Volume, save_volume  # noqa: E402

VECTOR = torch.randn(3072, generator=torch.Generator().manual_seed(0)).half()
SHIFT_MM = (2.0, -3.0, 4.0)
"""The heads do not lie where the template lies."""


def short(tensor: torch.Tensor, spread: float) -> torch.Tensor:
    """A tensor of the same shape that takes no room."""
    if tensor.ndim < 2:
        return tensor.detach().clone().half()
    scaled = (VECTOR * 2.0 ** round(np.log2(spread / max(tensor[0].numel(), 1) ** 0.5))).half()
    steps = [1]
    for size in reversed(tensor.shape[1:]):
        steps.insert(0, min(steps[0] * size, 31 + 2 * len(steps)))
    return scaled.as_strided(tensor.shape, steps)


def save_weights(folder: Path, network: torch.nn.Module, manifest: dict) -> None:
    """A model folder as ``save_model`` writes it, but small."""
    shared: dict[tuple, torch.Tensor] = {}
    state = {}
    for name, value in network.state_dict().items():
        if value.ndim < 2 and value.numel() > 1:
            value = shared.setdefault((value.shape, tuple(value.tolist())), value.detach().clone().half())
            state[name] = value
        else:
            state[name] = short(value, 0.02 if name == "fine.out.weight" else 1.0)
    _share(state)
    folder.mkdir(parents=True)
    torch.save(state, folder / "weights.pt")
    manifest = {"format": 1, **manifest, "sha256": sha256_of(folder / "weights.pt")}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text("# A model for tests\n\nIts weights are random numbers.\n")
    save_template(tiny_training.template(), folder / "Template")


def _share(state: dict[str, torch.Tensor]) -> None:
    """Views of equal scaled vectors use one storage."""
    known: dict[bytes, torch.Tensor] = {}
    for name, value in state.items():
        whole = torch.empty(0, dtype=torch.half).set_(value.untyped_storage())
        first = known.setdefault(whole.numpy().tobytes(), whole)
        state[name] = first.as_strided(value.shape, value.stride(), value.storage_offset())


def make_models() -> None:
    torch.manual_seed(0)
    known = tiny_training.template()
    common = {"template_sha256": known.sha256,
              "grid": {"shape": list(tiny_training.SHAPE), "spacing_mm": tiny_training.SPACING_MM}}
    network = Inpainter((8, 16), (1, 1))
    with torch.no_grad():
        network.estimate.copy_(torch.tensor([0.0, 1.0, 0.0, 0.9]))
    save_weights(MODEL, network, {"network": network.config(), "schedule": cosine_schedule().to_dict(), **common,
                                  "training": {"people": 1, "volumes": ["somebody_FA.nii.gz"], "held_out": [],
                                               "seed": 0, "steps": 1}})
    thesis = ThesisUNet.from_config({"kind": "thesis", "conditional": True, "widths": [8, 8, 8]})
    save_weights(THESIS_MODEL, thesis, {"network": thesis.config(),
                                        "schedule": RECIPES["thesis-conditional"].schedule, **common,
                                        "training": {}})


def make_people() -> list[float]:
    PEOPLE.mkdir(parents=True)
    affine = tiny_training.template().fa.affine.copy()
    affine[:3, 3] += SHIFT_MM
    for number, name in enumerate("ABCD"):
        fa, _ = tiny_brain.head(1 + number, -0.35 if name == "A" else 0.0)
        save_volume(Volume((np.round(fa * 100) / 100).astype(np.float32), affine), PEOPLE / f"{name}_FA.nii.gz")
    mask = np.zeros(tiny_brain.SHAPE, np.uint8)
    mask[13:18, 10:15, 12:17] = 1
    save_volume(Volume(mask, affine), REGION)
    centre = (affine @ [15.0, 12.0, 14.0, 1.0])[:3]
    (DATA / "people.csv").write_text("file,person\nB,B\nC,C\nD,D\n")
    (DATA / "folds.csv").write_text("person,model\nB,tiny_model\nC,tiny_model\nD,tiny_model\n")
    return [float(value) for value in centre]


def make_calibration() -> None:
    status = faces.shell_in_this_process("calibrate", PEOPLE, "--folds", DATA / "folds.csv", "--people",
                                         DATA / "people.csv", "-o", MODEL, "--device", "cpu",
                                         "--work", tempfile.mkdtemp())
    assert status == 0


def make_scene(centre: list[float]) -> None:
    import slicer_harness

    slicer_harness.install()
    import slicer
    import slicer.util
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk

    from slicer_harness.fixtures import ModuleOpener

    module = ModuleOpener(slicer_harness.application())
    slicer_harness.open_layout()
    widget = module("FAAnomaly")
    logic, scene = widget.logic, slicer.mrmlScene

    volume = slicer.util.loadVolume(str(HEAD), {"name": "FA of A", "show": False})
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Parent")
    matrix = np.eye(4)
    matrix[:3, 3] = 12.0, -7.5, 30.0
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    volume.SetAndObserveTransformNodeID(transform.GetID())
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Study of A")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(volume), study)

    roi = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "Box")
    roi.SetCenter(*centre)
    roi.SetSize(24, 24, 24)
    slicer.util.saveNode(roi, str(ROI), {})
    roi.SetAndObserveTransformNodeID(transform.GetID())
    drawn = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
    drawn.CreateDefaultDisplayNodes()
    drawn.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    drawn.GetSegmentation().AddEmptySegment("suspect", "Suspect")

    nodes = logic.run(volume, model=str(MODEL), mask_size=32, seed=5, threshold=4.0, signs="decreased", device="cpu")
    assert nodes.table.GetNumberOfRows() == 1, nodes.table.GetNumberOfRows()
    volume.GetNodeReference("FAAnomaly.report").SetText("<!DOCTYPE html><title>FAAnomaly</title><p>Report of A</p>\n")

    tensors = scene.AddNewNodeByClass("vtkMRMLDiffusionTensorVolumeNode", "Tensors")
    values = np.tile(np.diag([1.0, 1.0, 1.5]).astype(np.float32).ravel(), (4 * 5 * 6, 1))
    image = vtk.vtkImageData()
    image.SetDimensions(6, 5, 4)
    image.GetPointData().SetTensors(numpy_to_vtk(values, deep=True))
    tensors.SetAndObserveImageData(image)
    from FAAnomalySlicer.tensor import fa_volume

    fa_volume(tensors)

    parameters = logic.getParameterNode()
    kinds = {name: type(getattr(parameters, name)) for name in
             ("regionMode", "maskType", "maskSize", "sampler", "device", "shown", "thresholdMode", "signs")}
    faces.store("choices", {name: {member.name: member.value for member in kind} for name, kind in kinds.items()})
    parameters.inputVolume, parameters.roi, parameters.segmentation = volume, roi, drawn
    parameters.regionMode, parameters.segmentID, parameters.roiVisible = kinds["regionMode"].BOX, "suspect", False
    parameters.maskType, parameters.maskSize = kinds["maskType"].WHITE_MATTER, kinds["maskSize"].SIZE_16
    parameters.model, parameters.sampler = "a-model-of-this-site", kinds["sampler"].DPM_SOLVER
    parameters.steps, parameters.samples, parameters.seed = 7, 3, 11
    parameters.device, parameters.opacity = kinds["device"].CPU, 0.55
    parameters.thresholdMode, parameters.threshold = kinds["thresholdMode"].BY_HAND, 4.0
    parameters.signs = kinds["signs"].DECREASED
    slicer_harness.pump(0.5)
    widget.ui.showZMapButton.click()
    slicer_harness.pump(0.5)
    for node in slicer.util.getNodesByClass("vtkMRMLStorableNode"):
        for number in range(node.GetNumberOfStorageNodes()):
            node.GetNthStorageNode(number).SetUseCompression(True)
    assert slicer.util.saveScene(str(SCENE))
    compress(SCENE)
    from scene_faces import scene_contents

    faces.store("scene", scene_contents())
    logic.close()
    slicer_harness.pump(3.0)
    os._exit(0)  # the widgets are not taken down one by one


def compress(path: Path) -> None:
    """The same archive with its texts deflated, as Slicer writes it."""
    with zipfile.ZipFile(path) as before:
        parts = [(one, before.read(one)) for one in before.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as now:
        for one, content in parts:
            now.writestr(one.filename, content, zipfile.ZIP_DEFLATED)


def make_stored_answers() -> None:
    work = Path(tempfile.mkdtemp())
    faces.store("commands", faces.command_options())
    faces.store("printed", faces.printed_json())
    for name, words in (("whole", ["detect", HEAD, "--mask-size", "32"]),
                        ("region", ["detect", HEAD, "--region", REGION, "--no-report"]),
                        ("roi", ["inpaint", HEAD, "--roi", ROI, "--no-report", "--sampler", "dpm++", "--steps", "2"])):
        assert faces.shell_in_this_process(*words, "--model", MODEL, "-o", work / name, "--device", "cpu") == 0
        faces.store(f"result_{name}", json.loads((work / name / "result.json").read_text()))
        shutil.copy(work / name / "regions.csv", DATA / f"regions_{name}.csv")
    assert faces.shell_in_this_process(
        "evaluate", PEOPLE, "-o", work / "evaluation", "--model", MODEL, "--subjects", "B", "--people",
        DATA / "people.csv", "--diameters", "32", "--changes", "-0.3", "--places", "1", "--device", "cpu") == 0
    faces.store("evaluation", faces.evaluation_shape(work / "evaluation"))
    heard, status = faces.worker_transcript(work)
    assert status == 0
    faces.store("worker", faces.worker_shapes(heard))


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1:] == ["models"]:
        shutil.rmtree(DATA, ignore_errors=True)
        DATA.mkdir()
        place = make_people()
        (DATA / "centre.json").write_text(json.dumps(place))
        make_models()
        make_calibration()
    elif sys.argv[1:] == ["scene"]:
        make_scene(json.loads((DATA / "centre.json").read_text()))
    elif sys.argv[1:] == ["answers"]:
        make_stored_answers()
