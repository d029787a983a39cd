"""The graphics card is named without torch: of NVIDIA's driver, of nvidia-smi, of a Mac; and if there is none."""

import slicer_harness

slicer_harness.require()

import importlib.metadata
import platform
import shutil

import pytest

from FAAnomalySlicer.scene.choices import Device
from FAAnomalySlicer.setup.device_probe import DeviceProbe, card_of_system, expected_device
from FAAnomalySlicer.worker_client.qt_process import QtTimer
from support.fakes.fake_process import FakeProcess


@pytest.fixture
def computer(monkeypatch):
    """``computer(system, machine, program)`` is where the tests run."""

    def computer(system="Linux", machine="x86_64", program=None):
        monkeypatch.setattr(platform, "system", lambda: system)
        monkeypatch.setattr(platform, "machine", lambda: machine)
        monkeypatch.setattr(shutil, "which", lambda name: program if name == "nvidia-smi" else None)

    return computer


@pytest.fixture
def driver(tmp_path):
    folder = tmp_path / "gpus" / "0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: \t\t NVIDIA RTX A4000\nIRQ:   \t\t 154\n")
    return tmp_path / "gpus"


def look(driver, process=None):
    probe, ends = DeviceProbe(lambda: process, QtTimer(), driver), []
    probe.found.connect(lambda: ends.append(probe.card))
    assert probe.card is None
    probe.start()
    return probe, ends


def test_the_driver_and_the_platform(scene, computer, driver, tmp_path):
    computer(program="/usr/bin/nvidia-smi")
    probe, ends = look(driver)
    slicer_harness.pump_until(lambda: ends)
    assert ends == ["NVIDIA RTX A4000"]
    assert card_of_system(tmp_path / "none") == ""
    computer("Darwin", "arm64")
    assert card_of_system(tmp_path / "none") == "Apple graphics"
    computer("Darwin", "x86_64")
    assert card_of_system(tmp_path / "none") == ""


@pytest.mark.parametrize(("code", "lines", "card"), [(0, ["NVIDIA T4", "NVIDIA T4"], "NVIDIA T4"), (9, ["failed"], "")])
def test_the_program_is_asked_where_there_is_no_folder(scene, computer, tmp_path, code, lines, card):
    computer("Windows", "AMD64", "C:/Windows/System32/nvidia-smi.exe")
    process = FakeProcess()
    _probe, ends = look(tmp_path / "none", process)
    slicer_harness.pump_until(lambda: process.running)
    assert process.done[0][1][0].endswith("nvidia-smi.exe") and "--query-gpu=name" in process.done[0][1]
    for line in lines:
        process.line.emit(line)
    assert not ends
    process.end(code=code)
    assert ends == [card]


def test_a_computer_without_a_card_and_a_program_that_hangs(scene, computer, tmp_path):
    computer()
    _probe, ends = look(tmp_path / "none")
    slicer_harness.pump_until(lambda: ends)
    assert ends == [""]
    computer(program="/usr/bin/nvidia-smi")
    process = FakeProcess()
    probe, ends = look(tmp_path / "none", process)
    slicer_harness.pump_until(lambda: process.running)
    probe.stop()
    assert ("kill", None) in process.done
    process.end(kind="crash", code=-9)
    assert ends == [""]


def test_what_the_panel_says(monkeypatch):
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.6.0")
    assert expected_device(Device.AUTO, "NVIDIA T4") == expected_device(Device.CUDA, "NVIDIA T4") == "NVIDIA T4"
    assert (
        expected_device(Device.AUTO, None) == "Automatic"
        and expected_device(Device.CPU, "NVIDIA T4") == "the processor"
    )
    assert "no graphics card was found" in expected_device(Device.AUTO, "")
    assert expected_device(Device.CUDA, "") == "NVIDIA graphics card (CUDA), which was not found"
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "2.6.0+cpu")
    assert "without support for NVIDIA T4" in expected_device(Device.AUTO, "NVIDIA T4")
