"""How long does a run take to end once it is cancelled, at each of its stages, and what does it say?

    python Testing/Benchmarks/cancel_times.py [FA] [--times N] [--model NAME|DIR] [--gaps]

``faanomaly detect`` is started as a process of its own and gets SIGINT, and a worker is started and gets ``cancel``,
when the run has come to each moment of :data:`MOMENTS`. FA is the bundled sample by default. Each is done N times
(default 3) and the median of the seconds is printed, with the load of the machine at that time; a run goes on from the
passes of the one before. At most 1 s is wanted on an idle machine.

On a machine that is busy, ``--gaps`` tells as much: one run in this process, and for each stage the longest time of the
processor between two looks at the token, with the function that looks at the end of it.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from FAAnomalyLib.pipeline.detector import STAGES
from FAAnomalyLib.reporting.result_files import STAGING
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.runtime.progress import CancelToken
from FAAnomalyLib.runtime.resources import resources_dir

WANTED_SECONDS = 1.0
NEVER_SECONDS = 900.0


@dataclass(frozen=True)
class Moment:
    """When to cancel: so many seconds after a stage has reached a share; ``starting`` and ``writing`` are no stages."""

    stage: str
    share: float = 0.0
    wait_s: float = 0.0

    def __str__(self) -> str:
        return (
            self.stage + (f" {self.share:.0%}" if self.share else "") + (f" +{self.wait_s:g} s" if self.wait_s else "")
        )


MOMENTS = (
    Moment("starting"),
    Moment("starting", wait_s=1.0),
    Moment("reading"),
    Moment("loading the model"),
    Moment("registration"),
    Moment("registration", wait_s=2.0),
    Moment("filling holes"),
    Moment("filling holes", 0.5),
    Moment("second look"),
    Moment("second look", wait_s=0.7),
    Moment("second look", 0.2),
    Moment("second look", 0.6),
    Moment("scoring"),
    Moment("writing"),
)


def main() -> int:
    """Print the table; 1 when a median is over a second."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fa", nargs="?", default=str(resources_dir() / "SampleData" / "sample_fa.nii.gz"))
    parser.add_argument("--times", type=int, default=3, metavar="N")
    parser.add_argument("--model", default="default", metavar="NAME|DIR")
    parser.add_argument("--faces", nargs="+", choices=("shell", "worker"), default=("worker", "shell"))
    parser.add_argument("--at", nargs="+", metavar="STAGE", help="only at these stages")
    parser.add_argument("--gaps", action="store_true", help="processor time between looks at the token instead")
    args = parser.parse_args()
    if args.gaps:
        return print_gaps(args.fa, args.model)
    print(f"{args.fa}; the median of {args.times} cancels")
    print(f"{'by':8}{'at':24}{'seconds':>9}{'load':>7}  message")
    slow = 0
    for face in args.faces:
        with tempfile.TemporaryDirectory() as folder:
            for moment in [one for one in MOMENTS if not args.at or one.stage in args.at]:
                once = _by_worker if face == "worker" else _by_shell
                tries = [once(args.fa, args.model, Path(folder) / "out", moment) for _ in range(args.times)]
                seconds, message = statistics.median(t for t, _ in tries), tries[-1][1]
                slow += seconds > WANTED_SECONDS
                message = message.replace(str(Path(folder) / "out"), "OUT")
                print(f"{face:8}{moment!s:24}{seconds:9.2f}{os.getloadavg()[0]:7.1f}  {message}", flush=True)
    print(f"{slow} over {WANTED_SECONDS:g} s")
    return int(slow > 0)


class _Watched(CancelToken):
    """A token that is never cancelled and keeps the longest times between two looks at it."""

    def __init__(self) -> None:
        super().__init__()
        self.stage, self.last, self.longest = "reading", time.process_time(), dict[str, tuple[float, str]]()

    def check(self) -> None:
        """Look, and keep the time since the last look."""
        gap, self.last = time.process_time() - self.last, time.process_time()
        if gap > self.longest.get(self.stage, (0.0, ""))[0]:
            frames = traceback.extract_stack(limit=5)[:-1]
            self.longest[self.stage] = gap, " < ".join(f"{f.name}:{f.lineno}" for f in reversed(frames))


def print_gaps(fa: str, model: str) -> int:
    """Run once, and print the longest gap of each stage; 1 when one is over a second."""
    from FAAnomalyLib.pipeline.detector import Detector
    from FAAnomalyLib.pipeline.jobs import run_job

    watched = _Watched()

    def follow(fraction: float, stage: str, left: float | None) -> None:
        watched.stage = "writing" if stage == "done" else stage

    with tempfile.TemporaryDirectory() as folder:
        request = DetectRequest(input=fa, output=str(Path(folder) / "out"), model=model)
        run_job("detect", request, Detector, progress=follow, cancel=watched)
    for stage, (gap, where) in watched.longest.items():
        print(f"{stage:20}{gap:6.2f} s of processor time, until {where}")
    return int(max(gap for gap, _ in watched.longest.values()) > WANTED_SECONDS)


