#!/usr/bin/env bash
# Makes .venv in this checkout with FAAnomaly (editable); does nothing when it is up to date.
#   bash Testing/environment.sh run     what a detection needs (the README's first command)
#   bash Testing/environment.sh test    that and what the linter, the type checker and the tests need (the default)
# FAANOMALY_PYTHON names another Python than the one found.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-test}" in
    run) extras="" ;;
    test) extras="[test,dev]" ;;
    *) echo "Usage: bash Testing/environment.sh [run|test]" >&2; exit 2 ;;
esac

# The checkout's own path is part of the stamp, because a virtual environment does not survive a move.
stamp="$(pwd) $(cat pyproject.toml setup.py Testing/constraints.txt Testing/environment.sh | cksum)"
installed="$(cat .venv/ready 2>/dev/null || true)"
# An environment for the tests serves a run as well.
if [ -x .venv/bin/python ] && { [ "$installed" = "$stamp [test,dev]" ] || [ "$installed" = "$stamp $extras" ]; }; then
    exit 0
fi

suitable='import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))'
python=""
for candidate in ${FAANOMALY_PYTHON:+"$FAANOMALY_PYTHON"} python3 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c "$suitable" >/dev/null 2>&1; then
        python="$candidate"
        break
    fi
done
if [ -z "$python" ]; then
    echo "No Python 3.10 or newer with the venv module was found. Install one (on Debian or Ubuntu:" \
         "sudo apt install python3-venv), or name one in FAANOMALY_PYTHON." >&2
    exit 5
fi

echo "Setting up .venv with $("$python" --version); the first time takes some minutes."
# What is installed already for the same files of the project stays: the tests only add to what a run needs.
[ "$installed" = "$stamp " ] || "$python" -m venv --clear .venv
rm -f .venv/ready

# PyTorch's wheel for CPUs is a tenth of the one with CUDA that PyPI gives to Linux.
index=()
if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
    cpu=https://download.pytorch.org/whl/cpu
    if .venv/bin/python -c "import urllib.request as u; u.urlopen('$cpu/torch/', timeout=5)" 2>/dev/null; then
        index=(--extra-index-url "$cpu")
    fi
fi

log=.venv/install.log
.venv/bin/python -m pip install --disable-pip-version-check --progress-bar off ${index[@]+"${index[@]}"} \
    --constraint Testing/constraints.txt --editable ".$extras" 2>&1 | tee "$log" \
    | awk '/^ *(Downloading|Processing|Installing) / { sub(/^ */, "  "); print substr($0, 1, 110); fflush() }' || {
    tail -n 20 "$log" >&2
    echo "The set-up failed; the whole log is in $log." >&2
    exit 5
}
echo "$stamp $extras" > .venv/ready
