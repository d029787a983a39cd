"""What happens to an FA map that is stored or spoilt as other programs do it, and is that right?

    python Testing/Benchmarks/messy_input.py BRAIN_FA.nii.gz [--python PYTHON] [--only WORDS ...] [--fast]

In the map of a healthy person FA is lowered by 0.3 in a sphere of 30 mm in the left hemisphere's white matter. From it
the cases of ``messy_cases.py`` are made and sent to a worker one after the other, each as a file. The table says what
came of each: where the strongest region lies, the error, or the remarks; and whether that is what must come of it. With
``--python`` the worker is that of another installation, so that versions can be compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from messy_cases import RADIUS_MM, Brain, Case, content_cases, refused_cases, storage_cases

from FAAnomalyLib.evaluation.planting.lesions import plant, sphere
from FAAnomalyLib.io.volumes import load_volume
from FAAnomalyLib.preprocessing.fa_validation import validate_fa
from FAAnomalyLib.preprocessing.preparation import prepare
from FAAnomalyLib.preprocessing.template import load_template
from FAAnomalyLib.runtime.resources import resources_dir

PLACE = (-26.0, -24.0, 28.0)
"""Of the change, RAS mm in the template's world: left centrum semiovale."""
CHANGE = -0.3
OFF_MM = 10.0
"""How far a region's centre may lie from the change's."""
MAX_Z = 40.0


class Worker:
    """A worker of any installation, asked one request at a time."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "FAAnomalyLib", "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._number = 0
        self.hello = self._next()

    def ask(self, params: dict[str, Any]) -> dict[str, Any]:
        """The ``result`` or ``error`` of a detection."""
        self._number += 1
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": self._number, "method": "detect", "params": params}) + "\n")
        self._process.stdin.flush()
        while (message := self._next())["type"] == "progress":
            pass
        return message

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


def main() -> int:
    """Print the table; 1 when something is not right."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fa", type=Path, help="a healthy person's FA map, skull-stripped")
    parser.add_argument("--python", default=sys.executable, help="of the installation that is asked")
    parser.add_argument("--only", nargs="+", metavar="WORDS", help="cases whose names hold any of these")
    parser.add_argument("--fast", action="store_true", help="holes of 40 mm alone, a third of the time")
    args = parser.parse_args()
    brain = brain_with_change(args.fa)
    worker = Worker(args.python)
    print(f"FAAnomaly {worker.hello['version']}; FA {CHANGE:+} in a sphere of {2 * RADIUS_MM:g} mm at", end=" ")
    print("R {:.0f}, A {:.0f}, S {:.0f} mm".format(*brain.centre))
    print("| case | what happens | right? |\n|---|---|---|")
    cases = [*refused_cases(brain), *content_cases(brain), *storage_cases(brain)]
    chosen = [case for case in cases if not args.only or any(words in case.name for words in args.only)]
    wrong = 0
    for case in chosen:
        with tempfile.TemporaryDirectory() as folder:
            answer = ask(worker, case, Path(folder), {"mask_size": 32} if args.fast else {})
        right = is_right(case, answer, brain)
        wrong += not right
        print(f"| {case.name} | {told(answer, brain)} | {'yes' if right else 'NO'} |", flush=True)
    worker.close()
    print(f"{len(chosen) - wrong} of {len(chosen)} right")
    return int(wrong > 0)


def brain_with_change(path: Path) -> Brain:
    """The healthy map with the sphere in it."""
    volume, _ = validate_fa(load_volume(path)[0])
    prepared = prepare(volume, load_template(resources_dir() / "Template"))
    volume = volume.with_data(np.where(prepared.native_brain, volume.data, 0.0).astype(np.float32))
    x, y, z = (float(c) for c in (prepared.grid.alignment.matrix @ [*PLACE, 1.0])[:3])
    where = sphere(volume, (x, y, z), 2 * RADIUS_MM) & (volume.data > 0)
    planted = plant(volume, where, CHANGE)
    # Exactly 0 would mean that nothing was measured.
    lowered = planted.with_data(np.where(where, np.maximum(planted.data, 0.01), planted.data))
    return Brain(lowered, where, np.array([x, y, z]))


def ask(worker: Worker, case: Case, folder: Path, more: dict[str, Any]) -> dict[str, Any]:
    """The worker's answer to one case."""
    path = case.make(folder)
    params = {"input": str(path), "output": str(folder / "out"), "report": False, **more, **case.params(folder)}
    return worker.ask(params)


def is_right(case: Case, answer: dict[str, Any], brain: Brain) -> bool:
    """Whether what came of a case is what must come of it."""
    if answer["type"] == "error":
        text = said(answer)
        return case.expected == "refused" and answer["code"] in ("bad-input", "bad-request") and _holds(text, case.said)
    regions, remarks = answer["regions"], " ".join(answer["warnings"])
    if case.expected == "refused" or not _holds(remarks, case.said):
        return False
    if any(abs(region["peak_z"]) > MAX_Z for region in regions):
        return False
    if case.expected == "left out":
        return all(off(region, brain) > RADIUS_MM for region in regions)
    if case.expected == "bounded":
        return True
    if not regions or regions[0]["sign"] != "decreased":
        return False
    known = regions[0].get("side_known", True)
    if case.expected == "found, side unknown":
        return not known
    centre = brain.centre if case.expected == "found" else (brain.turned(30.0) @ [*brain.centre, 1.0])[:3]
    return known and float(np.linalg.norm(np.subtract(regions[0]["centroid_ras"], centre))) <= OFF_MM


def told(answer: dict[str, Any], brain: Brain) -> str:
    """One line on an answer."""
    if answer["type"] == "error":
        return f"refused: {said(answer)}"
    regions = answer["regions"]
    text = "no region"
    if regions:
        first, known = regions[0], regions[0].get("side_known", True)
        x, y, z = first["centroid_ras"]
        side = ("R" if x >= 0 else "L") if known else "L or R"
        text = (
            f"{first['sign']} {first['volume_ml']:.1f} ml, z {first['peak_z']:+.1f} at {side} {abs(x):.0f}, "
            f"A {y:.0f}, S {z:.0f}, {off(first, brain):.0f} mm off"
        )
        text += f", and {len(regions) - 1} more" if len(regions) > 1 else ""
    return "; ".join([text, *answer["warnings"]])


def said(answer: dict[str, Any]) -> str:
    """The words of an error."""
    return ". ".join(str(answer[key]) for key in ("what", "why", "fix") if answer.get(key))


def off(region: dict[str, Any], brain: Brain) -> float:
    """Distance in mm of a region's centre from the change's."""
    return float(np.linalg.norm(np.subtract(region["centroid_ras"], brain.centre)))


def _holds(text: str, words: tuple[str, ...]) -> bool:
    return not words or any(word in text for word in words)


if __name__ == "__main__":
    sys.exit(main())
