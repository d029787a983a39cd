"""How long Slicer's event loop waits during a run on a large volume, and how soon the threshold slider is followed.

    python Testing/Benchmarks/gui_pauses.py [--shape 256 256 160] [--runs 2]

The real panel on the fake Slicer of the tests, with the pretended engine of the panel tests; its results are as large
as the input. A timer of 5 ms ticks all the time. Pauses are given without the time in which the system ran other
programs (Linux only), with the processor time beside them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT)]

import slicer_harness

slicer_harness.install()

import numpy as np

from FAAnomalySlicer.scene.input_check import check_values
from slicer_harness.fixtures import ModuleOpener
from support.drivers.panel_bench import LONGEST, PanelBench, Responsiveness, results_of
from support.phantoms.mrml_volumes import add_volume, brainlike, grid, turn

THRESHOLDS = (6.0, 4.0, 3.0, 2.0, 1.0)
ASKED_MS, ASKED_SLIDER_MS = 50, 200
AT_REST = "at rest"


class Replacement:
    """What the panel's bench asks of pytest's ``monkeypatch``."""

    @staticmethod
    def setattr(target, name: str, value) -> None:
        setattr(target, name, value)


class Pauses(Responsiveness):
    """The longest pause of every stage.

    Attributes
    ----------
    stages
        Stage -> [longest pause, longest processor time], seconds. A pause counts for the stage in which it began.
    """

    def __init__(self, stage) -> None:
        self.stages: dict[str, list[float]] = {}
        self._stage, self._began_in = stage, AT_REST
        super().__init__()

    def _tick(self) -> None:
        self.longest = self.busiest = 0.0
        super()._tick()
        worst = self.stages.setdefault(self._began_in, [0.0, 0.0])
        worst[:] = max(worst[0], self.longest), max(worst[1], self.busiest)
        self._began_in = self._stage()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=int, nargs=3, default=(256, 256, 160), metavar=("X", "Y", "Z"))
    parser.add_argument("--spacing", type=float, default=1.0, help="mm (default %(default)s)")
    parser.add_argument("--runs", type=int, default=2, help="with new nodes the first, with the same ones the others")
    args = parser.parse_args()

    slicer_harness.open_layout()
    panel = PanelBench(ModuleOpener(slicer_harness.application()), Replacement, "noisy")
    volume = add_volume(brainlike(tuple(args.shape)), grid(turn(20, -10, 35), (args.spacing,) * 3))
    print(
        f"{' x '.join(map(str, args.shape))} voxels, load {os.getloadavg()[0]:.1f}, asked: pauses of at most "
        f"{ASKED_MS} ms, the slider within {ASKED_SLIDER_MS} ms"
    )
    for run in range(args.runs):
        pauses = Pauses(lambda: stage_of(panel))
        panel.choose(volume)
        panel.run()
        panel.settle(1.0)
        pauses.stop()
        show(f"Run {run + 1}", pauses.stages)
    checks(tuple(args.shape))
    slide(panel, volume)
    surfaces(panel, volume)
    panel.close()
    sys.stdout.flush()
    os._exit(0)  # VTK's windows do not survive Python's own end


def checks(shape: tuple[int, int, int]) -> None:
    """How long the look at a chosen volume takes, by kind of number."""
    print(f"\n{'a volume is chosen':44s}{'check, ms':>12s}")
    fa = np.ascontiguousarray(brainlike(shape).T)
    broken = fa.copy()
    broken[np.random.default_rng(0).random(fa.shape) < 0.01] = np.nan
    for name, array in (
        ("float32", fa),
        ("float64", fa.astype(float)),
        ("int16", (1000 * fa).astype(np.int16)),
        ("float32 with NaN", broken),
        ("float64 with NaN", broken.astype(float)),
    ):
        seconds = []
        for _ in range(5):
            began = time.thread_time()
            assert check_values(array, np.ones(3)).ok
            seconds.append(time.thread_time() - began)
        print(f"  {name:42s}{1000 * min(seconds):12.0f}")


def stage_of(panel: PanelBench) -> str:
    """What the run is doing, as the panel says it."""
    if panel.logic.detections.running is None:
        return AT_REST if panel.ui.applyButton.text == "Apply" else "ending"
    return f"{panel.logic.detections.running.state}: {panel.ui.statusLabel.text.partition(',')[0]}"


def show(title: str, stages: dict[str, list[float]]) -> None:
    """Print a table of pauses."""
    print(f"\n{title:44s}{'pause, ms':>12s}{'busy, ms':>12s}")
    for stage, (wall, busy) in stages.items():
        print(f"  {stage:42s}{1000 * wall:12.0f}{1000 * busy:12.0f}")


def slide(panel: PanelBench, volume) -> None:
    """Move the slider to each threshold and wait until segmentation and table follow."""
    print(f"\n{'slider at z':44s}{'followed, ms':>12s}{'pause, ms':>12s}{'busy, ms':>12s}{'regions':>12s}")
    nodes = results_of(volume)
    for threshold in THRESHOLDS:
        panel.ui.thresholdSlider.minimum = min(panel.ui.thresholdSlider.minimum, threshold)
        panel.settle(0.5)
        pauses = Pauses(lambda: "")
        began = time.monotonic()
        panel.ui.thresholdSlider.value = threshold
        panel.until(lambda wanted=str(threshold): nodes.table.GetAttribute("FAAnomaly.threshold") == wanted, LONGEST)
        took = time.monotonic() - began
        panel.settle(0.3)
        pauses.stop()
        [(wall, busy)] = pauses.stages.values() if len(pauses.stages) == 1 else [map(max, *pauses.stages.values())]
        print(
            f"  {threshold:<42g}{1000 * took:12.0f}{1000 * wall:12.0f}{1000 * busy:12.0f}"
            f"{nodes.table.GetNumberOfRows():12d}"
        )


def surfaces(panel: PanelBench, volume) -> None:
    """Show closed surfaces in 3D."""
    segmentation = results_of(volume).segmentation.GetSegmentation()
    panel.ui.thresholdSlider.value = 5.0
    panel.settle(1.0)
    pauses = Pauses(lambda: "closed surface")
    panel.ui.surfacesCheckBox.click()
    panel.until(lambda: segmentation.ContainsRepresentation("Closed surface"), LONGEST)
    panel.settle(0.3)
    pauses.stop()
    show("On demand", pauses.stages)


if __name__ == "__main__":
    main()