def _by_shell(fa: str, model: str, out: Path, moment: Moment) -> tuple[float, str]:
    """Seconds from SIGINT to the end of the process, and its last line on standard error."""
    words = [sys.executable, "-m", "FAAnomalyLib", "detect", fa, "-o", str(out), "--model", model, "--resume"]
    begin = time.monotonic()
    process = subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    lines: queue.Queue[str] = queue.Queue()
    heard: list[str] = []
    reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stderr or ()], daemon=True)
    reader.start()

    def reached() -> tuple[str, float]:
        while not lines.empty():
            heard.append(lines.get())
        return _stage_of_line(heard)

    _wait_for(moment, out, reached, begin, lambda: process.poll() is not None)
    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait()
    seconds = time.monotonic() - sent
    reader.join()
    reached()
    _forget_result(out)
    return seconds, f"({process.returncode}) {heard[-1].strip() if heard else 'nothing'}"


def _stage_of_line(heard: list[str]) -> tuple[str, float]:
    """Stage and share of the last line ``12 %  stage, 3 s left``."""
    for line in reversed(heard):
        percent, _, rest = line.partition("%")
        if percent.strip().isdigit():
            stage = rest.split(",")[0].strip()
            return stage, _share(stage, int(percent) / 100)
    return "starting", 0.0


def _share(stage: str, fraction: float) -> float:
    """Share of the stage that is done when *fraction* of the whole run is."""
    begin, total = 0.0, sum(STAGES.values())
    for name, weight in STAGES.items():
        if name == stage:
            return max(fraction - begin, 0.0) / (weight / total)
        begin += weight / total
    return 0.0


def _by_worker(fa: str, model: str, out: Path, moment: Moment) -> tuple[float, str]:
    """Seconds from ``cancel`` to the job's answer, and that answer."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "FAAnomalyLib", "worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert worker.stdin is not None and worker.stdout is not None
    answers: queue.Queue[dict] = queue.Queue()
    threading.Thread(target=lambda: [answers.put(json.loads(line)) for line in worker.stdout], daemon=True).start()
    answers.get()  # hello
    params = {"input": fa, "output": str(out), "model": model, "resume": True}
    worker.stdin.write(json.dumps({"id": 1, "method": "detect", "params": params}) + "\n")
    worker.stdin.flush()
    begin, last, final = time.monotonic(), ("starting", 0.0), None

    def reached() -> tuple[str, float]:
        nonlocal last, final
        while not answers.empty():
            one = answers.get()
            if one["type"] == "progress":
                last = one["stage"], _share(one["stage"], one["fraction"])
            elif one["id"] == 1:
                final = one
        return last

    _wait_for(moment, out, reached, begin, lambda: final is not None)
    sent = time.monotonic()
    worker.stdin.write(json.dumps({"id": 2, "method": "cancel", "params": {"id": 1}}) + "\n")
    worker.stdin.flush()
    while final is None and time.monotonic() - sent < NEVER_SECONDS:
        reached()
        time.sleep(0.005)
    seconds = time.monotonic() - sent
    worker.stdin.close()
    worker.wait()
    _forget_result(out)
    told = final or {"type": "no answer"}
    parts = [str(told[key]) for key in ("what", "why", "fix") if told.get(key)]
    return seconds, f"({told.get('code', told['type'])}) {'. '.join(parts)}"


def _wait_for(
    moment: Moment, out: Path, reached: Callable[[], tuple[str, float]], begin: float, ended: Callable[[], bool]
) -> None:
    """Return when the run has come to *moment*, or has ended."""
    order = ["starting", *STAGES, "writing"]
    while not ended() and time.monotonic() - begin < NEVER_SECONDS:
        stage, share = reached()
        if stage == "done" or any(out.glob(f"{STAGING}*")):
            stage = "writing"
        if order.index(stage) > order.index(moment.stage) or (stage == moment.stage and share >= moment.share - 0.001):
            time.sleep(moment.wait_s)
            return
        time.sleep(0.005)


def _forget_result(out: Path) -> None:
    """A run that ended before it was cancelled has written its result: the next one shall not find it finished."""
    for path in out.glob("*") if (out / "result.json").exists() else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


if __name__ == "__main__":
    sys.exit(main())
