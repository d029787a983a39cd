"""``faanomaly evaluate --experiment tracts``: from the options to the tables."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "tracts"
OUTPUT = Path("tract-results")
QUICK_SUBJECTS = 2


def run_tracts(args: argparse.Namespace) -> int:
    """Run the experiment, write ``tracts.md`` and the CSV files of its rows, print the tables."""
    from ...anomaly.calibration_file import load_calibration
    from ...datasets.cohort import find_subjects, one_map_each, people_table
    from ...evaluation.tracts.experiment import TractDesign, TractExperiment
    from ...evaluation.tracts.tables import csv_text, markdown
    from ...models.manifest import read_manifest
    from ...models.registry import find_model
    from ...pipeline.loaded_model import template_folder
    from ...preprocessing.template import load_template
    from ..progress_bar import ProgressBar
    from ..signals import cancel_on_signals

    cohort = find_subjects(args.data, people_table(args.data, args.people))
    chosen = one_map_each([subject for subject in cohort if not args.subjects or subject.name in args.subjects])
    changed = chosen[:QUICK_SUBJECTS] if args.quick else chosen
    design = TractDesign(cohort, chosen, changed, args.quick, args.seed)
    output, model = args.output or OUTPUT, find_model(args.model)
    manifest = read_manifest(model)
    template, calibration = load_template(template_folder(model)), load_calibration(model, manifest)
    judge_sha256 = (manifest.get("calibration") or {}).get("sha256", "")
    bar = ProgressBar()
    try:
        with cancel_on_signals() as cancel:
            results = TractExperiment(design, output, template, calibration, judge_sha256, bar, cancel).run()
    finally:
        bar.close()
    text = markdown(results)
    (output / "tracts.md").write_text(text, encoding="utf-8")
    for name in ("names", "untouched", "changes"):
        (output / f"{name}.csv").write_text(csv_text(getattr(results, name)), encoding="utf-8")
    print(text)
    return 0
