"""The faces that other programs and old files rely on, asked for what they show today, as plain values.

Nothing here imports a module of the project: the shell, the worker, the root of ``FAAnomalyLib`` and files alone.
``make_data.py`` stored what these functions gave before the modules were moved; the tests compare.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from unittest import mock

from support.paths import ROOT, TESTING

DATA = TESTING / "Python" / "contracts" / "data"
MODEL, THESIS_MODEL = DATA / "tiny_model", DATA / "tiny_thesis_model"
PEOPLE = DATA / "people"
"""Four small heads, ``A_FA.nii.gz`` with a change of FA."""
HEAD, REGION, ROI = PEOPLE / "A_FA.nii.gz", DATA / "region.nii.gz", DATA / "roi.mrk.json"
SCENE = DATA / "scene.mrb"


def environment(**more: str) -> dict[str, str]:
    """Of an engine's process: this checkout's engine, one thread, for small volumes are slower on two."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FAANOMALY")}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "PYTHON_COLORS": "0",
        "COLUMNS": "200",
        **more,
    }


def shell(*words: object, **more: str) -> subprocess.CompletedProcess:
    """``faanomaly WORDS`` in a process of its own, with *more* environment variables."""
    return subprocess.run(
        [sys.executable, "-m", "FAAnomalyLib", *map(str, words)],
        capture_output=True,
        text=True,
        env=environment(**more),
        timeout=120,
        cwd=DATA,
    )


def shell_in_this_process(*words: object) -> int:
    """``python -m FAAnomalyLib WORDS`` here, so that torch is loaded only once; returns the exit status."""
    before, sys.argv = sys.argv, ["faanomaly", *map(str, words)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            with mock.patch("FAAnomalyLib.cli.application.end_process", sys.exit):
                runpy.run_module("FAAnomalyLib", run_name="__main__", alter_sys=True)
    except SystemExit as leaving:
        return leaving.code
    finally:
        sys.argv = before
    raise AssertionError("the program did not leave with an exit status")


def command_options() -> dict:
    """Every option of every command: words, choices, default, and so on.

    They are read from the standard library's parser that ``--help`` is made of, so that defaults are known which it
    does not print, and the words for people are left out.
    """
    found: dict = {}

    def told(action: argparse.Action) -> dict:
        default = None if action.default in (None, argparse.SUPPRESS) else str(action.default)
        values = {
            "words": " ".join(action.option_strings),
            "metavar": action.metavar,
            "nargs": action.nargs,
            "kind": type(action).__name__.strip("_").removesuffix("Action"),
            "default": default,
            "choices": action.choices and " ".join(map(str, action.choices)),
            "required": action.required or None,
        }
        return {name: value for name, value in values.items() if value not in (None, "")}

    def parse_args(parser: argparse.ArgumentParser, args=None, namespace=None) -> None:
        commands = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        found["commands"] = list(commands.choices)
        found["program"] = {
            action.dest: told(action) for action in parser._actions if action.dest not in ("help", "command")
        }
        command = commands.choices.get(args[0] if args else None)
        if command is not None:
            found[args[0]] = {action.dest: told(action) for action in command._actions if action.dest != "help"}
            found[f"{args[0]}, at most one of"] = [
                [action.dest for action in group._group_actions] for group in command._mutually_exclusive_groups
            ]
        sys.exit(0)

    with mock.patch.object(argparse.ArgumentParser, "parse_args", parse_args):
        shell_in_this_process()
        for name in found["commands"]:
            shell_in_this_process(name)
    return found


def printed_json() -> dict[str, dict]:
    """Keys of the JSON that ``doctor`` and ``models`` print."""
    words = {"doctor": ["doctor"], "models list": ["models", "list"], "models verify": ["models", "verify"]}
    found = {}
    for name, command in words.items():
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            assert shell_in_this_process(*command, "--json") == 0
        found[name] = key_paths(json.loads(printed.getvalue()))
    # What this machine tells of itself may be null on another.
    found["doctor"] = {key: "anything" for key in found["doctor"] if not key.startswith("cpu_features")}
    return found


def evaluation_shape(folder: Path) -> dict:
    """What ``evaluate`` left: files, columns, keys, and the names of the methods."""
    told = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    rows = {name: told[name] for name in ("planted", "untouched", "planted_rows", "untouched_rows")}
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("records/*.json"))]
    return {
        "files": sorted({path.relative_to(folder).as_posix() for path in folder.glob("*.*")}),
        "columns": (folder / "table.csv").read_text(encoding="utf-8").splitlines()[0].split(","),
        "keys": sorted(told),
        "protocol": told["protocol"],
        "methods": {name: list(dict.fromkeys(row["method"] for row in some)) for name, some in rows.items()},
        "kinds": sorted({row["kind"] for row in told["planted_rows"]}),
        "keys of rows": {name: sorted({key for row in some for key in row}) for name, some in rows.items()},
        "keys of a cell": sorted({key for row in told["planted"] for key in row["dice"]}),
        "keys of records": sorted({key for record in records for key in record}),
        "keys of their rows": sorted({key for record in records for row in record["rows"] for key in row}),
    }


