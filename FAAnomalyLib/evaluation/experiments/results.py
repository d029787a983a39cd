"""Files of an experiment: ``results.json``, tables as Markdown, CSV and LaTeX, and one HTML report with pictures."""

from __future__ import annotations

import base64
import html
import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from ..._version import __version__
from ...errors import FAError
from ...io.atomic import atomic_write, cannot_write
from ...reporting.html_report import STYLE
from .design import FIGURES, TABLES, ThesisTable
from .laboratory import ALL_POSITIVE, SIGNED_RULE
from .thesis_experiment import ExperimentDesign, UnitRow
from .thesis_figures import draw_figure
from .thesis_tables import (
    COMPARATORS,
    PRINTED,
    MeasuredRow,
    cell_text,
    comparator_table,
    count_text,
    latex_table,
    markdown_table,
    measured_rows,
    optional_cell_text,
    own_methods,
    tables_csv,
    title_of,
)

RESULTS = "results.json"
FORMAT = 1
CELLS = "Each cell: IoU / F1."
WORDS = {
    PRINTED: "IoU / F1 as the thesis prints them",
    "ours, thesis' method": "a thesis network with the thesis' sampler, condition, holes and rule: |difference| above "
    "the planted change - 0.02 within the hole; the threshold is an oracle's, and at a change of 0.01 it is "
    "negative, so that everything is found",
    SIGNED_RULE.replace("thesis' rule", "the same"): "only differences of the planted sign count",
    "ours, detector": "whole-brain detection at its own threshold on the same maps, cut to the same voxels",
    ALL_POSITIVE: "every voxel of the hole is called anomalous: the score of no information",
    "truth": "the sphere; for white-matter guided holes within FA > 0.2 of the untouched map. Judged are the voxels of "
    "the cube (tables 3.1, 3.2, 3.5, 3.6), of the cube within FA > 0.2 of the scan (3.3, 3.4, 3.7, 3.8), or of all "
    "roaming cubes within FA > 0.2 (3.9)",
    "interval": "95 % BCa bootstrap over people; none for one person",
}


@dataclass(frozen=True)
class StoredExperiment:
    """Content of ``results.json``.

    Attributes
    ----------
    facts
        Program, machine, date, networks, people: whatever a reader must know of the numbers.
    person_of
        Name of a map -> person.
    tables
        Names of the tables that were run.
    rows
        Of all units.
    """

    facts: dict
    person_of: Mapping[str, str]
    tables: tuple[str, ...]
    rows: tuple[UnitRow, ...]


def experiment_facts(
    design: ExperimentDesign, networks: Mapping[str, dict], warnings: Sequence[str], date: str
) -> dict:
    """What a reader must know of the numbers; *networks* as their manifests tell, *date* in ISO form."""
    return {
        "faanomaly": __version__,
        "date": date,
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "quick": design.quick,
        "seed": design.seed,
        "subjects": [subject.name for subject in design.subjects],
        "people": len({subject.person for subject in design.subjects}),
        "learned_from": [subject.name for subject in design.learning],
        "comparators": [
            *(choice.entry.name for choice in design.choices),
            *(one.name for one in design.trained_in_trial),
        ],
        "networks": dict(networks),
        "warnings": list(warnings),
    }


def store_experiment(stored: StoredExperiment, folder: Path) -> None:
    """Write ``results.json``; raises ``FAError('bad-input')`` when that fails."""
    content = {
        "format": FORMAT,
        **stored.facts,
        "person_of": dict(stored.person_of),
        "tables": list(stored.tables),
        "rows": [asdict(row) for row in stored.rows],
    }
    _write(folder / RESULTS, json.dumps(content, indent=1, allow_nan=False, default=float) + "\n")


def read_experiment(folder: Path) -> StoredExperiment:
    """Read an experiment's ``results.json``; raises ``FAError('bad-input')`` where there is none that fits."""
    try:
        content = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        if content.pop("format") != FORMAT:
            raise ValueError("it is of another version")
        rows = tuple(UnitRow(**row) for row in content.pop("rows"))
        return StoredExperiment(
            facts=content, person_of=content.pop("person_of"), tables=tuple(content.pop("tables")), rows=rows
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FAError(
            "bad-input",
            f"There are no results of an experiment in {folder}",
            f"{RESULTS}: {error}",
            "Run faanomaly evaluate --experiment thesis first",
        ) from error


def write_tables(stored: StoredExperiment, folder: Path) -> str:
    """Write ``tables.md``, ``tables.csv`` and ``tables.tex``; returns the Markdown."""
    measured = _measured(stored)
    text = markdown_text(stored, measured)
    _write(folder / "tables.md", text)
    _write(folder / "tables.csv", tables_csv(measured))
    _write(folder / "tables.tex", "\n".join(latex_table(table, rows) for table, rows in measured))
    return text


def write_figures(stored: StoredExperiment, folder: Path, names: Sequence[str] = FIGURES) -> dict[str, Path]:
    """Draw figures into ``figures/``; returns those for which the experiment has something, by name.

    Raises ``FAError`` as :func:`~.thesis_figures.draw_figure`.
    """
    target = folder / "figures"
    target.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for name in names:
        picture = draw_figure(name, stored.rows, folder / "units")
        if picture is not None:
            drawn[name] = target / f"figure_{name}.png"
            try:
                picture.save(drawn[name])
            except OSError as error:
                raise cannot_write(drawn[name], error) from error
    return drawn


def write_html(stored: StoredExperiment, folder: Path, pictures: Mapping[str, Path]) -> None:
    """Write ``report.html``: facts, tables and pictures in one file."""
    parts = [f"<h1>The thesis' experiments</h1><p class='dim'>FAAnomaly {html.escape(stored.facts['faanomaly'])}</p>"]
    parts += [f"<p class='caution'>{html.escape(warning)}</p>" for warning in stored.facts["warnings"]]
    parts.append(f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in fact_lines(stored.facts))}</ul>")
    parts.append(f"<p>{CELLS}</p>")
    parts += [_html_table(table, rows) for table, rows in _measured(stored)]
    left_out = "".join(f"<li>{html.escape(line)}</li>" for line in left_out_lines(stored.rows))
    parts += [f"<h2>Left out</h2><ul>{left_out}</ul>"] if left_out else []
    words = "".join(f"<li><b>{html.escape(w)}</b>: {html.escape(m)}.</li>" for w, m in WORDS.items())
    parts.append(f"<h2>What the words mean</h2><ul>{words}</ul><h2>Figures</h2>")
    for name, path in pictures.items():
        data = base64.b64encode(_small_png(path)).decode("ascii")
        parts.append(f"<figure><img alt='Figure {name}' src='data:image/png;base64,{data}'></figure>")
    page = (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>FAAnomaly: the thesis' experiments</title>"
        f"<style>{STYLE} figure img {{ max-width: 940px; width: auto; }}</style></head><body><main>{''.join(parts)}"
        "</main></body></html>\n"
    )
    _write(folder / "report.html", page)


