#!/usr/bin/env bash
# Runs all tests and says which lines of the engine and of the Slicer side they reach, in the processes that tests start
# as well. Further arguments go to pytest. The data lie in .venv/coverage; `coverage html` makes pages of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

unset PYTHONDONTWRITEBYTECODE
bash Testing/environment.sh test
rm -rf .venv/coverage
mkdir -p .venv/coverage
# The test left out limits the size of files, which stops coverage's own as well.
.venv/bin/python -m coverage run -m pytest \
    --deselect Testing/Python/engine/io/test_volumes.py::test_a_real_write_error_is_one_line_for_every_writer -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder --harness "$@"
.venv/bin/python -m coverage combine --quiet
.venv/bin/python -m coverage report
