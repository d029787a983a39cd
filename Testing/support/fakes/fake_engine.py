"""An engine without torch that finds what a test wants; also the entry script of worker and shell tests.

``python fake_engine.py COMMAND …`` is ``faanomaly COMMAND …`` with this detector and a short
report in place of the real ones. What it does follows from the stem of the input's name.
"""

from __future__ import annotations

import os
import sys
import time
import types

import numpy as np

from FAAnomalyLib.errors import FAError
from FAAnomalyLib.request import DetectRequest
from FAAnomalyLib.result import Region, Result
from FAAnomalyLib.runtime.progress import CancelToken, Progress
from FAAnomalyLib.volume import Volume

SHAPE = (4, 5, 6)
AFFINE = np.array([[0.0, -2, 0, 10], [2, 0, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1]])


def fake_result(n_regions: int = 1, **provenance) -> Result:
    """A small result with numbers in every volume."""
    rng = np.random.default_rng(0)
    volumes = [Volume(rng.random(SHAPE, dtype=np.float32), AFFINE) for _ in range(4)]
    labels = Volume(np.ones(SHAPE, np.uint8), AFFINE)
    regions = [
        Region(number + 1, "decreased", 10, 1.25, -6.5, -4.0, -0.12, 0.03, (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
        for number in range(n_regions)
    ]
    return Result(*volumes, labels, regions=regions, provenance={"seed": 0, "warnings": [], **provenance})


class Detector:
    """Counts its own instances and calls, so that a test can see whether it was kept warm."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.calls = 0

    def detect(self, request: DetectRequest, volume=None, progress=None, cancel=None) -> Result:
        self.calls += 1
        steps = Progress(progress, cancel, {"reading": 1, "judging": 9})
        steps.step("reading")
        behave(request.input.rpartition("/")[2].partition(".")[0], steps, cancel or CancelToken())
        steps.finish()
        return fake_result(
            made=self.made, calls=self.calls, method="detect", warnings=[f"model made {self.made}, call {self.calls}"]
        )

    def inpaint(self, request: DetectRequest, volume=None, hole=None, progress=None, cancel=None) -> Result:
        result = self.detect(request, volume, progress, cancel)
        result.provenance.update(method="inpaint", hole=None if hole is None else int(hole.sum()))
        return result

    def preview(self, request: DetectRequest, progress=None, cancel=None) -> Volume:
        return self.detect(request, None, progress, cancel).expected


def behave(kind: str, steps: Progress, cancel: CancelToken) -> None:
    """Do what an input called *kind* asks for."""
    if kind == "bad":
        raise FAError("bad-input", "bad.nii is not one 3D volume", "its shape is (1, 2)", "Choose another")
    if kind == "memory":
        raise MemoryError
    if kind == "torchmemory":
        raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB\nmore")
    if kind == "bug":
        raise ZeroDivisionError("division by zero")
    if kind == "package":
        raise ModuleNotFoundError("No module named 'nibabel'", name="nibabel")
    if kind == "noisy":
        print("a stray print")
        sys.__stdout__.write("a stray write\n")
        sys.__stdout__.flush()
        os.write(1, b"a stray write of a C library\n")
    if kind == "stuck":
        time.sleep(100)  # looks at no token
    rounds, pause = {"slow": (6000, 0.02), "busy": (300, 0.002)}.get(kind, (5, 0.0))
    for number in range(rounds):
        steps.step("judging", number / rounds)
        time.sleep(pause)


def install(modules=sys.modules, report=lambda result: "<html>report</html>") -> None:
    """Put this detector and *report* where the engine's faces look for the real ones."""
    fakes = {"pipeline.detector": {"Detector": Detector}, "reporting.html_report": {"report_html": report}}
    for name, contents in fakes.items():
        module = types.ModuleType(f"FAAnomalyLib.{name}")
        module.__dict__.update(contents)
        modules[module.__name__] = module


if __name__ == "__main__":
    install()
    from FAAnomalyLib.cli.application import main

    sys.exit(main())
