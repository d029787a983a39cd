"""The input's file: whole, even when the voxels change while it is being copied."""

import slicer_harness

slicer_harness.require()

import numpy as np
import pytest
import slicer
import slicer.util

from FAAnomalyLib.io.volumes import load_volume
from FAAnomalySlicer.scene import input_export
from FAAnomalySlicer.scene.geometry import record_input
from FAAnomalySlicer.scene.input_export import InputExport
from FAAnomalySlicer.worker_client.qt_process import QtTimer
from FAAnomalySlicer.worker_client.workspace import Workspace
from support.phantoms.mrml_volumes import GRIDS, add_volume, brainlike


@pytest.fixture
def store(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(input_export, "VOXELS_PER_STEP", 28 * 32 * 5)  # five slices, the last step has fewer
    workspace = Workspace(str(tmp_path))
    yield InputExport(workspace, Turns())
    workspace.close()


class Turns(QtTimer):
    """Does something before a certain turn of the event loop."""

    def __init__(self):
        self.count, self.meanwhile = 0, lambda: None

    def after(self, ms, function):
        def turn():
            self.count += 1
            if self.count == 3:  # two steps are copied
                self.meanwhile()
            function()

        super().after(ms, turn)


def written(store, volume, meanwhile=lambda: None):
    ended, store._timer.count, store._timer.meanwhile = [], 0, meanwhile
    record = record_input(volume)
    store.write(volume, record).when_done(lambda path, error: ended.append((path, error)))
    slicer_harness.pump_until(lambda: ended)
    [(path, error)] = ended
    return record, path, error


def test_the_file_holds_the_voxels_and_is_used_again(store):
    data = brainlike()
    volume = add_volume(data, GRIDS["oblique"])
    record, path, error = written(store, volume)
    assert error is None
    np.testing.assert_array_equal(load_volume(str(path))[0].data, data)
    assert written(store, volume)[1] == path


def test_voxels_that_change_meanwhile_are_written_as_they_are_then(store):
    volume = add_volume(brainlike(), GRIDS["oblique"])

    def change():
        slicer.util.arrayFromVolume(volume)[...] = 0.25
        slicer.util.arrayFromVolumeModified(volume)

    record, path, error = written(store, volume, change)
    assert error is None and (load_volume(str(path))[0].data == 0.25).all()
    assert written(store, volume)[1] != path, "it belongs to no version that can be told"


def test_a_removed_volume_is_written_all_the_same(store, scene):
    data = brainlike()
    volume = add_volume(data, GRIDS["oblique"])
    record, path, error = written(store, volume, lambda: scene.RemoveNode(volume))
    assert error is None
    np.testing.assert_array_equal(load_volume(str(path))[0].data, data)


def test_a_volume_of_another_size_is_refused(store):
    volume = add_volume(brainlike(), GRIDS["oblique"])

    def change():
        volume.GetImageData().SetDimensions(4, 4, 4)
        volume.GetImageData().AllocateScalars(10, 1)

    record, path, error = written(store, volume, change)
    assert path is None and error.code == "bad-input"
