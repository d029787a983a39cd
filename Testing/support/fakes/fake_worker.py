"""A worker without an engine, as wayward as its first argument says. Standard library only.

``python fake_worker.py MODE``: speaks the protocol of ``FAAnomalyLib/worker/server.py``. What a job does follows
from the stem of its input's name: ``slow`` goes on until it is cancelled, ``bad`` fails, anything else is done at once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time


class FakeWorker:
    """Answers like the real one, except for what *mode* asks for."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.cancelled = threading.Event()
        self.lock = threading.Lock()

    def send(self, **message) -> None:
        self.write(json.dumps(message) + "\n")

    def write(self, text: str) -> None:
        with self.lock:
            sys.stdout.write(text)
            sys.stdout.flush()

    def serve(self) -> None:
        job = None
        for line in sys.stdin:
            message = json.loads(line)
            method, number = message["method"], message["id"]
            if method in ("detect", "inpaint"):
                self.cancelled.clear()
                job = threading.Thread(target=self.work, args=(number, message["params"]), daemon=True)
                job.start()
            elif method == "cancel":
                if self.mode not in ("ignores-cancel", "ignores-all"):
                    self.cancelled.set()
                self.send(type="result", id=number, cancelled=True)
            elif method == "shutdown" and self.mode != "ignores-all":
                break
        if self.mode in ("ignores-cancel", "ignores-all"):
            time.sleep(600)
        self.cancelled.set()
        if job is not None:
            job.join(5)

    def work(self, number: int, params: dict) -> None:
        name = os.path.basename(params["input"]).partition(".")[0]
        self.send(type="progress", id=number, fraction=0.25, stage="judging", eta_s=1.5)
        if name in WAYWARD:
            WAYWARD[name](self, number)
        while name == "slow" and not self.cancelled.wait(0.02):
            self.send(type="progress", id=number, fraction=0.5, stage="judging", eta_s=None)
        if self.cancelled.is_set():
            self.send(type="error", id=number, code="cancelled", what="Cancelled", why="", fix="Start again when ready")
        elif name == "bad":
            self.send(
                type="error",
                id=number,
                code="bad-input",
                what="bad.nii is not FA",
                why="values to 3000",
                fix="Choose an FA map",
            )
        else:
            output = params["output"]
            self.send(
                type="result",
                id=number,
                output=output,
                files={"z_map": output + "/z.nii.gz"},
                regions=[],
                warnings=[f"done by {os.getpid()}"],
                seconds=0.1,
            )


def crash(worker: FakeWorker, number: int) -> None:
    print("Loading", "Judging", "about to crash", sep="\n", file=sys.stderr, flush=True)
    signal.raise_signal(signal.SIGSEGV)


def leave(worker: FakeWorker, number: int) -> None:
    print("faanomaly: the disk is on fire", file=sys.stderr, flush=True)
    os._exit(7)


def garbage(worker: FakeWorker, number: int) -> None:
    worker.write('a stray print\n{"type": "dance"}\n[1]\n{"type"\n\n\u00e9\ufffd\n')
    sys.stdout.buffer.write(b"\xff\xfe\n")
    worker.send(type="result", id="another", files={})
    worker.send(type="progress", id=number, fraction="half", stage=None)


def huge(worker: FakeWorker, number: int) -> None:
    worker.send(type="progress", id=number, fraction=0.6, stage="x" * 3_000_000, eta_s=None)


def flood(worker: FakeWorker, number: int) -> None:
    print("\n".join(f"line {number}" for number in range(5_000)), file=sys.stderr, flush=True)


def strange_error(worker: FakeWorker, number: int) -> None:
    worker.send(type="error", id=number, code="volcano", what="Lava", why="hot", fix="Run")


WAYWARD = {"crash": crash, "leave": leave, "garbage": garbage, "huge": huge, "flood": flood, "strange": strange_error}


def main(mode: str) -> None:
    if mode in ("ignores-terminate", "ignores-all"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "launcher":
        # As Slicer's: hands its streams on and passes on the exit status, but not what ends it.
        child = subprocess.Popen([sys.executable, __file__, "ignores-all"])
        sys.exit(abs(child.wait()) and 1)
    worker = FakeWorker(mode)
    if mode == "silent":
        time.sleep(600)
    if mode == "dies-at-start":
        sys.exit("No module named FAAnomalyLib")
    if mode == "chatty":
        worker.write("welcome to this fake\n")
    if mode == "late":
        time.sleep(1.0)
    worker.send(type="hello", id=None, version="0.0", protocol=99 if mode == "other-protocol" else 1, pid=os.getpid())
    worker.serve()


if __name__ == "__main__":
    main(sys.argv[1])
