"""Writes a result's files so that a half-written result is never seen."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..errors import FAError
from ..io.atomic import cannot_write
from ..io.volumes import save_volume
from ..result import Result

RESULT_FILES = (
    "pseudo_healthy.nii.gz",
    "difference.nii.gz",
    "z_map.nii.gz",
    "segmentation.nii.gz",
    "regions.csv",
    "report.html",
    "result.json",
)
"""In the order in which they appear; the last one means that all are there."""


def check_folder(folder: str | os.PathLike) -> Path:
    """Check that results can be written to a folder, which need not exist yet; return it as a path.

    Creates nothing, so that it can be called before any computation.

    Raises
    ------
    FAError
        ``bad-input`` when the folder, or a file of a result in it, cannot be written.
    """
    folder = Path(folder)
    standing = _existing_ancestor(folder)
    if not standing.is_dir():
        raise FAError(
            "bad-input", f"{standing} is a file", "the results go into a folder", "Choose another output folder"
        )
    if not os.access(standing, os.W_OK | os.X_OK):
        raise FAError(
            "bad-input",
            f"Cannot write to {folder}",
            f"{standing} is closed to you",
            "Choose a folder that you may write to",
        )
    for name in RESULT_FILES:
        if (folder / name).is_dir():
            raise FAError(
                "bad-input",
                f"{folder / name} is a folder",
                "a result file of that name goes there",
                "Choose another output folder",
            )
    return folder


def write_result(
    result: Result,
    folder: str | os.PathLike,
    report: Callable[[Result], str] | None = None,
) -> None:
    """Write all :data:`RESULT_FILES` into a folder, which is created as needed.

    Everything is written to a hidden folder inside it first and renamed once complete, ``result.json`` last. After an
    error nothing new is left.

    Parameters
    ----------
    result
        What is written.
    folder
        Where to.
    report
        Makes the HTML page; :func:`FAAnomalyLib.reporting.html_report.report_html` by default.

    Raises
    ------
    FAError
        ``bad-input`` when the folder cannot be written.
    """
    folder = check_folder(folder)
    if report is None:
        from .html_report import report_html

        report = report_html
    texts = {"regions.csv": result.regions_csv(), "report.html": report(result), "result.json": result.result_json()}
    created: list[Path] = []
    try:
        _create(folder, created)
        staging = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
        try:
            for stem, volume in result.volumes().items():
                save_volume(volume, staging / f"{stem}.nii.gz")
            for name, text in texts.items():
                (staging / name).write_text(text, encoding="utf-8", newline="")
            _publish(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except BaseException as error:
        for path in reversed(created):
            _remove_if_empty(path)
        if isinstance(error, OSError):
            raise cannot_write(folder, error) from error
        if isinstance(error, FAError):
            # save_volume names its temporary path, which tells a user nothing.
            raise FAError(error.code, f"Cannot write {folder}", error.why, error.fix) from error
        raise


def _publish(staging: Path, folder: Path) -> None:
    # An earlier result stops counting as complete before its first file is replaced.
    (folder / RESULT_FILES[-1]).unlink(missing_ok=True)
    done: list[Path] = []
    try:
        for name in RESULT_FILES:
            os.replace(staging / name, folder / name)
            done.append(folder / name)
    except BaseException:
        for path in done:
            path.unlink(missing_ok=True)
        raise


def _create(folder: Path, created: list[Path]) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        created.append(path)


def _existing_ancestor(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))


def _remove_if_empty(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        pass
