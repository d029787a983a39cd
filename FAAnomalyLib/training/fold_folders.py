"""Folders of ``--folds``: for each person a template that does not hold them, with weights that have not seen them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from ..datasets.cohort import CohortSubject
from ..errors import FAError
from ..models.manifest import WEIGHTS, read_manifest, trained_on
from ..pipeline.loaded_model import OWN_TEMPLATE
from ..preprocessing.template import load_template
from .template_building import PeopleAverage, save_template

FOLDS = "folds.csv"


def write_folds(
    average: PeopleAverage, subjects: Iterable[CohortSubject], folder: Path, model: Path | None = None
) -> Path:
    """Write a folder for every person, and the table that names them.

    Parameters
    ----------
    average
        Of the people.
    subjects
        Their maps.
    folder
        Gets ``PERSON/Template`` and ``folds.csv`` (columns person,model).
    model
        Model folder whose weights are put beside the template of everybody whom they have not seen.

    Returns
    -------
    pathlib.Path
        The table.

    Raises
    ------
    FAError
        ``bad-request`` for one person alone.
    """
    files: dict[str, set[str]] = {}
    for subject in subjects:
        files.setdefault(subject.person, set()).add(subject.path.name)
    seen = trained_on(read_manifest(model)) if model is not None else set()
    if len(average.people) < 2:
        raise FAError("bad-request", "A template without its only person is empty", "", "Give maps of two people")
    for person in average.people:
        save_template(average.template(without=(person,)), folder / person / OWN_TEMPLATE)
        if model is not None and not files[person] & seen:
            copy_weights(model, folder / person)
    return write_table(folder, average.people)


def write_table(folder: Path, people: Iterable[str]) -> Path:
    """Write ``folds.csv``, which names a subfolder for every person; returns its path."""
    table = folder / FOLDS
    with open(table, "w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([("person", "model"), *((person, person) for person in people)])
    return table


def copy_weights(model: Path, folder: Path) -> None:
    """Put a model's weights, without its calibration, into a folder whose template they are to use from now on.

    Parameters
    ----------
    model
        Model folder.
    folder
        Holds the template.
    """
    manifest = {key: value for key, value in read_manifest(model).items() if key != "calibration"}
    manifest["template_sha256"] = load_template(folder / OWN_TEMPLATE).sha256
    shutil.copyfile(model / WEIGHTS, folder / WEIGHTS)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def has_weights(folder: Path) -> bool:
    """Whether a fold's folder holds weights, or a template alone."""
    return (folder / "manifest.json").is_file()