class WorkerSession:
    """A worker and everything that it said, in order."""

    def __init__(self) -> None:
        self.heard: list[dict] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "FAAnomalyLib", "worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
            cwd=DATA,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.heard.append(json.loads(line))

    def say(self, **message: object) -> None:
        """Send one message."""
        self.say_line(json.dumps(message))

    def say_line(self, line: str) -> None:
        """Send one line."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def until(self, condition, seconds: float = 90.0) -> dict:
        """Wait for a message and return it."""
        end = time.monotonic() + seconds
        while True:
            found = next((message for message in self.heard if condition(message)), None)
            if found is not None:
                return found
            assert time.monotonic() < end, f"the worker never said it; it said {self.heard}"
            time.sleep(0.01)

    def answer(self, number: int) -> dict:
        """The one ``result`` or ``error`` to a request."""
        return self.until(lambda message: message["id"] == number and message["type"] in ("result", "error"))

    def close(self) -> int:
        """End of input; the exit status."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()
            self._reader.join(5)


def worker_transcript(folder: Path) -> tuple[list[dict], int]:
    """A whole conversation, and the worker's exit status."""
    region = {"input": str(HEAD), "model": str(MODEL), "region": str(REGION), "output": str(folder / "region")}
    long = {**region, "sampler": "ddpm", "steps": 1000, "samples": 64, "output": str(folder / "long")}
    worker = WorkerSession()
    try:
        worker.until(lambda message: message["type"] == "hello")
        worker.say_line("no JSON")
        worker.say_line("[1]")
        for number, (method, params) in enumerate(
            (
                ("dance", {}),
                ("detect", {"colour": "red"}),
                ("inpaint", {**region, "region": None}),
                ("detect", {**region, "input": "absent.nii.gz"}),
            ),
            1,
        ):
            worker.say(id=number, method=method, params=params)
            worker.answer(number)
        worker.say(id="text", method="cancel", params={"id": 77})
        worker.say(id=10, method="detect", params=region)
        worker.answer(10)
        worker.say(
            id=11,
            method="inpaint",
            params={**region, "region": None, "roi": str(ROI), "report": False, "output": str(folder / "roi")},
        )
        worker.answer(11)
        worker.say(id=12, method="detect", params=long)
        worker.until(lambda message: message["id"] == 12 and message["type"] == "progress")
        worker.say(id=13, method="detect", params=region)
        worker.answer(13)
        worker.say(id=14, method="cancel", params={"id": 12})
        worker.answer(14)
        worker.answer(12)
        worker.say(id=15, method="shutdown")
        worker.answer(15)
    finally:
        status = worker.close()
    return worker.heard, status


def worker_shapes(heard: list[dict]) -> dict:
    """Message by message: request -> kinds of answer -> keys and types; progress once for each request."""
    found: dict = {}
    for message in heard:
        kind = message["type"]
        code = f" {message['code']}" if kind == "error" else ""
        found.setdefault(f"{message['id']}: {kind}{code}", key_paths(message))
    return found


def key_paths(value: object, path: str = "") -> dict[str, str]:
    """``request.input`` -> ``text``: every key of nested objects; of a list its first member stands for all."""
    if isinstance(value, dict):
        return {
            key: kind
            for name, inner in value.items()
            for key, kind in key_paths(inner, f"{path}.{name}" if path else name).items()
        } or {path: "empty object"}
    if isinstance(value, (list, tuple)):
        return key_paths(value[0], f"{path}[]") if value else {f"{path}[]": "nothing"}
    names = {bool: "truth", str: "text", int: "number", float: "number", type(None): "null"}
    return {path: names[type(value)]}


EMPTY = "nothing"
"""Kind of the elements of a list that had none."""


def differences(before: object, now: object, path: str = "") -> list[str]:
    """One line for each place of *before* that is gone or another; what is new breaks no program that knew the old."""
    if isinstance(before, dict) and isinstance(now, dict):
        # An argument that may be left out now is no break either.
        gone = [name for name in before if name not in now and (name, before[name]) != ("required", True)]
        lines = [f"{path}/{name}: gone, was {before[name]!r}" for name in gone]
        return lines + [
            line for name in before if name in now for line in differences(before[name], now[name], f"{path}/{name}")
        ]
    if path.endswith("/choices") and isinstance(before, str) and isinstance(now, str):
        return differences(before.split(), now.split(), path)
    if isinstance(before, list) and isinstance(now, list) and all(isinstance(word, str) for word in [*before, *now]):
        # Choices and names of commands.
        return [f"{path}: {word!r} is gone" for word in before if word not in now]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [
            line
            for number, pair in enumerate(zip(before, now, strict=True))
            for line in differences(*pair, f"{path}/{number}")
        ]
    if path.endswith("/choices") and isinstance(before, str) and isinstance(now, str):
        return [f"{path}: {word!r} is gone" for word in before.split() if word not in now.split()]
    # An empty list says nothing about what may stand in it.
    return [] if before in (now, EMPTY) else [f"{path}: was {before!r}, is {now!r}"]


def stored(name: str) -> object:
    """What version 0.1.0 showed, from ``data/NAME.json``."""
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def assert_as_stored(name: str, now: object) -> None:
    """Compare with ``data/NAME.json``; the message lists every difference."""
    found = differences(stored(name), json.loads(json.dumps(now)))
    assert not found, f"{name}.json and what is shown now differ:\n" + "\n".join(found)


def assert_same(before: object, now: object, what: str) -> None:
    """Compare two nested values; the message lists every difference."""
    found = differences(before, now)
    assert not found, f"{what} differ:\n" + "\n".join(found)