def markdown_text(stored: StoredExperiment, measured: Sequence[tuple[ThesisTable, list[MeasuredRow]]]) -> str:
    """Facts, warnings, tables and the meaning of their words."""
    lines = ["# The thesis' experiments", ""]
    lines += [f"> **{warning}**\n" for warning in stored.facts["warnings"]]
    lines += [f"- {line}" for line in fact_lines(stored.facts)]
    lines += ["", CELLS, ""]
    lines += [markdown_table(table, rows) for table, rows in measured]
    left_out = [f"- {line}" for line in left_out_lines(stored.rows)]
    if left_out:
        lines += ["## Left out", "", *left_out, ""]
    lines += ["## What the words mean", ""]
    return "\n".join(lines + [f"- **{word}**: {meaning}." for word, meaning in WORDS.items()]) + "\n"


def left_out_lines(rows: Sequence[UnitRow]) -> list[str]:
    """What could not be computed, and why, each once."""
    lines = [f"{row.subject}, {row.method}: {row.row['left_out']}" for row in rows if "left_out" in row.row]
    return list(dict.fromkeys(lines))


def fact_lines(facts: Mapping) -> list[str]:
    """The facts as sentences."""
    lines = [
        f"FAAnomaly {facts['faanomaly']}, {facts['date']}, {facts['machine']}, seed {facts['seed']}",
        f"anomalies planted in (maps: {len(facts['subjects'])}, people: {facts['people']}): "
        f"{', '.join(facts['subjects'])}",
        f"thesis networks and comparators' thresholds are from other people's maps: {len(facts['learned_from'])}",
    ]
    for name, network in facts["networks"].items():
        lines.append(
            f"{name} network: {network['grid']} voxels cubed, widths {network['widths']}, {network['steps']} training "
            f"steps, sampler with "
            f"{network['sampler_steps']} steps{', window round the hole' if network['windowed'] else ''}, weights "
            f"{network['sha256'][:12]}"
        )
    return lines


def _measured(stored: StoredExperiment) -> list[tuple[ThesisTable, list[MeasuredRow]]]:
    tables = [TABLES[name] for name in stored.tables]
    return [(table, measured_rows(table, stored.rows, stored.person_of)) for table in tables]


def _html_table(table: ThesisTable, rows: Sequence[MeasuredRow]) -> str:
    methods = own_methods(rows)
    head = ["mask", "anomaly", "change", PRINTED, *map(title_of, methods), "people, cases"]
    lines = ["".join(f"<th>{html.escape(word)}</th>" for word in head)]
    for row in rows:
        printed = row.printed
        cells = [cell_text(row.cells[name]) if name in row.cells else "–" for name in methods]
        note = f" ({printed.note})" if printed.note else ""
        values = [
            str(printed.mask_size),
            str(printed.anomaly_size),
            f"{printed.change:+g}",
            f"{printed.iou:g} / {printed.f1:g}{note}",
            *cells,
            count_text(row),
        ]
        lines.append("".join(f"<td>{html.escape(value)}</td>" for value in values))
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    title = f"<h2>Table {table.name}. {html.escape(table.title)}</h2>"
    return f"{title}<div class='scroll'><table>{body}</table></div>{_html_comparators(rows)}"


def _html_comparators(rows: Sequence[MeasuredRow]) -> str:
    table = comparator_table(rows)
    if table is None:
        return ""
    body = f"<tr>{''.join(f'<th>{html.escape(word)}</th>' for word in table.head)}</tr>"
    for name, cells in table.rows:
        words = [name, *map(optional_cell_text, cells)]
        body += f"<tr>{''.join(f'<td>{html.escape(word)}</td>' for word in words)}</tr>"
    return f"<p>{COMPARATORS}:</p><div class='scroll'><table>{body}</table></div>"


def _small_png(path: Path) -> bytes:
    """A picture with a palette: a third of the size."""
    out = io.BytesIO()
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def _write(path: Path, text: str) -> None:
    try:
        with atomic_write(path, unique_suffix=path.suffix) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise cannot_write(path, error) from error
