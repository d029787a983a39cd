"""Which model judges which person, so that nobody is judged by a model that has seen them."""

from __future__ import annotations

import csv
from pathlib import Path

from ..errors import FAError


def read_folds(path: Path) -> dict[str, Path]:
    """Person -> model folder from a CSV with the columns ``person,model``; relative paths are the CSV's.

    Raises ``FAError('bad-input')`` when it cannot be used.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
        return {row["person"]: (path.parent / row["model"]).resolve() for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FAError(
            "bad-input",
            f"{path} cannot be used",
            getattr(error, "strerror", None) or str(error),
            "Give a CSV with the columns person,model",
        ) from error
