"""Is z standard normal in healthy white matter? Draw the quantiles that ``faanomaly evaluate`` wrote.

    python Testing/Benchmarks/qq_plot.py OUT/evaluation.json ... -o qq.png

One line for each untouched brain: quantiles of its z against those of a standard normal; the diagonal is what
they should be.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from chart import Chart
from scipy.stats import norm

from FAAnomalyLib.evaluation.metrics.healthy import QUANTILES

TICKS = [(tick, f"{tick:+d}" if tick else "0") for tick in range(-4, 5)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    rows = [
        row["z_quantiles"]
        for path in args.evaluation
        for row in json.loads(path.read_text())["untouched_rows"]
        if row["method"] == "FAAnomaly" and row.get("z_quantiles")
    ]
    if not rows:
        parser.error(f"no untouched brain in {', '.join(map(str, args.evaluation))}")
    chart = Chart(
        f"z in the white matter of {len(rows)} untouched brains",
        "standard normal quantile",
        "quantile of z",
        TICKS,
        TICKS,
    )
    chart.diagonal()
    for row in rows:
        chart.line(list(zip(norm.ppf(QUANTILES), row, strict=True)))
    chart.finished().save(args.output, optimize=True)
    print(f"{len(rows)} brains: {args.output} written")


if __name__ == "__main__":
    main()
