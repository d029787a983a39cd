"""FROC curves of ``faanomaly evaluate``: sensitivity against false-positive regions at other thresholds.

    python Testing/Benchmarks/froc_plot.py OUT/evaluation.json ... -o froc.png

One line for each kind of anomaly, both signs together: lesion-wise sensitivity against false-positive regions a brain,
from the highest |z| to the lowest; beyond four false positives a brain nothing is drawn.  Lesion shapes have a second
line, where only decreases are reported.  The printed table has both numbers at each |z|.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from chart import COLOURS, Chart

from FAAnomalyLib.evaluation.cases import LESION
from FAAnomalyLib.evaluation.rows import FAANOMALY, ONE_SIDED
from FAAnomalyLib.evaluation.tables.formats import describe_anomaly, describe_change

MAX_FALSE_POSITIVES = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    entries = [
        entry
        for path in args.evaluation
        for entry in json.loads(path.read_text())["planted"]
        if entry.get("free_response") and (entry["method"] == FAANOMALY or entry["kind"] == LESION)
    ]
    paired = {without_sign(entry) for entry in entries if entry["signs"] == "both"}
    entries = [entry for entry in entries if entry["signs"] == "both" or without_sign(entry) not in paired]
    if not entries:
        parser.error(f"no free-response curve in {', '.join(map(str, args.evaluation))}")
    entries.sort(key=lambda entry: -entry["free_response"][0]["found"]["mean"])
    chart = Chart(
        "Detection at other thresholds",
        "false-positive regions a brain",
        "lesion-wise sensitivity",
        [(n, str(n)) for n in range(MAX_FALSE_POSITIVES + 1)],
        [(n / 5, f"{20 * n} %") for n in range(6)],
        legend=0.75,
    )
    thresholds = [point["z"] for point in entries[0]["free_response"]]
    print("|z| beyond:", *(f"{z:g}" for z in thresholds), sep="\t")
    for number, entry in enumerate(entries):
        one_sided = ", decreases alone" if entry["method"] == ONE_SIDED["decreased"] else ""
        words = f"{describe_anomaly(entry)}, {describe_change(entry)}{one_sided}"
        points = [(point["false_regions"]["mean"], point["found"]["mean"]) for point in entry["free_response"]]
        chart.line(
            [point for point in reversed(points) if point[0] <= MAX_FALSE_POSITIVES],
            COLOURS[number % len(COLOURS)],
            words,
        )
        print(words, *(f"{sensitivity:.2f} ({false:.1f})" for false, sensitivity in points), sep="\t")
    chart.finished().save(args.output, optimize=True)
    print(f"{args.output} written")


def without_sign(entry: dict) -> tuple[str, int, float]:
    """The anomaly without its sign."""
    return entry["kind"], entry["diameter"], abs(entry["change"])


if __name__ == "__main__":
    main()
