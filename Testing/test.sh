#!/usr/bin/env bash
# Sets everything up, then runs the linter and all tests. Further arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash Testing/environment.sh
.venv/bin/ruff check .
.venv/bin/ruff format --check --quiet .
.venv/bin/python -m pytest "$@"
