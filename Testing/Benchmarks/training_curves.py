"""What more training, more people and a wider network give: error in holes, and Dice of planted spheres.

    python Testing/Benchmarks/training_curves.py DATA --people people.csv --hold-out PERSON -o OUT
        [--template TEMPLATE] [--steps 200] [--judge-every 50] [--widths 16,32,64 32,64,128] [--numbers 2 4]
        [--folds folds.csv] [--calibrated 3 4]

Trains one network for every width on everybody else and, at the recipe's width, one for every number of
people (the first by name), all with the same seed and steps, and lists the error on the held-out person in
20 mm holes (white matter, bias removed) as training wrote it down; step 0 is the estimate that the network
starts from.  The template should not know the person either (``faanomaly template --hold-out``).

With --folds (as for ``faanomaly calibrate``) every network then scores the held-out person with spheres of
20 and 40 mm, FA +-0.2 and +-0.3, calibrated with the other people of the table, and the widest choice of
people also with fewer (--calibrated; the first by name).  Run again, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from pathlib import Path

from FAAnomalyLib.datasets.cohort import CohortSubject, find_subjects
from FAAnomalyLib.datasets.folds import read_folds
from FAAnomalyLib.training.recipes import RECIPES

SPHERES = (("16", "32"), ("0.2", "-0.2", "0.3", "-0.3"))
"""Diameters in voxels of 1.25 mm, and changes of FA."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=Path, required=True)
    parser.add_argument("--hold-out", required=True, metavar="PERSON")
    parser.add_argument("--template", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--judge-every", type=int, default=50, help="steps between errors and between checkpoints")
    parser.add_argument("--widths", nargs="*", default=["16,32,64", "48,96,192"], help="besides the recipe's own")
    parser.add_argument("--numbers", nargs="*", type=int, default=[2, 4], help="of people, besides all")
    parser.add_argument("--folds", type=Path, help="columns person,model: measure Dice as well")
    parser.add_argument(
        "--calibrated", nargs="*", type=int, default=[3, 4], help="people to calibrate with, besides all"
    )
    parser.add_argument("--places", type=int, default=1)
    args = parser.parse_args()

    everybody = sorted({subject.person for subject in find_subjects(args.data, args.people)} - {args.hold_out})
    usual = ",".join(str(n) for n in RECIPES["inpainter"].network["widths"])
    runs = [
        (usual, everybody),
        *((widths, everybody) for widths in args.widths),
        *((usual, everybody[:number]) for number in args.numbers),
    ]
    start, calibrating = untrained(args), calibrators(args)
    rows = []
    for widths, people in runs:
        folder = args.output / f"{widths.replace(',', '-')}_{len(people)}-people"
        curve = {0: start, **train(args, folder, widths, [p for p in everybody if p not in people])}
        numbers = [len(calibrating), *(args.calibrated if len(rows) == 0 else [])] if calibrating else []
        rows.append(
            {
                "widths": widths,
                "people": len(people),
                "rmse_fa_by_step": curve,
                "dice_by_calibrated": {n: detect(args, folder, calibrating[:n]) for n in numbers},
            }
        )
        (args.output / "curves.json").write_text(json.dumps(rows, indent=2) + "\n")
    print("\n".join(error_table(rows) + [""] + dice_table(rows)))


def untrained(args: argparse.Namespace) -> float:
    """Error on the held-out person of a network that has learned nothing yet, the same at every width."""
    import torch

    from FAAnomalyLib.networks.registry import build_network
    from FAAnomalyLib.preprocessing.template import load_template, on_grid
    from FAAnomalyLib.runtime.resources import resources_dir
    from FAAnomalyLib.training.cohort_cache import prepare_subjects
    from FAAnomalyLib.training.validation import held_out_errors

    recipe = RECIPES["inpainter"]
    template = on_grid(
        load_template(args.template or resources_dir() / "Template"),
        tuple(recipe.grid["shape"]),
        recipe.grid["spacing_mm"],
    )
    subjects = prepare_subjects(held_out_subjects(args), template, args.output / "prepared", lambda text: None)
    errors = held_out_errors(
        build_network(recipe.network).eval(), subjects, template.fa.spacing, torch.device("cpu"), torch.float32
    )
    return sum(errors) / len(errors)


def train(args: argparse.Namespace, folder: Path, widths: str, left_out: list[str]) -> dict[int, float]:
    """Error on the held-out person by step."""
    folder.mkdir(parents=True, exist_ok=True)
    shared = args.output / "prepared"
    shared.mkdir(exist_ok=True)
    if not (folder / "prepared").exists():
        (folder / "prepared").symlink_to(shared.resolve(), target_is_directory=True)
    often = str(args.judge_every)
    command = [
        "train",
        str(args.data),
        "-o",
        str(folder),
        "--people",
        str(args.people),
        "--steps",
        str(args.steps),
        "--save-every",
        often,
        "--judge-every",
        often,
        "--widths",
        *widths.split(","),
    ]
    for person in [args.hold_out, *left_out]:
        command += ["--hold-out", person]
    if args.template:
        command += ["--template", str(args.template)]
    faanomaly(command)
    names = json.loads((folder / "model" / "manifest.json").read_text())["training"]["held_out"]
    mine = [subject.path.name for subject in held_out_subjects(args)]
    with open(folder / "log.csv", newline="") as handle:
        errors_by_step = {
            int(row["step"]): [float(e) for e in row["held_out_rmse_fa"].split()]
            for row in csv.DictReader(handle)
            if row["held_out_rmse_fa"]
        }
    return {
        step: sum(errors[names.index(name)] for name in mine) / len(mine) for step, errors in errors_by_step.items()
    }


def detect(args: argparse.Namespace, folder: Path, calibrating: list[str]) -> dict[str, dict[str, float]]:
    """Dice at the automatic threshold and best Dice of every sphere, calibrated with the people *calibrating*."""
    calibrate(args, folder, calibrating)
    out = folder / f"evaluation-{len(calibrating)}"
    faanomaly(
        [
            "evaluate",
            str(args.data),
            "-o",
            str(out),
            "--model",
            str(folder / "model"),
            "--people",
            str(args.people),
            "--subjects",
            *(subject.name for subject in held_out_subjects(args)),
            "--diameters",
            *SPHERES[0],
            "--changes",
            *SPHERES[1],
            "--places",
            str(args.places),
            "--seed",
            "11",
            "--resume",
        ]
    )
    table = json.loads((out / "evaluation.json").read_text())["planted"]
    return {
        f"{entry['diameter'] * 1.25:g} mm ±{entry['change']}": {
            name: entry[name]["mean"] for name in ("dice", "dice_best")
        }
        for entry in table
        if entry["method"] == "FAAnomaly" and entry["signs"] == "both"
    }


def calibrate(args: argparse.Namespace, folder: Path, people: list[str]) -> None:
    """Calibrate the model in *folder* with *people*."""
    folds = read_folds(args.folds)
    table = args.output / f"{len(people)}-calibrated.csv"
    with open(table, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("person", "model"), *((person, folds[person]) for person in people)])
    faanomaly(
        [
            "calibrate",
            str(args.data),
            "--folds",
            str(table),
            "--people",
            str(args.people),
            "-o",
            str(folder / "model"),
        ]
    )


