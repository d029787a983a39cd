#!/usr/bin/env bash
# Sets everything up, judges the bundled sample and says how well the planted anomaly was found.
# Usage: bash Testing/demo.sh [OUTPUT_FOLDER]
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
output="${1:-$here/demo-output}"

bash "$here/Testing/environment.sh" run
"$here/.venv/bin/faanomaly" detect "$here/Resources/SampleData/sample_fa.nii.gz" -o "$output"
"$here/.venv/bin/python" "$here/Testing/Benchmarks/score_sample.py" \
    "$output" "$here/Resources/SampleData/sample_truth.nii.gz"
