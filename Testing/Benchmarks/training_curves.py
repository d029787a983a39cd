"""Held-out error against training steps, number of people and width of the network.

    python Testing/Benchmarks/training_curves.py DATA --people people.csv --hold-out PERSON -o OUT
        [--template TEMPLATE] [--steps 200] [--widths 16,32,64 32,64,128] [--numbers 2 4]

Trains one network for every width on everybody else and, at the recipe's width, one for every number of
people (the first by name), all with the same seed and steps, and lists the error on the held-out person in
20 mm holes (white matter, bias removed) as training wrote it down.  Run again, it goes on where it stopped.
The template should not know the person either (``faanomaly template --hold-out``).
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

from FAAnomalyLib.training.recipes import RECIPES
from FAAnomalyLib.training.template import find_volumes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--hold-out", required=True, metavar="PERSON")
    parser.add_argument("--template", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--save-every", type=int, default=50)
    parser.add_argument("--widths", nargs="*", default=["16,32,64", "48,96,192"], help="besides the recipe's own")
    parser.add_argument("--numbers", nargs="*", type=int, default=[2, 4], help="of people, besides all")
    args = parser.parse_args()

    everybody = sorted({person for person, _ in find_volumes(args.data, args.people)} - {args.hold_out})
    usual = ",".join(str(n) for n in RECIPES["inpainter"].network["widths"])
    runs = [(usual, everybody), *((widths, everybody) for widths in args.widths),
            *((usual, everybody[:number]) for number in args.numbers)]
    rows = []
    for widths, people in runs:
        curve = train(args, widths, people, [p for p in everybody if p not in people])
        rows.append({"widths": widths, "people": len(people), "rmse_fa_by_step": curve})
        (args.output / "curves.json").write_text(json.dumps(rows, indent=2) + "\n")
    steps = sorted({step for row in rows for step in row["rmse_fa_by_step"]})
    print(f"| widths | people | {' | '.join(f'{step} steps' for step in steps)} |")
    print("|---|---|" + "---|" * len(steps))
    for row in rows:
        errors = " | ".join(f"{row['rmse_fa_by_step'][s]:.4f}" if s in row["rmse_fa_by_step"] else "" for s in steps)
        print(f"| {row['widths']} | {row['people']} | {errors} |")


def train(args: argparse.Namespace, widths: str, people: list[str], left_out: list[str]) -> dict[int, float]:
    """Error on the held-out person by step."""
    folder = args.output / f"{widths.replace(',', '-')}_{len(people)}-people"
    folder.mkdir(parents=True, exist_ok=True)
    shared = args.output / "prepared"
    shared.mkdir(exist_ok=True)
    if not (folder / "prepared").exists():
        (folder / "prepared").symlink_to(shared.resolve(), target_is_directory=True)
    command = [sys.executable, "-m", "FAAnomalyLib", "train", str(args.data), "-o", str(folder),
               "--people", str(args.people), "--steps", str(args.steps), "--save-every", str(args.save_every),
               "--widths", *widths.split(",")]
    for person in [args.hold_out, *left_out]:
        command += ["--hold-out", person]
    if args.template:
        command += ["--template", str(args.template)]
    subprocess.run(command, check=True)
    names = json.loads((folder / "model" / "manifest.json").read_text())["training"]["held_out"]
    mine = [path.name for person, path in find_volumes(args.data, args.people) if person == args.hold_out]
    with open(folder / "log.csv", newline="") as handle:
        judged = {int(row["step"]): [float(e) for e in row["held_out_rmse_fa"].split()]
                  for row in csv.DictReader(handle) if row["held_out_rmse_fa"]}
    return {step: sum(errors[names.index(name)] for name in mine) / len(mine) for step, errors in judged.items()}


if __name__ == "__main__":
    main()
