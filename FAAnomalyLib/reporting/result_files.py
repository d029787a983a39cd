"""Writes a result's files so that a half-written result is never seen."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import FAError
from ..geometry.subject_to_atlas import save_mapping
from ..io.atomic import cannot_write
from ..io.run_lock import create_folder
from ..io.volumes import save_volume
from ..result import Result
from ..tracts import profiles_csv, tracts_csv

RESULT_FILES = (
    "pseudo_healthy.nii.gz",
    "expected.nii.gz",
    "expected_sd.nii.gz",
    "difference.nii.gz",
    "z_map.nii.gz",
    "segmentation.nii.gz",
    "regions.csv",
    "tracts.csv",
    "tract_profiles.csv",
    "anatomy.npz",
    "report.html",
    "result.json",
)
"""In the order in which they appear; the last one means that all are there."""


STAGING = ".writing-"
"""Beginning of the name of the hidden folder in which a result is written before it appears."""


def check_folder(folder: str | os.PathLike, inputs: Iterable[str] = ()) -> Path:
    """Check that results can be written to a folder, which need not exist yet; return it as a path.

    Creates nothing, so that it can be called before any computation. Files of an earlier result may be replaced, which
    is known by its ``result.json``; all others of these names are somebody's own.

    Parameters
    ----------
    folder
        Where results shall go.
    inputs
        Paths that are read, or words that are no path.

    Raises
    ------
    FAError
        ``bad-input`` when the folder, or a file of a result in it, cannot be written or would be lost.
    """
    folder = check_place(folder)
    _check_nothing_is_lost(folder, [Path(name) for name in inputs])
    return folder


def check_place(folder: str | os.PathLike) -> Path:
    """The part of :func:`check_folder` that looks at no file's content: a run that was killed may have left some."""
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


def finish_interrupted(folder: Path) -> None:
    """Clear what a run that was killed while it wrote has left in *folder*; no other run may be going on there.

    A result that had begun to appear is brought to its end, because nothing but the rest of it tells whose the files
    are. Anything less is removed.
    """
    for staging in folder.glob(f"{STAGING}*"):
        left = [name for name in RESULT_FILES if (staging / name).is_file()]
        if left[-1:] == [RESULT_FILES[-1]] and len(left) < len(RESULT_FILES):
            for name in left:
                os.replace(staging / name, folder / name)
        shutil.rmtree(staging, ignore_errors=True)


def _check_nothing_is_lost(folder: Path, inputs: list[Path]) -> None:
    there = [folder / name for name in RESULT_FILES if os.path.lexists(folder / name)]
    for path in there:
        for source in inputs:
            if path.exists() and source.exists() and path.samefile(source):
                raise FAError(
                    "bad-input",
                    f"A result would replace the file {source}, which is read",
                    f"both are called {path.name}",
                    "Choose another output folder",
                )
    if there and not _is_ours(folder / RESULT_FILES[-1]):
        some = ", ".join(path.name for path in there)
        raise FAError(
            "bad-input",
            f"{some} in {folder} would be replaced",
            "there is no result.json of FAAnomaly beside it",
            "Choose another output folder, or move what is there",
        )


def _is_ours(path: Path) -> bool:
    """Whether a file is the ``result.json`` of an earlier run."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"regions", "warnings"} <= content.keys()


def write_result(
    result: Result,
    folder: str | os.PathLike,
    report: Callable[[Result], str] | None = None,
    check: Callable[[], None] | None = None,
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
    check
        Called before every file; may raise to cancel.

    Raises
    ------
    FAError
        ``bad-input`` when the folder cannot be written.
    """
    folder = check_folder(folder)
    check = check or _go_on
    check()
    texts = _texts(result, report)
    created: list[Path] = []
    try:
        create_folder(folder, created)
        staging = Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))
        try:
            for stem, volume in result.volumes().items():
                check()
                save_volume(volume, staging / f"{stem}.nii.gz")
            save_mapping(result.to_atlas, staging / "anatomy.npz")
            for name, text in texts.items():
                # A file name may hold bytes that are no UTF-8.
                (staging / name).write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
            check()
            _publish(staging, folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except BaseException as error:
        for path in reversed(created):
            _remove_if_empty(path)
        if isinstance(error, OSError):
            raise cannot_write(folder, error) from error
        if isinstance(error, FAError) and error.code != "cancelled":
            # save_volume names its temporary path, which tells a user nothing.
            raise FAError(error.code, f"Cannot write {folder}", error.why, error.fix) from error
        raise


def _texts(result: Result, report: Callable[[Result], str] | None) -> dict[str, str]:
    """File name -> text."""
    if report is None:
        from .html_report import report_html

        report = report_html
    return {
        "regions.csv": result.regions_csv(),
        "tracts.csv": tracts_csv(result.tracts),
        "tract_profiles.csv": profiles_csv(result.tracts),
        "report.html": report(result),
        "result.json": result.result_json(),
    }


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


def _go_on() -> None:
    """Stands for a check where nobody can cancel."""


def _existing_ancestor(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))


def _remove_if_empty(path: Path) -> None:
    try:
        path.rmdir()
    except OSError:
        pass
