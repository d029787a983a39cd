"""What would other thresholds find, and at what price? Draw the free-response curves of ``faanomaly evaluate``.

    python Testing/Benchmarks/froc_plot.py OUT/evaluation.json ... -o froc.png

One line for each kind of anomaly, both signs together: share found against false regions a brain, from the
highest |z| to the lowest; beyond four false regions a brain nothing is drawn.  Lesion shapes have another one, where
decreases alone are looked for.  The table says both at each |z|.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from chart import COLOURS, Chart

from FAAnomalyLib.evaluation.cases import LESION
from FAAnomalyLib.evaluation.rows import FAANOMALY, ONE_SIDED
from FAAnomalyLib.evaluation.tables.cells import anomaly_words, change_words

MOST = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    cells = [
        cell
        for path in args.evaluation
        for cell in json.loads(path.read_text())["planted"]
        if cell.get("free_response") and (cell["method"] == FAANOMALY or cell["kind"] == LESION)
    ]
    paired = {what(cell) for cell in cells if cell["signs"] == "both"}
    cells = [cell for cell in cells if cell["signs"] == "both" or what(cell) not in paired]
    if not cells:
        parser.error(f"no free-response curve in {', '.join(map(str, args.evaluation))}")
    cells.sort(key=lambda cell: -cell["free_response"][0]["found"]["mean"])
    chart = Chart(
        "Found at other thresholds",
        "false regions a brain",
        "share found",
        [(n, str(n)) for n in range(MOST + 1)],
        [(n / 5, f"{20 * n} %") for n in range(6)],
        legend=0.75,
    )
    levels = [point["z"] for point in cells[0]["free_response"]]
    print("|z| beyond:", *(f"{level:g}" for level in levels), sep="\t")
    for number, cell in enumerate(cells):
        one_sided = ", decreases alone" if cell["method"] == ONE_SIDED["decreased"] else ""
        words = f"{anomaly_words(cell)}, {change_words(cell)}{one_sided}"
        points = [(point["false_regions"]["mean"], point["found"]["mean"]) for point in cell["free_response"]]
        chart.line([point for point in reversed(points) if point[0] <= MOST], COLOURS[number % len(COLOURS)], words)
        print(words, *(f"{found:.2f} ({false:.1f})" for false, found in points), sep="\t")
    chart.finished().save(args.output, optimize=True)
    print(f"{args.output} written")


def what(cell: dict) -> tuple[str, int, float]:
    """The anomaly without its sign."""
    return cell["kind"], cell["diameter"], abs(cell["change"])


if __name__ == "__main__":
    main()
