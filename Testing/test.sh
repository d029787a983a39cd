#!/usr/bin/env bash
# Sets everything up, then runs the linter, the formatter's check, the type checker and all tests, examples included.
#   bash Testing/test.sh            everything
#   bash Testing/test.sh --fast     without the tests marked slow
# Further arguments go to pytest; `-n 0` runs the tests in one process. README.md beside this file says more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Compiled files are kept: without them each process compiles the project and all test files anew.
unset PYTHONDONTWRITEBYTECODE
bash Testing/environment.sh test
.venv/bin/ruff check .
.venv/bin/ruff format --check --quiet .

# Tests often wait for a clock or another process: the type checker works in those pauses.
types=.venv/types.log
.venv/bin/mypy > "$types" 2>&1 &
checker=$!
status=0
# A file's tests stay in one process, which makes the file's fixtures once. Each process needs 1 GB of memory; one more
# than there are cores computes while others wait.
processes=$(($(getconf _NPROCESSORS_ONLN) + 1))
.venv/bin/python -m pytest -n "$processes" --maxprocesses 8 --dist loadfile --no-loadscope-reorder "$@" || status=$?
wait "$checker" || status=$?
cat "$types"
exit "$status"
