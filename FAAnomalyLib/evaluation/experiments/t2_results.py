"""Files of tables 3.10 and 3.11: ``t2-3.10.json``, ``.md``, ``.csv`` and ``.tex``."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..._version import __version__
from ...io.atomic import atomic_write, cannot_write
from ..methods.method_model import check_model
from .t2_experiment import T2Design, T2Result
from .t2_tables import WORDS, T2Row, t2_csv, t2_latex, t2_markdown

FORMAT = 1


def t2_facts(design: T2Design, date: str) -> dict:
    """What a reader must know of the numbers; *date* in ISO form."""
    cohort = design.cohort
    learned = {}
    for choice in design.choices:
        if choice.model is not None:
            record = check_model(choice.model, choice.entry)
            # A network of train --recipe has no record.
            said = {"recipe": record.recipe, "maps": len(record.trained_on)} if record is not None else {}
            learned[choice.entry.name] = said
    return {
        "faanomaly": __version__,
        "date": date,
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "seed": design.seed,
        "data": cohort.data,
        "validation": list(cohort.validation),
        "test": list(cohort.test),
        "template_sha256": design.template.sha256,
        "methods": learned,
    }


def write_t2_results(
    design: T2Design, facts: dict, results: Sequence[T2Result], rows: Sequence[T2Row], folder: Path
) -> str:
    """Write all files; returns the Markdown. Raises ``FAError('bad-input')`` when that fails."""
    stem = f"t2-{design.table}"
    text = _page(design.table, facts, results, rows)
    content = {
        "format": FORMAT,
        **facts,
        "results": [asdict(one) for one in results],
        "rows": [asdict(r) for r in rows],
    }
    _write(folder / f"{stem}.json", json.dumps(content, indent=1, allow_nan=False, default=float) + "\n")
    _write(folder / f"{stem}.md", text)
    _write(folder / f"{stem}.csv", t2_csv(design.table, rows))
    _write(folder / f"{stem}.tex", t2_latex(design.table, rows))
    return text


def _page(table: str, facts: dict, results: Sequence[T2Result], rows: Sequence[T2Row]) -> str:
    lines = [
        f"- FAAnomaly {facts['faanomaly']}, {facts['date']}, {facts['machine']}, seed {facts['seed']}",
        f"- {facts['data']}: {len(facts['validation'])} patients choose the threshold, {len(facts['test'])} are tested",
    ]
    for name, one in facts["methods"].items():
        said = f"recipe {one['recipe']}, learned from {one['maps']} images" if one else "a network of train --recipe"
        lines.append(f"- {name}: {said}")
    left_out = [
        f"- {patient}, {result.method}: {row['left_out']}"
        for result in results
        for patient, row in result.rows.items()
        if "left_out" in row
    ]
    parts = ["\n".join(lines), t2_markdown(table, rows), "\n".join(f"- {word}" for word in WORDS)]
    return "\n\n".join([*parts, *(["Left out:\n\n" + "\n".join(left_out)] if left_out else [])]) + "\n"


def _write(path: Path, text: str) -> None:
    try:
        with atomic_write(path, unique_suffix=path.suffix) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
