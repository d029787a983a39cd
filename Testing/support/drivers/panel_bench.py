"""The real panel on a pretended engine: what panel tests have in common."""

from __future__ import annotations

import os
import time
from pathlib import Path

import slicer

import slicer_harness
from support.drivers.engine_bench import is_running
from support.fakes import engine_copies

LONGEST = 120.0
"""Seconds; only waited for when something hangs."""


class PanelBench:
    """One opened module.

    Parameters
    ----------
    open_module, monkeypatch
        Fixtures.
    mode
        Of ``panel_engine.py``; None for the real engine.
    """

    def __init__(self, open_module, monkeypatch, mode: str | None = "quick") -> None:
        self.mode = mode
        if mode is not None:
            from FAAnomalySlicer.worker_client import launcher as engine

            monkeypatch.setattr(
                engine,
                "engine_command",
                lambda *arguments: engine_copies.command(engine.engine_environment(), self.mode, *arguments),
            )
        self.widget = open_module("FAAnomaly")
        self.ui, self.logic, self.panel = self.widget.ui, self.widget.logic, self.widget.panel
        self.pids: list[int] = []

    @property
    def parameters(self):
        """The scene's parameter node."""
        return self.logic.getParameterNode()

    @property
    def client(self):
        """The engine behind the panel."""
        return self.logic.detections.connection(event_loop=True).client

    @property
    def running(self) -> bool:
        """Whether a run is going on or its results are about to be shown."""
        return self.logic.detections.running is not None or self.ui.applyButton.text != "Apply"

    def choose(self, volume) -> None:
        """Choose *volume* as a user does, and let the panel look at it."""
        self.ui.inputSelector.setCurrentNode(volume)
        self.settle()

    def settle(self, seconds: float = 0.2) -> None:
        """Let everything that was postponed happen."""
        slicer_harness.pump(seconds)

    def until(self, condition, seconds: float = LONGEST) -> None:
        """Run the event loop until *condition* holds."""
        slicer_harness.pump_until(condition, seconds)

    def press(self, button) -> None:
        """Press a button that opens a message box, from within an event loop as Slicer does: the box deletes itself
        when that loop goes on, which without one would be at once."""
        import qt

        loop = qt.QEventLoop()
        qt.QTimer.singleShot(0, button.click)
        qt.QTimer.singleShot(300, loop.quit)
        loop.exec_()

    def apply(self) -> None:
        """Press Apply."""
        assert self.ui.applyButton.enabled, self.ui.applyButton.toolTip
        self.ui.applyButton.click()

    def finish(self) -> None:
        """Wait for the end of the run and for its results to be shown."""
        self.until(lambda: not self.running)
        self.settle()

    def run(self) -> None:
        """Press Apply and wait for the results."""
        self.apply()
        self.finish()
        assert self.panel.message.error is None, self.ui.messageLabel.text

    def until_stage(self, words: str) -> None:
        """Wait until the status line says *words*."""
        self.until(lambda: words in self.ui.statusLabel.text or not self.running)
        assert words in self.ui.statusLabel.text, self.ui.messageLabel.text

    def become(self, mode: str) -> None:
        """The next engine behaves like *mode*; the present one ends."""
        command = self.client._command
        command[command.index(self.mode)] = self.mode = mode
        self.client.shutdown()
        self.until(lambda: self.client.status == "stopped")

    def engine_pid(self) -> int:
        """The engine's process; wait for its hello first."""
        self.until(lambda: self.client.engine_version is not None)
        return self.client._session.hello["pid"]

    def close(self) -> None:
        """End the engine, so that no test leaves a process behind."""
        self.logic.close()
        self.until(self._engines_ended)

    def _engines_ended(self) -> bool:
        connections = self.logic.detections._connections.values()
        for connection in connections:
            connection.poll(0.0)
        return all(connection.client.status == "stopped" for connection in connections)


class Responsiveness:
    """How long the event loop was kept waiting by the program itself.

    Attributes
    ----------
    longest
        Seconds between two ticks of a timer, without the time in which this thread was ready to run but the system
        ran others: a loaded machine is not the panel's fault. Where the system does not tell (not Linux), nothing is
        taken off. Sleeping and waiting count.
    busiest
        Seconds of processor time between two ticks.
    """

    def __init__(self) -> None:
        import qt

        self.longest = self.busiest = 0.0
        self.ticks = 0
        self._last = self._now()
        self._timer = qt.QTimer()
        self._timer.setTimerType(qt.Qt.PreciseTimer)
        self._timer.connect("timeout()", self._tick)
        self._timer.start(5)

    def stop(self) -> None:
        """Measure no longer."""
        self._timer.stop()
        assert self.ticks > 10, "the event loop did not run"

    def _tick(self) -> None:
        now = self._now()
        wall, busy = (new - old for new, old in zip(now, self._last, strict=True))
        self.longest, self.busiest, self.ticks = max(self.longest, wall), max(self.busiest, busy), self.ticks + 1
        self._last = now

    @staticmethod
    def _now() -> tuple[float, float]:
        now = time.monotonic()
        try:
            now -= int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
        except OSError:
            pass
        return now, time.thread_time()


def results_of(volume):
    """The result nodes that *volume* refers to."""
    from FAAnomalySlicer.scene.result_nodes import find_results

    return find_results(volume)


def node_ids() -> set[str]:
    """All nodes of the scene."""
    return {node.GetID() for node in slicer.mrmlScene.GetNodes()}


def gone(pid: int) -> bool:
    """Whether the process has ended."""
    return not is_running(pid)


def no_children() -> bool:
    """Whether this process has no child left that runs."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return not any(is_running(int(child)) for child in children)
