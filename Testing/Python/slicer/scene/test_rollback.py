"""An import that fails, whatever fails in it, leaves the scene as it was: with and without nodes of an earlier run."""

import slicer_harness

slicer_harness.require()

import functools
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util

from FAAnomalySlicer.scene import result_nodes as results
from FAAnomalySlicer.scene import threshold
from FAAnomalySlicer.scene.report_text import report_of
from FAAnomalySlicer.scene.result_nodes import find_results, import_steps, read_result
from support.drivers.scene_state import everything
from support.phantoms.mrml_volumes import GRIDS, PARENT, add_volume, answer_of, brainlike, made_result, put_under

pytestmark = pytest.mark.slow

ROOM = Path(results.__file__).parent
NO_STEP = {"StartModify", "EndModify", "EndState", "RegisterNodeModify"}
"""Calls that only open and close what others do; a fault is put before every other one."""
SHAPE = (12, 14, 10)


class Fault(Exception):
    """Raised on purpose."""


class NoFault:
    """Lets everything pass."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@functools.cache
def our_file(path: str) -> str | None:
    """The name of a file of the Slicer side, None for any other."""
    return Path(path).name if Path(path).parent == ROOM else None


class NextFault(NoFault):
    """Raises :class:`Fault` once in the block: before the first call of VTK, MRML or Python itself that a file of the
    Slicer side makes and that is not among *tried*: (file, line, function, first or second time).
    """

    def __init__(self, tried: set) -> None:
        self.tried, self._seen = tried, Counter()

    def __enter__(self):
        sys.setprofile(self._look)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)

    def _look(self, frame, event, function):
        # A comprehension has a frame of its own; what puts things back must not fail itself.
        if event != "c_call":
            return
        file = our_file(frame.f_code.co_filename)
        if file in (None, "undo.py") or function.__name__ in NO_STEP:
            return
        call = file, frame.f_lineno, function.__name__
        self._seen[call] += 1
        if self._seen[call] <= 2 and (*call, self._seen[call]) not in self.tried:
            self.tried.add((*call, self._seen[call]))
            sys.setprofile(None)
            raise Fault(call)


@pytest.fixture
def case(scene, tmp_path):
    """A volume, and ``commit(seed, fault)`` that imports a result with the fault in the step that changes the scene."""
    volume = add_volume(brainlike(SHAPE), GRIDS["oblique left-handed anisotropic"])
    volume.CreateDefaultDisplayNodes()
    put_under(volume, PARENT)

    @functools.cache
    def made(seed: int):
        """The engine's answer and what its files hold; both are only read by an import."""
        matrix = slicer.util.vtkMatrixFromArray(np.eye(4))
        volume.GetIJKToRASMatrix(matrix)
        result = made_result(brainlike(SHAPE, seed), slicer.util.arrayFromVTKMatrix(matrix), seed=seed)
        answer = answer_of(result, tmp_path / str(seed))
        return answer, read_result(answer["files"])

    def commit(seed: int, fault: NoFault, level: float = 5.0):
        answer, arrays = made(seed)
        selection = threshold.select(arrays, level, "both")
        steps = import_steps(arrays, answer, volume, selection=selection, report=f"<html>{seed}</html>")
        for fraction in steps:
            if fraction > 0.8:
                break
        with fault:
            assert next(steps, None) is None

    return volume, commit


def fail_everywhere(scene, commit, seed: int) -> int:
    """Import with a fault at every place in turn, and at last without one; how many places there were."""
    before, tried = everything(scene), set()
    while True:
        try:
            commit(seed, NextFault(tried), level=6.0)
        except Fault as raised:
            assert everything(scene) == before, raised
            assert not scene.IsBatchProcessing()
        else:
            return len(tried)


def test_new_nodes(scene, case):
    volume, commit = case
    assert fail_everywhere(scene, commit, 1) > 200
    assert len(find_results(volume).nodes()) == 6 and report_of(volume).GetText() == "<html>1</html>"


def test_nodes_of_an_earlier_run(scene, case):
    volume, commit = case
    commit(1, NoFault())
    nodes = find_results(volume)
    nodes.segmentation.CreateClosedSurfaceRepresentation()
    nodes.zMap.SetName("my own name")
    shown = everything(scene)
    assert fail_everywhere(scene, commit, 2) > 100
    assert everything(scene) != shown and find_results(volume).nodes() == nodes.nodes()


def test_some_new_and_some_of_an_earlier_run(scene, case):
    volume, commit = case
    commit(1, NoFault())
    nodes = find_results(volume)
    nodes.segmentation.GetSegmentation().RemoveSegment("decreased")
    scene.RemoveNode(nodes.difference)
    scene.RemoveNode(nodes.table)
    volume.SetAndObserveTransformNodeID(None)
    assert fail_everywhere(scene, commit, 2) > 100
    assert len(find_results(volume).nodes()) == 6
