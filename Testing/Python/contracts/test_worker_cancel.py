"""A job is cancelled while the worker still imports torch, and the import is not lost."""

from __future__ import annotations

import json
import threading
import time

from FAAnomalyLib.worker.server import WorkerServer


class _Detector:
    def detect(self, request, volume=None, progress=None, cancel=None):
        raise RuntimeError("it was reached")


def serve(make, lines):
    """Messages of a server that reads *lines*, each after the ones before were answered."""
    said: list[dict] = []
    server = WorkerServer(make, lambda text: said.append(json.loads(text)))
    server.serve(lines(server, said))
    assert server.stop(5.0)
    return said


def wait(said, count):
    end = time.monotonic() + 20
    while sum(m["type"] in ("result", "error") for m in said) < count and time.monotonic() < end:
        time.sleep(0.01)


def test_a_cancel_does_not_wait_for_the_import(tmp_path):
    (tmp_path / "fa.nii.gz").write_bytes(b"")
    gate, made, seconds = threading.Event(), [], []
    job = {"method": "detect", "params": {"input": str(tmp_path / "fa.nii.gz"), "output": str(tmp_path / "out")}}

    def make():
        made.append(1)
        gate.wait(20)
        return _Detector()

    def lines(server, said):
        yield json.dumps({"id": 1, **job})
        while not made:
            time.sleep(0.01)
        begin = time.monotonic()
        yield json.dumps({"id": 2, "method": "cancel"})
        wait(said, 2)
        seconds.append(time.monotonic() - begin)
        gate.set()
        yield json.dumps({"id": 3, **job})
        wait(said, 3)

    said = serve(make, lines)
    errors = {message["id"]: message for message in said if message["type"] == "error"}
    assert errors[1]["code"] == "cancelled" and seconds[0] < 15.0
    assert "it was reached" in errors[3]["why"] and made == [1], "the second job takes the same detector"


def test_an_import_that_failed_is_tried_again(tmp_path):
    (tmp_path / "fa.nii.gz").write_bytes(b"")
    job = {"method": "detect", "params": {"input": str(tmp_path / "fa.nii.gz"), "output": str(tmp_path / "out")}}
    made = []

    def make():
        made.append(1)
        if len(made) == 1:
            raise ImportError("No module named 'torch'", name="torch")
        return _Detector()

    def lines(server, said):
        for number in (1, 2):
            yield json.dumps({"id": number, **job})
            wait(said, number)

    errors = [message for message in serve(make, lines) if message["type"] == "error"]
    assert [error["code"] for error in errors] == ["missing", "bug"] and len(made) == 2
