"""Programs run by either kind of process: the same signals, in the same order, on the same thread."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import pytest

import slicer_harness

slicer_harness.require()

from FAAnomalySlicer.worker_client.process import ProcessExit, is_other_process
from FAAnomalySlicer.worker_client.qt_process import QtProcess, QtTimer
from FAAnomalySlicer.worker_client.subprocess_process import PollTimer, SubprocessProcess
from support.drivers.engine_bench import LONGEST, is_running

pytestmark = pytest.mark.slow

KINDS = {"subprocess": (SubprocessProcess, PollTimer), "qt": (QtProcess, QtTimer)}


class Runner:
    """One program, and everything it let us hear."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        make_process, make_timer = KINDS[kind]
        self.process, self.timer = make_process(), make_timer()
        self.heard: list[tuple] = []
        self.threads: set = set()
        for name in ("line", "log", "ended"):
            getattr(self.process, name).connect(lambda value, name=name: self._hear(name, value))

    def _hear(self, name, value):
        self.heard.append((name, value))
        self.threads.add(threading.current_thread())

    def start(self, code: str, *arguments: str, **environment: str | None) -> None:
        self.process.start([sys.executable, "-u", "-c", code, *arguments], {"PYTHONUTF8": "1", **environment})

    def all(self, name: str) -> list:
        return [value for heard, value in self.heard if heard == name]

    def until(self, condition) -> None:
        end = time.monotonic() + LONGEST
        while not condition():
            assert time.monotonic() < end, self.heard
            self.process.poll(0.02)
            self.timer.poll()
            if self.kind == "qt":
                import qt

                qt.QCoreApplication.processEvents()
                time.sleep(0.001)

    def ending(self) -> ProcessExit:
        self.until(lambda: self.all("ended"))
        return self.all("ended")[0]


@pytest.fixture(params=KINDS)
def runner(request):
    runner = Runner(request.param)
    yield runner
    if runner.process.running:
        runner.process.kill()
        runner.ending()


def test_lines_and_the_end_come_in_order_on_this_thread(runner):
    runner.start(
        "import sys; [print(n) for n in range(500)]; print('w\\u00f6rds', file=sys.stderr); "
        "sys.stdout.write('rest'); sys.exit(3)"
    )
    assert runner.heard == [], "nothing is told before start has returned"
    assert runner.process.running
    assert runner.ending() == ProcessExit("exit", 3)
    assert runner.all("line") == [*map(str, range(500)), "rest"]
    assert runner.all("log") == ["wörds"]
    assert runner.heard[-1][0] == "ended" and len(runner.all("ended")) == 1
    assert not runner.process.running
    assert runner.threads == {threading.main_thread()}


def test_input_is_written_in_order_and_closed(runner):
    runner.start("import sys; [print(line.strip().upper()) for line in sys.stdin]; print('end')")
    for number in range(50):
        runner.process.write(f"liné {number}")
    runner.process.close_input()
    assert runner.ending() == ProcessExit("exit", 0)
    assert runner.all("line") == [f"LINÉ {number}" for number in range(50)] + ["end"]


def test_a_program_that_does_not_read_blocks_nobody(runner):
    runner.start("import time; time.sleep(600)")
    started = time.monotonic()
    for _ in range(40):
        runner.process.write("x" * 100_000)
    runner.process.close_input()
    assert time.monotonic() - started < 30
    runner.process.kill()
    assert runner.ending().kind == "crash"


def test_writing_to_a_program_that_ended_is_no_error(runner):
    runner.start("pass")
    runner.ending()
    for call in (runner.process.close_input, runner.process.terminate, runner.process.kill):
        runner.process.write("too late")
        call()
    assert len(runner.all("ended")) == 1


def test_a_program_that_is_not_there(runner, tmp_path):
    runner.process.start([str(tmp_path / "no such program"), "-m"], {})
    assert runner.heard == [] and runner.process.running
    ending = runner.ending()
    assert ending.kind == "failed-to-start" and ending.code is None and ending.reason
    assert not runner.process.running
    for call in (runner.process.terminate, runner.process.kill, runner.process.close_input):
        call()
    assert runner.heard == [("ended", ending)]


def test_terminate_asks(runner):
    runner.start(
        "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(4))\n"
        "print('ready')\ntime.sleep(600)"
    )
    runner.until(lambda: runner.all("line"))
    runner.process.terminate()
    assert runner.ending() == ProcessExit("exit", 4)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_from_outside_is_a_crash_with_its_number(runner, number):
    runner.start("import os, time; print(os.getpid()); time.sleep(600)")
    runner.until(lambda: runner.all("line"))
    os.kill(int(runner.all("line")[0]), number)
    ending = runner.ending()
    assert (ending.kind, ending.code) == ("crash", -number)


def test_a_variable_can_be_kept_from_the_program(runner, monkeypatch):
    monkeypatch.setenv("ITK_AUTOLOAD_PATH", "/plugins")
    runner.start("import os; print('ITK_AUTOLOAD_PATH' in os.environ, 'PATH' in os.environ)", ITK_AUTOLOAD_PATH=None)
    runner.ending()
    assert runner.all("line") == ["False True"]


def test_the_environment_is_added(runner):
    runner.start("import os; print(os.environ['FA_EXTRA'], 'PATH' in os.environ)", FA_EXTRA="véry new")
    runner.ending()
    assert runner.all("line") == ["véry new True"]


LAUNCHER = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-u", "-c", "import os, signal, time\\n"
    "signal.signal(signal.SIGTERM, signal.{on_terminate})\\nprint(os.getpid())\\ntime.sleep(600)"])
sys.exit(1 if child.wait() else 0)
"""


@pytest.mark.parametrize(("on_terminate", "call"), [("SIG_DFL", "terminate"), ("SIG_IGN", "kill")])
def test_what_a_launcher_launched_is_ended_too(runner, on_terminate, call):
    runner.start(LAUNCHER.format(on_terminate=on_terminate))
    runner.until(lambda: runner.all("line"))
    pid = int(runner.all("line")[0])
    runner.process.adopt(pid)
    getattr(runner.process, call)()
    runner.ending()
    runner.until(lambda: not is_running(pid))


def test_the_end_of_a_launcher_is_told_though_its_child_holds_the_pipes(runner):
    runner.start(LAUNCHER.format(on_terminate="SIG_IGN"))
    runner.until(lambda: runner.all("line"))
    runner.process.kill()
    assert runner.ending().kind == "crash"
    pid = int(runner.all("line")[0])
    assert is_running(pid), "it was not adopted"
    os.kill(pid, signal.SIGKILL)


def test_only_another_program_is_adopted():
    assert is_other_process(4321, 99)
    assert not any(is_other_process(pid, 99) for pid in (os.getpid(), 99, 1, 0, -1, True, None, "4321", 43.0))


def test_timers_call_once_in_order(runner):
    called = []
    runner.timer.after(60, lambda: called.append("late"))
    runner.timer.after(10, lambda: called.append("early"))
    assert called == []
    runner.until(lambda: len(called) == 2)
    runner.start("import time; time.sleep(0.1)")
    runner.ending()
    assert called == ["early", "late"]