def calibrators(args: argparse.Namespace) -> list[str]:
    """People of the table of folds but the held-out one."""
    return sorted(set(read_folds(args.folds)) - {args.hold_out}) if args.folds else []


def held_out_subjects(args: argparse.Namespace) -> list[CohortSubject]:
    """The held-out person's."""
    return [subject for subject in find_subjects(args.data, args.people) if subject.person == args.hold_out]


def faanomaly(command: list[str]) -> None:
    """Run a command of the shell."""
    subprocess.run([sys.executable, "-m", "FAAnomalyLib", *command], check=True)


def error_table(rows: list[dict]) -> list[str]:
    """RMSE by step, Markdown."""
    steps = sorted({step for row in rows for step in row["rmse_fa_by_step"]})
    lines = [f"| widths | people | {' | '.join(f'{step} steps' for step in steps)} |", "|" + "---|" * (len(steps) + 2)]
    for row in rows:
        errors = " | ".join(f"{row['rmse_fa_by_step'][s]:.4f}" if s in row["rmse_fa_by_step"] else "" for s in steps)
        lines.append(f"| {row['widths']} | {row['people']} | {errors} |")
    return lines


def dice_table(rows: list[dict]) -> list[str]:
    """Dice (best Dice) by network and number of calibrating people, Markdown."""
    measured = [(row, n, dice) for row in rows for n, dice in row["dice_by_calibrated"].items()]
    if not measured:
        return []
    names = list(measured[0][2])
    lines = [f"| widths | people | calibrated with | {' | '.join(names)} |", "|" + "---|" * (len(names) + 3)]
    for row, number, dice in measured:
        scores = " | ".join(f"{dice[name]['dice']:.2f} ({dice[name]['dice_best']:.2f})" for name in names)
        lines.append(f"| {row['widths']} | {row['people']} | {number} | {scores} |")
    return lines


if __name__ == "__main__":
    main()
