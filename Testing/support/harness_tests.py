"""Runs slicer_harness's own tests only when they can have a new answer: when it or the Slicer side has changed."""

from __future__ import annotations

import hashlib
import os

from .paths import MODULE, ROOT, TESTING

FOLDER = TESTING / "slicer_harness"
DEPENDS_ON = (FOLDER, MODULE)
PASSED = "slicer_harness/passed"
"""Key in pytest's cache: fingerprint of the files with which all of these tests passed here."""


def fingerprint() -> str:
    """SHA-256 over names and contents of the harness and of the Slicer side."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in DEPENDS_ON for path in folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


class HarnessTests:
    """A pytest plugin. Where a run spreads over processes, each of them decides the same from the same cache."""

    def __init__(self, config) -> None:
        self._config = config
        self._now, self._known = fingerprint(), config.cache.get(PASSED, None) if hasattr(config, "cache") else None
        self._passed: set[str] = set()
        self._failed = False
        self.reason = self._why_not()

    def _why_not(self) -> str:
        """Why the tests are left out, or nothing."""
        named = any("slicer_harness" in argument for argument in self._config.invocation_params.args)
        if named or self._config.option.harness or os.environ.get("CI"):
            return ""
        if self._known == self._now:
            return "they passed here, and neither Testing/slicer_harness nor FAAnomaly has changed since"
        if self._config.option.fast and self._known is None:
            return "the fast tier runs them only after a change, and they have never run here"
        return ""

    def pytest_report_header(self) -> str | None:
        return f"slicer_harness's own tests are left out: {self.reason} (--harness runs them)" if self.reason else None

    def pytest_collection_modifyitems(self, config, items) -> None:
        own = [item for item in items if item.path.is_relative_to(FOLDER)]
        if self.reason and own:
            items[:] = [item for item in items if not item.path.is_relative_to(FOLDER)]
            config.hook.pytest_deselected(items=own)

    def pytest_runtest_logreport(self, report) -> None:
        if report.nodeid.startswith(FOLDER.relative_to(ROOT).as_posix()):
            self._failed |= report.failed
            if report.when == "call" and report.passed:
                self._passed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workerinput") or self._failed:  # a worker sees only its share of the reports
            return
        files = {node.partition("::")[0] for node in self._passed}
        # Options and arguments that choose single tests leave the record as it was.
        option = self._config.option
        chosen = option.keyword or option.markexpr or any("::" in argument for argument in self._config.args)
        if not chosen and files == {path.relative_to(ROOT).as_posix() for path in FOLDER.glob("tests/test_*.py")}:
            self._config.cache.set(PASSED, self._now)
