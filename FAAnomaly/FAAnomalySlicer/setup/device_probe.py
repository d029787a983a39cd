"""The graphics card that the engine will find, told without torch and before a run.

Looked at is what the driver says: the folder of NVIDIA's driver under Linux, else the program ``nvidia-smi``; a Mac
with an Apple processor has a card that PyTorch uses.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

from slicer.i18n import tr as _

from ..events.scheduling import in_background
from ..events.signal import Signal
from ..events.timer import Timer
from ..scene.choices import Device
from ..worker_client.process import Process, ProcessExit

DRIVER = Path("/proc/driver/nvidia/gpus")
MAX_MS = 20_000
"""``nvidia-smi`` takes a second, and hangs where the driver does."""


class DeviceProbe:
    """One look for a graphics card.

    Parameters
    ----------
    make_process, timer
        As for :class:`~..worker_client.client.EngineClient`.
    driver
        Folder of NVIDIA's driver.

    Attributes
    ----------
    found
        Emitted once, when the look has ended.
    card
        Name of the graphics card; empty when there is none, ``None`` before the end.
    """

    def __init__(self, make_process: Callable[[], Process], timer: Timer, driver: Path = DRIVER) -> None:
        self.found = Signal()
        self.card: str | None = None
        self._make_process, self._timer, self._driver = make_process, timer, driver
        self._process: Process | None = None
        self._lines: list[str] = []

    def start(self) -> None:
        """Begin; does not wait."""
        in_background(lambda: card_of_system(self._driver), self._timer).when_done(self._on_looked)

    def stop(self) -> None:
        """End it early; the result is then that there is none."""
        if self._process is not None and self._process.running:
            self._process.kill()

    def _on_looked(self, card: str | None, error: Exception | None) -> None:
        program = shutil.which("nvidia-smi")
        if card or program is None:
            self._end(card or "")
            return
        process = self._process = self._make_process()
        process.line.connect(self._lines.append)
        process.ended.connect(self._on_ended)
        process.start([program, "--query-gpu=name", "--format=csv,noheader"], {})
        self._timer.after(MAX_MS, self.stop)

    def _on_ended(self, ending: ProcessExit) -> None:
        names = [line.strip() for line in self._lines if line.strip()]
        self._end(names[0] if ending.kind == "exit" and ending.code == 0 and names else "")

    def _end(self, card: str) -> None:
        self.card = card
        self.found.emit()


def card_of_system(driver: Path = DRIVER) -> str:
    """The card that can be told from files and the platform alone; empty when that says nothing."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return _("Apple graphics")
    for information in sorted(driver.glob("*/information")):
        try:
            lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            key, colon, value = line.partition(":")
            if key.strip() == "Model" and value.strip():
                return value.strip()
    return ""


def expected_device(choice: Device, card: str | None) -> str:
    """What a run with this choice will be computed on, for the panel.

    *card* is :attr:`DeviceProbe.card`; while it is None, the choice is named.
    """
    if choice is Device.CPU:
        return _("the processor")
    if card is None:
        return choice.label()
    if not card:
        none = _("the processor (no graphics card was found that PyTorch can use)")
        return none if choice is Device.AUTO else _("{choice}, which was not found").format(choice=choice.label())
    if _torch_without_graphics():
        return _("the processor (PyTorch is installed without support for {card})").format(card=card)
    return card


def _torch_without_graphics() -> bool:
    """Whether the PyTorch that is installed here was built for processors alone."""
    try:
        return importlib.metadata.version("torch").endswith("+cpu")
    except importlib.metadata.PackageNotFoundError:
        return False
